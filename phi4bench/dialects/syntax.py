"""Call syntax: how an assistant writes its calls, and how they are read. Pure: no files, no models, no clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from phi4bench.calls import Call, Parsed
from phi4bench.dialects.json_calls import (
    Shape,
    looks_like_call,
    prose_of,
    read_calls,
    read_json,
    signs_of_call,
    skip_space,
    write_calls,
)
from phi4bench.dialects.python_calls import Unreadable, read_python_call, write_python_call
from phi4bench.errors import DialectError
from phi4bench.prompts import Segment

MAX_STARTS = 2_000
"""How many opening brackets a text without markers is tried at; beyond it, what is left counts as unread."""

CLOSE_TRIES = 4
"""How many closing markers are tried for one Python call, since a value may hold the marker's own text."""


@dataclass(frozen=True)
class CallSyntax:
    """Everything about a call on the wire.

    `style` / `shape`: what stands inside a block: `python` (`name(argument=value)`), or `json` of a shape.
    `open` / `close`: the markers around a block; both empty where calls are bare JSON.
    `control`: the markers are control tokens of the tokenizer.
    `batch`: `each` call has a block of its own, or all are a `list` in one block.
    `also`: openers that servers emit instead, each followed by a JSON list that ends by itself (`functools[...]`).
    `keys`: the names under which a JSON call may hold its arguments; the first is written.
    `pad`: written inside the markers, around a call. `separator`: written between blocks, and after prose.
    """

    style: Literal["python", "json"]
    open: str = ""
    close: str = ""
    shape: Shape = "flat"
    batch: Literal["each", "list"] = "each"
    also: tuple[str, ...] = ()
    keys: tuple[str, ...] = ("arguments",)
    control: bool = True
    pad: str = ""
    separator: str = ""

    def __post_init__(self) -> None:
        """Raises `DialectError` for a declaration whose calls could not be read back."""
        for marker in (self.open, self.close):
            if marker and not is_marker(marker):
                raise DialectError(
                    f"marker={marker!r}, but should be two or more characters of printable ASCII without quotes or"
                    " backslashes, and begin with one of <[|#$%^~!?&*"
                )
        if bool(self.open) != bool(self.close):
            raise DialectError("a call's open and close come together, or neither does")
        if self.open and self.open == self.close:
            raise DialectError(f"open and close are both {self.open!r}, but should differ")
        if self.style == "python" and (not self.open or self.batch == "list" or self.also):
            raise DialectError("calls in Python's form need an open and a close marker, around each call")
        if not self.open and (self.also or not set(self.keys) <= {"arguments", "parameters"}):
            raise DialectError("bare JSON has no 'also', and keys among 'arguments' and 'parameters'")
        if not self.keys or "name" in self.keys:
            raise DialectError(f"keys={list(self.keys)!r}, but should name where a call holds its arguments")
        if (self.pad + self.separator).strip():
            raise DialectError("pad and separator should be white space")

    @property
    def markers(self) -> tuple[str, ...]:
        """Every text that opens or closes a call; for bare JSON, the key or method that gives a call away."""
        own = tuple(text for text in (self.open, self.close) if text) + tuple(f"{text}[" for text in self.also)
        return own or (_BARE_MARKERS[self.shape],)


def is_marker(text: str) -> bool:
    """Whether a text can be told from what stands in calls, so that it can be escaped there by its first character."""
    return _MARKER.fullmatch(text) is not None


def write_segments(syntax: CallSyntax, calls: Sequence[Call], avoid: Sequence[str], first_id: int = 1) -> list[Segment]:
    """The calls as segments; the markers are control where the syntax says so. `avoid`: never occurs inside a call."""
    if syntax.style == "python":
        blocks = [write_python_call(call, avoid) for call in calls]
    else:
        blocks = write_calls(syntax.shape, calls, avoid, first_id, syntax.keys[0])
        if syntax.batch == "list":
            blocks = [f"[{', '.join(blocks)}]"]
    segments: list[Segment] = []
    for i, block in enumerate(blocks):
        segments += [
            Segment(syntax.separator if i else ""),
            Segment(syntax.open, syntax.control),
            Segment(f"{syntax.pad}{block}{syntax.pad}"),
            Segment(syntax.close, syntax.control),
        ]
    return [segment for segment in segments if segment.text]


def parse_calls(syntax: CallSyntax, text: str) -> Parsed:
    """Read a completion. Total: any text gives a `Parsed`."""
    return _parse_blocks(syntax, text) if syntax.open else _parse_bare(syntax, text)


def _parse_blocks(syntax: CallSyntax, text: str) -> Parsed:
    calls: list[Call] = []
    prose: list[str] = []
    reason, attempted, at = "", False, 0
    pattern = _opener(syntax)
    while (found := pattern.search(text, at)) is not None:
        attempted = True
        prose.append(text[at : found.start()])
        at = found.end()
        if found[0] == syntax.close:
            reason = reason or f"{syntax.close} closes nothing"
            continue
        closed = found[0] == syntax.open
        try:
            new, at = (_python_block if syntax.style == "python" else _json_block)(syntax, text, at, closed)
            if not reason:
                calls += new
        except Unreadable as error:
            reason = reason or str(error)
            end = text.find(syntax.close, at) if closed else -1
            at = end + len(syntax.close) if end >= 0 else len(text)
    prose.append(text[at:])
    return Parsed(tuple(calls), attempted, attempted and not reason, reason, _join(prose))


def _python_block(syntax: CallSyntax, text: str, start: int, closed: bool) -> tuple[list[Call], int]:
    first: Unreadable | None = None
    end = start
    for _ in range(CLOSE_TRIES):
        end = text.find(syntax.close, end)
        if end < 0:
            break
        try:
            return [read_python_call(text[start:end])], end + len(syntax.close)
        except Unreadable as error:
            first = first or error
        end += len(syntax.close)
    raise first or Unreadable(f"{syntax.open} is not closed by {syntax.close}")


def _json_block(syntax: CallSyntax, text: str, start: int, closed: bool) -> tuple[list[Call], int]:
    try:
        value, end = read_json(text, start)
    except Unreadable:
        if closed and text.find(syntax.close, start) < 0:
            raise Unreadable(f"{syntax.open} is not closed by {syntax.close}") from None
        raise
    if closed:
        rest = skip_space(text, end)
        if not text.startswith(syntax.close, rest):
            follows = text.find(syntax.close, rest) >= 0
            raise Unreadable(
                "something follows the call inside its block"
                if follows
                else f"{syntax.open} is not closed by {syntax.close}"
            )
        end = rest + len(syntax.close)
    return read_calls(syntax.shape, value, syntax.keys), end


def _parse_bare(syntax: CallSyntax, text: str) -> Parsed:
    """Find calls that stand as JSON in a text, perhaps in a code fence: a value that looks like a call is one.

    The text attempts a call where such a value stands, or where the keys of one do in what could not be read.
    """
    if not signs_of_call(syntax.shape, text):
        return Parsed((), False, False, "", text.strip())
    calls: list[Call] = []
    prose: list[str] = []
    reason, attempted, at, start, tries = "", False, 0, 0, 0
    while (found := _BRACKET.search(text, start)) is not None and tries < MAX_STARTS:
        tries += 1
        start = found.start()
        try:
            value, end = read_json(text, start)
        except Unreadable as error:
            if signs_of_call(syntax.shape, text, start, error.at):
                prose.append(text[at:start])
                return Parsed(tuple(calls), True, False, reason or str(error), _join(prose))
            start += 1
            continue
        start, value_start = end, start
        if not looks_like_call(syntax.shape, value):
            continue
        attempted = True
        prose += [text[at:value_start], prose_of(value)]
        at = end
        try:
            new = read_calls(syntax.shape, value, syntax.keys)
            if not reason:
                calls += new
        except Unreadable as error:
            reason = reason or str(error)
    prose.append(text[at:])
    left = _join(prose)
    if attempted:
        left = _FENCE.sub("", left).strip()
    if not reason and signs_of_call(syntax.shape, left):
        attempted, reason = True, "what looks like a call is not JSON that makes one"
    return Parsed(tuple(calls), attempted, attempted and not reason, reason, left)


def _join(pieces: Sequence[str]) -> str:
    return "\n".join(stripped for piece in pieces if (stripped := piece.strip()))


@lru_cache(maxsize=64)
def _opener(syntax: CallSyntax) -> re.Pattern[str]:
    """Any opener, or a closer with nothing open."""
    texts = [re.escape(syntax.open), re.escape(syntax.close)]
    texts += [rf"{re.escape(text)}(?=\s*\[)" for text in syntax.also]
    return re.compile("|".join(texts))


_MARKER = re.compile(r"""[<\[|#$%^~!?&*][ !#-&(-\[\]-~]+""")
_BRACKET = re.compile(r"[\[{]")
_FENCE = re.compile(r"```(?:json)?\s*```|^```(?:json)?\s*$", re.MULTILINE)
_BARE_MARKERS = {"flat": '"arguments"', "openai": '"tool_calls"', "jsonrpc": '"tools/call"'}
