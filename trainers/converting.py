"""OpenAI-style `messages` or `conversations` with `tool_calls`, as cases. Pure: no files, no models, no clock."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from phi4bench.calls import Call
from phi4bench.cases import Case, Expected, Message, Scenario
from phi4bench.datasets.casejson import FormError, shown, tool_from_json
from phi4bench.tools import Tool

_ROLES = {"system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
          "gpt": "assistant", "tool": "tool", "function": "tool"}  # fmt: skip


def is_openai(value: Any) -> bool:
    """Whether a line is a whole conversation and not a case: it has no answer key."""
    return isinstance(value, dict) and "expected" not in value and ("messages" in value or "conversations" in value)


def from_openai(value: Mapping[str, Any], identity: str) -> tuple[Case, Message, Counter[str]]:
    """The case, the assistant's last turn, and what was converted (a phrase and how often). Raises `FormError`.

    The conversation must end with the assistant's turn. `group` names the family where the line gives it; else it is a
    digest of the first request, so that equal requests stay together.
    """
    did: Counter[str] = Counter()
    key = "messages" if "messages" in value else "conversations"
    if not isinstance(value[key], list) or not value[key]:
        raise FormError(f"{key} should be a list of turns")
    did[f"conversation(s) from {key!r}"] = 1
    tools = _tools(value, did)
    messages = _messages(value[key], key, did)
    if messages[-1].role != "assistant":
        raise FormError(
            f"{key} ends with a {messages[-1].role} turn, but the assistant's is what is learned; end with it"
        )
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
    return case, answer, did


def _scenario(messages: Sequence[Message]) -> Scenario:
    """What can be told from the outside; `selection` counts as `single`, asking back as `irrelevant`."""
    answer = messages[-1]
    if any(message.role == "assistant" for message in messages[:-1]):
        return "multi_turn"
    if not answer.calls:
        return "irrelevant"
    return "parallel" if len(answer.calls) > 1 else "single"


def _tools(value: Mapping[str, Any], did: Counter[str]) -> tuple[Tool, ...]:
    listed = value.get("tools", value.get("functions"))
    if isinstance(listed, str):
        listed = _loads(listed, "tools")
        did["list(s) of tools from text"] += 1
    if not isinstance(listed, list) or not listed:
        raise FormError("'tools' is missing; a conversation names the tools that it offers")
    tools = []
    for one in listed:
        if isinstance(one, dict) and isinstance(one.get("function"), dict):
            one = one["function"]
            did["tool(s) from 'function'"] += 1
        if isinstance(one, dict) and "inputSchema" not in one:
            schema = one.get("parameters") or {"type": "object", "properties": {}}
            one = {"name": one.get("name"), "description": one.get("description"), "inputSchema": schema}
        tools.append(tool_from_json(one))
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise FormError("a tool is defined twice; names must differ")
    return tuple(tools)


def _messages(turns: Sequence[Any], key: str, did: Counter[str]) -> list[Message]:
    made: list[Message] = []
    names: dict[str, str] = {}
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
        content = _content(turn.get("content", turn.get("value")), where, did)
        if role == "tool":
            name = turn.get("name") or names.get(str(turn.get("tool_call_id")))
            if not name:
                raise FormError(f"{where}: neither 'name' nor 'tool_call_id' says whose result it is")
            made.append(Message("tool", content, name=str(name)))
            continue
        calls = _calls(turn, where, names, did) if role == "assistant" else ()
        if not content and not calls:
            raise FormError(f"{where} is empty")
        made.append(Message(role, content, calls))  # type: ignore[arg-type]
    return made


def _content(content: Any, where: str, did: Counter[str]) -> str:
    """Text, or a list of text parts; anything else would be lost, and is an error."""
    if content is None:
        return ""
    if isinstance(content, list):
        if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
            raise FormError(f"{where}.content has a part that is no text, which the model could not be shown")
        did["content(s) of several parts joined"] += 1
        return "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise FormError(f"{where}.content={shown(content)}, but should be a text")
    return content


def _calls(turn: Mapping[str, Any], where: str, names: dict[str, str], did: Counter[str]) -> tuple[Call, ...]:
    listed = list(turn.get("tool_calls") or [])
    if turn.get("function_call"):
        listed.append({"function": turn["function_call"]})
        did["'function_call'(s)"] += 1
    calls = []
    for index, one in enumerate(listed):
        inner = one.get("function", one) if isinstance(one, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
            raise FormError(f"{where}.tool_calls[{index}] names no function")
        arguments = inner.get("arguments", {})
        if isinstance(arguments, str):
            arguments = _loads(arguments or "{}", f"{where}.tool_calls[{index}].arguments")
            did["call argument(s) from text"] += 1
        if not isinstance(arguments, dict):
            raise FormError(f"{where}.tool_calls[{index}].arguments={shown(arguments)}, but should be an object")
        if isinstance(one.get("id"), str):
            names[one["id"]] = inner["name"]
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
        return json.loads(text)
    except (ValueError, RecursionError):
        raise FormError(f"{where}={shown(text)}, but should be JSON") from None
