"""A dialect of one's own, from a small TOML text. Pure: the text comes in, no file is opened.

`fixtures/dialects/example.toml` shows every key. `base` names a built-in dialect that gives whatever is not said;
`turns` is a name (phi, phi4, chatml, llama3, plain) or a table.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from typing import Any

from phi4bench.dialects.builtin import DIALECTS
from phi4bench.dialects.dialect import Dialect
from phi4bench.dialects.turns import TURNS
from phi4bench.errors import DialectError


def load_dialect_text(text: str, where: str = "dialect file") -> Dialect:
    """Raises `DialectError`, one line that begins with `where`, for a text that does not declare a dialect."""
    try:
        given = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise DialectError(f"{where}: not TOML: {_one_line(error)}") from None
    base = given.pop("base", None)
    if base is not None and base not in tuple(DIALECTS):  # whatever TOML holds, a table too
        raise DialectError(f"{where}: base={base!r}, but should be one of {', '.join(DIALECTS)}")
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise DialectError(f"{where}: 'name' is missing; a dialect has a name, which reports show")
    if name in DIALECTS:
        raise DialectError(f"{where}: name={name!r} is a built-in dialect; give yours another name")
    turns = given.get("turns")
    if isinstance(turns, str):
        if turns not in TURNS:
            raise DialectError(f"{where}: turns={turns!r}, but should be one of {', '.join(TURNS)}, or a table")
        given["turns"] = asdict(TURNS[turns])
    whole = _over(asdict(DIALECTS[base]), given) if base is not None else given
    return Dialect.from_json(whole, where)


def _over(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """`given` over `base`, table by table; a `turns` that was named is already whole."""
    merged = dict(base)
    for key, value in given.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
