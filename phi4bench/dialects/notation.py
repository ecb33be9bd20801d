r"""Notations: how one JSON value is spelt inside a call, as pieces of a grammar. Pure: no files, no models, no clock.

Three of them: Python literals, JSON, and JSON inside a JSON string (OpenAI's `arguments`). The pieces are in the Lark
form that llguidance reads: names in capitals are regular expressions, `&` and `~` their intersection and complement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from phi4bench.calls import Json
from phi4bench.dialects.json_calls import write_json
from phi4bench.dialects.python_calls import write_python_value

SPACE = r"[ \n\t]{0,20}"
"""White space between the parts of a call, bounded, so that no model can write it for ever."""

NUMBERS = r"""
INTEGER: /-?(0|[1-9][0-9]{0,299})/
DECIMAL: /-?(0|[1-9][0-9]{0,99})\.[0-9]{1,99}|-?[0-9](\.[0-9]{1,99})?[eE](\+?(30[0-7]|[12]?[0-9]{1,2})|-[0-9]{1,3})/
"""
"""Numbers that are finite as doubles; the same in Python and in JSON."""

_HEX = "[0-9a-fA-F]"


@dataclass(frozen=True)
class Notation:
    """`prefix`: of the names of its rules. `strings`: a terminal for each kind of literal.

    `counted`: the same for strings of (least, most) characters, `most` `None` for any; `None` where they cannot be
    counted. `spell`: the texts by which a fixed value may be written, the usual one first. `space`: what may stand
    between parts, a regular expression that matches nothing too. `json_strings`: a string in JSON's own form will do.
    """

    prefix: str
    strings: tuple[str, ...]
    counted: Callable[[int, int | None], tuple[str, ...]] | None
    spell: Callable[[Json, Sequence[str]], tuple[str, ...]]
    space: str = SPACE
    json_strings: bool = True
    true: str = "true"
    false: str = "false"
    null: str = "null"


def _json_texts(value: Json, avoid: Sequence[str]) -> tuple[str, ...]:
    return (write_json(value, avoid),)


def _inner_texts(value: Json, avoid: Sequence[str]) -> tuple[str, ...]:
    return (write_json(write_json(value), avoid)[1:-1],)


def _python_texts(value: Json, avoid: Sequence[str]) -> tuple[str, ...]:
    written = write_python_value(value, avoid)
    texts = [written]
    if isinstance(value, str) and written == f"'{value}'" and '"' not in value:
        texts.append(f'"{value}"')
    return tuple(texts)


def _times(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


_JSON_RAW = r'[^"\\\x00-\x1f]'
_JSON_ESCAPE = r'\\["\\\/bfnrt]'
_WHOLE = rf"([0-9a-cefA-CEF]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}})"  # a code unit that is a character by itself
_FIRST, _SECOND = rf"[dD][89abAB]{_HEX}{{2}}", rf"[dD][c-fC-F]{_HEX}{{2}}"  # two that are one together


def _json_counted(least: int, most: int | None) -> tuple[str, ...]:
    return (rf'/"({_JSON_RAW}|{_JSON_ESCAPE}|\\u({_WHOLE}|{_FIRST}\\u{_SECOND})){_times(least, most)}"/',)


JSON = Notation(
    "j",
    strings=(rf'/"({_JSON_RAW}|{_JSON_ESCAPE}|\\u{_HEX}{{4}})*"/',),
    counted=_json_counted,
    spell=_json_texts,
)

# In a string every quote and backslash of the inner JSON is escaped once more; the outer string may also escape a plain
# character, but none that would be a quote, a backslash or a control character inside.
_PLAIN_UNIT = (
    rf"(00(2[013-9a-fA-F]|[346789a-fA-F]{_HEX}|5[0-9abd-fABD-F]|7[0-9a-eA-E])"
    rf"|0[1-9a-fA-F]{_HEX}{{2}}|[1-9a-cefA-CEF]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}})"
)
_INNER_RAW = rf"({_JSON_RAW}|\\u{_PLAIN_UNIT})"
_INNER_ESCAPE = r'\\\\([\/bfnrt]|\\"|\\\\)'


def _inner_counted(least: int, most: int | None) -> tuple[str, ...]:
    whole = rf"\\\\u({_WHOLE}|{_FIRST}\\\\u{_SECOND})"
    return (rf'/\\"({_INNER_RAW}|{_INNER_ESCAPE}|{whole}){_times(least, most)}\\"/',)


INNER_JSON = Notation(
    "i",
    strings=(rf'/\\"({_INNER_RAW}|{_INNER_ESCAPE}|\\\\u{_HEX}{{4}})*\\"/',),
    counted=_inner_counted,
    spell=_inner_texts,
    space="[ ]{0,20}",  # an escaped line break would begin as a string does, and a lexer does not look back
    json_strings=False,
)

_LONG_ESCAPES = rf"x{_HEX}{{2}}|u{_HEX}{{4}}|U000{_HEX}{{5}}|U0010{_HEX}{{4}}"
_ESCAPE = rf"\\([^xuUN\n\r\x00]|{_LONG_ESCAPES})"  # Python leaves `\d` as it stands, and so may a model
_ONE_CHARACTER = rf"""\\([\\'"abfnrtv]|{_LONG_ESCAPES})"""


def _python_literals() -> Iterator[tuple[str, str]]:
    """Of plain, raw and triple-quoted literals in either quote: the whole; and the same, with `TIMES` for how many
    characters it holds, of any text between its first quotes and its last ones."""
    for q in "'\"":
        for quotes, never in ((q, r"\n\r\x00"), (q * 3, r"\r\x00")):
            for raw, escape, escaped in (("", _ESCAPE, _ONE_CHARACTER), ("r", rf"\\[^{never}]", r"\\")):
                letter = rf"([^{q}\\{never}]|{escape})"
                inside = letter if quotes == q else rf"({letter}|{q}{{1,2}}{letter})"
                whole = f"{raw}{quotes}{inside}*{quotes}"
                yield whole, rf"{raw}{quotes}([^\\{never}]|{escaped})TIMES{quotes}"


def _python_strings() -> tuple[str, ...]:
    return tuple(f"/{whole}/" for whole, _ in _python_literals())


def _python_counted(least: int, most: int | None) -> tuple[str, ...]:
    times = _times(least, most)
    return tuple(f"(/{whole}/ & /{counted.replace('TIMES', times)}/)" for whole, counted in _python_literals())


PYTHON = Notation(
    "p",
    strings=_python_strings(),
    counted=_python_counted,
    spell=_python_texts,
    true="True",
    false="False",
    null="None",
)


def some(space: str) -> str:
    """At least one character of a space: rules say `?` where there may be none."""
    return space.replace("{0,", "{1,")


def terminal(text: str) -> str:
    """A fixed text as a grammar writes it."""
    return json.dumps(text)
