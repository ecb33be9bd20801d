"""JSON Schema: the fast path against the library, what is refused, and that nothing is ever fetched."""

from __future__ import annotations

import itertools
import socket

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phi4bench.errors import UsageError
from phi4bench.schemas import flat_check, is_valid, resolve_pointer, schema_fault

TYPES = ("string", "integer", "number", "boolean", "null", "array", "object")
names = st.sampled_from(["a", "b", "c"])
members = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True)},
    optional={
        "enum": st.lists(st.sampled_from(["a", "b", "", "1"]), min_size=1, max_size=3, unique=True),
        "description": st.just("what it is"),
    },
)
flat_schemas = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(names, members, min_size=2, max_size=3)},
    optional={
        "required": st.lists(names, max_size=3, unique=True),
        "additionalProperties": st.booleans(),
        "$schema": st.sampled_from(
            ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"]
        ),
    },
)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = leaves | st.sampled_from(["a", "b", "", "1"]) | st.just(1.0) | st.lists(leaves, max_size=2)
objects = st.dictionaries(names | st.just("d"), values | st.dictionaries(names, leaves, max_size=1), max_size=4)


@settings(deadline=None, max_examples=300)
@given(flat_schemas, objects | values)
def test_the_fast_path_agrees_with_the_library(schema, value):
    check = flat_check(schema)
    assert check is not None
    validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    assert check(value) == validator(schema).is_valid(value)


@pytest.mark.parametrize(
    "value", [None, True, 0, -1, 1.0, 1.5, 1e300, 10**400, "", "1", [], {}], ids=lambda v: f"{v!r:.9}"
)
def test_every_type_means_what_the_library_means_by_it(value):
    for first, second in itertools.product(TYPES, TYPES):
        types = first if first == second else [first, second]
        schema = {"type": "object", "properties": {"a": {"type": types}}}
        check = flat_check(schema)
        assert check is not None
        assert check({"a": value}) == jsonschema.Draft202012Validator(schema).is_valid({"a": value}), types


@pytest.mark.parametrize(
    ("member", "value", "valid"),
    [
        pytest.param({"enum": ["a", "b"]}, "b", True, id="listed"),
        pytest.param({"enum": ["a", "b"]}, "c", False, id="not-listed"),
        pytest.param({"enum": ["1"]}, 1, False, id="a-number-for-its-text"),
        pytest.param({"type": "integer", "enum": ["1"]}, "1", False, id="listed-and-of-another-type"),
        pytest.param({"enum": ["auto", 1]}, 1, True, id="a-number-beside-a-text"),
        pytest.param({"enum": ["auto", 1]}, True, False, id="true-for-a-listed-one"),
    ],
)
def test_a_member_is_one_of_those_listed(member, value, valid):
    assert is_valid({"a": value}, {"type": "object", "properties": {"a": member}}) is valid


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "object", "minProperties": 1}, id="another-keyword"),
        pytest.param({"type": "object", "properties": {"a": {"type": "string", "pattern": "^x"}}}, id="pattern"),
        pytest.param({"type": "object", "properties": {"a": {"enum": [1, 2]}}}, id="enum-of-numbers"),
        pytest.param({"type": "object", "properties": {"a": {"enum": ["a", 1]}}}, id="enum-of-both"),
        pytest.param({"type": "object", "properties": {"a": {"type": "text"}}}, id="no-type-of-json"),
        pytest.param({"type": "object", "properties": {"a": True}}, id="boolean-member"),
        pytest.param({"type": "object", "additionalProperties": {"type": "string"}}, id="schema-for-others"),
        pytest.param({"type": "object", "$schema": "http://json-schema.org/draft-04/schema#"}, id="draft-4"),
        pytest.param({"properties": {}}, id="no-type"),
    ],
)
def test_the_fast_path_leaves_the_rest_to_the_library(schema):
    assert flat_check(schema) is None


def test_the_schemas_own_draft_is_honoured():
    # Draft 4 knows no integer 1.0; draft 6 and later do. Source: JSON Schema draft-06 release notes, "integer".
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"}
    assert not is_valid(1.0, old)
    assert is_valid(1.0, {"type": "integer"})


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        pytest.param({"tags": ["a"], "n": 2}, True, id="valid"),
        pytest.param({"tags": ["a", 1], "n": 2}, False, id="wrong-item"),
        pytest.param({"tags": [], "n": 0}, False, id="below-the-minimum"),
        pytest.param({"tags": [], "n": True}, False, id="boolean-for-integer"),
    ],
)
def test_nested_schemas_are_judged_by_the_library(value, valid):
    schema = {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "n": {"type": "integer", "minimum": 1},
        },
        "$defs": {"tag": {"type": "string"}},
    }
    assert is_valid(value, schema) is valid


def test_a_value_that_cannot_be_checked_is_not_valid():
    recursive = {"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}
    deep: list[object] = []
    for _ in range(3000):
        deep = [deep]
    assert not is_valid(deep, recursive)  # type: ignore[arg-type]
    assert not is_valid(10**5000, {"multipleOf": 0.5})


@pytest.mark.parametrize(
    ("value", "step", "fits"),
    [
        pytest.param(19.99, 0.01, True, id="cents"),
        pytest.param(19.995, 0.01, False, id="half-a-cent"),
        pytest.param(586838024586851.75, 0.25, True, id="quarters-of-which-Python-writes-one-digit"),
        pytest.param(3, 1.5, True, id="integer"),
        pytest.param(10**400, 0.5, True, id="beyond-a-double"),
        pytest.param(7, 2, False, id="odd"),
        pytest.param("7", 2, True, id="no-number"),
    ],
)
def test_multiples_are_told_by_the_numbers_as_they_are_written(value, step, fits):
    for draft in ("https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"):
        assert is_valid(value, {"$schema": draft, "multipleOf": step}) is fits


def test_nothing_is_ever_fetched(monkeypatch):
    reached = []

    def no_network(*args, **kwargs):
        reached.append(args)
        raise OSError

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, no_network)
    remote = {"type": "object", "properties": {"a": {"$ref": "http://example.com/a.json"}}}
    with pytest.raises(UsageError, match=r"example\.com"):
        is_valid({"a": 1}, remote)
    assert not reached


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        pytest.param({"type": "object", "properties": {"a": {"type": "string"}}}, "", id="usable"),
        pytest.param({"type": "strong"}, "strong", id="unknown-type"),
        pytest.param({"properties": {"a": {"pattern": 3}}}, "properties/a/pattern", id="names-the-place"),
        pytest.param({"$ref": "http://example.com/a.json"}, "nothing is ever fetched", id="remote-reference"),
        pytest.param({"default": {"$ref": "http://example.com"}}, "", id="a-value-that-looks-like-a-reference"),
        pytest.param(
            {"$schema": "http://json-schema.org/draft-03/schema#", "type": "object", "required": True},
            "should be draft 4 or later",
            id="a-draft-whose-required-is-a-flag",
        ),
        pytest.param([], "should be an object", id="no-object"),
    ],
)
def test_schema_fault_says_why_a_schema_is_refused(schema, said):
    fault = schema_fault(schema)
    assert said in fault
    assert bool(fault) == bool(said)


# RFC 6901, section 6: the document and the pointers as URI fragments, with what each evaluates to.
RFC_6901 = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("#", RFC_6901, id="whole"),
        pytest.param("#/foo", ["bar", "baz"], id="list"),
        pytest.param("#/foo/0", "bar", id="item"),
        pytest.param("#/", 0, id="empty-key"),
        pytest.param("#/a~1b", 1, id="slash"),
        pytest.param("#/c%25d", 2, id="percent"),
        pytest.param("#/e%5Ef", 3, id="caret"),
        pytest.param("#/g%7Ch", 4, id="bar"),
        pytest.param("#/i%5Cj", 5, id="backslash"),
        pytest.param("#/k%22l", 6, id="quote"),
        pytest.param("#/%20", 7, id="space"),
        pytest.param("#/m~0n", 8, id="tilde"),
        pytest.param("#/foo/2", None, id="nowhere"),
    ],
)
def test_a_pointer_means_what_rfc_6901_says(pointer, value):
    assert resolve_pointer(pointer, RFC_6901) == value
