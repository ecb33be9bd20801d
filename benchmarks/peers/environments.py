"""An environment for each peer, of its own: made once under a folder, from a file of pinned requirements."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from phi4bench.printable import printable

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE.parent.parent / "constraints.txt"
BUILD = {"CMAKE_ARGS": "-DLLAVA_BUILD=OFF"}
"""llama.cpp without its part for images, which takes as long to build again."""


class PeerError(Exception):
    """A peer cannot be measured here; says why in one line."""


def environment(folder: Path, name: str) -> Path:
    """The Python of the environment `name`, made where it is not there yet. Raises `PeerError`.

    Its torch is the one that `constraints.txt` pins, which has a CPU build; `PIP_CONSTRAINT` names another file.
    """
    requirements = HERE / "requirements" / f"{name}.txt"
    constraints = os.environ.get("PIP_CONSTRAINT") or str(CONSTRAINTS)
    try:
        wanted = hashlib.sha256(requirements.read_bytes() + Path(constraints).read_bytes()).hexdigest()
    except OSError as error:
        raise PeerError(f"PIP_CONSTRAINT={constraints}: {error.strerror}, but should be one file") from None
    python, stamp = folder / name / "bin" / "python", folder / name / "made-from"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"making the environment {name} in {folder / name}", flush=True)
    settings = {**os.environ, **BUILD, "PIP_CONSTRAINT": constraints}
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder / name)],
        [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
        if done.returncode:
            raise PeerError(f"its environment cannot be made: {last_words(done.stderr)}")
    stamp.write_text(wanted)
    return python


def last_words(text: str) -> str:
    """The last line that says something, for a reason in a table."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or "error:" in line] or lines
    return printable(told[-1], 200) if told else "it said nothing"
