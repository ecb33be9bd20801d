"""The benchmarks of our share of the time and of many cases: their figures and tables, with nothing timed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from kit import ROOT

from benchmarks.many_cases import Cost
from benchmarks.many_cases import table as cases_table
from benchmarks.share import Asked, Clock, Shares, Timed, Whole, measure, names_of, table
from phi4bench.datasets import load_cases

NOTHING = {"tokenizing": 0.0, "text": 0.0, "store": 0.0}


def cells(text: str, row: int) -> list[str]:
    """Of the table's row, counted without its head."""
    return [cell.strip() for cell in text.splitlines()[row + 2].strip("|").split("|")]


def test_our_share_is_what_the_lanes_did_not_compute():
    # two lanes for 10 s are 20 s; the runtime had 18 of them, tokenizing half a second
    run = Shares(wall_s=10, cpu_s=19, lanes=2, runtime_s=18, parts={**NOTHING, "tokenizing": 0.5})
    assert run.ours == pytest.approx(0.10)
    assert run.ours_of_cpu == pytest.approx(1 / 19)
    assert run.part("tokenizing") == pytest.approx(0.025)


def test_a_share_over_what_is_wanted_is_told_as_it_is_and_the_whole_command_stands_below():
    run = Shares(wall_s=10, cpu_s=19, lanes=2, runtime_s=17, parts=NOTHING)
    text = table({"nano": [run]}, {"nano": [Whole(wall_s=12.5, generating_s=10)]})
    assert cells(text, 0)[:5] == ["nano, generating, 2 lanes", "15.0%", "15.0% to 15.0%", "≤ 10%", "NO"]
    assert cells(text, 1)[1] == "32.0%"  # the runtime had 85% of 10 of 12.5 seconds
    assert cells(table({"nano": [Shares(10, 19, 2, 18.5, NOTHING)]}, {}), 0)[4] == "yes"


def test_what_the_runtime_takes_to_load_is_not_ours():
    run = Shares(wall_s=10, cpu_s=19, lanes=2, runtime_s=17, parts=NOTHING, loading_s=1.5)
    text = table({"nano": [run]}, {"nano": [Whole(wall_s=12.5, generating_s=10)]})
    assert [cells(text, 0)[1], cells(text, 0)[-1]] == ["15.0%", "1.50 s"]
    assert cells(text, 1)[1] == "20.0%"  # 8.5 and 1.5 of 12.5 seconds
    assert len({len(cells(text, row)) for row in (-2, 0, 1)}) == 1


def test_cpu_seconds_of_threads_that_share_a_step_are_not_told_apart():
    runs = {"large": [Shares(10, None, 1, 9.6, NOTHING)], "nano": [Shares(10, 19, 2, 18, NOTHING)]}
    text = table(runs, {})
    assert [cells(text, 0)[5], cells(text, 1)[5]] == ["", "5.3%"]
    assert cells(text, 0)[1] == "4.0%"


@pytest.mark.parametrize(("large", "told"), [(True, False), (False, True)])
def test_which_runs_tell_of_their_cpu_seconds(large, told, monkeypatch):
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    if large:
        monkeypatch.setattr("phi4bench.backends.onnx.SMALL_MODEL_BYTES", 1)
    monkeypatch.setattr("phi4bench.backends.answering.usable_cores", lambda: 2)
    run = measure(ROOT / "fixtures" / "models" / "nano-int8", Asked(tuple(load_cases(None).cases[:2]), 4), "tool_use")
    assert (run.cpu_s is not None) == told


def test_a_run_counts_what_its_session_computed_and_took_to_load():
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    run = measure(ROOT / "fixtures" / "models" / "nano-int8", Asked(tuple(load_cases(None).cases[:4]), 8), "tool_use")
    assert 0 < run.runtime_s < run.wall_s * run.lanes
    assert run.loading_s > 0
    assert run.lanes <= 4


def test_two_folders_of_one_name_are_told_apart():
    one, two, other = Path("/home/me/runs/a/int8"), Path("/home/me/runs/b/int8"), Path("/home/me/runs/a/fp32")
    assert names_of([one, two, other]) == {one: "a/int8", two: "b/int8", other: "fp32"}
    assert names_of([Path("int8"), one]) == {Path("int8"): "int8", one: "a/int8"}


def test_a_timed_object_counts_the_named_method_alone():
    clock = Clock(itertools.count(0.0, 2.0).__next__)
    timed = Timed([3, 1, 2], {"sort": clock})
    timed.sort()
    assert timed.index(2) == 1
    assert clock.seconds == 2.0


def test_a_shape_is_told_as_one():
    cases = tuple(load_cases(None).cases[:2])
    assert str(Asked(cases, 4, random_weights=True)) == "random weights, 2 cases, at most 4 new tokens"
    assert str(Asked(cases, 4)) == "2 cases, at most 4 new tokens"


def test_memory_of_many_cases_is_told_by_what_a_further_thousand_takes():
    costs = [Cost(1500, (1.0, 1.5, 9.0), 70.0, 50.0), Cost(5000, (2.5,), 105.0, 50.0)]
    text = cases_table(costs)
    assert cells(text, 0)[1:4] == ["1.50 s", "≤ 2 s", "yes"]
    # 35 MiB over 3,500 further cases
    assert cells(text, 1)[:5] == ["5,000", "2.50 s", "≤ 2 s", "NO", "105 MiB"]
    assert cells(text, 1)[5:] == ["+10.00 MiB", "≤ 0.5 MiB", "NO", "50 MiB", "+0.00 MiB", "≤ 0.5 MiB", "yes"]
    assert [len(cells(text, row)) for row in (-2, 0, 1)] == [12, 12, 12]


def test_a_time_for_collection_is_wanted_of_10000_cases_and_not_of_more():
    text = cases_table([Cost(10_000, (2.5,), 70.0, 50.0), Cost(20_000, (2.5,), 70.0, 50.0)])
    assert cells(text, 0)[2:4] == ["≤ 2 s", "NO"]
    assert cells(text, 1)[1:4] == ["2.50 s", "", ""]
    assert [len(cells(text, row)) for row in (-2, 0, 1)] == [12, 12, 12]


@pytest.mark.parametrize(("grown", "held"), [(0.5, "yes"), (0.6, "NO"), (-3.0, "yes")])
def test_memory_counts_as_not_growing_up_to_what_is_wanted(grown, held):
    costs = [Cost(1000, (1.0,), 70.0, 50.0), Cost(3000, (1.0,), 70.0 + 2 * grown, 50.0)]
    assert cells(cases_table(costs), 1)[7] == held
