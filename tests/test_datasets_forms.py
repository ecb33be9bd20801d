"""The form of a case: what is accepted comes back as it went in, and the published schema accepts the same."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from weather import WEATHER, line, write

from phi4bench.calls import Call
from phi4bench.cases import SCENARIOS, Case, Expected, Message, Rule
from phi4bench.datasets import case_from_json, case_to_json, load_cases, schemas_dir, write_cases
from phi4bench.datasets.casejson import FormError
from phi4bench.tools import Tool

USER = {"role": "user", "content": "hi"}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text(st.sampled_from("abcxyz_"), min_size=1, max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(names, values, max_size=3)
rules = st.recursive(
    st.builds(
        Rule,
        accept=st.lists(values, max_size=2).map(tuple),
        optional=st.booleans(),
        ignore=st.booleans(),
        tolerance=st.floats(0, 10),
        unordered=st.booleans(),
    ),
    lambda inner: st.builds(Rule, fields=st.dictionaries(names, inner, max_size=2), items=st.none() | inner),
    max_leaves=3,
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    tools = tuple(Tool(name, draw(texts)) for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)))
    calls = tuple(Call(tool.name, draw(arguments)) for tool in draw(st.lists(st.sampled_from(tools), max_size=3)))
    matches = tuple({name: draw(rules) for name in call.arguments if draw(st.booleans())} for call in calls)
    message = st.one_of(
        st.builds(Message, st.sampled_from(["system", "user"]), texts),
        st.builds(
            Message, st.just("assistant"), texts, st.lists(st.builds(Call, names, arguments), max_size=2).map(tuple)
        ),
        st.builds(Message, st.just("tool"), texts, name=names, error=st.booleans()),
    )
    messages = (*draw(st.lists(message, max_size=3)), Message("user", draw(texts)))
    if draw(st.booleans()):
        expected = Expected(calls, draw(st.sampled_from(["exact", "any"])), matches if any(matches) else ())
    else:
        expected = Expected(json=draw(values), response_schema={"type": "object"})
        calls = ()
    scenario = draw(st.sampled_from(SCENARIOS if not calls else SCENARIOS[:-1]))
    visible = texts.filter(str.strip)
    return Case(draw(visible), scenario, draw(visible), tools, messages, expected)


@given(cases())
@settings(max_examples=150, deadline=None)
def test_a_case_comes_back_from_json_as_it_went_in(case: Case) -> None:
    assert case_from_json(json.loads(json.dumps(case_to_json(case)))) == case


def test_a_file_of_cases_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_cases(tmp_path / "new" / "c.jsonl", load_cases([write(tmp_path / "c.jsonl", line(), line(id="ø"))]).cases)
    assert [case.id for case in load_cases([str(tmp_path / "new")]).cases] == ["w-1", "ø"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c.jsonl"]


CASE_SCHEMA = Draft202012Validator(json.loads((schemas_dir() / "case.schema.json").read_text()))
JUNK = [None, True, 0, -1.5, "", "x", [], [[]], {}, {"a": 1}, "user", "any", [WEATHER], [USER]]
BEYOND_THE_FORM = (
    "not among the offered",
    "which no expected call has",
    "does not have",
    "the last message",
    "defined twice",
    "match has",
    "none are known here",
)
"""What the reader asks beyond the form of the published schema."""
ASKS = [USER, {"role": "assistant", "tool_calls": [{"name": "a", "arguments": {}}]}]
RICH = [
    line(match={"city": {"accept": ["oslo"], "tolerance": 0.5}}),
    line(scenario="parallel", expected={"calls": [{"name": "get_weather", "arguments": {}}] * 2, "order": "any"}),
    line(messages=[*ASKS, {"role": "tool", "name": "a", "content": "r", "error": True}]),
    line(scenario="irrelevant", expected={"calls": []}),
    line(expected={"json": {"a": 1}}, response_schema={"type": "object"}),
]


def mutated(data: object, rng: random.Random) -> object:
    """`data` with one thing somewhere in it dropped, added or replaced."""
    if isinstance(data, dict) and data and rng.random() < 0.85:
        key = rng.choice(list(data))
        kind = rng.random()
        if kind < 0.1:
            return {other: value for other, value in data.items() if other != key}
        if kind < 0.2:
            return data | {rng.choice(["extra", "order", "error", "json", "match", "name"]): rng.choice(JUNK)}
        return data | {key: mutated(data[key], rng)}
    if isinstance(data, list) and data and rng.random() < 0.8:
        at = rng.randrange(len(data))
        return [*data[:at], mutated(data[at], rng), *data[at + 1 :]]
    return rng.choice(JUNK)


def test_the_reader_and_the_published_schema_accept_the_same_forms() -> None:
    rng = random.Random(7)
    seen: Counter[tuple[bool, bool]] = Counter()
    for _ in range(4000):
        data = mutated(rng.choice(RICH), rng)
        try:
            case_from_json(data)
            reason = ""
        except FormError as fault:
            reason = str(fault)
        accepted = CASE_SCHEMA.is_valid(data)
        seen[not reason, accepted] += 1
        if reason and accepted:
            assert any(beyond in reason for beyond in BEYOND_THE_FORM), (reason, data)
        assert accepted or reason, data
    assert min(seen[True, True], seen[False, False]) > 200, seen


@pytest.mark.parametrize("data", RICH, ids=["rules", "parallel", "history", "irrelevant", "structured"])
def test_the_published_schema_accepts_what_we_write(data: dict[str, object]) -> None:
    CASE_SCHEMA.validate(data)
    CASE_SCHEMA.validate(case_to_json(case_from_json(data)))
