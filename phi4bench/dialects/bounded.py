r"""Bounds and patterns as llguidance is told them, so that what it lets pass fits the schema as it is judged. Pure.

A schema is judged on the number that digits are read as, and by Python's `re`. llguidance knows no number that is too
long to be read, and has ASCII's `\w` and `\d`. Where the two differ, the narrower is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

LARGEST = 2**63 - 1024
"""A number with a bound stays within this on both sides: the largest double that llguidance, which counts in 64 bits,
takes for both signs. Ids and times in nanoseconds have 19 digits, and generated schemas bound them by -2^63.
"""

_A_LITTLE = 1e-9
"""llguidance goes wrong with more digits than 15."""

_WIDE = {"w": r"_\p{L}\p{N}", "d": r"\p{Nd}", "s": r"\s\x1c-\x1f"}
"""All that Python takes `\\w`, `\\d` and `\\s` for, as the inside of a class."""
_CLASS = re.compile(r"\\.|(\[\^?)(\]?(?:\\.|[^\]\\])*)\]", re.DOTALL)
_INSIDE = re.compile(r"\\.|[\[&~]", re.DOTALL)


def numbers(own: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of an `integer` or a `number`. `ValueError` with the reason for what cannot be held."""
    told = dict(own)
    for bound, excluded, nearer, farthest in (
        ("minimum", "exclusiveMinimum", max, -LARGEST),
        ("maximum", "exclusiveMaximum", min, LARGEST),
    ):
        if isinstance(told.get(excluded), bool):
            raise ValueError(f"{excluded!r} of {told[excluded]!r}")  # as draft 4 has it
        told[bound] = nearer(told.get(bound, farthest), farthest)
        if excluded in told:
            told[excluded] = nearer(told[excluded], farthest)
    least = max(told["minimum"], told.get("exclusiveMinimum", -LARGEST))
    most = min(told["maximum"], told.get("exclusiveMaximum", LARGEST))
    if most - least < 1:  # there llguidance offers a whole number that is excluded, if it is written without a point
        if least == told.get("exclusiveMinimum"):
            told["minimum"] = least + _A_LITTLE
        if most == told.get("exclusiveMaximum"):
            told["maximum"] = most - _A_LITTLE
    return told


def texts(own: Mapping[str, Any], avoid: Sequence[str]) -> dict[str, Any]:
    """The keywords of a `string` with a `pattern`, which holds no text of `avoid` either."""
    without = [{"pattern": _without(one)} for one in avoid]
    return {**own, "pattern": _CLASS.sub(_piece, own["pattern"]), "allOf": without}


def _piece(found: re.Match[str]) -> str:
    opened = found[1]
    if opened is None:
        return _told(found[0], negated=False)
    inside = _INSIDE.sub(lambda one: _told(one[0], negated=opened == "[^"), found[2])
    # llguidance offers `\"` and `\\` in a class that holds all control characters, whether those two are in it or not.
    return rf"[{opened}{inside}]&&[^\x00]]"


def _told(text: str, *, negated: bool) -> str:
    """An escape, or what only llguidance takes for an operator inside a class."""
    if not text.startswith("\\"):
        return f"\\{text}"
    wide = _WIDE.get(text[1].lower())
    if wide is None or text[1].isupper() == negated:
        return text
    return f"[{'^' if text[1].isupper() else ''}{wide}]"


def _without(text: str) -> str:
    """A pattern of all that does not hold `text`, or as much of it as stands before its first character comes again."""
    first, *rest = (re.escape(one) for one in (text[0], *takewhile(lambda one: one != text[0], text[1:])))
    after = ""
    for one in reversed(rest):
        after = f"(?:[^{first}{one}][^{first}]*{f'|{one}{after}' if after else ''})?"
    return f"^[^{first}]*(?:{first}{after})*$" if rest else f"^[^{first}]*$"
