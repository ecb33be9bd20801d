"""Repairs: each rule does what the docs show, total on any text, and a mended call fits its tool."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from grammars import FRAGMENTS, GREP, TOOLS, calls
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from phi4bench.calls import Call
from phi4bench.dialects import DIALECTS, dialect_named
from phi4bench.repairs import RULES, repair
from phi4bench.schemas import is_valid
from phi4bench.tools import Tool

EXAMPLES = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
DOCS = Path(__file__).resolve().parent.parent / "docs" / "repair.md"
READ = Tool(
    "read",
    "",
    {
        "type": "object",
        "properties": {"file_path": {"type": "string"}},
        "required": ["file_path"],
        "additionalProperties": False,
    },
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_does_what_the_docs_show(rule):
    dialect = dialect_named(rule.dialect)
    found = repair(rule.before, dialect, (GREP, READ))
    assert found is not None
    assert found.text == rule.after
    assert found.rules == (rule.name,)
    told = DOCS.read_text()
    assert rule.before in told
    assert rule.after in told
    assert rule.name in told


A_PY = Call("read", {"file_path": "a.py"})
MENDED = {
    "a closing marker that lacks": ("tool_use", "<tool_use>read(file_path='a.py')", A_PY),
    "a parenthesis that lacks": ("tool_use", "<tool_use>read(file_path='a.py'</tool_use>", A_PY),
    "a comma that lacks": (
        "tool_use",
        "<tool_use>grep(pattern='x' path='.')</tool_use>",
        Call("grep", {"pattern": "x", "path": "."}),
    ),
    "single quotes in JSON": (
        "hermes",
        "<tool_call>{'name': 'read', 'arguments': {'file_path': 'a.py'}}</tool_call>",
        A_PY,
    ),
    "an escaped quote in JSON's single quotes": (
        "hermes",
        "<tool_call>{'name': 'grep', 'arguments': {'pattern': 'it\\'s', 'path': '.'}}</tool_call>",
        Call("grep", {"pattern": "it's", "path": "."}),
    ),
    "a quote inside the last argument": (
        "tool_use",
        "<tool_use>grep(path='.', pattern='it's')</tool_use>",
        Call("grep", {"pattern": "it's", "path": "."}),
    ),
    "a quote beside an escaped line break": (
        "tool_use",
        "<tool_use>grep(path='.', pattern='it's\\n')</tool_use>",
        Call("grep", {"pattern": "it's\n", "path": "."}),
    ),
    "a later one of a member's other names": (
        "hermes",
        '<tool_call>{"function_name": "read", "kwargs": {"file_path": "a.py"}}</tool_call>',
        A_PY,
    ),
    "typographic quotes around a value with quotes in it": (
        "tool_use",
        "<tool_use>grep(pattern=“it's “x” and ‘y’”, path='src')</tool_use>",
        Call("grep", {"pattern": "it's “x” and ‘y’", "path": "src"}),
    ),
    "typographic quotes around what would end a string": (
        "tool_use",
        '<tool_use>grep(pattern=“say "hi", it”, path=“src”)</tool_use>',
        Call("grep", {"pattern": 'say "hi", it', "path": "src"}),
    ),
    "a typographic quote at one end alone": (
        "hermes",
        '<tool_call>{"name": "grep", "arguments": {"pattern": "x”, "path": "."}}</tool_call>',
        Call("grep", {"pattern": "x", "path": "."}),
    ),
    "a bracket, with typographic quotes in a value": (
        "hermes",
        '<tool_call>{"name": "grep", "arguments": {"pattern": "“don’t”", "path": "."}</tool_call>',
        Call("grep", {"pattern": "“don’t”", "path": "."}),
    ),
    "a bracket, with typographic quotes in Python": (
        "tool_use",
        "<tool_use>grep(pattern='“don’t”, ‘no’', path='.'</tool_use>",
        Call("grep", {"pattern": "“don’t”, ‘no’", "path": "."}),
    ),
    "a bracket after lines in three quotes": (
        "tool_use",
        "<tool_use>grep(path='.', pattern='''it's “a”,\nor path = 'b'''</tool_use>",
        Call("grep", {"path": ".", "pattern": "it's “a”,\nor path = 'b"}),
    ),
    "the other name of the last argument": (
        "tool_use",
        "<tool_use>grep(pattern='x', directory='src')</tool_use>",
        Call("grep", {"pattern": "x", "path": "src"}),
    ),
    "a quote in a value before an argument's other name": (
        "tool_use",
        "<tool_use>grep(pattern='it's', directory='src')</tool_use>",
        Call("grep", {"pattern": "it's", "path": "src"}),
    ),
    "an argument's other name": ("tool_use", "<tool_use>read(path='a.py')</tool_use>", A_PY),
    "bare JSON cut short": (
        "jsonrpc",
        '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read", "arguments":'
        ' {"file_path": "a.py"}',
        A_PY,
    ),
}


@pytest.mark.parametrize(("name", "text", "call"), MENDED.values(), ids=MENDED)
def test_what_nearly_parses_is_mended(name, text, call):
    dialect = dialect_named(name)
    found = repair(text, dialect, (GREP, READ))
    assert found is not None
    assert dialect.parse(found.text).calls == (call,)
    assert set(found.rules) <= {rule.name for rule in RULES}


def test_an_argument_that_the_tool_has_is_no_other_name_of_one_that_lacks():
    members = {"pattern": {"type": "string"}, "glob": {"type": "string"}}
    both = Tool("grep", "", {"type": "object", "properties": members, "required": ["pattern"]})
    assert repair("<tool_use>grep(glob='*.py')</tool_use>", dialect_named("tool_use"), (both,)) is None


LEFT = {
    "prose": "Which file do you mean?",
    "a right call": "<tool_use>read(file_path='a.py')</tool_use>",
    "a value that lacks": "<tool_use>grep(pattern='x')</tool_use>",
    "a tool that is not on offer": "<tool_use>rm(path='a.py')",
    "a quote that opens no value": "<tool_use>grep(path='.', pattern=')</tool_use>",
    "a value of another type": "<tool_use>read(file_path=3)</tool_use>",
    "an argument too many": "<tool_use>grep(pattern='x', path='.', junk='3')</tool_use>",
    "a string that was cut off at a typographic quote": "<tool_use>grep(pattern='x', path='src’",
    "an argument that nobody knows": "<tool_use>read(whatever='a.py')</tool_use>",
}


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_what_is_right_or_past_mending_is_left_alone(text):
    assert repair(text, dialect_named("tool_use"), (GREP, READ)) is None


@pytest.mark.parametrize("name", ["tool_use", "hermes"])
def test_mending_one_block_leaves_a_right_one_as_it_was(name: str) -> None:
    dialect = dialect_named(name)
    right = Call("grep", {"pattern": '“it’s”, "x"', "path": "'"})
    broken = dialect.render_calls([A_PY])[: -len(dialect.calls.close)].rstrip()[:-1]
    found = repair(dialect.render_calls([right]) + broken + dialect.calls.close, dialect, (GREP, READ))
    assert found is not None
    assert dialect.parse(found.text).calls == (right, A_PY)
    assert found.rules == ("brackets",)


@EXAMPLES
@given(
    pieces=st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=6), calls), max_size=5),
    cut=st.integers(0, 200),
)
def test_any_text_is_mended_into_calls_that_fit_or_left_alone(pieces, cut):
    """All dialects for one example, which takes longer to make than to mend."""
    for name, dialect in DIALECTS.items():
        note(name)
        text = "".join(one if isinstance(one, str) else dialect.render_calls(one) for one in pieces)
        found = repair(text[: len(text) - cut % (len(text) + 1)], dialect, TOOLS)
        if found is not None:
            parsed = dialect.parse(found.text)
            schemas = {tool.name: tool.schema for tool in TOOLS}
            assert parsed.whole, found.text
            assert parsed.calls
            assert all(is_valid(dict(call.arguments), schemas[call.name]) for call in parsed.calls)
            assert found.rules
            assert set(found.rules) <= {rule.name for rule in RULES}


QUOTED = st.lists(st.sampled_from([*"a.,:=(){}[]'\"\\“”‘’\n ", "path=", "x='y'", ", k='v'"]), max_size=6).map("".join)


@EXAMPLES
@given(pattern=QUOTED, path=QUOTED, name=st.sampled_from(["tool_use", "hermes", "phi4-mini"]))
def test_a_bracket_that_lacks_comes_and_no_value_changes(pattern: str, path: str, name: str) -> None:
    dialect, call = dialect_named(name), Call("grep", {"pattern": pattern, "path": path})
    right = dialect.render_calls([call])
    last = max(right.rfind(bracket) for bracket in ")]}")
    found = repair(right[:last] + right[last + 1 :], dialect, (GREP, READ))
    assert found is None or dialect.parse(found.text).calls == (call,)


@pytest.mark.parametrize("dialect", ["tool_use", "hermes"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda size: '\\"' * size, id="escaped-double-quotes"),
        pytest.param(lambda size: "\\'" * size, id="escaped-single-quotes"),
        pytest.param(lambda size: "[" * size + "}" * size, id="brackets"),
        pytest.param(
            lambda size: "{" + ",".join(f'"{key}":0' for key in [*range(size), size - 1]) + "}", id="a-key-twice"
        ),
    ],
)
def test_a_long_answer_that_cannot_be_mended_takes_time_by_its_length(dialect: str, body: Callable[[int], str]) -> None:
    chosen = DIALECTS[dialect]

    def least(size: int) -> float:
        text, times = f"{chosen.calls.open}{body(size)}{chosen.calls.close}", []
        for _ in range(3):
            begun = time.process_time()
            assert repair(text, chosen, TOOLS) is None
            times.append(time.process_time() - begun)
        return min(times)

    assert least(24_000) < 10 * least(6_000)  # four times the length; by its square it would be 16
