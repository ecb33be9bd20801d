"""Folders that a run uses for itself beside its reports, and what a killed run left of them. Knows files and locks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal, get_args

try:
    import fcntl
except ImportError:  # Windows, where what is left over stays
    fcntl = None  # type: ignore[assignment]

Kind = Literal["generations", "repeated", "level-0"]
LOCK = "in-use"
DRAFTS = (".report.json.*", ".report.html.*", ".promotion.json.*", "*/.promotion.json.*", "transcripts/.*.part")
"""Files that are written before they take their names: each is there for seconds at most."""
ABANDONED_S = 3600.0


@contextmanager
def scratch_folder(parent: Path, kind: Kind) -> Iterator[Path]:
    """A new folder in `parent`, gone at the end. It is locked meanwhile, and a lock ends with its process."""
    with TemporaryDirectory(dir=parent, prefix=f".{kind}-") as name, (Path(name) / LOCK).open("w") as lock:
        _lock(lock)
        yield Path(name)


def remove_abandoned(parent: Path) -> None:
    """Take away what runs that were killed have left in `parent`; what a run at work holds, or others made, stays."""
    for kind in get_args(Kind):
        for folder in parent.glob(f".{kind}-*"):
            if folder.is_symlink():
                continue
            with suppress(OSError), (folder / LOCK).open("r+") as lock:
                if _lock(lock):
                    shutil.rmtree(folder)
    for draft in (draft for pattern in DRAFTS for draft in parent.glob(pattern)):
        with suppress(OSError):
            if draft.is_file() and time.time() - draft.stat().st_mtime > ABANDONED_S:
                draft.unlink()


def _lock(file: IO[str]) -> bool:
    """Whether nobody else holds the file."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
