"""What a mistyped path may have meant. Looks at names in folders; opens no file."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

ALIKE = 0.6
"""How much two names must share, as difflib's ratio, for one to be taken for the other: `nano` and `nano-int8` just do.
"""


def expanded(path: str | Path) -> Path:
    """With the home that `~` stands for. One of nobody here stays as it is, and is not there: pathlib raises."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def is_there(path: Path) -> bool:
    """Whether something lies there; nothing does where there can be no such path, as with a name that is too long."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def no_such_path(text: str, wanted: str) -> str:
    """A line that says that `text` is not there, with the nearest paths that are."""
    try:
        near = [repr(str(path)) for path in _near(expanded(text))]
    except OSError:
        near = []
    hint = f"did you mean {', '.join(near)}?" if near else f"name {wanted}"
    return f"{text!r} is not there; {hint}"


def _near(path: Path) -> list[Path]:
    """Where a folder on the way is misspelt, only that is near in which all the rest is found."""
    folder, missing, rest = path.parent, path.name, Path()
    while not folder.is_dir() and folder != folder.parent:
        folder, missing, rest = folder.parent, folder.name, missing / rest
    names = sorted(path.name for path in folder.iterdir())[:10_000]
    alike = difflib.get_close_matches(missing, names, n=10, cutoff=ALIKE)
    return [folder / name / rest for name in alike if (folder / name / rest).exists()][:3]
