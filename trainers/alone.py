"""One command at a time in a folder. The system frees a lock with the process that holds it, so a kill leaves none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import check_way

BUILD = "build"
"""Any command that makes ONNX files in a folder: their drafts have the same names, and the results one file."""


def alone_in(folder: Path, command: str) -> AbstractContextManager[None]:
    """Makes the folder where it is not there. Raises `UsageError` where another process runs the command in it.

    Where the system or the drive has no such locks (Windows, some network drives) nothing is held, nor in a folder
    where nothing may be written.
    """
    return _alone(folder / f".{command}.lock", folder, command)


def alone_at(target: Path, command: str) -> AbstractContextManager[None]:
    """The same for a folder, or a file, that gets its name when all is done: what is held lies beside it."""
    real = target.resolve()
    return _alone(real.parent / f".{real.name}.lock", target, command)


@contextmanager
def _alone(path: Path, out: Path, command: str) -> Iterator[None]:
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        yield
        return
    check_way(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if not _is_locked(file) or not _is_named(file, path):
            raise UsageError(
                f"--out='{printable(str(out), 200)}' is what another {command} works on",
                "wait for its end, or name another",
            )
        try:
            yield
        finally:
            with suppress(PermissionError):  # Windows removes nothing that is open
                path.unlink(missing_ok=True)


def _is_locked(file: IO[bytes]) -> bool:
    """Whether it is ours now, as far as there are locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass
    return True


def _is_named(file: IO[bytes], path: Path) -> bool:
    """Whether the file still has its name: one that held it before may have removed it since it was opened."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
