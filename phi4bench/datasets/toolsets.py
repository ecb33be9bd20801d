"""Tool sets by name, and whether tools and the arguments given to them hold together.

Reads the tool files next to a case file and the shipped ones; knows no case files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from phi4bench.calls import Call
from phi4bench.cases import Case
from phi4bench.datasets.casejson import FormError, shown, tools_from_json
from phi4bench.datasets.shipped import fixtures_dir
from phi4bench.datasets.strictjson import read_json
from phi4bench.printable import printable
from phi4bench.schemas import is_valid, resolve_pointer, schema_fault
from phi4bench.tools import Tool

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class Toolsets:
    """Finds tool sets by name, once each, so that the cases of one set share its tools.

    `folders`: where `tools/NAME.json` and `NAME.json` are looked for before the shipped ones.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._places = [place for folder in folders for place in (folder / "tools", folder)]
        self._places.append(fixtures_dir() / "tools")
        self._found: dict[str, tuple[Tool, ...]] = {}

    def __call__(self, name: str) -> tuple[Tool, ...]:
        """The tools of the set `name`; raises `FormError`."""
        if name not in self._found:
            self._found[name] = self._load(name)
        return self._found[name]

    def _load(self, name: str) -> tuple[Tool, ...]:
        if _NAME.match(name):
            for place in self._places:
                path = place / f"{name}.json"
                if path.is_file():
                    return read_toolset(path)
        known = ", ".join(printable(known) for known in self.known()) or "none"
        raise FormError(f"tool set {shown(name)} is not known (known: {known}); add it to tools/ next to the case file")

    def known(self) -> list[str]:
        """The names that can be given: what lies in the tools folders."""
        tools = [place for place in self._places if place.name == "tools"]
        return sorted({path.stem for place in tools for path in place.glob("*.json")})


def read_toolset(path: Path) -> tuple[Tool, ...]:
    """The tools of a file: `{"source": ..., "tools": [...]}` or the bare list; raises `FormError` naming the file."""
    try:
        data = read_json(path.read_bytes().decode("utf-8-sig"))
        tools = tools_from_json(data.get("tools") if isinstance(data, dict) else data)
        check_tools(tools)
    except (OSError, UnicodeDecodeError) as error:
        raise FormError(f"{shown(str(path))} cannot be read: {error}") from None
    except FormError as fault:
        raise FormError(f"tool set {shown(str(path))}: {fault}") from None
    return tools


def check_tools(tools: Sequence[Tool], known_good: set[str] | None = None) -> None:
    """Raises `FormError` for a schema that is no JSON Schema. `known_good` remembers the schemas passed so far."""
    for tool in tools:
        key = json.dumps(tool.schema, sort_keys=True)
        if known_good is not None and key in known_good:
            continue
        if fault := schema_fault(tool.schema) or dangling_reference(tool.schema):
            why = printable(fault, 200)
            raise FormError(f"tool {shown(tool.name)}: its inputSchema is no usable JSON Schema: {why}")
        if known_good is not None:
            known_good.add(key)


def check_expected(case: Case) -> None:
    """Raises `FormError` where the answer key breaks the schema that it is asked under."""
    expected = case.expected
    if expected.response_schema is not None:
        if fault := schema_fault(expected.response_schema) or dangling_reference(expected.response_schema):
            raise FormError(f"response_schema is no usable JSON Schema: {printable(fault, 200)}")
        if not is_valid(expected.json, expected.response_schema):
            why = argument_fault(expected.json, expected.response_schema)
            raise FormError(f"expected.json does not fit the response_schema: {why}")
        return
    schemas = {tool.name: tool.schema for tool in case.tools}
    for index, call in enumerate(expected.calls):
        if not is_valid(dict(call.arguments), schemas[call.name]):
            why = argument_fault(dict(call.arguments), schemas[call.name])
            raise FormError(f"expected.calls[{index}] does not fit the inputSchema of {shown(call.name)}: {why}")


_OPEN = frozenset(
    ("additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames", "$ref", "$dynamicRef",
     "$recursiveRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "dependentRequired", "dependencies")
)  # fmt: skip
"""Keywords that speak of arguments beside `properties`; where they forbid one, the call did not fit."""


def check_names(case: Case) -> None:
    """Raises `FormError` where the answer key has an argument that its tool does not name, most likely a slip.

    JSON Schema allows one wherever nothing forbids it, and no model would ever give it.
    """
    tools = {tool.name: tool for tool in case.tools}
    for index, call in enumerate(case.expected.calls):
        tool = tools[call.name]
        if not tool.parameters or not _OPEN.isdisjoint(tool.schema):
            continue
        known = {*tool.parameters, *tool.schema.get("required", ())}
        if unnamed := [name for name in call.arguments if name not in known]:
            named = ", ".join(shown(name) for name in tool.parameters)
            raise FormError(
                f"expected.calls[{index}] has the argument {shown(unnamed[0])}, but {shown(tool.name)} names {named};"
                ' where others are welcome, its inputSchema should say "additionalProperties": true'
            )


def dangling_reference(schema: Mapping[str, Any]) -> str:
    """Which reference inside the schema leads nowhere, in a clause; empty where all lead somewhere."""
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            reference = node.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/") and resolve_pointer(reference, schema) is None:
                return f"$ref={reference!r} leads nowhere"
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return ""


def fits(call: Call, tools: Sequence[Tool]) -> bool:
    """Whether the call's arguments are valid under the schema of the tool that it names."""
    return any(tool.name == call.name and is_valid(dict(call.arguments), tool.schema) for tool in tools)


def argument_fault(value: Any, schema: Mapping[str, Any]) -> str:
    """Which part of `value` breaks `schema`, and why, in one clause."""
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for
    from referencing import Registry

    validator = validator_for(schema)(schema, registry=Registry())
    try:
        error = best_match(validator.iter_errors(value))
    except Exception as failure:  # an unresolvable $ref, a pattern that is no regular expression, recursion
        return f"the schema cannot be applied ({type(failure).__name__})"
    if error is None:
        return "it is too deep or too large to be checked"
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    return (f"argument {shown(path)}: " if path else "") + printable(error.message, 200)
