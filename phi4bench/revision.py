"""Which revision judges: one digest over the code and the suites that are installed. Reads them and nothing else."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from phi4bench import __version__
from phi4bench.datasets import suites_dir

_PACKAGE = Path(__file__).resolve().parent


def suite_revision() -> dict[str, str]:
    """`phi4bench`: the version. `sha256`: over every Python file of the package and of the suites, by name."""
    return {"phi4bench": __version__, "sha256": _digest()}


@lru_cache(maxsize=1)
def _digest() -> str:
    """The same in a checkout and in an installed wheel, wherever these lie."""
    digest = hashlib.sha256()
    for name, folder in (("phi4bench", _PACKAGE), ("suites", suites_dir())):
        for path in sorted(folder.rglob("*.py")):
            place = path.relative_to(folder).as_posix()
            if not place.startswith("_shipped/"):
                content = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{name}/{place} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()
