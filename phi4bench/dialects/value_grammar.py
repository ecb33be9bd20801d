"""JSON Schemas as rules of a grammar, in any notation: what fits the rules fits the schema. Pure: no files, no models.

What is told apart: types, `enum`, `const`, `properties`, `required`, `items`, lengths and bounds, `pattern`, `anyOf`,
`$ref` into the schema itself. A keyword beyond those is refused in a line, never passed over. Two things that a schema
allows are not offered: a member that it does not name, where it names some, and a value deeper than `FREE_DEPTH` where
it says nothing of what is inside. One that it forbids cannot be kept out by a grammar: a mapping whose keys the schema
leaves open may name one key twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from keyword import kwlist
from typing import Any

from phi4bench.calls import Json
from phi4bench.dialects import bounded
from phi4bench.dialects.notation import Notation, some, terminal
from phi4bench.dialects.python_calls import is_keyword_name
from phi4bench.errors import UsageError
from phi4bench.schemas import is_valid, keywords, resolve_pointer

FREE_DEPTH = 4
"""Levels of lists and mappings in a value of which the schema says nothing."""
DEEPEST = 24
"""Levels of a schema; one that refers to itself without end is refused there."""
MOST_MEMBERS = 60
"""Members of one object: a rule counts them in the bits of one number."""

_SILENT = {
    "title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "format",
    "$schema", "$id", "$defs", "definitions", "contentMediaType", "contentEncoding",
}  # fmt: skip
_KEYWORDS: dict[str, set[str]] = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "boolean": set(),
    "null": set(),
}
_KNOWN = set().union(*_KEYWORDS.values()) | {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}

Schema = Mapping[str, Any]


class ValueGrammar:
    """The rules made so far for values in one notation, shared by all tools of a grammar.

    `avoid`: texts that no string may hold as they are. `where`: whose schema it is, in errors.
    """

    def __init__(self, notation: Notation, avoid: Sequence[str]) -> None:
        self.notation, self._avoid = notation, tuple(avoid)
        self.where = "the tool"
        self._root: Schema = {}
        self._rules: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._made = 0
        self._p = n = notation.prefix
        self._ws, self._comma, self._colon = f"{n}_WS".upper(), f"{n}_COMMA".upper(), f"{n}_COLON".upper()
        self._rules[self._ws] = f"/{some(notation.space)}/"
        self._rules[self._comma] = f"/{notation.space},{notation.space}/"
        self._rules[self._colon] = f"/{notation.space}:{notation.space}/"

    def lines(self) -> list[str]:
        return [f"{name} : {body}" for name, body in self._rules.items()]

    def adopt(self, other: ValueGrammar) -> None:
        """Take the rules of another notation in, so that one grammar holds both."""
        self._rules |= other._rules

    def arguments(self, schema: Schema, where: str) -> str:
        """The rule of one tool's arguments as an object."""
        self.where, self._root = where, schema
        return self._value(self._of_object(), 0)

    def keyword_arguments(self, schema: Schema, where: str) -> str:
        """The rule of what stands between a Python call's parentheses: `name=value`, and `**{'odd-name': value}`."""
        self.where, self._root = where, schema
        self._check(self._of_object(), "object")
        members, required = self._members(schema)
        plain = {name: member for name, member in members.items() if is_keyword_name(name)}
        odd = {name: member for name, member in members.items() if name not in plain}
        equals = self._rule("P_EQUALS", f"/{self.notation.space}={self.notation.space}/")
        words = [(f"{terminal(name)} {equals} {self._value(one, 1)}", name in required) for name, one in plain.items()]
        ways = [] if required else ['""']
        if words:
            named = self._each_once(words)
            if not any(name in required for name in odd):
                ways.append(named)
        if odd:
            spread = f'"**{{" {self._ws}? {self._each_once(self._pairs(odd, required))} {self._ws}? "}}"'
            if not any(name in required for name in plain):
                ways.append(spread)
            if words:
                ways.append(f"{named} {self._comma} {spread}")
        if not members and (unnamed := self._unnamed(schema, 0)):
            kept_out = " | ".join(terminal(word) for word in kwlist)
            pair = f"{self._rule('P_NAME', f'/[A-Za-z_][A-Za-z0-9_]*/ & ~({kept_out})')} {equals} {unnamed}"
            ways.append(f"{pair} ({self._comma} {pair})*")
        return self._rule(self._name("kw"), " | ".join(ways))

    def _of_object(self) -> dict[str, Any]:
        """The tool's schema, of objects alone: nothing else is read as arguments."""
        kinds = self._root.get("type", "object")
        if "object" not in ([kinds] if isinstance(kinds, str) else kinds):
            raise self._refused(f"type={kinds!r} lets no object pass")
        return {**self._root, "type": "object"}

    def fixed(self, value: Json) -> str:
        """One value, however the notation spells it."""
        return "(" + " | ".join(terminal(text) for text in self.notation.spell(value, self._avoid)) + ")"

    def string(self) -> str:
        return self._string("STRING", self.notation.strings)

    def _value(self, schema: Any, depth: int) -> str:
        if depth > DEEPEST:
            raise self._refused(f"it is deeper than {DEEPEST} levels, or refers to itself")
        if schema is False:
            raise self._refused("`false` lets no value pass")
        if schema is True or not isinstance(schema, Mapping):
            return self._free(FREE_DEPTH)
        key = json.dumps(schema, sort_keys=True, default=str)
        key += f" {id(self._root)}" if '"$ref"' in key else ""  # what it refers to is its own tool's
        if key not in self._named:
            self._named[key] = self._rule(self._name("v"), self._body(schema, depth))
        return self._named[key]

    def _body(self, schema: Schema, depth: int) -> str:
        for keyword in schema:
            if keyword not in _KNOWN and not self._silent(keyword):
                raise self._refused(f"{keyword!r} is beyond what a grammar is made of here")
        for one in ("$ref", "anyOf", "oneOf", "allOf"):
            if one in schema:
                return self._joined(one, schema, depth)
        if "const" in schema or "enum" in schema:
            values = [schema["const"]] if "const" in schema else list(schema["enum"])
            fitting = [value for value in values if is_valid(value, schema)]
            if not fitting:
                raise self._refused("its enum lets no value pass")
            return " | ".join(self.fixed(value) for value in fitting)
        kinds = schema.get("type", self._guessed(schema))
        if kinds is None:
            return self._free(FREE_DEPTH)
        kinds = [kinds] if isinstance(kinds, str) else list(kinds)
        return " | ".join(self._typed(kind, schema, depth) for kind in kinds)

    def _silent(self, keyword: str) -> bool:
        """Whether it only describes, or is none of JSON Schema's, such as `nullable`: a call is judged without it."""
        return keyword in _SILENT or keyword not in keywords(self._root)

    def _joined(self, one: str, schema: Schema, depth: int) -> str:
        beside = [keyword for keyword in schema if keyword != one and not self._silent(keyword)]
        if beside:
            raise self._refused(f"{beside[0]!r} beside {one!r} is beyond what a grammar is made of here")
        if one == "$ref":
            return self._value(self._resolved(schema["$ref"]), depth + 1)
        if one == "oneOf" and not _apart(schema[one]) and len(schema[one]) > 1:
            raise self._refused(
                "'oneOf' over kinds that are not all different is beyond what a grammar is made of here"
            )
        if one == "allOf" and len(schema[one]) > 1:
            raise self._refused("'allOf' of several schemas is beyond what a grammar is made of here")
        return " | ".join(self._value(inner, depth + 1) for inner in schema[one])

    def _resolved(self, reference: str) -> Any:
        found = resolve_pointer(reference, self._root)
        if found is None:
            raise self._refused(f"$ref={reference!r} leads nowhere")
        return found

    @staticmethod
    def _guessed(schema: Schema) -> str | None:
        """The type that a schema's keywords speak of, where it names none."""
        kinds = [kind for kind, own in _KEYWORDS.items() if own & schema.keys()]
        return kinds[0] if kinds else None

    def _typed(self, kind: str, schema: Schema, depth: int) -> str:
        own = {keyword: schema[keyword] for keyword in schema if keyword in _KEYWORDS.get(kind, ())}
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "boolean":
            return f"{terminal(self.notation.true)} | {terminal(self.notation.false)}"
        if kind == "null":
            return terminal(self.notation.null)
        if own and (kind != "string" or "pattern" in own):
            return self._by_library(kind, own)
        if kind == "integer":
            return "INTEGER"
        if kind == "number":
            return "INTEGER | DECIMAL"
        if kind == "string" and own:
            least, most = _counts(own, "minLength", "maxLength")
            if self.notation.counted is None:
                raise self._refused("a length is beyond what a grammar is made of here")
            return self._string(f"STRING_{least}_{most}", self.notation.counted(least, most))
        if kind == "string":
            return self.string()
        raise self._refused(f"type={kind!r} is not a JSON type")

    def _by_library(self, kind: str, own: Mapping[str, Any]) -> str:
        """Bounds and patterns: llguidance's own reading of a JSON Schema, which writes strings as JSON does."""
        if kind == "string" and not self.notation.json_strings:
            raise self._refused(
                "a 'pattern' inside arguments that are JSON in a string is beyond what a grammar can say"
            )
        try:
            told = bounded.texts(own, self._avoid) if kind == "string" else bounded.numbers(own)
        except ValueError as error:
            raise self._refused(f"{error} is beyond what a grammar is made of here") from None
        flat = {"x-guidance": {"whitespace_flexible": False}, "type": kind, **told}
        return f"%json {json.dumps(flat)}"

    def _object(self, schema: Schema, depth: int) -> str:
        members, required = self._members(schema)
        if not members:
            unnamed = self._unnamed(schema, depth)
            return self._mapping(unnamed) if unnamed else f'"{{" {self._ws}? "}}"'
        pairs = self._pairs(members, required, depth)
        whole = f'"{{" {self._ws}? {self._each_once(pairs)} {self._ws}? "}}"'
        return whole if required else f'{whole} | "{{" {self._ws}? "}}"'

    def _unnamed(self, schema: Schema, depth: int) -> str:
        """The rule of members' values where a schema offers no member by name; empty where there can be none.

        `{}` of properties means none, unless the schema says of others that they are welcome. What `false` forbids by
        its name could not be kept out of others.
        """
        extra = schema.get("additionalProperties", "properties" not in schema)
        return "" if extra is False or schema.get("properties") else self._value(extra, depth + 1)

    def _members(self, schema: Schema) -> tuple[dict[str, Any], set[str]]:
        required = set(schema.get("required", ()))
        members = dict(schema.get("properties", {}))
        for name in sorted(required - members.keys()):
            members[name] = schema.get("additionalProperties", True)
        members = {name: one for name, one in members.items() if one is not False or name in required}
        if len(members) > MOST_MEMBERS:
            raise self._refused(f"it has {len(members)} members, more than the {MOST_MEMBERS} that a rule can count")
        return members, required

    def _pairs(self, members: Mapping[str, Any], required: set[str], depth: int = 0) -> list[tuple[str, bool]]:
        return [
            (f"{self.fixed(name)} {self._colon} {self._value(one, depth + 1)}", name in required)
            for name, one in members.items()
        ]

    def _mapping(self, value: str) -> str:
        pair = f"{self.string()} {self._colon} {value}"
        return f'"{{" {self._ws}? ({pair} ({self._comma} {pair})* {self._ws}?)? "}}"'

    def _array(self, schema: Schema, depth: int) -> str:
        items = schema.get("items", True)
        if isinstance(items, list):
            raise self._refused("a list of 'items' is beyond what a grammar is made of here")
        return self._list(self._value(items, depth + 1), *_counts(schema, "minItems", "maxItems"))

    def _list(self, item: str, least: int = 0, most: int | None = None) -> str:
        empty = f'"[" {self._ws}? "]"'
        if most is not None and least > most:
            raise self._refused("'minItems' beyond 'maxItems' lets no value pass")
        if most == 0:
            return empty
        times = f"{{{max(least - 1, 0)},{'' if most is None else most - 1}}}"
        further = "" if most == 1 else f" ({self._comma} {item}){times}"  # llguidance refuses `{0,0}`
        full = f'"[" {self._ws}? {item}{further} {self._ws}? "]"'
        return full if least else f"{full} | {empty}"

    def _each_once(self, parts: Sequence[tuple[str, bool]]) -> str:
        """Some of the parts (rule, whether it must be there), at least one, in any order, with commas between."""
        parts = sorted(parts, key=lambda part: not part[1])  # the required ones are the lowest bits
        needed = sum(required for _, required in parts)
        first, then = self._name("m"), self._name("r")
        ways = [f"{body} {then}::set_bit({bit}) %if bit_clear({bit})" for bit, (body, _) in enumerate(parts)]
        self._rules[f"{first}::_"] = "\n  | ".join(ways)
        end = f'"" %if is_ones([0:{needed}])' if needed else '""'
        # No comma after the last one: what must follow it could not.
        self._rules[f"{then}::_"] = f"{end}\n  | {self._comma} {first}::_ %if not(is_ones([0:{len(parts)}]))"
        return f"{first}::0x0"

    def _free(self, depth: int) -> str:
        """Any value, with so many levels of lists and mappings."""
        name = f"{self._p}_any{depth}"
        if name not in self._rules:
            self._rules[name] = ""  # its place, before what it holds
            notation = self.notation
            words = " | ".join(terminal(word) for word in (notation.true, notation.false, notation.null))
            body = f"{self.string()} | INTEGER | DECIMAL | {words}"
            if depth:
                inner = self._free(depth - 1)
                body += f" | {self._list(inner)} | {self._mapping(inner)}"
            self._rules[name] = body
        return name

    def _string(self, name: str, kinds: Sequence[str]) -> str:
        name = f"{self._p}_{name}".upper()
        if name not in self._rules:
            whole = " | ".join(kinds)
            kept_out = " | ".join(terminal(text) for text in self._avoid)
            self._rules[name] = f"({whole}) & ~(ANY ({kept_out}) ANY)" if kept_out else whole
        return name

    def _check(self, schema: Schema, kind: str) -> None:
        """The whole of a tool's schema is read as one object of plain members."""
        for keyword in schema:
            if keyword not in _KEYWORDS[kind] and keyword != "type" and not self._silent(keyword):
                raise self._refused(f"{keyword!r} is beyond what a grammar is made of here")

    def _rule(self, name: str, body: str) -> str:
        self._rules.setdefault(name, body)
        return name

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{self._p}_{kind}{self._made}"

    def _refused(self, why: str) -> UsageError:
        return UsageError(
            f"no grammar can be made of the schema of {self.where}: {why}", "use --decode free, or leave the tool out"
        )


def _counts(schema: Schema, least: str, most: str) -> tuple[int, int | None]:
    """A count may be written `2.0`."""
    return int(schema.get(least, 0)), int(schema[most]) if most in schema else None


def _apart(schemas: Sequence[Any]) -> bool:
    """Whether no value can fit two of the schemas, told from their types alone."""
    kinds = [one.get("type") if isinstance(one, Mapping) else None for one in schemas]
    told = [kind for kind in kinds if isinstance(kind, str)]
    return len(told) == len(kinds) == len(set(told)) and not {"integer", "number"} <= set(told)
