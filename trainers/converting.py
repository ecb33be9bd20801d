"""OpenAI-style `messages` or `conversations` with `tool_calls`, as cases. Pure: no files, no models, no clock."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from phi4bench.calls import Call
from phi4bench.cases import Case, Expected, Message, Scenario
from phi4bench.datasets.casejson import FormError, shown, tool_from_json
from phi4bench.datasets.strictjson import read_json
from phi4bench.tools import Tool

_ROLES = {"system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
          "gpt": "assistant", "function_call": "assistant", "tool": "tool", "function": "tool",
          "observation": "tool"}  # fmt: skip
_LINE = ("id", "group")
_TOOL = ("name", "description", "parameters", "inputSchema")
_CALL = ("name", "arguments", "function", "id", "type")
_TURN = {
    "system": ("role", "from", "content", "value"),
    "user": ("role", "from", "content", "value"),
    "assistant": ("role", "from", "content", "value", "tool_calls", "function_call", "weight"),
    "tool": ("role", "from", "content", "value", "name", "tool_call_id"),
}
"""What is read of each; `Told.left_out` has the rest."""


@dataclass(frozen=True)
class Told:
    """What was `converted` and what was `left_out`, which the model will not see: phrases and how often."""

    converted: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def without(self, what: str, value: Mapping[str, Any], read: Collection[str]) -> None:
        """Note the keys of `value` that are not `read`, but for those that say nothing."""
        self.left_out.update(
            f"{shown(key)} of {what}(s)"
            for key, one in value.items()
            if key not in read and one not in (None, "", [], {})
        )


@dataclass(frozen=True)
class Converted:
    """`unlearned`: which of the case's messages are turns of the assistant of weight 0: read, but not learned."""

    case: Case
    answer: Message
    unlearned: tuple[int, ...]


def is_openai(value: Any) -> bool:
    """Whether a line is a whole conversation and not a case: it has no answer key."""
    return isinstance(value, dict) and "expected" not in value and ("messages" in value or "conversations" in value)


def from_openai(value: Mapping[str, Any], identity: str, told: Told) -> Converted:
    """The case and the assistant's last turn; `told` is added to. Raises `FormError`.

    The conversation must end with the assistant's turn; what follows the last that has not `weight` 0 is cut, since
    nothing of it is learned. `group` names the family where the line gives it; else it is a
    digest of the first request, so that equal requests stay together.
    """
    did = told.converted
    key = "messages" if "messages" in value else "conversations"
    if not isinstance(value[key], list) or not value[key]:
        raise FormError(f"{key} should be a list of turns")
    did[f"conversation(s) from {key!r}"] += 1
    listed = "tools" if "tools" in value else "functions"
    told.without("conversation", value, (key, listed, *_LINE))
    tools = _tools(value.get(listed), told)
    messages, unlearned = _messages(value[key], key, told)
    if messages[-1].role != "assistant":
        raise FormError(
            f"{key} ends with a {messages[-1].role} turn, but the assistant's is what is learned; end with it"
        )
    messages = _cut(messages, unlearned, key, told)
    asked = [message for message in messages if message.role == "user"]
    if len(messages) < 2 or not asked:
        raise FormError(f"{key} should hold a user's request and the assistant's answer")
    _check_calls(messages, tools)
    answer = messages[-1]
    group = value.get("group") or "openai/" + hashlib.sha256(asked[0].content.encode()).hexdigest()[:12]
    if not isinstance(group, str):
        raise FormError(f"group={shown(group)}, but should be a text")
    order = "any" if len(answer.calls) > 1 else "exact"
    case = Case(
        id=str(value.get("id") or identity),
        scenario=_scenario(messages),
        group=group,
        tools=tools,
        messages=tuple(messages[:-1]),
        expected=Expected(answer.calls, order),
    )
    return Converted(case, answer, tuple(at for at in unlearned if at < len(messages)))


def _cut(messages: list[Message], unlearned: Collection[int], key: str, told: Told) -> list[Message]:
    """Up to the last turn that is learned."""
    learned = [at for at, one in enumerate(messages) if one.role == "assistant" and at not in unlearned]
    if not learned:
        raise FormError(f"every turn of the assistant in {key} has weight 0: nothing is learned; take it out")
    if rest := len(messages) - 1 - learned[-1]:
        told.left_out["turn(s) after the last that has not weight 0"] += rest
    if unlearned:
        told.converted["turn(s) of weight 0, read but not learned"] += sum(at < learned[-1] for at in unlearned)
    return messages[: learned[-1] + 1]


def _scenario(messages: Sequence[Message]) -> Scenario:
    """What can be told from the outside; `selection` counts as `single`, asking back as `irrelevant`."""
    answer = messages[-1]
    if any(message.role == "assistant" for message in messages[:-1]):
        return "multi_turn"
    if not answer.calls:
        return "irrelevant"
    return "parallel" if len(answer.calls) > 1 else "single"


def _tools(listed: Any, told: Told) -> tuple[Tool, ...]:
    did = told.converted
    if isinstance(listed, str):
        listed = _loads(listed, "tools")
        did["list(s) of tools from text"] += 1
    if not isinstance(listed, list) or not listed:
        fault = "is empty" if listed == [] else "is missing" if listed is None else "is no list"
        raise FormError(f"'tools' {fault}; a conversation names the tools that it offers")
    tools = []
    for one in listed:
        if isinstance(one, dict) and isinstance(one.get("function"), dict):
            told.without("tool", one, ("type", "function"))
            one = one["function"]
            did["tool(s) from 'function'"] += 1
        if isinstance(one, dict):
            told.without("tool", one, _TOOL)
        if isinstance(one, dict) and "inputSchema" not in one:
            schema = one.get("parameters") or {"type": "object", "properties": {}}
            one = {"name": one.get("name"), "description": one.get("description"), "inputSchema": schema}
        tools.append(tool_from_json(one))
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise FormError("a tool is defined twice; names must differ")
    return tuple(tools)


def _messages(turns: Sequence[Any], key: str, told: Told) -> tuple[list[Message], set[int]]:
    """The turns, and which of them have weight 0."""
    did = told.converted
    made: list[Message] = []
    unlearned: set[int] = set()
    known: dict[str, tuple[str, int]] = {}  # by a call's id: its tool, and which of its turn it is
    answered: dict[int, int] = {}  # by a result's place in `made`: which call of the turn it is of
    for index, turn in enumerate(turns):
        where = f"{key}[{index}]"
        if not isinstance(turn, dict):
            raise FormError(f"{where} should be an object")
        said = turn.get("role", turn.get("from"))
        role = _ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            raise FormError(f"{where}.role={shown(said)}, but should be one of {', '.join(_ROLES)}")
        if role != said:
            did[f"turn(s) of {said!r} as {role!r}"] += 1
        told.without(f"{said} turn", turn, _TURN[role])
        if said == "function_call" and "tool_calls" not in turn:
            calls = _called(turn.get("content", turn.get("value")), where)
            turn = {"tool_calls": calls, "weight": turn.get("weight")}
        content = _content(turn.get("content", turn.get("value")), where, told)
        if role == "tool":
            named, which = known.get(str(turn.get("tool_call_id")), ("", None))
            name = turn.get("name") or named or _only_called(made)
            if not name:
                raise FormError(f"{where}: neither 'name' nor 'tool_call_id' says which call's result it is")
            if which is not None:
                answered[len(made)] = which
            made.append(Message("tool", content, name=str(name)))
            continue
        calls = _calls(turn, where, known, told) if role == "assistant" else ()
        if not content and not calls:
            raise FormError(f"{where} is empty")
        if role == "assistant" and not _weight(turn, where):
            unlearned.add(index)
        made.append(Message(role, content, calls))  # type: ignore[arg-type]
    return _as_called(made, answered, did), unlearned


def _as_called(made: Sequence[Message], answered: Mapping[int, int], did: Counter[str]) -> list[Message]:
    """The results after a turn in the order of its calls: ids, which said whose each is, are not shown to the model."""
    found: list[Message] = []
    for is_result, some in groupby(range(len(made)), key=lambda at: made[at].role == "tool"):
        run = list(some)
        order = sorted(run, key=answered.__getitem__) if is_result and answered.keys() >= set(run) else run
        if moved := sum(was != now for was, now in zip(run, order, strict=True)):
            did["tool result(s) put in the order of their calls"] += moved
        found += [made[at] for at in order]
    return found


def _weight(turn: Mapping[str, Any], where: str) -> int:
    """OpenAI's word for whether a turn of the assistant is learned."""
    weight = turn.get("weight")
    if weight is None:
        return 1
    if weight not in (0, 1):
        raise FormError(f"{where}.weight={shown(weight)}, but should be 0 or 1")
    return int(weight)


def _called(content: Any, where: str) -> list[Any]:
    """The calls of a ShareGPT `function_call` turn, whose text is one call as JSON or a list of them."""
    value = _loads(content, where) if isinstance(content, str) else content
    return value if isinstance(value, list) else [value]


def _only_called(made: Sequence[Message]) -> str:
    """The tool that the turn before called, if one call stands there; a result without a name is its."""
    calls = made[-1].calls if made else ()
    return calls[0].name if len(calls) == 1 else ""


def _content(content: Any, where: str, told: Told) -> str:
    """Text, or a list of text parts; anything else would be lost, and is an error."""
    if content is None:
        return ""
    if isinstance(content, list):
        if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
            raise FormError(f"{where}.content has a part that is no text, which the model could not be shown")
        for part in content:
            told.without("text part", part, ("type", "text"))
        told.converted["content(s) of several parts joined"] += 1
        return "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise FormError(f"{where}.content={shown(content)}, but should be a text")
    return content


def _calls(turn: Mapping[str, Any], where: str, known: dict[str, tuple[str, int]], told: Told) -> tuple[Call, ...]:
    listed = turn.get("tool_calls") or []
    if not isinstance(listed, list):
        raise FormError(f"{where}.tool_calls={shown(listed)}, but should be a list")
    listed = list(listed)
    if turn.get("function_call"):
        listed.append({"function": turn["function_call"]})
        told.converted["'function_call'(s)"] += 1
    calls = []
    for index, one in enumerate(listed):
        inner = one.get("function", one) if isinstance(one, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
            raise FormError(f"{where}.tool_calls[{index}] names no function")
        for part in {id(one): one, id(inner): inner}.values():
            told.without("call", part, _CALL)
        arguments = inner.get("arguments", {})
        if isinstance(arguments, str):
            arguments = _loads(arguments or "{}", f"{where}.tool_calls[{index}].arguments")
            told.converted["call argument(s) from text"] += 1
        if not isinstance(arguments, dict):
            raise FormError(f"{where}.tool_calls[{index}].arguments={shown(arguments)}, but should be an object")
        if isinstance(one.get("id"), str):
            known[one["id"]] = inner["name"], index
        calls.append(Call(inner["name"], arguments))
    return tuple(calls)


def _check_calls(messages: Sequence[Message], tools: Sequence[Tool]) -> None:
    offered = {tool.name for tool in tools}
    for message in messages:
        for call in message.calls:
            if call.name not in offered:
                known = ", ".join(sorted(offered))
                raise FormError(f"tool {shown(call.name)} is called but not among the offered; these are {known}")


def _loads(text: str, where: str) -> Any:
    try:
        return read_json(text)
    except FormError as fault:
        raise FormError(f"{where}={shown(text)}, but should be JSON: {fault}") from None
