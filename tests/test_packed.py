"""Many cases and completions in little memory: they come back as they went in, and take less room."""

from __future__ import annotations

import errno
import itertools
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from test_store import CARD

from phi4bench import store as store_module
from phi4bench.calls import Call
from phi4bench.cases import Case, Expected, Message, Rule
from phi4bench.completions import PackedCompletions, completion_lines, missing, pack_completions
from phi4bench.datasets import case_to_json, load_cases, sample, shipped_cases, subset, write_cases
from phi4bench.datasets.casefile import distinct
from phi4bench.datasets.dataset import Dataset, digest
from phi4bench.datasets.packing import PackedCases, case_lines, groups_of, ids_of, offers_of, pack_cases
from phi4bench.dialects import dialect_named
from phi4bench.errors import CaseFileError, StoreError
from phi4bench.packed import FEW, TOGETHER
from phi4bench.run.answered import Answered
from phi4bench.runfile import SavedRun, read_run, write_run
from phi4bench.store import TranscriptStore
from phi4bench.tools import Tool
from phi4bench.transcripts import Completion

TOOLS = (Tool("get_weather", "", {"type": "object", "properties": {"city": {"type": "string"}}}),)
CALL = Call("get_weather", {"city": "Oslo", "days": [1, 1.0, True, None, "\ud800\n"]})
PLAIN = Case("c", "single", "g", TOOLS, (Message("user", "hi"),), Expected((CALL,)), "weather")
RULE = Rule((1.0, "x"), True, True, 0.5, True, {"a": Rule(ignore=True)}, Rule(optional=True))
COUNT = 4_000
DONE = Completion("hi\n\u2028 there\ud800", (1, 2, 70000), "length", 1.1, 0.1 + 0.2, -0.0, 7)


@pytest.fixture(scope="module")
def shipped() -> list[Case]:
    """The shipped cases, again and again under other ids until they are many."""
    cases = load_cases([str(shipped_cases())]).cases
    return [replace(cases[at % len(cases)], id=f"case-{at}") for at in range(COUNT)]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(replace(PLAIN, toolset=""), id="tools-of-its-own"),
        pytest.param(replace(PLAIN, tools=(), expected=Expected()), id="no-tools"),
        pytest.param(replace(PLAIN, expected=Expected((CALL, CALL), "any")), id="any-order"),
        pytest.param(replace(PLAIN, expected=Expected((CALL,), "exact", ({"city": RULE},))), id="a-rule"),
        pytest.param(replace(PLAIN, expected=Expected((CALL, CALL), "any", ({"city": RULE}, {}))), id="two-rules"),
        pytest.param(replace(PLAIN, expected=Expected((CALL,), "exact", ({},))), id="an-empty-rule"),
        pytest.param(replace(PLAIN, expected=Expected((CALL, CALL), "any", ({"city": RULE},))), id="too-few-rules"),
        pytest.param(replace(PLAIN, expected=Expected(json={"a": [1]}, response_schema={"type": "object"})), id="json"),
        pytest.param(replace(PLAIN, expected=Expected(json=None, response_schema={})), id="null"),
        pytest.param(replace(PLAIN, expected=Expected((CALL,), json=3, response_schema={})), id="json-and-calls"),
        pytest.param(replace(PLAIN, expected=Expected(json=3)), id="json-without-a-schema"),
        pytest.param(
            replace(
                PLAIN,
                messages=(
                    Message("system", "be brief"),
                    Message("user", ""),
                    Message("assistant", "", (CALL,)),
                    Message("tool", "no", name="get_weather", error=True),
                ),
            ),
            id="a-conversation",
        ),
        pytest.param(replace(PLAIN, messages=(Message("user", "hi", name="me"),)), id="a-named-user"),
        pytest.param(replace(PLAIN, messages=(Message("user", "hi", error=True),)), id="a-failing-user"),
    ],
)
def test_a_packed_case_is_the_case_that_went_in(case: Case) -> None:
    packed = PackedCases([PLAIN, case, PLAIN])
    assert list(packed) == [PLAIN, case, PLAIN]
    assert packed[1] == case
    assert repr(packed[1]) == repr(case)  # which tells 1 from 1.0 and True, where equality does not
    assert packed[1].tools is case.tools


def test_packed_cases_are_those_that_went_in(shipped: list[Case]) -> None:
    packed = pack_cases(iter(shipped))
    assert isinstance(packed, PackedCases)
    assert list(packed) == shipped
    assert [packed[at] for at in (0, TOGETHER - 1, TOGETHER, COUNT - 1, -1)] == [
        shipped[at] for at in (0, TOGETHER - 1, TOGETHER, COUNT - 1, -1)
    ]
    assert packed[120:140] == tuple(shipped[120:140])
    assert packed[::-999] == tuple(shipped[::-999])
    with pytest.raises(IndexError):
        packed[COUNT]
    assert pack_cases(packed) is packed


def test_what_is_at_hand_is_what_the_cases_say(shipped: list[Case]) -> None:
    packed = pack_cases(shipped)
    assert list(ids_of(packed)) == ids_of(shipped) == [case.id for case in shipped]
    assert list(groups_of(packed)) == groups_of(shipped) == [case.group for case in shipped]
    assert dict(offers_of(packed)) == dict(offers_of(shipped))
    assert list(case_lines(packed)) == list(case_lines(shipped)) == [json.dumps(case_to_json(one)) for one in shipped]
    assert digest(packed) == digest(shipped)


def test_few_are_kept_as_they_are(shipped: list[Case]) -> None:
    assert pack_cases(shipped[:FEW]) == tuple(shipped[:FEW])
    assert isinstance(pack_cases(shipped[: FEW + 1]), PackedCases)
    assert pack_completions([DONE, None] * 4, 8) == (DONE, None) * 4


def test_packed_completions_are_those_that_went_in() -> None:
    made = [None if at % 3 == 0 else replace(DONE, text=f"{DONE.text} {at}") for at in range(3_000)]
    packed = pack_completions(made, len(made))
    assert isinstance(packed, PackedCompletions)
    assert list(packed) == made
    assert repr(packed[1]) == repr(made[1])
    assert packed[0] is None
    assert missing(packed) == missing(made) == 1_000
    assert list(completion_lines(packed)) == list(completion_lines(made))


def held(make: Callable[[], object]) -> int:
    """Bytes that what is made holds."""
    tracemalloc.start()
    try:
        made = make()
        return tracemalloc.get_traced_memory()[0] if made else 0
    finally:
        tracemalloc.stop()


def test_telling_cases_apart_leaves_no_objects_between_them(shipped: list[Case]) -> None:
    """Memory around a small object that stays for a while is not given back."""
    coming = distinct((f"c.jsonl:{at}", case) for at, case in enumerate(shipped))
    tracemalloc.start()
    try:
        for _ in itertools.islice(coming, COUNT - 1):
            pass
        taken = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/casefile.py")])
    finally:
        tracemalloc.stop()
    assert 0 < sum(one.count for one in taken.statistics("filename")) < COUNT / 20


def test_a_packed_case_holds_less_than_130_bytes(shipped: list[Case]) -> None:
    """Its id and its family are objects of the cases that went in, as its tools are."""
    half = COUNT // 2 + TOGETHER
    more = held(lambda: PackedCases(shipped)) - held(lambda: PackedCases(shipped[:half]))
    assert more / (COUNT - half) < 130


def test_a_packed_completion_holds_less_than_200_bytes() -> None:
    def made() -> Iterator[Completion]:
        return (Completion("<|call|>" + "word " * 20 + str(at), tuple(range(30))) for at in range(COUNT))

    assert held(lambda: list(made())) / COUNT > 400
    assert held(lambda: pack_completions(made(), COUNT)) / COUNT < 200


def test_a_file_of_many_is_read_as_one_of_few(shipped: list[Case], tmp_path: Path) -> None:
    write_cases(tmp_path / "many.jsonl", shipped)
    read = load_cases([str(tmp_path / "many.jsonl")])
    assert isinstance(read.cases, PackedCases)
    assert list(read.cases) == shipped
    assert read.sha256 == digest(shipped)
    assert len(subset(read, COUNT).cases) == COUNT
    assert [case.id for case in subset(read, 9).cases] == [case.id for case in sample(shipped, 9)]
    write_cases(tmp_path / "more.jsonl", shipped[-1:])
    with pytest.raises(CaseFileError, match=r"more.jsonl:1: id='case-3999' was given at .*many.jsonl:4000 already"):
        load_cases([str(tmp_path)])


def test_a_run_of_many_is_written_as_one_of_few_and_read_back(shipped: list[Case], tmp_path: Path) -> None:
    made = [None if at % 7 == 0 else replace(DONE, text=f"answer {at}") for at in range(len(shipped))]
    plain = SavedRun(
        CARD | {"id": "plain"}, dialect_named("hermes"), Dataset(tuple(shipped), "p", "s", "n"), tuple(made)
    )
    dataset = Dataset(pack_cases(shipped), "p", "s", "n")
    packed = replace(
        plain, artifact=CARD | {"id": "packed"}, dataset=dataset, completions=pack_completions(made, len(made))
    )
    one, other = (write_run(tmp_path, run).read_text().split("\n") for run in (plain, packed))
    assert one[1:] == other[1:]
    again = read_run(tmp_path / "transcripts" / "packed.jsonl")
    assert list(again.dataset.cases) == shipped
    assert list(again.completions) == made
    assert again.missing == packed.missing == plain.missing


def test_two_tool_sets_of_one_name_are_told_apart_in_a_run_of_many(shipped: list[Case], tmp_path: Path) -> None:
    cases = [*shipped[: FEW + 1], PLAIN, replace(PLAIN, id="d", tools=(replace(TOOLS[0], description="other"),))]
    run = SavedRun(CARD, dialect_named("hermes"), Dataset(pack_cases(cases), "p", "s", "n"), (DONE,) * len(cases))
    assert list(read_run(write_run(tmp_path, run)).dataset.cases)[-1].tools == cases[-1].tools


KEY = "5" * 64


@pytest.mark.parametrize(
    "broken", [b'{"text":3}', b"{", b"[]", b'{"text":"\xff"}'], ids=["text", "torn", "list", "bytes"]
)
def test_a_line_found_broken_where_its_completion_is_asked_for_is_as_none(tmp_path: Path, broken: bytes) -> None:
    with TranscriptStore.open(tmp_path, {"x": 1}) as store, store.path.open("ab") as file:
        told = b'{"case":"c","completion":%b,"key":"%b"' % (broken, KEY.encode())
        file.write(told + store_module._sum(told))
        file.flush()
        store.refresh()
        assert store.get(KEY) is None
        assert (len(store), store.skipped) == (0, 1)
        store.put(KEY, "c", DONE)
        assert store.get(KEY) == DONE


def test_the_later_line_of_a_key_counts_whoever_wrote_it(tmp_path: Path) -> None:
    with TranscriptStore.open(tmp_path, {"x": 1}) as store, TranscriptStore.open(tmp_path, {"x": 1}) as beside:
        store.put(KEY, "c", DONE)
        beside.put(KEY, "c", replace(DONE, text="later"))
        assert store.get(KEY) == DONE
        store.put("6" * 64, "d", replace(DONE, text="another"))
        assert [store.get(key).text for key in (KEY, "6" * 64)] == ["later", "another"]  # type: ignore[union-attr]


def test_a_run_that_gives_an_id_to_several_cases_is_none(shipped: list[Case], tmp_path: Path) -> None:
    dataset = Dataset((shipped[0], shipped[0]), "p", "s", "n")
    path = write_run(tmp_path, SavedRun(CARD, dialect_named("hermes"), dataset, (DONE, DONE)))
    with pytest.raises(StoreError, match="an id is given to several cases"):
        read_run(path)


def test_what_was_answered_is_found_by_its_case() -> None:
    cases = [replace(PLAIN, id=name) for name in ("b", "d", "a", "c")]
    run = SavedRun({}, dialect_named("hermes"), Dataset(tuple(cases), "p", "s", "n"), (DONE, None, None, DONE))
    answered = Answered(run)
    assert list(answered) == ["b", "c"]
    assert len(answered) == 2
    assert [answered[name] for name in "bc"] == [(cases[0], DONE), (cases[3], DONE)]
    assert [name in answered for name in ("a", "b", "bb", "d", "e", "")] == [False, True, False, False, False, False]


def test_two_keys_that_look_alike_are_not_taken_for_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_short", lambda key: 1)
    with TranscriptStore.open(tmp_path, {"x": 1}) as store:
        store.put(KEY, "c", DONE)
        store.put("6" * 64, "d", replace(DONE, text="another"))
        assert store.get(KEY) is None
        assert store.get("6" * 64) == replace(DONE, text="another")


def test_a_disk_that_fails_in_reading_is_told_as_one_that_fails_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with TranscriptStore.open(tmp_path, {"x": 1}) as store:
        store.put(KEY, "c", DONE)
        monkeypatch.setattr(os, "read", fails)
        with pytest.raises(StoreError, match="cannot be used as a cache: Input/output error"):
            store.get(KEY)
