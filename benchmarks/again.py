"""What seems to have moved is measured once more, in a fresh process: some processes are slower as a whole.

Where their memory came to lie and what the machine did beside them is another's in the next; a change of the code is
in both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from benchmarks.comparing import Outcome

_SECOND = "PHI4BENCH_MEASURED_AGAIN"
"""Set in the process that measures again, which does not start a third."""

Found = Mapping[str, tuple[Outcome, float | None]]
"""By the benchmark's name: what came out, and the ratio where there is one."""


def is_second() -> bool:
    return _SECOND in os.environ


def measured_again(nodes: Collection[str], history: Path, called_from: Path, options: Collection[str]) -> Found:
    """The benchmarks of these pytest `nodes` against the same history, which stays as it is; none where that fails."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copy(history, folder)
        written = folder / "again.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-only"]
        command += ["--benchmark-quiet", *nodes, f"--history={folder}", f"--benchmark-json={written}", *options]
        environment = os.environ | {_SECOND: "1"}
        done = subprocess.run(command, cwd=called_from, env=environment, capture_output=True, check=False)
        if done.returncode not in (0, 1) or not written.is_file():  # 1: --fail-on-slower
            return {}
        found = json.loads(written.read_text(encoding="utf-8"))["changes"]
    return {name: (Outcome(one["outcome"]), one["ratio"]) for name, one in found.items()}
