"""Listings: how the tools on offer are written into the system turn. Pure: no files, no models, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from phi4bench.dialects.python_calls import is_keyword_name, is_plain_name
from phi4bench.tools import Tool

ListingStyle = Literal["signatures", "signatures+descriptions", "openai", "openai-lines", "mcp", "flat"]


@dataclass(frozen=True)
class Listing:
    """Where and how the tools stand in the system turn, after the system text.

    `style`: `signatures` (`grep(pattern, path)`, one a line), `signatures+descriptions`, `openai` (a JSON list of
    `{"type": "function", ...}`), `openai-lines` (the same, one object a line), `mcp` (a JSON list as in `tools/list`),
    `flat` (a JSON list of name, description, parameters).
    `open` / `close` stand around the list, as control tokens where `control` is true. `lead`: what separates the list
    from a system text before it.
    """

    style: ListingStyle
    open: str = ""
    close: str = ""
    control: bool = False
    lead: str = "\n"


class _Same:
    """A set of tools as a key: equal to itself alone, since thousands of cases share one and schemas have no hash."""

    __slots__ = ("tools",)

    def __init__(self, tools: tuple[Tool, ...]) -> None:
        self.tools = tools

    def __hash__(self) -> int:
        return id(self.tools)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.tools is other.tools


def list_tools(style: ListingStyle, tools: Sequence[Tool]) -> str:
    return _listed(style, _Same(tools)) if isinstance(tools, tuple) else _STYLES[style](tools)


@lru_cache(maxsize=64)
def _listed(style: ListingStyle, same: _Same) -> str:
    return _STYLES[style](same.tools)


def signature(tool: Tool) -> str:
    """`read(file_path, limit?: integer)`: `?` marks what may be left out, a type stands only where it is not string.

    A name that Python cannot take as a keyword stands in the form in which a call writes it, `**{'from'}`.
    """
    properties: Mapping[str, Any] = tool.schema.get("properties", {})
    parameters = []
    for name in tool.parameters:
        kind = _type_name(properties[name])
        shown = name if is_keyword_name(name) else f"**{{{name!r}}}"
        shown += "" if name in tool.required else "?"
        parameters.append(shown if kind == "string" else f"{shown}: {kind}")
    return f"{tool.name if is_plain_name(tool.name) else repr(tool.name)}({', '.join(parameters)})"


def _type_name(schema: Any) -> str:
    """A short word for a JSON Schema: `integer`, `[string]`, `'on'|'off'`, `any` where it does not say."""
    if not isinstance(schema, Mapping):
        return "any"
    if isinstance(schema.get("enum"), list):
        return "|".join(repr(value) for value in schema["enum"])
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return "|".join(str(one) for one in kind)
    if kind == "array":
        return f"[{_type_name(schema.get('items', {}))}]"
    return str(kind)


def _signatures(tools: Sequence[Tool]) -> str:
    return "\n".join(signature(tool) for tool in tools)


def _described(tools: Sequence[Tool]) -> str:
    return "\n".join(
        f"{signature(tool)}: {' '.join(tool.description.split())}" if tool.description else signature(tool)
        for tool in tools
    )


def _openai(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
    }


def _flat(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.schema}


def _mcp(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "inputSchema": tool.schema}


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=dict)


_STYLES: dict[str, Callable[[Sequence[Tool]], str]] = {
    "signatures": _signatures,
    "signatures+descriptions": _described,
    "openai": lambda tools: _dump([_openai(tool) for tool in tools]),
    "openai-lines": lambda tools: "\n".join(_dump(_openai(tool)) for tool in tools),
    "mcp": lambda tools: _dump([_mcp(tool) for tool in tools]),
    "flat": lambda tools: _dump([_flat(tool) for tool in tools]),
}
