"""What a mistyped path may have meant. Looks at names in folders; opens no file."""

from __future__ import annotations

import difflib
from pathlib import Path


def no_such_path(text: str, wanted: str) -> str:
    """A line that says that `text` is not there, with the nearest names that are."""
    path = Path(text).expanduser()
    folder, missing = path.parent, path.name
    while not folder.is_dir() and folder != folder.parent:
        folder, missing = folder.parent, folder.name
    try:
        names = sorted(path.name for path in folder.iterdir())[:10_000]
    except OSError:
        names = []
    near = difflib.get_close_matches(missing, names, n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(repr(str(folder / name)) for name in near)}?" if near else f"; name {wanted}"
    return f"{text!r} is not there{hint}"
