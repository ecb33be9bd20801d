r"""Calls as JSON, in the shapes that model families use. Pure: no files, no models, no clock.

- `flat`: `{"name": "grep", "arguments": {...}}`.
- `openai`: `{"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "grep", "arguments": "{}"}}]}`,
  where the arguments are JSON in a string. Source: OpenAI API reference, "Chat Completions", assistant message.
- `jsonrpc`: `{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "grep", "arguments": {...}}}`.
  Source: Model Context Protocol, revision 2025-06-18, "Tools", "Calling Tools"; `arguments` is optional there.

JSON is read strictly: no NaN or Infinity, no key twice, no number beyond a double, and nothing beside the keys that the
shape has. A lone surrogate is accepted (RFC 8259 allows its escape), and always written as an escape.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn

from phi4bench.calls import Call, Json
from phi4bench.dialects.python_calls import MAX_CHARS, MAX_DEPTH, Unreadable

Shape = Literal["flat", "openai", "jsonrpc"]

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LONE = re.compile("[\ud800-\udfff]")
_NAME_KEY = re.compile(r"""["']name["']\s*:""")
_ARGUMENTS_KEY = re.compile(r"""["'](?:arguments|parameters)["']\s*:""")
_CALLS_KEY = re.compile(r"""["']tool_calls["']\s*:""")
_RPC_KEY = re.compile(r"""["']tools/call["']|["']jsonrpc["']\s*:""")


def write_json(value: Any, avoid: Sequence[str] = ()) -> str:
    r"""JSON in which no text of `avoid` occurs (its first character becomes `\u003c`), nor half a surrogate pair."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not text.isascii() and _LONE.search(text):
        text = _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if any(marker in text for marker in avoid):
        text = _STRING.sub(lambda found: _escape(found[0], avoid), text)
    return text


def write_calls(
    shape: Shape, calls: Sequence[Call], avoid: Sequence[str] = (), first_id: int = 1, key: str = "arguments"
) -> list[str]:
    """One JSON text a call; for `openai`, one text for all of them. `key`: where a call holds its arguments."""
    if shape == "jsonrpc":
        return [
            write_json(
                {"jsonrpc": "2.0", "id": first_id + i, "method": "tools/call", "params": _flat(call, "arguments")},
                avoid,
            )
            for i, call in enumerate(calls)
        ]
    if shape == "openai":
        return [write_json({"tool_calls": [_function(call, first_id + i, key) for i, call in enumerate(calls)]}, avoid)]
    return [write_json(_flat(call, key), avoid) for call in calls]


def read_json(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value at `start` (space before it is skipped) and where it ends. Raises `Unreadable`."""
    start = skip_space(text, start)
    if len(text) - start > MAX_CHARS:
        text = text[: start + MAX_CHARS]
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg} at character {error.pos - start}", error.pos) from None
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}") from None
    except (RecursionError, MemoryError):
        raise Unreadable("not JSON: nested too deeply") from None
    if text.count("[", start, end) + text.count("{", start, end) > MAX_DEPTH:
        _check_depth(value, 1)
    return value, end


def read_value(text: str) -> Any:
    """The one JSON value that a text is, read as strictly as a call's arguments. Raises `Unreadable`."""
    value, end = read_json(text)
    if text[end:].strip():
        raise Unreadable("something follows it")
    return value


def skip_space(text: str, start: int) -> int:
    """Where the next character stands that JSON does not take for space."""
    found = _SPACE.match(text, start)
    return found.end() if found else start


def read_calls(shape: Shape, value: Any, names: Sequence[str] = ("arguments",)) -> list[Call]:
    """The calls that a decoded value makes: one, or a list of them. Raises `Unreadable` where it is anything else.

    `names`: the keys under which a call may hold its arguments.
    """
    if isinstance(value, list):
        if not value:
            raise Unreadable("the list of calls is empty")
        return [call for item in value for call in read_calls(shape, _object(item, "a call"), names)]
    _object(value, "a call")
    if shape == "jsonrpc":
        return [_read_jsonrpc(value)]
    if shape == "openai" and "tool_calls" in value:
        _only(value, ("tool_calls", "role", "content", "refusal"))
        if not isinstance(value["tool_calls"], list):
            raise Unreadable("tool_calls is not a list")
        return read_calls(shape, value["tool_calls"], names)
    if shape == "openai" and "function" in value:
        _only(value, ("function", "id", "type", "index"))
        if value.get("type", "function") != "function":
            raise Unreadable(f"type={value['type']!r}, but should be 'function'")
        return [_read_flat(_object(value["function"], "function"), names, texts=True)]
    extra = ("id", "type") if shape == "openai" else ()
    return [_read_flat(value, names, extra, texts=shape == "openai")]


def looks_like_call(shape: Shape, value: Any) -> bool:
    """Whether a decoded value, found in a text without markers, is meant as a call (or a list of them)."""
    if isinstance(value, list):
        return any(looks_like_call(shape, item) for item in value if isinstance(item, dict))
    if not isinstance(value, dict):
        return False
    if shape == "jsonrpc":
        return "jsonrpc" in value or value.get("method") == "tools/call"
    named = "name" in value and ("arguments" in value or "parameters" in value)
    return named or (shape == "openai" and ("tool_calls" in value or "function" in value))


def signs_of_call(shape: Shape, text: str, start: int = 0, end: int | None = None) -> bool:
    """Whether a stretch of text has the keys that give a call of this shape away, in either kind of quotes."""
    end = len(text) if end is None else end
    if shape == "jsonrpc":
        return _RPC_KEY.search(text, start, end) is not None
    if shape == "openai" and _CALLS_KEY.search(text, start, end) is not None:
        return True
    return _NAME_KEY.search(text, start, end) is not None and _ARGUMENTS_KEY.search(text, start, end) is not None


def prose_of(value: Any) -> str:
    """The `content` of an assistant message that came whole, as OpenAI's `{"content": ..., "tool_calls": [...]}`."""
    content = value.get("content") if isinstance(value, dict) else None
    return content.strip() if isinstance(content, str) else ""


def _read_jsonrpc(value: Mapping[str, Any]) -> Call:
    _only(value, ("jsonrpc", "id", "method", "params"))
    if value.get("jsonrpc") != "2.0":
        raise Unreadable(f"jsonrpc={value.get('jsonrpc')!r}, but should be '2.0'")
    if value.get("method") != "tools/call":
        raise Unreadable(f"method={value.get('method')!r}, but should be 'tools/call'")
    if type(value.get("id")) not in (int, str):
        raise Unreadable("a request needs an id, a number or a string")
    params = _object(value.get("params"), "params")
    return _read_flat({"arguments": {}} | params, ("arguments",), ("_meta",))


def _read_flat(
    value: Mapping[str, Any], names: Sequence[str], extra: Sequence[str] = (), *, texts: bool = False
) -> Call:
    """`texts`: the arguments may be JSON in a string."""
    _only(value, ("name", *names, *extra))
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise Unreadable("the call has no name")
    held = [key for key in names if key in value]
    if len(held) != 1:
        raise Unreadable(f"the call of {name!r} has {'no' if not held else 'twice its'} {names[0]}")
    arguments = value[held[0]]
    if texts and isinstance(arguments, str):
        inner, end = read_json(arguments)
        if arguments[end:].strip():
            raise Unreadable(f"something follows the arguments of {name!r}")
        arguments = inner
    if not isinstance(arguments, dict):
        raise Unreadable(f"the arguments of {name!r} are not an object")
    return Call(name, arguments)


def _flat(call: Call, key: str) -> dict[str, Any]:
    return {"name": call.name, key: dict(call.arguments)}


def _function(call: Call, number: int, key: str) -> dict[str, Any]:
    function = {"name": call.name, key: write_json(dict(call.arguments))}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _escape(string: str, avoid: Sequence[str]) -> str:
    for marker in avoid:
        if marker in string:
            string = string.replace(marker[0], f"\\u{ord(marker[0]):04x}")
    return string


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not a JSON object")
    return value


def _only(value: Mapping[str, Any], keys: Sequence[str]) -> None:
    for key in value:
        if key not in keys:
            raise Unreadable(f"unexpected key {key!r} in a call")


def _check_depth(value: Json, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Unreadable(f"a value is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                _check_depth(item, depth + 1)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        for key, _ in pairs:
            if key not in found:
                raise ValueError(f"key {key!r} is given twice")
            del found[key]
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_finite, parse_constant=_constant)
