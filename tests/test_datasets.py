"""Case files: how they are read, and every fault is one line that says where and what."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from weather import WEATHER, calls, line, write

from phi4bench.datasets import fixtures_dir, load_cases, suites_dir
from phi4bench.errors import CaseFileError, UsageError

USER = {"role": "user", "content": "hi"}
OPEN = {**WEATHER, "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}}}

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
        line(tools=[{**WEATHER, "inputSchema": {"type": "object", "anyOf": [{"$ref": "#/anyOf/²"}]}}]),
        "leads nowhere",
        id="no-index-to-a-list",
    ),
    pytest.param(
        line(tools=[{**WEATHER, "inputSchema": {"type": "object", "anyOf": [{"$ref": f"#/anyOf/{'9' * 5000}"}]}}]),
        "leads nowhere",
        id="index-of-thousands-of-digits",
    ),
    pytest.param(
        line(tools=[{**WEATHER, "inputSchema": {"type": "object", "$schema": []}}]),
        "$schema=[], but should be the URL of a draft",
        id="draft-that-is-no-text",
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
    pytest.param(
        line(tools=[OPEN], expected=calls(city="a", town="b")),
        "expected.calls[0] has the argument 'town', but 'get_weather' names 'city'",
        id="argument-unnamed",
    ),
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


@pytest.mark.parametrize(
    "says", [{"additionalProperties": True}, {"required": ["city", "town"]}, {"dependentRequired": {"city": ["town"]}}]
)
def test_an_argument_of_which_the_schema_speaks_may_be_answered_with(tmp_path: Path, says: dict[str, object]) -> None:
    speaking = {**OPEN, "inputSchema": {**OPEN["inputSchema"], **says}}
    cases = write(tmp_path / "cases.jsonl", line(tools=[speaking], expected=calls(city="a", town="b")))
    assert len(load_cases([cases]).cases) == 1


def test_a_duplicate_id_names_both_lines(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", line())
    second = write(tmp_path / "b.jsonl", line(id="other"), "", line())
    with pytest.raises(CaseFileError, match=f"b.jsonl:3: id='w-1' was given at {first}:1"):
        load_cases([first, second])


def test_of_two_faults_that_take_a_whole_file_the_first_is_told(tmp_path: Path) -> None:
    other = line(id="w-2", group="another")
    for lines, says in (
        ([line(), other, line(id="w-2")], ":2: group='another'"),
        ([line(), line(), other], ":2: id='w-1'"),
        ([line(), line(group="another")], ":2: id='w-1'"),
    ):
        path = write(tmp_path / "c.jsonl", *lines)
        with pytest.raises(CaseFileError, match=f"{path}{says}"):
            load_cases([path])


def test_one_question_in_two_groups_is_no_evidence_twice(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", line())
    path = tmp_path / "b.jsonl"
    with pytest.raises(CaseFileError, match=f"b.jsonl:1: group='another', but .* it asks what {first}:1 asks; one"):
        load_cases([first, write(path, line(id="w-2", group="another"))])
    assert len(load_cases([first, write(path, line(id="w-2"))]).cases) == 2  # one group counts them as such
    other = line(id="w-2", group="another", messages=[{"role": "user", "content": "And in Oslo?"}])
    assert len(load_cases([first, write(path, other)]).cases) == 2


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
        pytest.param(b'[{"id": "a"}]', "one JSON array, but should be one JSON object a line; `jq -c '", id="array"),
        pytest.param(b'\xef\xbb\xbf[\n  {"id": "a"}\n]', "is one JSON array", id="array-over-lines"),
        pytest.param(b'{\n  "id": "a"\n}', "JSON over several lines", id="object-over-lines"),
        pytest.param(b"\x1f\x8b\x08\x00", "compressed, but should be text; unpack it", id="gzip"),
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
