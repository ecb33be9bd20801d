"""Case files: what is accepted comes back as it went in, and every fault is one line that says where and what."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from phi4bench.calls import Call
from phi4bench.cases import SCENARIOS, Case, Expected, Message, Rule
from phi4bench.datasets import (
    case_from_json,
    case_to_json,
    fixtures_dir,
    load_cases,
    sample,
    schemas_dir,
    subset,
    suites_dir,
    write_cases,
)
from phi4bench.datasets.casejson import FormError
from phi4bench.errors import CaseFileError, Phi4benchError, UsageError
from phi4bench.tools import Tool

WEATHER = {
    "name": "get_weather",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def line(**changes: object) -> dict[str, object]:
    """A whole case, with `changes`; a change to `...` leaves the key out."""
    case: dict[str, object] = {
        "id": "w-1",
        "scenario": "single",
        "group": "weather/of",
        "tools": [WEATHER],
        "messages": [{"role": "user", "content": "Weather in Oslo?"}],
        "expected": {"calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}]},
    }
    return {key: value for key, value in (case | changes).items() if value is not ...}


def calls(**arguments: object) -> dict[str, object]:
    return {"calls": [{"name": "get_weather", "arguments": arguments}]}


def write(path: Path, *lines: object) -> str:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


USER = {"role": "user", "content": "hi"}

FAULTS = [
    pytest.param('{"id": 1', "broken JSON", id="broken-json"),
    pytest.param("[1]", "the line is a list, but should be an object", id="no-object"),
    pytest.param(line(tools=...), "'tools' is missing", id="key-missing"),
    pytest.param(line(extra=1), "'extra' is unknown", id="key-unknown"),
    pytest.param(line(id=7), "id is a number, but should be a string", id="id-a-number"),
    pytest.param(line(id=" "), "id is empty", id="id-blank"),
    pytest.param(line(group=None), "group is null", id="group-null"),
    pytest.param(line(scenario="solo"), "scenario='solo', but should be one of single, selection", id="scenario"),
    pytest.param(line(scenario=["single"]), "scenario is a list", id="scenario-a-list"),
    pytest.param(line(scenario="irrelevant"), "'irrelevant' expects no call", id="irrelevant-with-call"),
    pytest.param(line(tools="nope"), "tool set 'nope' is not known (known: claude_code", id="toolset-unknown"),
    pytest.param(line(tools="../../etc/passwd"), "is not known", id="toolset-with-path"),
    pytest.param(line(tools=3), "tools is a number", id="tools-a-number"),
    pytest.param(line(tools=[WEATHER, WEATHER]), "'get_weather' is defined twice", id="tool-twice"),
    pytest.param(line(tools=[{"name": "a"}]), "tool 'a' has no 'inputSchema'", id="tool-without-schema"),
    pytest.param(line(tools=[{"function": WEATHER}]), "unwrap the 'function'", id="tool-of-openai"),
    pytest.param(line(tools=[{**WEATHER, "inputSchema": {"type": "string"}}]), '"type": "object"', id="schema-of-text"),
    pytest.param(
        line(tools=[{**WEATHER, "inputSchema": {"type": "object", "required": "city"}}]),
        "its inputSchema is no usable JSON Schema",
        id="schema-broken",
    ),
    pytest.param(
        line(tools=[{**WEATHER, "inputSchema": {"type": "object", "properties": {"city": {"$ref": "http://x/y"}}}}]),
        "nothing is ever fetched",
        id="schema-fetches",
    ),
    pytest.param(
        line(tools=[{**WEATHER, "inputSchema": {"type": "object", "properties": {"city": {"$ref": "#/$defs/city"}}}}]),
        "leads nowhere",
        id="schema-dangles",
    ),
    pytest.param(
        line(tools=[{**WEATHER, "inputSchema": {"type": "object", "properties": {"city": {"pattern": "("}}}}]),
        "its inputSchema is no usable JSON Schema",
        id="schema-pattern",
    ),
    pytest.param(line(messages=[]), "messages is empty", id="messages-empty"),
    pytest.param(line(messages=[USER, {"role": "assistant", "content": "ho"}]), "an assistant's", id="assistant-last"),
    pytest.param(line(messages=[{"role": "robot", "content": ""}]), "messages[0].role='robot'", id="role"),
    pytest.param(line(messages=[{"role": "user"}]), "messages[0].content is missing", id="content-missing"),
    pytest.param(line(messages=[{**USER, "tool_calls": []}]), "messages[0] has 'tool_calls'", id="user-calls"),
    pytest.param(line(messages=[USER, {"role": "tool", "content": ""}]), "messages[1].name is missing", id="tool-name"),
    pytest.param(line(messages=["hi"]), "messages[0] is a string, but should be an object", id="message-a-text"),
    pytest.param(line(expected={}), "'calls' is missing", id="expected-empty"),
    pytest.param(line(expected={"calls": [], "order": "some"}), "expected.order='some'", id="order"),
    pytest.param(
        line(expected={"calls": [{"name": "get_news", "arguments": {}}]}),
        "expected tool 'get_news' is not among the offered; this case offers get_weather",
        id="tool-not-offered",
    ),
    pytest.param(line(expected=calls(city=1)), "argument 'city': 1 is not of type 'string'", id="argument-type"),
    pytest.param(line(expected=calls()), "'city' is a required property", id="argument-missing"),
    pytest.param(line(expected=calls(city="a", town="b")), "'town' was unexpected", id="argument-unknown"),
    pytest.param(line(match={"town": {}}), "match names the argument 'town'", id="rule-for-unknown"),
    pytest.param(line(match=[{}, {}]), "match has 2 entries", id="rules-too-many"),
    pytest.param(line(match={"city": {"fuzzy": True}}), "'fuzzy' is unknown", id="rule-unknown"),
    pytest.param(line(match={"city": {"tolerance": -1}}), "tolerance=-1", id="tolerance-negative"),
    pytest.param(line(match={"city": {"optional": 1}}), "optional is a number", id="flag-a-number"),
    pytest.param(line(expected={"json": 1}), "needs a 'response_schema'", id="json-without-schema"),
    pytest.param(line(expected={"json": 1}, response_schema={"type": "string"}), "1 is not of type", id="json-wrong"),
    pytest.param('{"id": "a", "id": "b"}', "the key 'id' occurs twice", id="key-twice"),
    pytest.param('{"id": NaN}', "NaN is no JSON", id="nan"),
    pytest.param('{"id": 1e999}', "too large", id="infinite"),
    pytest.param('{"id": ' + "9" * 5000 + "}", "broken JSON", id="huge-integer"),
    pytest.param("[" * 100_000, "nested too deeply", id="deep"),
    pytest.param('{"a":' + "[" * 300 + "]" * 300 + "}", "nested too deeply", id="deep-but-whole"),
    pytest.param('{"id": "\\ud83d"}', "half of a surrogate pair", id="lone-surrogate"),
]


@pytest.mark.parametrize(("fault", "says"), FAULTS)
def test_a_fault_names_its_file_line_and_reason(tmp_path: Path, fault: object, says: str) -> None:
    path = write(tmp_path / "cases.jsonl", line(id="good"), fault)
    with pytest.raises(CaseFileError) as caught:
        load_cases([path])
    message = str(caught.value)
    assert message.startswith(f"{path}:2: ")
    assert says in message
    assert "\n" not in message


def test_a_duplicate_id_names_both_lines(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", line())
    second = write(tmp_path / "b.jsonl", line(id="other"), "", line())
    with pytest.raises(CaseFileError, match=f"b.jsonl:3: id='w-1' was given at {first}:1"):
        load_cases([first, second])


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\u202e", "\x00", "a\nb"], ids=["escape", "bidi", "nul", "newline"])
@pytest.mark.parametrize("key", ["scenario", "tools"])
def test_a_message_shows_no_character_that_a_terminal_acts_on(tmp_path: Path, key: str, hostile: str) -> None:
    with pytest.raises(CaseFileError) as caught:
        load_cases([write(tmp_path / "cases.jsonl", line(**{key: hostile}))])
    assert str(caught.value).isprintable()


def test_byte_order_mark_carriage_returns_and_blank_lines_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    body = "\r\n\r\n".join(json.dumps(line(id=f"é{n}"), ensure_ascii=False) for n in range(3))
    path.write_bytes(b"\xef\xbb\xbf" + body.encode() + b"\r\n")
    assert [case.id for case in load_cases([str(path)]).cases] == ["é0", "é1", "é2"]


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    text = json.dumps(line(id="a\u2028b"), ensure_ascii=False)
    assert load_cases([write(tmp_path / "c.jsonl", text)]).cases[0].id == "a\u2028b"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "holds no case", id="empty"),
        pytest.param(b"\n \r\n", "holds no case", id="blank"),
        pytest.param(b'\n{"id": "\xff"}', "2: byte 9 is not UTF-8", id="latin-1"),
        pytest.param(b"\xff\xfe{\x00}\x00", "UTF-16", id="utf-16"),
    ],
)
def test_a_file_that_is_no_text_or_empty_is_an_error(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_bytes(data)
    with pytest.raises(CaseFileError, match=says):
        load_cases([str(path)])


def test_a_mistyped_path_suggests_the_near_name(tmp_path: Path) -> None:
    write(tmp_path / "weather.jsonl", line())
    with pytest.raises(UsageError, match=r"is not there; did you mean .*weather\.jsonl"):
        load_cases([str(tmp_path / "weathr.jsonl")])


def test_a_mistyped_folder_suggests_the_path_that_is_there_and_no_other(tmp_path: Path) -> None:
    for name in ("cases", "case"):
        (tmp_path / name).mkdir()
    write(tmp_path / "case" / "weather.jsonl", line())
    there = re.escape(repr(str(tmp_path / "case" / "weather.jsonl")))
    with pytest.raises(UsageError, match=rf"is not there; did you mean {there}\?$"):
        load_cases([str(tmp_path / "casse" / "weather.jsonl")])
    with pytest.raises(UsageError, match=r"is not there; name a case file"):
        load_cases([str(tmp_path / "casse" / "climate.jsonl")])


def test_a_toolset_of_ones_own_lies_next_to_the_case_file(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "mine.json").write_text(json.dumps({"source": "ours", "tools": [WEATHER]}))
    (tmp_path / "flat.json").write_text(json.dumps([WEATHER]))
    path = write(tmp_path / "c.jsonl", line(tools="mine"), line(id="w-2", tools="mine"), line(id="w-3", tools="flat"))
    first, second, third = load_cases([path]).cases
    assert first.toolset == "mine"
    assert first.tools is second.tools
    assert third.tools == first.tools


def test_a_broken_toolset_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('[{"name": "a"}]')
    with pytest.raises(CaseFileError, match=r"c\.jsonl:1: tool set '.*: tool 'a' has no 'inputSchema'"):
        load_cases([write(tmp_path / "c.jsonl", line(tools="mine"))])


def test_the_digest_names_the_questions_and_not_the_file(tmp_path: Path) -> None:
    one = load_cases([write(tmp_path / "one.jsonl", line(), line(id="w-2"))])
    spaced = json.dumps(line(), indent=None, separators=(" , ", " : "))
    same = load_cases([write(tmp_path / "same.jsonl", spaced, "", line(id="w-2"))])
    other = load_cases([write(tmp_path / "other.jsonl", line(), line(id="w-2", expected=calls(city="Bergen")))])
    assert one.sha256 == same.sha256
    assert one.sha256 != other.sha256


def test_the_digest_changes_with_the_tools_behind_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", line(tools="mine"))
    (tmp_path / "mine.json").write_text(json.dumps([WEATHER]))
    before = load_cases([path]).sha256
    (tmp_path / "mine.json").write_text(json.dumps([{**WEATHER, "description": "Of a city."}]))
    assert load_cases([path]).sha256 != before


def test_the_shipped_tools_and_suites_are_found_in_a_checkout() -> None:
    assert (fixtures_dir() / "tools" / "claude_code.json").is_file()
    assert suites_dir().name == "suites"


# --- the round trip, and the published schema ---------------------------------------------------------------------

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


# --- samples ------------------------------------------------------------------------------------------------------


def case_of(number: int, scenario: str, called: str) -> Case:
    tool = Tool(called)
    return Case(f"c{number}", scenario, "g", (tool,), (Message("user", "u"),), Expected((Call(called, {}),)))  # type: ignore[arg-type]


MANY = [case_of(n, "single" if n < 60 else "parallel", "read" if n % 3 else "grep") for n in range(90)]


@pytest.mark.parametrize("limit", [1, 7, 10, 45, 89])
def test_a_sample_holds_each_stratum_in_its_share(limit: int) -> None:
    strata = Counter((case.scenario, case.expected.calls[0].name) for case in MANY)
    taken = Counter((case.scenario, case.expected.calls[0].name) for case in sample(MANY, limit))
    assert taken.total() == limit
    for stratum, size in strata.items():
        assert abs(taken[stratum] - limit * size / len(MANY)) < 1


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert sample(MANY, 20, seed=3) == sample(MANY, 20, seed=3)
    assert sample(MANY, 20, seed=3) != sample(MANY, 20, seed=4)


def test_a_sample_keeps_the_order_and_a_large_limit_keeps_all() -> None:
    numbers = [int(case.id[1:]) for case in sample(MANY, 30)]
    assert numbers == sorted(numbers)
    assert sample(MANY, 91) == tuple(MANY)


def test_a_sample_of_none_is_refused() -> None:
    with pytest.raises(Phi4benchError, match="limit=0, but should be at least 1"):
        sample(MANY, 0)


def test_a_subset_is_a_dataset_of_its_own(tmp_path: Path) -> None:
    whole = load_cases([write(tmp_path / "c.jsonl", *(line(id=f"w-{n}") for n in range(9)))])
    part = subset(whole, 4, seed=1)
    assert len(part.cases) == 4
    assert part.sha256 != whole.sha256
    assert part.notes == ("a sample of 4 of 9 cases (seed 1)",)
    assert subset(whole, 9) is whole
