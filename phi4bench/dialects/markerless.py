"""Calls that stand in a text without the markers of any dialect. Pure: no files, no models, no clock.

No dialect takes one for a call, so it reaches no level; but it is no prose either. `grep(pattern='x', path='.')` as the
whole of an answer has not held back: it has called and lost its markers.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from phi4bench.dialects.json_calls import read_json
from phi4bench.dialects.python_calls import Unreadable, called_names

MAX_LINES = 64
"""Most lines that are tried as calls of their own; a longer text is no list of calls."""
_FENCED = re.compile(r"\A(`{3,})[\w+-]*\n(.*)\1\Z|\A`([^`]*)`\Z", re.DOTALL)


def markerless_call(text: str, offered: Collection[str]) -> str:
    """The tool on offer that a text is nothing but a call of, in Python's form or in JSON; empty for any other text.

    Several calls may stand in a list, or one a line, and all of it in a code fence. A call within a sentence is part
    of the sentence: who is asked how `read` is called may say so.
    """
    text = text.strip()
    if not text.endswith((")", "]", "}", "`")) or not any(name in text for name in offered):
        return ""
    if fenced := _FENCED.match(text):
        text = (fenced[2] or fenced[3] or "").strip()
    in_json = _in_json(text, offered) if text.startswith(("{", "[")) else ""
    return in_json or next((name for name in called_names(text) or _line_by_line(text) if name in offered), "")


def _line_by_line(text: str) -> list[str]:
    """The tools called where every line is a call of its own."""
    lines = [line for line in text.splitlines() if line.strip()]
    called = [called_names(line) for line in lines] if 1 < len(lines) <= MAX_LINES else []
    return [name for names in called for name in names] if all(called) else []


def _in_json(text: str, offered: Collection[str]) -> str:
    try:
        value, end = read_json(text)
    except Unreadable:
        return ""
    return "" if text[end:].strip() else _named(value, offered)


def _named(value: Any, offered: Collection[str]) -> str:
    """The tool that an object names beside an object of arguments (`{"tool": "grep", "args": {}}`), or as whose key
    they stand (`{"grep": {}}`); of a list of objects, the first.
    """
    if isinstance(value, list):
        return next((name for item in value if isinstance(item, dict) and (name := _named(item, offered))), "")
    if not isinstance(value, dict):
        return ""
    keys = [key for key, held in value.items() if isinstance(held, dict)]
    texts = [held for held in value.values() if isinstance(held, str)] if keys else []
    return next((name for name in (*keys, *texts) if name in offered), "")
