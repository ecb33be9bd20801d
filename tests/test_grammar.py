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
}


@pytest.mark.parametrize(("why", "schema"), REFUSED.items(), ids=REFUSED)
def test_a_schema_that_no_grammar_holds_is_refused_in_one_line(why, schema):
    tool = Tool("odd", "", {"type": "object", "properties": {"a": schema}})
    with pytest.raises(UsageError, match="tool 'odd'") as caught:
        DIALECTS["tool_use"].grammar((GREP, tool))
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_markers_of_which_one_holds_the_other_are_refused():
    calls_in = CallSyntax("json", "<<call>>", "<<call>>>")
    dialect = Dialect("own", PHI, DIALECTS["hermes"].listing, calls_in)
    with pytest.raises(UsageError, match="one holds the other"):
        dialect.grammar((SET,))
