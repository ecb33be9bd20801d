"""A dialect: one wire format, declared once; all else follows from it. Pure: no files, no models, no clock."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args, get_origin, get_type_hints

from phi4bench.calls import Call, Parsed
from phi4bench.cases import Message, Question
from phi4bench.dialects.grammar import completion_grammar
from phi4bench.dialects.json_calls import write_json
from phi4bench.dialects.listing import Listing, list_tools
from phi4bench.dialects.syntax import CallSyntax, is_marker, parse_calls, write_segments
from phi4bench.dialects.turns import Turn, Turns
from phi4bench.errors import DialectError
from phi4bench.prompts import Grammar, Prompt, Segment
from phi4bench.tools import Tool

SCHEMA = "phi4bench.dialect/1"
_CONTROL = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")


@dataclass(frozen=True)
class Results:
    """How a tool's result stands in its turn.

    `style`: `text` (the content itself, after `error: ` where it is one; after the tool's name where several results
    stand in a row), `named` (`{"name": ..., "content": ...}`), or `jsonrpc` (MCP's response, which says `isError`).
    `open` / `close` stand around it, as control tokens where `control` is true.
    """

    style: Literal["text", "named", "jsonrpc"] = "text"
    open: str = ""
    close: str = ""
    control: bool = False


@dataclass(frozen=True)
class Dialect:
    """One wire format. `system`: the system text, which a `system_prompt` replaces; the listing follows it."""

    name: str
    turns: Turns
    listing: Listing
    calls: CallSyntax
    results: Results = Results()
    system: str = ""

    @property
    def markers(self) -> tuple[str, ...]:
        """Every marker that opens or closes a call."""
        return self.calls.markers

    @cached_property
    def controls(self) -> tuple[str, ...]:
        """The control tokens that the dialect writes, each once: those of the turns, and what is declared control."""
        turns = self.turns
        texts = [turns.begin, *(text for turn in _turns(turns) for text in (turn.open, turn.close))]
        tokens = [token for text in texts for token in _CONTROL.findall(text)]
        for part in (self.listing, self.calls, self.results):
            tokens += [part.open.strip(), part.close.strip()] if part.control else []
        return tuple(dict.fromkeys(token for token in tokens if token))

    @cached_property
    def _avoid(self) -> tuple[str, ...]:
        """What must not occur inside a call: its markers, and what a server takes for the end of the turn."""
        stops = (text for text in self.turns.stop if is_marker(text))
        return (*(text for text in (self.calls.open, self.calls.close) if text), *stops)

    def render(self, question: Question, system_prompt: str | None = None) -> Prompt:
        """The prompt for one question, up to and with the opener of the assistant's turn.

        `system_prompt` replaces the dialect's system text. A system message that begins the conversation joins the
        system turn, after the tools; then `shared` covers what stands before it.
        """
        text = self.system if system_prompt is None else system_prompt
        messages = list(question.messages)
        first = messages.pop(0).content if messages and messages[0].role == "system" else ""
        head = _merge(self._system_head(text, question.tools, opened=bool(first)))
        tail: list[Segment] = []
        if first:
            tail += [Segment(self.listing.lead if text or question.tools else ""), Segment(first)]
        if head and (first or text or question.tools):
            (tail if first else head).append(Segment(self.turns.system.close, True))
        head = _merge(head)
        numbers = _Numbers()
        for i, message in enumerate(messages):
            near = messages[max(0, i - 1) : i + 2]
            tail += self._turn(message, numbers, several=sum(one.role == "tool" for one in near) > 1)
        tail.append(Segment(self.turns.assistant.open, True))
        opener = self.calls.open if self.calls.control else ""
        return Prompt((*head, *_merge(tail)), len(head), self.turns.stop, opener)

    def render_calls(self, calls: Sequence[Call]) -> str:
        """The assistant's text that makes the calls, without what ends the turn."""
        return "".join(segment.text for segment in self.call_segments(calls))

    def call_segments(self, calls: Sequence[Call], first_id: int = 1) -> list[Segment]:
        """`render_calls` with its control tokens kept apart, for a tokenizer. `first_id`: where calls are numbered."""
        return write_segments(self.calls, calls, self._avoid, first_id) if calls else []

    def grammar(self, tools: Sequence[Tool]) -> Grammar:
        """What a completion may say: prose or calls that fit their tools, for decoding under a mask.

        `UsageError` for a tool or a declaration that no grammar can be made of.
        """
        calls = self.calls
        text = completion_grammar(calls, tools, self._avoid)
        return Grammar(text, tuple(one for one in (calls.open, calls.close) if one))

    def parse(self, text: str) -> Parsed:
        """What a completion says. Total: any text gives a `Parsed`, never an exception."""
        return parse_calls(self.calls, text)

    def with_turns(self, turns: Turns) -> Dialect:
        """The same call syntax in another chat template."""
        return replace(self, turns=turns)

    def digest(self) -> str:
        """sha256 of the whole declaration."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The whole declaration, so that a stored run can be scored again without its model."""
        return {"schema": SCHEMA} | asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "dialect") -> Dialect:
        """Raises `DialectError` that begins with `where` for anything but what `to_json` gives."""
        rest = dict(value)
        if rest.pop("schema", SCHEMA) != SCHEMA:
            raise DialectError(f"{where}: schema={value['schema']!r}, but should be {SCHEMA!r}")
        dialect = _build(cls, rest, where)
        assert isinstance(dialect, cls)
        return dialect

    def _system_head(self, text: str, tools: Sequence[Tool], opened: bool) -> list[Segment]:
        head = [Segment(self.turns.begin, True)]
        if not (text or tools or opened):
            return head
        head += [Segment(self.turns.system.open, True), Segment(text)]
        if tools:
            head += [
                Segment(self.listing.lead if text else ""),
                Segment(self.listing.open, self.listing.control),
                Segment(list_tools(self.listing.style, tools)),
                Segment(self.listing.close, self.listing.control),
            ]
        return head

    def _turn(self, message: Message, numbers: _Numbers, several: bool) -> list[Segment]:
        turn: Turn = getattr(self.turns, message.role)
        if message.role == "tool":
            inside = [
                Segment(self.results.open, self.results.control),
                Segment(self._result(message, numbers, several)),
                Segment(self.results.close, self.results.control),
            ]
        else:
            inside = [Segment(message.content)]
        if message.calls:
            first_id = numbers.call(message.calls)
            inside.append(Segment(self.calls.separator if message.content else ""))
            inside += self.call_segments(message.calls, first_id)
        return [Segment(turn.open, True), *inside, Segment(turn.close, True)]

    def _result(self, message: Message, numbers: _Numbers, several: bool) -> str:
        if self.results.style == "text":
            named = f"{message.name}: " if several and message.name else ""
            return f"{named}{'error: ' if message.error else ''}{message.content}"
        if self.results.style == "named":
            content = f"error: {message.content}" if message.error else message.content
            return write_json({"name": message.name, "content": content})
        return write_json(
            {
                "jsonrpc": "2.0",
                "id": numbers.answer(message.name),
                "result": {"content": [{"type": "text", "text": message.content}], "isError": message.error},
            }
        )


class _Numbers:
    """The ids of a conversation's calls, from 1, and which of them a tool's result answers."""

    def __init__(self) -> None:
        self._made = 0
        self._open: list[tuple[int, str]] = []

    def call(self, calls: Sequence[Call]) -> int:
        """Number some calls; returns the first number."""
        first = self._made + 1
        self._made += len(calls)
        self._open = [(first + i, call.name) for i, call in enumerate(calls)]
        return first

    def answer(self, name: str) -> int:
        """The number of the first open call of that tool, or of any tool where none fits."""
        chosen = next((one for one in self._open if one[1] == name), self._open[0] if self._open else None)
        if chosen is None:
            return max(1, self._made)
        self._open.remove(chosen)
        return chosen[0]


def _turns(turns: Turns) -> tuple[Turn, ...]:
    return (turns.system, turns.user, turns.assistant, turns.tool)


def _merge(segments: Iterable[Segment]) -> list[Segment]:
    """Join neighbours of one kind, so that text is tokenized as one stretch; drop empty ones."""
    merged: list[Segment] = []
    for segment in segments:
        if not segment.text:
            continue
        if merged and merged[-1].control == segment.control:
            merged[-1] = Segment(merged[-1].text + segment.text, segment.control)
        else:
            merged.append(segment)
    return merged


def _build(kind: Any, value: Any, where: str) -> Any:
    """A value of the declared type `kind` from its JSON form, strictly."""
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise DialectError(f"{where}: {value!r}, but should be a table")
        hints = get_type_hints(kind)
        for key in value:
            if key not in hints:
                raise DialectError(f"{where}: unknown key {key!r}; known are {', '.join(hints)}")
        for one in fields(kind):
            if one.name not in value and one.default is one.default_factory:
                raise DialectError(f"{where}: {one.name!r} is missing")
        made = {key: _build(hints[key], item, f"{where}.{key}") for key, item in value.items()}
        try:
            return kind(**made)  # type: ignore[operator]
        except DialectError as error:
            raise DialectError(f"{where}: {error.what}", error.hint) from None
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise DialectError(f"{where}={value!r}, but should be one of {', '.join(get_args(kind))}")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise DialectError(f"{where}={value!r}, but should be a list of texts")
        return tuple(value)
    if type(value) is not kind:
        raise DialectError(f"{where}={value!r}, but should be a {'text' if kind is str else 'true or false'}")
    return value
