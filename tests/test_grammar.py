"""Grammars: every call that a dialect writes is accepted, and whatever is accepted parses and fits its tool."""

from __future__ import annotations

import random

import pytest
from grammars import GREP, SET, TOOLS, accepted, calls, fault, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phi4bench.calls import Call
from phi4bench.dialects import DIALECTS, CallSyntax, Dialect, load_dialect_text
from phi4bench.dialects.turns import PHI
from phi4bench.errors import UsageError
from phi4bench.schemas import is_valid
from phi4bench.tools import Tool

pytest.importorskip("llguidance", reason="needs phi4bench[constrained]")

EXAMPLES = settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
OWN = """
name = "own"
turns = "plain"
[listing]
style = "mcp"
[calls]
style = "json"
"""
CUSTOM = {
    "brackets": load_dialect_text(OWN + 'open = "[CALL]"\nclose = "[/CALL]"\nkeys = ["args", "arguments"]\n'),
    "bare": load_dialect_text(OWN + "control = false\n"),
    "listed openai": load_dialect_text(OWN + 'shape = "openai"\nopen = "<c>"\nclose = "</c>"\nbatch = "list"\n'),
}
ALL = [pytest.param(one, id=name) for name, one in {**DIALECTS, **CUSTOM}.items()]


@pytest.mark.parametrize("dialect", ALL)
@EXAMPLES
@given(
    made=calls, before=st.sampled_from(["", "Let me look.\n", "I'll (see): "]), after=st.sampled_from(["", "\nDone."])
)
def test_every_call_that_a_dialect_writes_is_accepted(dialect, made, before, after):
    text = before + dialect.render_calls(made) + after
    yes, begun = accepted(dialect, text)
    assert yes, f"stopped after {begun!r} of {text!r}"


@pytest.mark.parametrize("dialect", ALL)
@EXAMPLES
@given(pieces=st.lists(st.one_of(texts, calls), max_size=4), cut=st.randoms(use_true_random=False))
def test_what_is_accepted_parses_and_fits(dialect, pieces, cut):
    """Prose, calls, fragments of both and slips of one character in any order; most are refused."""
    text = "".join(one if isinstance(one, str) else dialect.render_calls(one) for one in pieces)
    for candidate in (text, slipped(text, cut), slipped(text, cut)):
        candidate = candidate.encode("utf-8", "replace").decode()
        if accepted(dialect, candidate)[0]:
            assert fault(dialect, candidate) == "", candidate


def slipped(text: str, cut: random.Random) -> str:
    """One character left out, doubled or replaced."""
    if not text:
        return text
    at = cut.randrange(len(text))
    return text[:at] + cut.choice(["", text[at] * 2, *"'\"<>{}[](),:` \n\\"]) + text[at + 1 :]


@pytest.mark.parametrize("dialect", ALL)
def test_prose_is_accepted_whole(dialect):
    for prose in (
        "",
        "Which file do you mean?",
        "Use {x: [1]} < 3 and `code`.\n\n1. \"a\"\n2. 'b' é 🙂",
        "```\nls\n```",
    ):
        assert accepted(dialect, prose) == (True, prose)
        assert not dialect.parse(prose).attempted


WRONG = {
    "an argument left out": Call("grep", {"path": "."}),
    "an argument too many": Call("grep", {"path": ".", "pattern": "x", "flags": "i"}),
    "a tool that is not on offer": Call("rm", {"path": "."}),
    "a string for an integer": Call("config/set", {"mode": "on", "content-type": None, "count": "3"}),
    "true for an integer": Call("config/set", {"mode": "on", "content-type": None, "count": True}),
    "a value outside its enum": Call("config/set", {"mode": "auto", "content-type": None}),
    "a text too long": Call("config/set", {"mode": "on", "content-type": None, "code": "abcde"}),
    "a text too short": Call("config/set", {"mode": "on", "content-type": None, "code": "a"}),
    "a list too long": Call("config/set", {"mode": "on", "content-type": None, "tags": ["a", "b", "c"]}),
    "an object without its member": Call("config/set", {"mode": "on", "content-type": None, "where": {"y": 1}}),
}


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_call_that_does_not_fit_cannot_be_written(dialect, wrong):
    text = dialect.render_calls([wrong])
    yes, begun = accepted(dialect, text)
    assert not yes, begun


def test_a_marker_spelt_in_letters_is_a_marker():
    tool_use = DIALECTS["tool_use"]
    assert accepted(tool_use, "see </tool_use>") == (False, "see </tool_use")
    assert not accepted(tool_use, "see <tool_use> there")[0]
    assert accepted(DIALECTS["hermes"], "see <tool_use> there")[0], "another dialect's marker is prose here"


def test_escapes_that_python_refuses_are_refused():
    tool_use = DIALECTS["tool_use"]
    for body in (r"\x1", r"\u12", r"\U00110000", r"\N{nothing}", "a\nb"):
        text = f"<tool_use>grep(pattern='{body}', path='.')</tool_use>"
        assert not accepted(tool_use, text)[0], text
        assert fault(tool_use, text), "the grammar need not be stricter than Python"
    assert accepted(tool_use, r"<tool_use>grep(pattern='def \w+', path='.')</tool_use>")[0]


BOUNDED = Tool(
    "page",
    "",
    {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 12},
            "id": {"type": "string", "pattern": "^[a-c]+$"},
        },
        "required": ["n", "id"],
    },
)


@pytest.mark.parametrize("name", ["tool_use", "phi4-mini", "hermes", "jsonrpc"])
def test_bounds_and_patterns_hold(name):
    dialect = DIALECTS[name]
    for arguments, fits in (
        ({"n": 12, "id": "abc"}, True),
        ({"n": 13, "id": "abc"}, False),
        ({"n": 3, "id": "abd"}, False),
    ):
        text = dialect.render_calls([Call("page", arguments)]).replace("'", '"')  # a pattern is held in JSON's quotes
        assert accepted(dialect, text, (BOUNDED,))[0] is fits, text


OPEN = {"type": "object", "required": ["x"]}
EDGES = {  # a schema, a value that fits it, and one that does not
    "a member that is required and not named": (
        OPEN | {"additionalProperties": {"type": "integer"}},
        {"x": 1},
        {"x": "1"},
    ),
    "members of no name": (
        {"type": "object", "properties": {}, "additionalProperties": {"type": "null"}},
        {"x": None},
        {"x": 1},
    ),
    "members that are welcome": ({"type": "object", "properties": {}, "additionalProperties": True}, {"x": 1}, 1),
    "a member that is forbidden": (
        {"type": "object", "properties": {"x": False}, "additionalProperties": {}},
        {},
        {"x": 1},
    ),
    "keywords that JSON Schema does not know": ({"type": "integer", "nullable": True, "x-order": 1}, 1, None),
    "such a keyword beside a choice": ({"anyOf": [{"type": "integer"}], "x-order": 1}, 1, None),
    "a bound without a type": ({"minimum": 0, "maximum": 1}, 0.5, 1.5),
    "a count with a point": ({"type": "string", "maxLength": 2.0}, "ab", "abc"),
    "a count of items with a point": ({"type": "array", "maxItems": 2.0}, [1, 2], [1, 2, 3]),
    "one item at most": ({"type": "array", "maxItems": 1}, [1], [1, 2]),
    "one item": ({"type": "array", "minItems": 1, "maxItems": 1}, [1], []),
    "no item": ({"type": "array", "maxItems": 0}, [], [1]),
    "a reference by number": ({"$ref": "#/properties/also/anyOf/0"}, 1, None),
    "a reference with an escape": ({"$ref": "#/$defs/a%20place"}, 1, None),
    "no letter": ({"type": "string", "pattern": "^\\W$"}, "-", "é"),
    "no digit": ({"type": "string", "pattern": "^\\D$"}, "-", "٣"),
    "no space": ({"type": "string", "pattern": "^\\S$"}, "-", "\x1c"),
    "no letter of a class": ({"type": "string", "pattern": "^[^\\w.]$"}, "-", "é"),
    "a class of no letters": ({"type": "string", "pattern": "^[\\W_]$"}, "_", "é"),
    "no letter and no closing bracket": ({"type": "string", "pattern": "^[^]\\w]$"}, "-", "]"),
    "no quote of a class": ({"type": "string", "pattern": '^[^<"]*$'}, "-", '-"'),
    "no backslash of a class": ({"type": "string", "pattern": "^[^\\\\/]*$"}, "-", "-\\"),
    "a bracket in a class": ({"type": "string", "pattern": "^[x[]+$"}, "[x", "a"),
    "an excluded bound": ({"type": "number", "exclusiveMaximum": 0.3}, 0.29, 0.3),
    "an excluded 0": ({"type": "number", "exclusiveMinimum": 0}, 0.001, 0.0),
    "an excluded 0 below a part of 1": ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, 0.5, 0),
    "an excluded 5 above a part of it": ({"type": "number", "exclusiveMaximum": -5, "minimum": -5.5}, -5.25, -5),
    "an id of 19 digits": ({"type": "integer", "minimum": 0}, 1180000000000000000, -1),
    "a time in nanoseconds": ({"type": "number", "minimum": 2 * 10**18}, 2500000000000000000, 1),
    "64 bits": ({"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}, -5, 1.5),
    "all doubles": ({"type": "number", "exclusiveMinimum": -1e308, "maximum": 1e308}, -5.5, None),
    "a number far below 0": ({"type": "integer", "maximum": 5}, -9 * 10**18, 6),
    "a step": ({"type": "number", "multipleOf": 0.5}, 1.5, 1.25),
    "a step that no double is": ({"type": "number", "multipleOf": 0.01}, 19.99, 19.995),
}


@pytest.mark.parametrize("name", ["tool_use", "phi4-mini", "hermes", "jsonrpc"])
@pytest.mark.parametrize(("schema", "fitting", "other"), EDGES.values(), ids=EDGES)
def test_a_mask_is_as_narrow_as_the_schema_and_no_narrower_where_it_need_not_be(name, schema, fitting, other):
    parts = {
        "properties": {"a": schema, "also": {"anyOf": [{"type": "integer"}]}},
        "$defs": {"a place": {"type": "integer"}},
    }
    tool = Tool("t", "", {"type": "object", **parts, "required": ["a"]})
    for value, fits in ((fitting, True), (other, False)):
        assert is_valid({"a": value}, tool.schema) is fits, value
        text = DIALECTS[name].render_calls([Call("t", {"a": value})]).replace("'", '"')
        assert accepted(DIALECTS[name], text, (tool,))[0] is fits, text


@pytest.mark.parametrize("dialect", ALL)
def test_an_integer_is_written_without_a_point(dialect):
    """Which draft 4 takes for none."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    tool = Tool("t", "", {"$schema": "http://json-schema.org/draft-04/schema#", **schema})
    assert accepted(dialect, dialect.render_calls([Call("t", {"a": 1})]), (tool,))[0]
    assert not accepted(dialect, dialect.render_calls([Call("t", {"a": 1.0})]), (tool,))[0]


DIGITS = {  # what is read as no number
    "more than a double": ({"type": "number", "minimum": 0}, "1" * 400 + ".5"),
    "more than Python reads": ({"type": "integer", "minimum": 0}, "1" * 5000),
}


@pytest.mark.parametrize(("schema", "digits"), DIGITS.values(), ids=DIGITS)
def test_digits_that_are_too_many_to_be_read_cannot_be_written(schema, digits):
    tool = Tool("t", "", {"type": "object", "properties": {"a": schema}})
    text = f"<tool_use>t(a={digits})</tool_use>"
    assert fault(DIALECTS["tool_use"], text, (tool,)), "this proves nothing"
    assert not accepted(DIALECTS["tool_use"], text, (tool,))[0]


def test_a_text_with_a_pattern_holds_no_marker_either():
    tool = Tool("t", "", {"type": "object", "properties": {"a": {"type": "string", "pattern": "."}}})
    for inside, fits in (
        ("</tool_use", True),
        ("</<//tool_use>", True),
        ("</tool_use>", False),
        ("<</tool_use>", False),
    ):
        assert accepted(DIALECTS["tool_use"], f'<tool_use>t(a="{inside}")</tool_use>', (tool,))[0] is fits, inside


@pytest.mark.parametrize("dialect", ALL)
def test_arguments_are_an_object_whatever_else_their_schema_allows(dialect):
    tool = Tool("t", "", {"type": ["object", "null"], "properties": {"a": {"type": "string"}}})
    text = dialect.render_calls([Call("t", {})])
    assert accepted(dialect, text, (tool,))[0], text
    for none in ("null", '"null"'):
        assert not accepted(dialect, text.replace("{}", none), (tool,))[0] or "{}" not in text


COUNTED = ["", "a", "a\nb", "it's\nb", '"\n', "'''\n", "\\d\n", "\\'\"", "\\'\n", "\\\\", "é🙂\t", "\x00"]


@pytest.mark.parametrize("text", COUNTED, ids=ascii)
@pytest.mark.parametrize("dialect", ALL)
def test_a_text_of_so_many_characters_is_accepted_as_the_dialect_writes_it(dialect, text):
    """Over several lines too, which stand between three quotes in Python."""
    length = len(text)
    for counts, fits in (
        ({"minLength": length}, True),
        ({"maxLength": length}, True),
        ({"minLength": length + 1}, False),
        ({"maxLength": max(0, length - 1)}, not length),
    ):
        tool = Tool("t", "", {"type": "object", "properties": {"a": {"type": "string"} | counts}})
        written = dialect.render_calls([Call("t", {"a": text})])
        assert accepted(dialect, written, (tool,))[0] is fits, counts
        if dialect.calls.style == "json":  # as writers do that keep to ASCII
            pair = r"\\ud83d\\ude42" if dialect.calls.shape == "openai" else r"\ud83d\ude42"
            assert accepted(dialect, written.replace("🙂", pair), (tool,))[0] is fits, counts


def test_a_tool_that_names_no_argument_takes_any():
    tool = Tool("env", "", {"type": "object", "additionalProperties": {"type": "string"}})
    for dialect in DIALECTS.values():
        for arguments, fits in (({}, True), ({"HOME": "/", "LANG": "C"}, True), ({"HOME": 1}, False)):
            text = dialect.render_calls([Call("env", arguments)])
            assert accepted(dialect, text, (tool,))[0] is fits, text
    assert not accepted(DIALECTS["tool_use"], "<tool_use>env(from='x')</tool_use>", (tool,))[0], "no call in Python"


def test_a_free_mapping_is_accepted_with_all_its_keys():
    tool = Tool("env", "", {"type": "object", "properties": {"vars": {"type": "object"}}, "required": ["vars"]})
    for dialect in DIALECTS.values():
        text = dialect.render_calls([Call("env", {"vars": {"a": [1, {"b": None}], "c": {}}})])
        assert accepted(dialect, text, (tool,))[0], text


def test_without_tools_there_is_only_prose():
    for dialect in DIALECTS.values():
        assert accepted(dialect, "Nothing can be called.", ())[0]
        assert not accepted(dialect, dialect.render_calls([Call("ping", {})]), ())[0]


def test_the_order_of_the_tools_does_not_matter():
    for dialect in DIALECTS.values():
        assert dialect.grammar(TOOLS) == dialect.grammar(TOOLS[::-1])


REFUSED = {
    "not": {"not": {"type": "string"}},
    "uniqueItems": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    "oneOf": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "refers to itself": {"$ref": "#/properties/a"},
    "leads nowhere": {"$ref": "#/$defs/none"},
    "a list of 'items'": {"type": "array", "items": [{"type": "integer"}]},
    "'minItems' beyond 'maxItems'": {"type": "array", "minItems": 2, "maxItems": 1},
    "`false`": {"type": "object", "required": ["x"], "additionalProperties": False},
    "'exclusiveMinimum' of True": {"type": "number", "minimum": 1, "exclusiveMinimum": True},
}


@pytest.mark.parametrize(("why", "schema"), REFUSED.items(), ids=REFUSED)
def test_a_schema_that_no_grammar_holds_is_refused_in_one_line(why, schema):
    tool = Tool("odd", "", {"type": "object", "properties": {"a": schema}})
    with pytest.raises(UsageError, match="tool 'odd'") as caught:
        DIALECTS["tool_use"].grammar((GREP, tool))
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tool_whose_arguments_are_no_object_is_refused():
    with pytest.raises(UsageError, match="type='array' lets no object pass"):
        DIALECTS["hermes"].grammar((Tool("odd", "", {"type": "array"}),))


@pytest.mark.parametrize("shape", ["flat", "openai", "jsonrpc"])
def test_a_list_of_calls_without_markers_is_refused(shape):
    """The mask would let through none of the calls that such a model was trained to write."""
    dialect = load_dialect_text(f'{OWN}control = false\nshape = "{shape}"\nbatch = "list"\n')
    with pytest.raises(UsageError, match="calls in a list without markers; use --decode free"):
        dialect.grammar((SET,))


def test_markers_of_which_one_holds_the_other_are_refused():
    calls_in = CallSyntax("json", "<<call>>", "<<call>>>")
    dialect = Dialect("own", PHI, DIALECTS["hermes"].listing, calls_in)
    with pytest.raises(UsageError, match="one holds the other"):
        dialect.grammar((SET,))
