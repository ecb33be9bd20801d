"""A case to and from the JSON object of one line of a case file. Knows no files and no JSON Schema of arguments.

The published form is `phi4bench/schemas_json/case.schema.json`. This reader is the same form by hand, because it can
name the fault in the reader's words and is many times faster; the tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from sys import intern
from typing import Any

from phi4bench.calls import Call, Json
from phi4bench.cases import SCENARIOS, Case, Expected, Message, Rule
from phi4bench.tools import Tool

CASE_KEYS = ("id", "scenario", "group", "tools", "messages", "expected")
CASE_EXTRAS = ("match", "response_schema")
RULE_KEYS = ("accept", "optional", "ignore", "tolerance", "unordered", "fields", "items")
_MESSAGE_KEYS = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls"},
    "tool": {"role", "content", "name", "error"},
}

_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number",
              float: "a number", type(None): "null"}  # fmt: skip


class FormError(ValueError):
    """What is wrong with one case, not yet knowing its file and line; `str()` is *what; what to do*."""


def shown(value: object, limit: int = 80) -> str:
    """`value` for a message: quoted, control characters and lone surrogates escaped, cut to `limit`."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def case_from_json(data: object, toolset: Callable[[str], tuple[Tool, ...]] | None = None) -> Case:
    """The case that `data` declares; raises `FormError`.

    `toolset` finds a tool set by its name, raising `FormError` where it cannot; `None`: only inline tools are known.
    Expected arguments are not held against the tools' schemas here.
    """
    data = _object(data, "the line")
    _keys(data, "a case", CASE_KEYS, CASE_EXTRAS)
    scenario = intern(_text(data, "scenario"))  # thousands of cases have the same few words
    if scenario not in SCENARIOS:
        raise FormError(f"scenario={shown(scenario)}, but should be one of {', '.join(SCENARIOS)}")
    name, tools = _tools(data["tools"], toolset)
    expected = _expected(data, tools)
    if scenario == "irrelevant" and expected.calls:
        raise FormError("scenario='irrelevant' expects no call; empty expected.calls, or name another scenario")
    return Case(
        id=_text(data, "id"),
        scenario=scenario,
        group=_text(data, "group"),
        tools=tools,
        messages=_messages(data["messages"]),
        expected=expected,
        toolset=intern(name),
    )


def case_to_json(case: Case) -> dict[str, Any]:
    """The case as one line of a case file; a named tool set stays a name."""
    data: dict[str, Any] = {
        "id": case.id,
        "scenario": case.scenario,
        "group": case.group,
        "tools": case.toolset or [tool_to_json(tool) for tool in case.tools],
        "messages": [_message_to_json(message) for message in case.messages],
    }
    expected = case.expected
    if expected.response_schema is not None:
        data["expected"] = {"json": expected.json}
        data["response_schema"] = expected.response_schema
        return data
    data["expected"] = {"calls": [_call_to_json(call) for call in expected.calls]}
    if expected.order != "exact":
        data["expected"]["order"] = expected.order
    if any(expected.rules):
        matches = [{name: rule_to_json(rule) for name, rule in rules.items()} for rules in expected.rules]
        data["match"] = matches[0] if len(matches) == 1 else matches
    return data


def tool_from_json(data: object) -> Tool:
    """A tool as MCP's `tools/list` writes it; further members (title, annotations) are allowed and dropped."""
    data = _object(data, "a tool")
    name = data.get("name")
    if not isinstance(name, str) or not name:
        hint = "; unwrap the 'function' of an OpenAI definition" if "function" in data else ""
        raise FormError(f"a tool's 'name' is {'missing' if name is None else shown(name)}, but should be a text{hint}")
    schema = data.get("inputSchema")
    if schema is None:
        raise FormError(f"tool {shown(name)} has no 'inputSchema'; give the JSON Schema of its arguments, as MCP does")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise FormError(f'tool {shown(name)}: \'inputSchema\' should be a JSON Schema with "type": "object"')
    if not isinstance(schema.get("properties", {}), dict):
        raise FormError(f"tool {shown(name)}: 'properties' of the inputSchema should be an object")
    description = "" if data.get("description") is None else data["description"]  # some servers list null
    if not isinstance(description, str):
        raise FormError(f"tool {shown(name)}: 'description' is {_kind(description)}, but should be a string")
    return Tool(name, description, schema)


def tool_to_json(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "inputSchema": dict(tool.schema)}


def tools_from_json(data: object) -> tuple[Tool, ...]:
    """A list of tool definitions with distinct names."""
    if not isinstance(data, list):
        raise FormError(f"tools is {_kind(data)}, but should be a tool set's name or a list of MCP tool definitions")
    tools = tuple(tool_from_json(item) for item in data)
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FormError(f"tool {shown(twice)} is defined twice; names must differ")
    return tools


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """Only what differs from the default, so that an empty object is the rule of strict equality."""
    data: dict[str, Any] = {"accept": list(rule.accept)} if rule.accept else {}
    data |= {key: True for key in ("optional", "ignore", "unordered") if getattr(rule, key)}
    if rule.tolerance:
        data["tolerance"] = rule.tolerance
    if rule.fields:
        data["fields"] = {name: rule_to_json(inner) for name, inner in rule.fields.items()}
    if rule.items is not None:
        data["items"] = rule_to_json(rule.items)
    return data


def rule_from_json(data: object, where: str = "match") -> Rule:
    data = _object(data, where)
    _keys(data, where, (), RULE_KEYS)
    accept = data.get("accept", [])
    if not isinstance(accept, list):
        raise FormError(f"{where}.accept is {_kind(accept)}, but should be a list of further right values")
    flags = {key: data.get(key, False) for key in ("optional", "ignore", "unordered")}
    for key, value in flags.items():
        if not isinstance(value, bool):
            raise FormError(f"{where}.{key} is {_kind(value)}, but should be true or false")
    tolerance = data.get("tolerance", 0.0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise FormError(f"{where}.tolerance={shown(tolerance)}, but should be a number of at least 0")
    fields = _object(data.get("fields", {}), f"{where}.fields")
    return Rule(
        accept=tuple(accept),
        **flags,
        tolerance=float(tolerance),
        fields={name: rule_from_json(inner, f"{where}.fields[{shown(name)}]") for name, inner in fields.items()},
        items=rule_from_json(data["items"], f"{where}.items") if "items" in data else None,
    )


def _tools(data: object, toolset: Callable[[str], tuple[Tool, ...]] | None) -> tuple[str, tuple[Tool, ...]]:
    if not isinstance(data, str):
        return "", tools_from_json(data)
    if toolset is None:
        raise FormError(f"tools={shown(data)} names a tool set, but none are known here; write the definitions out")
    return data, toolset(data)


def _messages(data: object) -> tuple[Message, ...]:
    if not isinstance(data, list):
        raise FormError(f"messages is {_kind(data)}, but should be a list")
    if not data:
        raise FormError("messages is empty; a case needs at least what the user said")
    messages = tuple(_message(item, f"messages[{index}]") for index, item in enumerate(data))
    if messages[-1].role not in ("user", "tool"):
        raise FormError(
            f"the last message is {'an assistant' if messages[-1].role == 'assistant' else 'a system'}'s, "
            "but the model speaks next; end with the user's or a tool's"
        )
    return messages


def _message(data: object, where: str) -> Message:
    data = _object(data, where)
    role = data.get("role")
    if not isinstance(role, str) or role not in _MESSAGE_KEYS:
        raise FormError(f"{where}.role={shown(role)}, but should be one of {', '.join(_MESSAGE_KEYS)}")
    if not _MESSAGE_KEYS[role].issuperset(data):
        wrong = next(key for key in data if key not in _MESSAGE_KEYS[role])
        raise FormError(f"{where} has {shown(wrong)}; a {role} message has {', '.join(sorted(_MESSAGE_KEYS[role]))}")
    calls = _calls(data["tool_calls"], f"{where}.tool_calls") if "tool_calls" in data else ()
    content = data.get("content", "" if calls else None)
    if not isinstance(content, str):
        state = "missing" if "content" not in data else _kind(content)
        raise FormError(f"{where}.content is {state}, but should be a string")
    if role != "tool":
        return Message(intern(role), content, calls)  # type: ignore[arg-type]
    name = data.get("name")
    if not isinstance(name, str) or not name:
        raise FormError(f"{where}.name is missing; a tool's message names the tool whose result it holds")
    error = data.get("error", False)
    if not isinstance(error, bool):
        raise FormError(f"{where}.error is {_kind(error)}, but should be true or false")
    return Message("tool", content, name=intern(name), error=error)


def _expected(data: Mapping[str, Any], tools: Sequence[Tool]) -> Expected:
    expected = _object(data["expected"], "expected")
    if "json" in expected or "response_schema" in data:
        _keys(expected, "expected beside a response_schema", ("json",), ())
        if "match" in data:
            raise FormError("match has no calls to apply to; a structured case is compared with expected.json")
        if "response_schema" not in data:
            raise FormError("expected.json needs a 'response_schema' beside it: the JSON Schema of the answer")
        schema = _object(data["response_schema"], "response_schema")
        return Expected(json=expected["json"], response_schema=schema)
    _keys(expected, "expected", ("calls",), ("order",))
    order = expected.get("order", "exact")
    if order not in ("exact", "any"):
        raise FormError(f"expected.order={shown(order)}, but should be exact or any")
    calls = _calls(expected["calls"], "expected.calls")
    offered = {tool.name: tool for tool in tools}
    for call in calls:
        if call.name not in offered:
            known = ", ".join(sorted(offered)) or "no tools at all"
            raise FormError(f"expected tool {shown(call.name)} is not among the offered; this case offers {known}")
    rules = _rules(data["match"], calls, offered) if "match" in data else ()
    return Expected(calls=calls, order="any" if order == "any" else "exact", rules=rules)


def _calls(data: object, where: str) -> tuple[Call, ...]:
    if not isinstance(data, list):
        raise FormError(f"{where} is {_kind(data)}, but should be a list of calls")
    calls = []
    for index, item in enumerate(data):
        item = _object(item, f"{where}[{index}]")
        _keys(item, f"{where}[{index}]", ("name", "arguments"), ())
        name = item["name"]
        if not isinstance(name, str) or not name:
            raise FormError(f"{where}[{index}].name={shown(name)}, but should be a tool's name")
        calls.append(Call(intern(name), _object(item["arguments"], f"{where}[{index}].arguments")))
    return tuple(calls)


def _rules(data: object, calls: Sequence[Call], offered: Mapping[str, Tool]) -> tuple[Mapping[str, Rule], ...]:
    """One mapping a call. A single object applies to every call that knows the argument."""
    known = [set(offered[call.name].parameters) | set(call.arguments) for call in calls]
    if isinstance(data, dict):
        rules = {name: rule_from_json(rule, f"match[{shown(name)}]") for name, rule in data.items()}
        for name in rules:
            if not any(name in names for names in known):
                raise FormError(f"match names the argument {shown(name)}, which no expected call has{_one_of(known)}")
        spread = [{name: rule for name, rule in rules.items() if name in names} for names in known]
        return tuple(spread) if any(spread) else ()
    if not isinstance(data, list):
        raise FormError(f"match is {_kind(data)}, but should be an object, or a list of objects, one a call")
    if len(data) != len(calls):
        raise FormError(f"match has {len(data)} entries, but should have one for each of {len(calls)} expected calls")
    aligned = []
    for index, (item, names) in enumerate(zip(data, known, strict=True)):
        item = _object(item, f"match[{index}]")
        for name in item:
            if name not in names:
                raise FormError(
                    f"match[{index}] names the argument {shown(name)}, which "
                    f"{shown(calls[index].name)} does not have{_one_of([names])}"
                )
        aligned.append({name: rule_from_json(rule, f"match[{index}][{shown(name)}]") for name, rule in item.items()})
    return tuple(aligned) if any(aligned) else ()


def _one_of(known: Sequence[set[str]]) -> str:
    names = sorted(set().union(*known))
    return f"; known: {', '.join(shown(name) for name in names)}" if names else ""


def _message_to_json(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        data["tool_calls"] = [_call_to_json(call) for call in message.calls]
    if message.role == "tool":
        data["name"] = message.name
    if message.error:
        data["error"] = True
    return data


def _call_to_json(call: Call) -> dict[str, Json]:
    return {"name": call.name, "arguments": dict(call.arguments)}


def _object(data: object, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise FormError(f"{where} is {_kind(data)}, but should be an object")
    return data


def _keys(data: Mapping[str, Any], where: str, required: Sequence[str], extras: Sequence[str]) -> None:
    for key in required:
        if key not in data:
            raise FormError(f"{shown(key)} is missing; {where} has {', '.join(required)}")
    if len(data) > len(required):
        for key in data:
            if key not in required and key not in extras:
                raise FormError(f"{shown(key)} is unknown; {where} has {', '.join((*required, *extras))}")


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise FormError(f"{key} is {_kind(value)}, but should be a string")
    if not value.strip():
        raise FormError(f"{key} is empty, but should be a name")
    return value


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)
