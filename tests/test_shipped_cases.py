"""The shipped test split: what it holds, that it can be made again, and that training never sees any of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import pytest

from phi4bench.cases import Case
from phi4bench.datasets import load_cases, write_cases
from phi4bench.datasets.shipped import fixtures_dir, shipped_cases
from phi4bench.dialects import DIALECTS
from phi4bench.levels import is_right, score
from phi4bench.phrasing import example, shipped_split
from phi4bench.tools import Tool
from phi4bench.transcripts import Completion

SEED = 20261121
SIX = tuple(
    Tool(tool["name"], tool["description"], tool["inputSchema"])
    for tool in json.loads((fixtures_dir() / "tools" / "claude_code.json").read_text(encoding="utf-8"))["tools"]
)


@pytest.fixture(scope="module")
def cases() -> tuple[Case, ...]:
    return load_cases([str(shipped_cases())]).cases


@pytest.fixture(scope="module")
def trained():
    """20,000 examples as training draws them."""
    rng = random.Random(99)
    return [example(rng, "train", SIX) for _ in range(20_000)]


def conversation(case: Case) -> str:
    return repr([(message.role, message.content, message.calls) for message in case.messages])


@pytest.mark.parametrize(
    ("seed", "same"), [pytest.param(SEED, True, id="its-seed"), pytest.param(SEED + 1, False, id="another")]
)
def test_its_seed_makes_it_again_byte_for_byte(seed, same, tmp_path):
    write_cases(tmp_path / "made.jsonl", shipped_split(seed, SIX))
    assert ((tmp_path / "made.jsonl").read_bytes() == shipped_cases().read_bytes()) is same


def test_the_mix_is_exact(cases):
    # 30/20/25/15/10 percent of 1,280, and 250 on top.
    assert Counter(case.scenario for case in cases) == {
        "single": 384, "selection": 256, "multi_turn": 320, "parallel": 192, "missing_info": 128, "irrelevant": 250,
    }  # fmt: skip


def test_it_expects_enough_calls_from_enough_families(cases):
    calling = [case for case in cases if case.expects_call]
    families = Counter(case.group for case in calling)
    assert len(calling) == 1216
    assert len(families) >= 600
    assert max(Counter(case.group for case in cases).values()) <= 2


def test_half_of_missing_info_wants_a_question(cases):
    assert sum(case.scenario == "missing_info" and not case.expects_call for case in cases) == 64


def test_no_call_is_expected_from_150_irrelevant_families(cases):
    irrelevant = [case for case in cases if case.scenario == "irrelevant"]
    assert len({case.group for case in irrelevant}) >= 150
    assert not any(case.expects_call for case in irrelevant)


def test_the_six_tools_are_expected_about_alike(cases):
    counts = Counter(call.name for case in cases for call in case.expected.calls)
    assert set(counts) == {tool.name for tool in SIX}
    assert max(counts.values()) < 1.15 * min(counts.values()), counts


def test_ids_and_conversations_are_unique(cases):
    assert len({case.id for case in cases}) == len(cases)
    assert len({conversation(case) for case in cases}) == len(cases)


def test_few_tool_lists_so_that_prefixes_can_be_shared(cases):
    inline = [case for case in cases if not case.toolset]
    assert {case.scenario for case in inline} == {"selection"}
    assert 25 <= len(inline) <= 60
    assert len({tuple(tool.name for tool in case.tools) for case in inline}) <= 12
    assert all(call.name in {tool.name for tool in case.tools} for case in inline for call in case.expected.calls)


def test_training_never_sees_a_family_of_the_test_split(cases, trained):
    assert not {case.group for case in cases} & {made.case.group for made in trained}


def words(case: Case) -> str:
    """The wording in a family's name, without the tool, the kind or the earlier turns that the name begins with."""
    return case.group.split("/", 1 if case.scenario in ("single", "selection") else 2)[-1]


def test_training_never_words_a_request_a_later_turn_or_an_error_as_the_test_split_does(cases, trained):
    def worded(some):
        return {words(case) for case in some if case.scenario != "parallel"}

    assert len(worded(cases)) > 1000
    assert not worded(cases) & worded(made.case for made in trained)


OTHER_ANSWERS = [
    pytest.param("write-0001", 0, {"content": "remember the milk\n"}, True, id="a last line that ends"),
    pytest.param("multi-turn-0048", 0, {"content": "system == grammar\n"}, True, id="a last line that ends, later on"),
    pytest.param("grep-0009", 0, {"path": "./media/dKYuPDO"}, True, id="a folder from here"),
    pytest.param("parallel-0094", 1, {"path": "pool-deploy.json/"}, False, id="a file as a folder"),
    pytest.param(
        "glob-0030", 0, {"pattern": "./status/action/bahsvyh/**/*.{js,jsx}"}, True, id="two endings of a language"
    ),
    pytest.param("multi-turn-0207", 0, {"pattern": "api/**/*.rb"}, True, id="a kind in the folder of before"),
    pytest.param("grep-0081", 0, {"pattern": r"v663\.0"}, True, id="text escaped"),
    pytest.param("grep-0013", 0, {"pattern": r"class \.\*Handler"}, False, id="an expression escaped"),
    pytest.param("bash-0052", 0, {"command": "rm 'sync/server.js'"}, True, id="a path in quotes"),
    pytest.param("bash-0024", 0, {"command": "python3 -m pip install role"}, True, id="another python"),
    pytest.param("multi-turn-0301", 0, {"command": "ls -la -n 5 common"}, True, id="a flag before another"),
    pytest.param("multi-turn-0301", 0, {"command": "ls -la -n 5"}, False, id="an argument lost"),
]


@pytest.mark.parametrize(("case_id", "at", "instead", "right"), OTHER_ANSWERS)
def test_a_key_takes_what_is_as_right_and_nothing_else(cases, case_id, at, instead, right):
    (case,) = (case for case in cases if case.id == case_id)
    calls, dialect = list(case.expected.calls), DIALECTS["tool_use"]
    assert set(instead) <= set(calls[at].arguments)
    calls[at] = replace(calls[at], arguments={**calls[at].arguments, **instead})
    assert is_right(score(case, Completion(dialect.render_calls(calls)), dialect)) is right


def test_training_never_sees_a_conversation_of_the_test_split(cases, trained):
    assert not {conversation(case) for case in cases} & {conversation(made.case) for made in trained}


def test_training_never_sees_a_value_of_the_test_split(cases, trained):
    seen = {value for made in trained for value in made.values}
    held_out = {
        str(call.arguments[name])
        for case in cases
        for call in case.expected.calls
        for name in ("file_path", "content", "old_string", "new_string")
        if call.arguments.get(name)
    }
    assert len(held_out) > 1000
    assert not held_out & seen


@pytest.mark.parametrize("scenario", ["multi_turn", "missing_info"])
def test_a_tool_s_result_is_short_and_follows_its_call(cases, scenario):
    for case in cases:
        if case.scenario != scenario:
            continue
        for before, message in zip(case.messages, case.messages[1:], strict=False):
            if message.role == "tool":
                assert before.calls[0].name == message.name, case.id
                assert len(message.content) <= 400, case.id
