"""A full disk, told in a line: what was saved stays, and the same command goes on from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path

from phi4bench.printable import printable
from trainers.faults import TrainingError

_SAID = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")
_TOO_LARGE = ("File too large", "os error 27")
_BROKEN_OFF = re.compile(r"PytorchStreamWriter failed writing|inline_container|\d+ requested and \d+ written")
"""Of torch's writer, whose archive came out shorter than what it wrote, and of numpy's. They do not say why."""


@contextmanager
def room_for(what: str, kept: Callable[[], Path | None]) -> Iterator[None]:
    """Raises `TrainingError` where a file cannot be written for want of room. `kept`: the last good checkpoint."""
    try:
        yield
    except TrainingError:
        raise
    except Exception as error:  # safetensors has an error of its own, neither an OSError nor a RuntimeError
        full = is_full(error)
        if full is None:
            raise
        last = kept()
        raise TrainingError(
            f"{full} ({what}: {printable(str(error), 120)});"
            f" {f'the last good checkpoint is {last}' if last else 'no checkpoint had been saved'}",
            "make room, and run the same command again",
        ) from None


def is_full(error: BaseException) -> str | None:
    """What to say of an error that a full disk causes, or makes likely; `None` of any other."""
    if getattr(error, "errno", None) in (ENOSPC, EDQUOT) or any(sign in str(error) for sign in _SAID):
        return "the disk is full"
    if getattr(error, "errno", None) == EFBIG or any(sign in str(error) for sign in _TOO_LARGE):
        return "a file may not grow that large here (ulimit -f, or the file system)"
    if isinstance(error, (RuntimeError, OSError)) and _BROKEN_OFF.search(str(error)):
        return "a file could not be written whole; the disk may be full"
    return None
