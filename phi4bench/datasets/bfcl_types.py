"""BFCL's types as JSON Schema, and its lists of possible answers as an answer with rules. Pure.

BFCL writes Python's type names; it accepts any of several values for an argument, and `""` among them says that the
argument may be left out. Source: gorilla, `bfcl_eval/eval_checker/ast_eval/ast_checker.py` and the data's own README.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi4bench.calls import Json
from phi4bench.cases import Rule
from phi4bench.datasets.casejson import FormError, shown
from phi4bench.schemas import is_valid
from phi4bench.tools import Tool

_TYPES = {
    "dict": "object", "object": "object", "float": "number", "number": "number", "double": "number",
    "tuple": "array", "list": "array", "array": "array", "integer": "integer", "int": "integer", "long": "integer",
    "string": "string", "str": "string", "char": "string", "boolean": "boolean", "bool": "boolean", "any": None,
}  # fmt: skip
_KEPT = {"description": str, "enum": list, "default": object, "required": list}
_LEFT_OUT = ""


def tool_from_bfcl(function: Mapping[str, Any]) -> Tool:
    """A function document as a tool; its name keeps its dots."""
    schema = schema_from_bfcl(function["parameters"])
    if schema.get("type") != "object":
        raise FormError(f"the parameters of {shown(function['name'])} should be of type dict")
    return Tool(function["name"], function.get("description", ""), schema)


def schema_from_bfcl(node: Mapping[str, Any]) -> dict[str, Any]:
    """`float` becomes `number`, `dict` `object`, `tuple` `array`, and `any` allows everything.

    A default of null makes its type nullable: the documents state it, but have no way to write the type. An enumeration
    that stands at a list speaks of its items. Defaults and enumerations are kept; `optional`, `format` and other words
    that are no JSON Schema are dropped.
    """
    kind = node.get("type", "any")
    if kind not in _TYPES:
        raise FormError(f"type {shown(kind)} is none that BFCL is known to use")
    schema: dict[str, Any] = {
        key: node[key] for key, sort in _KEPT.items() if key in node and isinstance(node[key], sort)
    }
    mapped = _TYPES[kind]
    if "default" in node and node["default"] is None and mapped is not None:
        schema["type"] = [mapped, "null"]
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif mapped is not None:
        schema["type"] = mapped
    if isinstance(node.get("properties"), Mapping):
        schema["properties"] = {name: schema_from_bfcl(inner) for name, inner in node["properties"].items()}
    if isinstance(node.get("items"), Mapping):
        schema["items"] = schema_from_bfcl(node["items"])
    if mapped == "array" and not all(isinstance(value, list | None) for value in schema.get("enum", ())):
        schema["items"] = {**schema.get("items", {}), "enum": schema.pop("enum")}
    return schema


def answer(possible: Mapping[str, list[Json]], tool: Tool) -> tuple[dict[str, Json], dict[str, Rule]]:
    """The arguments to expect, and the rules that let the other possible ones be right as well.

    The first possible value that the schema allows is expected. An argument whose only possibility is to be left out is
    not expected, and may be given as the empty text.
    """
    arguments: dict[str, Json] = {}
    rules: dict[str, Rule] = {}
    properties = tool.schema.get("properties", {})
    for name, values in possible.items():
        value, rule, given = _choose(values, properties.get(name, {}))
        if given:
            arguments[name] = value
        if rule != Rule():
            rules[name] = rule
    return arguments, rules


def _choose(values: list[Json], schema: Mapping[str, Any]) -> tuple[Json, Rule, bool]:
    """The value to expect, its rule, and whether it is expected at all."""
    if not isinstance(values, list):
        raise FormError(f"possible answers {shown(values)} should be a list")
    if not values:  # the data's way to write an empty list
        return [], Rule(), True
    optional = _LEFT_OUT in [value for value in values if isinstance(value, str)]
    real = [value for value in values if value != _LEFT_OUT]
    if not real:
        return None, Rule(accept=(_LEFT_OUT,)), False
    plain = [_plain(value) for value in real]
    first = next((index for index, value in enumerate(plain) if is_valid(value, schema)), None)
    if first is None and optional:
        return None, Rule(accept=tuple(plain)), False
    first = first or 0
    rest = tuple(plain[:first] + plain[first + 1 :])
    chosen = real[first]
    fields, items = _inner(chosen, schema)
    return plain[first], Rule(accept=rest, optional=optional, fields=fields, items=items), True


def _plain(value: Json) -> Json:
    """A possible value with the first possibility in place of each list of them inside its objects."""
    if isinstance(value, dict):
        return {name: _plain(first) for name, inner in value.items() for first in _first(inner)}
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [_plain(item) for item in value]
    return value


def _first(values: Json) -> list[Json]:
    """The first real possibility, in a list; none where the member is to be left out."""
    if not isinstance(values, list):
        raise FormError(f"possible answers {shown(values)} should be a list")
    return [value for value in values if value != _LEFT_OUT][:1] if values else [[]]


def _inner(value: Json, schema: Mapping[str, Any]) -> tuple[dict[str, Rule], Rule | None]:
    """Rules inside an object's members; inside a list's objects one rule serves all, so they are pooled."""
    if isinstance(value, dict):
        fields = {name: _member(values) for name, values in value.items() if isinstance(values, list)}
        return {name: rule for name, rule in fields.items() if rule != Rule()}, None
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        pooled: dict[str, Rule] = {}
        for item in value:
            pooled |= _inner(item, schema)[0] if isinstance(item, dict) else {}
        return {}, Rule(fields=pooled) if pooled else None
    return {}, None


def _member(values: list[Json]) -> Rule:
    optional = any(value == _LEFT_OUT for value in values)
    real = [value for value in values if value != _LEFT_OUT]
    if not real and values:
        return Rule(accept=(_LEFT_OUT,))
    fields, items = _inner(real[0], {}) if real else ({}, None)
    return Rule(accept=tuple(_plain(value) for value in real[1:]), optional=optional, fields=fields, items=items)
