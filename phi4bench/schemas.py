"""JSON Schema: is a value valid, is a schema usable, and where does it say `number`. Pure: no files, nothing fetched.

Validation is the `jsonschema` library's (draft 2020-12, or the schema's own `$schema`), with a fast path for the flat
object schemas that tools nearly always have. `format` is an annotation, as the drafts have it by default.

A schema's `pattern` is a Python regular expression run on the model's text, and a careless one (`(a+)+$`) can take
exponential time. Schemas come with the cases, so their author is trusted in this; texts come from the model, are
bounded by the cap on new tokens, and can hold nothing worse than a string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

from phi4bench.calls import Json
from phi4bench.errors import UsageError

Schema = Mapping[str, Any]
Check = Callable[[Any], bool]

_ANNOTATIONS = {"title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly"}
_FLAT_OBJECT = _ANNOTATIONS | {"$schema", "type", "properties", "required", "additionalProperties"}
_FLAT_MEMBER = _ANNOTATIONS | {"type", "enum"}
_DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SAME_FLAT_MEANING = {
    _DEFAULT_DRAFT,
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
}
"""Drafts in which the keywords of the fast path mean one and the same (draft 4 has another `integer`)."""

_TYPES: dict[str, Check] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
"""Of a list in a pointer: `str.isdigit` takes more for a number than `int` does."""
_KEPT = 4096
_checks: dict[int, tuple[Schema, Check]] = {}


def is_valid(value: Json, schema: Schema) -> bool:
    """Whether `value` satisfies `schema`. A value too deep or too large to be checked is not valid.

    A schema is taken to stay as it is: its checker is kept by identity. `UsageError` for a schema that `schema_fault`
    would name.
    """
    kept = _checks.get(id(schema))
    if kept is None or kept[0] is not schema:
        if len(_checks) >= _KEPT:
            _checks.clear()
        kept = _checks[id(schema)] = (schema, flat_check(schema) or _library_check(schema))
    return kept[1](value)


def schema_fault(schema: Any) -> str:
    """Why `schema` cannot be used, in a clause; empty where it can. A reference that leaves the schema is a fault."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    if not isinstance(schema, (dict, bool)):
        return f"it is {type(schema).__name__}, but should be an object"
    if isinstance(schema, dict) and not isinstance(schema.get("$schema", ""), str):
        return f"$schema={schema['$schema']!r}, but should be the URL of a draft"
    if isinstance(schema, dict) and "draft-03" in schema.get("$schema", ""):
        return f"$schema={schema['$schema']!r}, but should be draft 4 or later: before it 'required' is no list"
    try:
        validator_for(schema, default=_default_draft()).check_schema(cast(Any, schema))
    except SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path)
        return f"{error.message[:200]}" + (f" [at {place}]" if place else "")
    except RecursionError:
        return "it is nested too deeply"
    for reference in _references(schema):
        if not reference.startswith("#"):
            return f"$ref={reference!r} leaves the schema, but nothing is ever fetched"
    return ""


def keywords(schema: Schema) -> Container[str]:
    """Those of its draft that something is valid or not by; others are passed over."""
    from jsonschema.validators import validator_for

    found: Container[str] = validator_for(schema, default=_default_draft()).VALIDATORS
    return found


def flat_check(schema: Schema) -> Check | None:
    """A checker for an object schema with plain members, some fifty times as fast as the library's.

    `None` where the schema holds any keyword beyond those: the library then judges it.
    """
    properties, required = schema.get("properties", {}), schema.get("required", [])
    extra = schema.get("additionalProperties", True)
    if (
        schema.keys() - _FLAT_OBJECT
        or schema.get("type") != "object"
        or str(schema.get("$schema", _DEFAULT_DRAFT)).rstrip("#") not in _SAME_FLAT_MEANING
        or not isinstance(properties, Mapping)
        or not isinstance(required, list)
        or not isinstance(extra, bool)
    ):
        return None
    members: dict[str, tuple[Check, ...]] = {}
    for name, member in properties.items():
        checks = _flat_member(member)
        if checks is None:
            return None
        members[name] = checks
    needed = tuple(required)

    def check(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        for name in needed:
            if name not in value:
                return False
        for name, inner in value.items():
            checks = members.get(name)
            if checks is None:
                if not extra:
                    return False
                continue
            for passes in checks:
                if not passes(inner):
                    return False
        return True

    return check


def _flat_member(member: Any) -> tuple[Check, ...] | None:
    if not isinstance(member, Mapping) or member.keys() - _FLAT_MEMBER:
        return None
    checks: list[Check] = []
    if "type" in member:
        types = [member["type"]] if isinstance(member["type"], str) else member["type"]
        if not isinstance(types, list) or not all(isinstance(name, str) and name in _TYPES for name in types):
            return None
        checks.append(_TYPES[types[0]] if len(types) == 1 else _any_of(tuple(_TYPES[name] for name in types)))
    if "enum" in member:
        if not isinstance(member["enum"], list) or not all(isinstance(one, str) for one in member["enum"]):
            return None
        checks.append(_one_of(frozenset(member["enum"])))
    return tuple(checks)


def _any_of(checks: tuple[Check, ...]) -> Check:
    return lambda value: any(check(value) for check in checks)


def _one_of(values: frozenset[str]) -> Check:
    return lambda value: isinstance(value, str) and value in values


def _library_check(schema: Schema) -> Check:
    from jsonschema.validators import validator_for
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY

    # A registry of our own: the library's default one would fetch a remote reference.
    validator = _exact(validator_for(schema, default=_default_draft()))(schema, registry=EMPTY_REGISTRY)

    def check(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except Unresolvable as error:
            raise UsageError(
                f"a schema refers to {error.ref!r}, which it does not hold", "write the definition into the schema"
            ) from None
        except (RecursionError, OverflowError, ValueError):
            return False

    return check


@lru_cache(maxsize=16)
def _exact(draft: Any) -> Any:
    """A draft's validator that divides numbers as they are written: to the library 19.99 is no multiple of 0.01."""
    from jsonschema.validators import extend

    return cast(Any, extend)(draft, {"multipleOf": _multiple_of})


def _multiple_of(validator: Any, step: Any, value: Any, _: Schema) -> Iterator[Exception]:
    from jsonschema.exceptions import ValidationError

    # Python writes 586838024586851.75 with one decimal: the shortest by which the same double is read.
    number = validator.is_type(value, "number")
    if number and Fraction(str(value)) % Fraction(str(step)) and Fraction(value) % Fraction(step):
        yield ValidationError(f"{value!r} is not a multiple of {step}")


@lru_cache(maxsize=1)
def _default_draft() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator


def _references(schema: Any) -> list[str]:
    found: list[str] = []
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            found += [node[key] for key in ("$ref", "$dynamicRef") if isinstance(node.get(key), str)]
            # `enum`, `const`, `default` and `examples` hold values, not schemas.
            waiting += [inner for key, inner in node.items() if key not in ("enum", "const", "default", "examples")]
        elif isinstance(node, list):
            waiting += node
    return found


@dataclass(frozen=True)
class Place:
    """A place in a schema: every subschema that speaks of one value, alternatives and local references followed."""

    root: Schema
    schemas: tuple[Schema, ...]

    @property
    def says_number(self) -> bool:
        """Whether any of them allows `number`, the only type for which JSON's `1` and `1.0` are one value."""
        return any("number" in _types(schema) for schema in self.schemas)

    def member(self, name: str) -> Place:
        found: list[Any] = []
        for schema in self.schemas:
            properties = schema.get("properties")
            inside = properties.get(name) if isinstance(properties, Mapping) else None
            found.append(schema.get("additionalProperties") if inside is None else inside)
        return Place(self.root, _spread(found, self.root))

    def item(self, index: int) -> Place:
        found: list[Any] = []
        for schema in self.schemas:
            first, rest = schema.get("prefixItems", ()), schema.get("items")
            if isinstance(rest, list):  # before draft 2020-12, `items` could be the list that is now `prefixItems`
                first, rest = rest, schema.get("additionalItems")
            found.append(first[index] if index < len(first) else rest)
        return Place(self.root, _spread(found, self.root))


def place(schema: Schema) -> Place:
    """The top of a schema."""
    return Place(schema, _spread([schema], schema))


NOWHERE = Place({}, ())
"""A place about which no schema says anything."""


def _types(schema: Schema) -> Any:
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else types


def _spread(schemas: list[Any], root: Schema) -> tuple[Schema, ...]:
    """The object schemas among `schemas`, with their alternatives and the local references they hold."""
    found: list[Schema] = []
    waiting = list(schemas)
    while waiting and len(found) < 64:
        schema = waiting.pop()
        if not isinstance(schema, Mapping) or any(schema is seen for seen in found):
            continue
        found.append(schema)
        for key in ("anyOf", "oneOf", "allOf"):
            waiting += schema.get(key, ())
        if isinstance(schema.get("$ref"), str):
            waiting.append(resolve_pointer(schema["$ref"], root))
    return tuple(found)


def resolve_pointer(reference: str, root: Any) -> Any:
    """What a `#/...` pointer means within `root`; `None` where it means nothing. Source: RFC 6901, section 6."""
    if not reference.startswith("#"):
        return None
    node = root
    for part in unquote(reference[1:]).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and key in node:
            node = node[key]
        elif isinstance(node, list) and _INDEX.fullmatch(key) and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node
