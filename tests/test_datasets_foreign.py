"""BFCL's and ToolTalk's data as cases: small data of our own shows each rule, the real data that nothing breaks.

The real data is read where the environment variable PHI4BENCH_DATA names it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from phi4bench.calls import Call
from phi4bench.cases import Case, Rule
from phi4bench.datasets import load_cases
from phi4bench.datasets.bfcl import call_from_text
from phi4bench.datasets.bfcl_types import answer, schema_from_bfcl
from phi4bench.datasets.casejson import FormError
from phi4bench.errors import CaseFileError, UsageError
from phi4bench.schemas import is_valid
from phi4bench.tools import Tool

DATA = os.environ.get("PHI4BENCH_DATA")
real = pytest.mark.skipif(
    not DATA or not Path(DATA).is_dir(),
    reason="PHI4BENCH_DATA names no folder; it should have bfcl/ and tooltalk/ in it",
)


def put(path: Path, *entries: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(entry) for entry in entries))


def function(name: str, **properties: object) -> dict[str, object]:
    return {"name": name, "description": "", "parameters": {"type": "dict", "properties": properties, "required": []}}


def bfcl(folder: Path, category: str, functions: list[object], truth: list[object] | None) -> str:
    entry = {"id": f"{category}_0", "question": [[{"role": "user", "content": "Do it"}]], "function": functions}
    put(folder / f"BFCL_v4_{category}.json", entry)
    if truth is not None:
        put(folder / "possible_answer" / f"BFCL_v4_{category}.json", {"id": entry["id"], "ground_truth": truth})
    return f"bfcl:{folder}"


# --- BFCL ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "schema"),
    [
        pytest.param({"type": "float"}, {"type": "number"}, id="float"),
        pytest.param({"type": "any"}, {}, id="any"),
        pytest.param(
            {"type": "tuple", "items": {"type": "float"}}, {"type": "array", "items": {"type": "number"}}, id="tuple"
        ),
        pytest.param(
            {"type": "dict", "properties": {"type": {"type": "string"}}, "optional": True},
            {"type": "object", "properties": {"type": {"type": "string"}}},
            id="dict-with-a-member-called-type",
        ),
        pytest.param(
            {"type": "string", "default": None}, {"type": ["string", "null"], "default": None}, id="null-by-default"
        ),
        pytest.param(
            {"type": "array", "items": {"type": "string"}, "enum": ["a"]},
            {"type": "array", "items": {"type": "string", "enum": ["a"]}},
            id="choices-of-the-items",
        ),
    ],
)
def test_bfcl_types_become_json_schema(node: dict[str, object], schema: dict[str, object]) -> None:
    assert schema_from_bfcl(node) == schema


def test_an_unknown_bfcl_type_is_refused() -> None:
    with pytest.raises(FormError, match="type 'HashMap' is none"):
        schema_from_bfcl({"type": "HashMap"})


TOOL = Tool(
    "f",
    schema={
        "type": "object",
        "properties": {
            "unit": {"type": "string"},
            "count": {"type": "integer"},
            "cc": {"type": "string"},
            "name": {"type": ["string", "null"]},
            "where": {"type": "object"},
            "rows": {"type": "array"},
        },
    },
)


@pytest.mark.parametrize(
    ("possible", "arguments", "rules"),
    [
        pytest.param({"unit": ["cm", "CM"]}, {"unit": "cm"}, {"unit": Rule(accept=("CM",))}, id="alternatives"),
        pytest.param({"count": ["", 2]}, {"count": 2}, {"count": Rule(optional=True)}, id="may-be-left-out"),
        pytest.param({"cc": [""]}, {}, {"cc": Rule(accept=("",))}, id="only-left-out"),
        pytest.param({"name": ["", None]}, {"name": None}, {"name": Rule(optional=True)}, id="null"),
        pytest.param({"rows": []}, {"rows": []}, {}, id="no-rows"),
        pytest.param({"count": ["2", 2]}, {"count": 2}, {"count": Rule(accept=("2",))}, id="the-schema-chooses"),
        pytest.param({"rows": [[1, 2], [2, 1]]}, {"rows": [1, 2]}, {"rows": Rule(accept=([2, 1],))}, id="lists"),
        pytest.param(
            {"where": [{"a": [1, 2], "b": ["x", ""], "c": [""]}]},
            {"where": {"a": 1, "b": "x"}},
            {"where": Rule(fields={"a": Rule(accept=(2,)), "b": Rule(optional=True), "c": Rule(accept=("",))})},
            id="members",
        ),
        pytest.param(
            {"rows": [[{"a": [1]}, {"a": [2, 3]}]]},
            {"rows": [{"a": 1}, {"a": 2}]},
            {"rows": Rule(items=Rule(fields={"a": Rule(accept=(3,))}))},
            id="rows-of-members",
        ),
    ],
)
def test_possible_answers_become_an_answer_with_rules(
    possible: dict[str, list[object]], arguments: dict[str, object], rules: dict[str, Rule]
) -> None:
    assert answer(possible, TOOL) == (arguments, rules)  # type: ignore[arg-type]


def test_a_parallel_case_is_free_in_its_order_and_keeps_dotted_names(tmp_path: Path) -> None:
    functions = [function("a.play", artist={"type": "string"})]
    truth = [{"a.play": {"artist": ["Abba", "ABBA"]}}, {"a.play": {"artist": ["Queen"]}}]
    (case,) = load_cases([bfcl(tmp_path, "parallel", functions, truth)]).cases
    assert case.expected.order == "any"
    assert case.expected.calls == (Call("a.play", {"artist": "Abba"}), Call("a.play", {"artist": "Queen"}))
    assert case.expected.rules == ({"artist": Rule(accept=("ABBA",))}, {})
    assert (case.scenario, case.group) == ("parallel", "bfcl/a.play")


def test_cases_about_one_function_are_one_group_across_files(tmp_path: Path) -> None:
    truth: list[object] = [{"f": {"x": [1]}}]
    functions: list[object] = [function("f", x={"type": "integer"})]
    bfcl(tmp_path, "simple_python", functions, truth)
    bfcl(tmp_path, "irrelevance", functions, None)
    cases = load_cases([bfcl(tmp_path, "multiple", [*functions, function("g")], truth)]).cases
    assert {case.scenario for case in cases} == {"single", "selection", "irrelevant"}
    assert {case.group for case in cases} == {"bfcl/f"}


def test_a_case_that_no_valid_call_can_answer_is_left_out_and_told(tmp_path: Path) -> None:
    functions: list[object] = [function("f", x={"type": "integer"})]
    dataset = load_cases([bfcl(tmp_path, "simple_python", functions, [{"f": {"x": ["one"]}}]), *one_good(tmp_path)])
    assert [case.id for case in dataset.cases] == ["good"]
    assert dataset.notes == ("bfcl simple_python: 1 case left out: their answer breaks their function's own schema",)


def one_good(folder: Path) -> list[str]:
    case = {"id": "good", "scenario": "irrelevant", "group": "g", "tools": [], "expected": {"calls": []}}
    put(folder / "good.jsonl", case | {"messages": [{"role": "user", "content": "hi"}]})
    return [str(folder / "good.jsonl")]


def test_the_first_turn_of_a_multi_turn_conversation_is_read_from_its_call_texts(tmp_path: Path) -> None:
    entry = {
        "id": "m_0",
        "question": [[{"role": "user", "content": "Sort it"}], [{"role": "user", "content": "And more"}]],
        "involved_classes": ["MathAPI"],
        "excluded_function": ["mean"],
    }
    put(tmp_path / "BFCL_v4_multi_turn_base.json", entry)
    truth = {"id": "m_0", "ground_truth": [["sort('a.txt', up=True)", "cat(file='a.txt')"], ["cat(file='b')"]]}
    put(tmp_path / "possible_answer" / "BFCL_v4_multi_turn_base.json", truth)
    sort = function("sort", file={"type": "string"}, up={"type": "boolean"})
    documented = [sort, function("cat", file={"type": "string"}), function("mean")]
    put(tmp_path / "multi_turn_func_doc" / "math_api.json", *documented)
    dataset = load_cases([f"bfcl:{tmp_path}"])
    (case,) = dataset.cases
    assert case.expected.calls == (Call("sort", {"file": "a.txt", "up": True}), Call("cat", {"file": "a.txt"}))
    assert case.expected.order == "exact"
    assert [tool.name for tool in case.tools] == ["sort", "cat"]
    assert "1 later turns left out" in dataset.notes[0]


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('x')", "f(g())", "f(", "f(x=open('a'))", "f", "h(1)", "f(1, 2)", "f(" * 500],
    ids=["attribute", "nested-call", "open", "name", "no-call", "unknown", "too-many", "deep"],
)
def test_a_call_text_that_is_more_than_literals_is_refused(text: str) -> None:
    with pytest.raises(FormError):
        call_from_text(text, [Tool("f", schema={"type": "object", "properties": {"x": {}}})])


def test_a_folder_without_bfcl_data_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no BFCL v4 data; it should hold any of BFCL_v4_simple_python\.json"):
        load_cases([f"bfcl:{tmp_path}"])


def test_bfcl_data_without_its_answers_says_which_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"copy the folder possible_answer next to BFCL_v4_multiple\.json"):
        load_cases([bfcl(tmp_path, "multiple", [function("f")], None)])


def test_a_broken_bfcl_line_names_its_place(tmp_path: Path) -> None:
    (tmp_path / "BFCL_v4_irrelevance.json").write_text('{"id": "a"}')
    with pytest.raises(CaseFileError, match=r"BFCL_v4_irrelevance\.json:1: 'function' is missing"):
        load_cases([f"bfcl:{tmp_path}"])


# --- ToolTalk -----------------------------------------------------------------------------------------------------

TEXT = {"type": "string", "description": "", "required": True}
APIS = [
    {"name": "UserLogin", "description": "", "parameters": {"username": TEXT}, "is_action": True},
    {"name": "DeleteAccount", "description": "", "parameters": {}, "is_action": True, "requires_auth": True},
    {"name": "FindAlarms", "description": "", "parameters": {}, "is_action": False},
    {"name": "DeleteAlarm", "description": "", "parameters": {"alarm_id": TEXT}, "is_action": True},
    {"name": "SendMessage", "description": "", "parameters": {"receiver": TEXT, "message": TEXT}, "is_action": True},
]


def api(name: str, response: object, exception: str | None = None, **parameters: object) -> dict[str, object]:
    request = {"api_name": name, "parameters": parameters}
    return {"request": request, "response": response, "exception": exception}


def talk(folder: Path, *apis: object) -> tuple[Case, ...]:
    turns = [
        {"role": "user", "text": "Go"},
        {"role": "assistant", "text": "Who are you?"},
        {"role": "user", "text": "Ann"},
        {"role": "assistant", "text": "Done", "apis": list(apis)},
    ]
    setting = {"location": "Oslo", "timestamp": "2023-09-11 09:00:00", "username": "ann"}
    put(folder / "easy" / "Talk.json", {"name": "Talk", "metadata": setting, "conversation": turns})
    (folder / "apis.json").write_text(json.dumps(APIS))
    return load_cases([f"tooltalk:{folder}"]).cases


def test_a_tooltalk_turn_replays_what_came_before(tmp_path: Path) -> None:
    (case,) = talk(tmp_path, api("UserLogin", {"session_token": "t"}, username="ann"))
    assert [message.role for message in case.messages] == ["system", "user", "assistant", "user"]
    assert "Oslo" in case.messages[0].content
    assert case.expected.calls == (Call("UserLogin", {"username": "ann"}),)
    assert (case.scenario, case.group, len(case.tools)) == ("multi_turn", "tooltalk/Talk", 5)


def test_a_session_token_is_the_executors_and_not_the_models(tmp_path: Path) -> None:
    (case,) = talk(tmp_path, api("DeleteAccount", {}, session_token="98a5-77"))
    assert case.expected.calls == (Call("DeleteAccount", {}),)


def test_a_call_that_needs_an_earlier_result_has_seen_it(tmp_path: Path) -> None:
    login = api("UserLogin", {"session_token": "98a5-77"}, username="ann")
    first, second = talk(tmp_path, login, api("DeleteAccount", {}, session_token="98a5-77"))
    assert [call.name for call in first.expected.calls] == ["UserLogin"]
    assert [message.role for message in second.messages[-2:]] == ["assistant", "tool"]
    assert "98a5-77" in second.messages[-1].content
    assert [call.name for call in second.expected.calls] == ["DeleteAccount"]


def test_an_action_after_a_query_has_seen_its_result(tmp_path: Path) -> None:
    first, second = talk(tmp_path, api("FindAlarms", {"alarms": ["7"]}), api("DeleteAlarm", {}, alarm_id="7"))
    assert [call.name for call in first.expected.calls] == ["FindAlarms"]
    assert [call.name for call in second.expected.calls] == ["DeleteAlarm"]


def test_a_call_after_a_failed_one_has_seen_the_error(tmp_path: Path) -> None:
    _, second = talk(
        tmp_path, api("UserLogin", None, "Wrong name.", username="an"), api("UserLogin", {}, username="ann")
    )
    assert second.messages[-1].error
    assert second.messages[-1].content == "Wrong name."


def test_independent_calls_are_one_case_in_any_order(tmp_path: Path) -> None:
    (case,) = talk(tmp_path, api("DeleteAlarm", {}, alarm_id="7"), api("DeleteAlarm", {}, alarm_id="8"))
    assert case.expected.order == "any"
    assert len(case.expected.calls) == 2


def test_logging_out_comes_last_where_it_came_last(tmp_path: Path) -> None:
    (case,) = talk(tmp_path, api("DeleteAlarm", {}, alarm_id="7"), api("DeleteAccount", {}))
    assert case.expected.order == "exact"


def test_free_texts_are_not_compared(tmp_path: Path) -> None:
    (case,) = talk(tmp_path, api("SendMessage", {}, receiver="bob", message="See you"))
    assert case.expected.rules == ({"message": Rule(ignore=True)},)


def test_a_folder_without_signatures_says_so(tmp_path: Path) -> None:
    put(tmp_path / "Talk.json", {"conversation": []})
    with pytest.raises(UsageError, match=r"has no apis\.json; it holds the signatures"):
        load_cases([f"tooltalk:{tmp_path}"])


def test_a_folder_without_conversations_says_so(tmp_path: Path) -> None:
    (tmp_path / "apis.json").write_text(json.dumps(APIS))
    with pytest.raises(UsageError, match="holds no ToolTalk conversation"):
        load_cases([f"tooltalk:{tmp_path}"])


# --- the real data ------------------------------------------------------------------------------------------------


@real
def test_every_bfcl_case_is_read_and_its_answer_is_valid() -> None:
    dataset = load_cases([f"bfcl:{DATA}/bfcl"])
    assert Counter(case.id.rpartition("_")[0] for case in dataset.cases if "live" not in case.id) == {
        "simple_python": 400,
        "multiple": 200,
        "parallel": 200,
        "irrelevance": 240,
        "multi_turn_base": 40,
    }
    assert len(dataset.cases) == 1338
    assert dataset.notes == (
        "bfcl multi_turn_base: 90 later turns left out: what their calls returned is not in the data",
    )
    for case in dataset.cases:
        schemas = {tool.name: tool.schema for tool in case.tools}
        assert all(is_valid(dict(call.arguments), schemas[call.name]) for call in case.expected.calls), case.id


@real
def test_every_tooltalk_conversation_gives_cases() -> None:
    dataset = load_cases([f"tooltalk:{DATA}/tooltalk"])
    assert len({case.group for case in dataset.cases}) == 40
    assert not any("session_token" in call.arguments for case in dataset.cases for call in case.expected.calls)
    assert not any("left out: their calls" in note for note in dataset.notes)


@real
def test_one_file_of_a_collection_can_be_named() -> None:
    assert len(load_cases([f"bfcl:{DATA}/bfcl/BFCL_v4_parallel.json"]).cases) == 200
    assert len(load_cases([f"tooltalk:{DATA}/tooltalk/easy/AddAlarm-easy.json"]).cases) == 1


@real
def test_both_collections_make_one_dataset_with_distinct_ids() -> None:
    dataset = load_cases([f"bfcl:{DATA}/bfcl", f"tooltalk:{DATA}/tooltalk"])
    assert len({case.id for case in dataset.cases}) == len(dataset.cases)
