"""Rounds, reference work and the pytest run of the benchmarks, as far as no clock decides."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import forked
import pytest
from kit import ROOT

from benchmarks.again import measured_again
from benchmarks.comparing import BLOCKS
from benchmarks.recording import Recording, Settings, Timed
from benchmarks.reference import PIECES, piece_named, renewal
from benchmarks.rounds import Between, Layout, blocks, lay_out, slowed
from phi4bench.errors import BackendError

NANO = str(ROOT / "fixtures" / "models" / "nano-int8" / "model.onnx")
QUICK = "benchmarks/test_statistics.py::test_levels_of_300_cases"


def ticking(step_s: float = 1.0):
    """A clock that goes on by a step each time it is read."""
    return itertools.count(0, step_s).__next__


def test_reference_work_stands_before_after_and_between_the_rounds():
    done = []
    between = Between(lambda: done.append("piece"), 2, ticking(), ticking(0.25))
    for _ in range(3):
        done.append("round")
        between()
    assert done == ["piece", "piece", *["round", "piece", "piece"] * 3]
    assert between.reference_s == [0.5] * 4
    assert between.work_cpu_s == [0.25] * 3


def test_after_so_many_rounds_what_lies_in_memory_is_made_anew():
    done = []
    between = Between(lambda: done.append("piece"), 1, ticking(), ticking(), 2, [lambda: done.append("renewed")])
    for _ in range(4):
        between()
    assert done == ["piece", "piece", "renewed", "piece", "piece", "renewed", "piece"]


@pytest.mark.parametrize(("rounds", "a_place"), [(12, 4), (7, 2), (5, 1), (3, 1), (1, 1)])
def test_a_place_in_memory_is_for_a_third_of_a_blocks_rounds(rounds, a_place):
    assert Layout(1, rounds, 1).rounds_a_place == a_place


def test_a_clock_that_goes_backwards_stops_the_benchmark():
    with pytest.raises(BackendError, match="should only go forward"):
        Between(lambda: None, 1, iter([5.0, 4.0]).__next__, ticking())


def test_rounds_are_dealt_out_to_blocks_in_turn():
    """So that a machine which was slow for most of the time leaves every block its fastest round."""
    slow = [20.0 + i for i in range(3 * BLOCKS)]
    fast = [10.0 + i for i in range(BLOCKS)]
    made = blocks(slow + fast, [1.0] * (4 * BLOCKS + 1))
    assert made.work_s == tuple(fast)


def test_a_blocks_reference_is_the_fastest_piece_beside_its_rounds():
    pieces = [9.0] * (4 * BLOCKS + 1)
    pieces[4] = 3.0  # between a round of the fourth block and one of the fifth
    made = blocks([10.0] * (4 * BLOCKS), pieces)
    assert made.reference_s == (*[9.0] * 3, 3.0, 3.0, *[9.0] * (BLOCKS - 5))


@pytest.mark.parametrize(
    ("call_s", "piece_s", "layout"),
    [
        # 4 ms of calls beside 4 ms of pieces: 25 rounds of 8 ms in each of 10 blocks of 2 s, of which 12 are enough
        pytest.param(1e-6, 0.002, Layout(calls=4000, rounds=12, pieces=2), id="short"),
        # 4 ms and one piece of 20: 200 / 24 = 8.3
        pytest.param(1e-3, 0.02, Layout(calls=4, rounds=8, pieces=1), id="a-piece-is-longer-than-a-round"),
        # a quarter of 50 ms is 6.25 pieces: 200 / 62 = 3.2, and five take 3.1 s of 6
        pytest.param(0.05, 0.002, Layout(calls=1, rounds=5, pieces=6), id="a-call-is-a-round"),
        # one round in each block would take 1.18 s of 2, and five take 5.9 of 6
        pytest.param(0.09, 0.028, Layout(calls=1, rounds=5, pieces=1), id="five-rounds-of-a-long-call"),
        # 2.9 s, of which 6 have two
        pytest.param(0.2, 0.09, Layout(calls=1, rounds=2, pieces=1), id="two-rounds-of-a-longer-one"),
        # a quarter of 3 s would be 375 pieces, but 250 ms are enough
        pytest.param(3.0, 0.002, Layout(calls=1, rounds=1, pieces=125), id="longer-than-the-time-for-it"),
    ],
)
def test_rounds_are_short_where_the_work_allows_it(call_s, piece_s, layout):
    assert lay_out(call_s, piece_s, 2.0) == layout


def test_a_planted_fault_takes_its_share_of_the_calls_own_time():
    """The clock reads 0 before, 10 and 10 after the call, and then goes on by halves up to 11.5."""
    read = []

    def clock() -> float:
        read.append([0.0, 10.0][len(read)] if len(read) < 2 else 10.0 + (len(read) - 1) / 2)
        return read[-1]

    assert slowed(lambda: "made", 0.15, clock)() == "made"
    assert read[-2:] == [11.0, 11.5]


@pytest.mark.parametrize("name", PIECES)
def test_every_piece_of_reference_work_is_the_same_each_time(name):
    full_name, piece = piece_named(name, 1)
    assert re.fullmatch(rf"{name}/\d+", full_name)
    assert piece() == piece()


def test_reference_work_that_lies_in_memory_is_made_anew_and_does_the_same():
    piece = PIECES["arrays"]
    before, place = piece(), piece._weights
    renewal(piece)()
    assert piece._weights is not place
    assert piece() == before


def test_reference_work_takes_as_many_cores_as_the_work():
    assert piece_named("arrays", 2)[0] == "arrays/3 on 2"
    assert piece_named("arrays", 2)[1]() == pytest.approx(2 * piece_named("arrays", 1)[1](), rel=1e-3)


class FakeBenchmark:
    """pytest-benchmark's fixture, whose clock says that every round took `round_s`."""

    disabled = False

    def __init__(self, round_s: float) -> None:
        self.round_s, self.extra_info = round_s, {}

    def pedantic(self, action, rounds, iterations, teardown):
        self.stats = SimpleNamespace(stats=SimpleNamespace(data=[self.round_s] * rounds))
        for _ in range(rounds * iterations):
            result = action()
        for _ in range(rounds):
            teardown()
        return result


def recording() -> Recording:
    return Recording(Settings((), None, False, 0.0))


def test_what_was_timed_is_recorded_with_what_it_did():
    made, benchmark = recording(), FakeBenchmark(0.25)
    assert Timed(benchmark, "x", made)(lambda: "answer", cases=3, tokens=40, seconds=0.1) == "answer"
    [sample] = made.samples.values()
    assert (sample.name, sample.artifact, sample.reference) == ("x", "", "interpreter/3")
    assert sample.work == (("cases", 3), ("tokens", 40))
    assert sample.wall.work_s == (0.25,) * BLOCKS
    assert {"cases": 3, "tokens": 40, "machine": made.machine.key}.items() <= benchmark.extra_info.items()
    assert made.notes == []


def test_a_call_that_takes_longer_than_wanted_is_told():
    made = recording()
    Timed(FakeBenchmark(0.25), "x", made)(lambda: None, seconds=0.1, wanted_s=0.2)
    assert made.notes == ["x: 250.0 ms a call, but wanted are at most 0.2 s"]


def test_a_round_that_took_no_time_is_no_round():
    made = recording()
    with pytest.raises(BackendError, match="x: a round took no time"):
        Timed(FakeBenchmark(0.0), "x", made)(lambda: None, seconds=0.1)
    assert made.samples == {}


def bench(*arguments: object, **further: str) -> subprocess.CompletedProcess[str]:
    plugins = "-p phi4bench.plugin -p pytest_benchmark.plugin -p no:cacheprovider"  # of further processes too
    command = [sys.executable, "-m", "pytest", "-q", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": plugins, "COLUMNS": "100"}
    return forked.run(command, cwd=ROOT, env=environment | further, timeout_s=120)


def history_file(folder: Path) -> Path:
    [path] = folder.glob("machine-*.json")
    return path


def test_a_further_process_measures_the_benchmark_that_it_is_given(monkeypatch):
    for name in [one for one in os.environ if one.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p phi4bench.plugin -p pytest_benchmark.plugin")
    found = measured_again([str(ROOT / QUICK)], ROOT, Settings((NANO,), None, False, 0.0).again)
    assert {name: (one.work, one.processes) for name, one in found.items()} == {
        "statistics/levels_of_300_cases": ((("cases", 300),), 1)
    }


def test_the_second_run_stands_beside_the_first_and_may_fail_where_it_is_slower(tmp_path):
    alone = {"PHI4BENCH_MEASURED_AGAIN": "1"}  # further processes have tests of their own
    first = bench(QUICK, "--benchmark-only", "--history", tmp_path, **alone)
    assert first.returncode == 0, first.stdout
    assert " new\n" in first.stdout
    assert "kept as the 1st run of this machine" in first.stdout
    path = history_file(tmp_path)
    data = json.loads(path.read_text())
    [sample] = data["runs"][0]["samples"]
    assert len(sample["wall"]["work_s"]) == BLOCKS
    assert (sample["name"], sample["work"]) == ("statistics/levels_of_300_cases", {"cases": 300})
    for clock in ("wall", "cpu"):  # a past in which it took a hundredth of the time
        sample[clock]["work_s"] = [second / 100 for second in sample[clock]["work_s"]]
    path.write_text(json.dumps(data))
    told = tmp_path / "told.json"
    options = ["--history", tmp_path, "--fail-on-slower", f"--benchmark-json={told}"]
    second = bench(QUICK, *options, **alone)
    assert "SLOWER" in second.stdout
    assert second.returncode == 1, second.stdout
    saved = json.loads(told.read_text())
    assert saved["changes"]["statistics/levels_of_300_cases"]["outcome"] == "SLOWER"
    extra = saved["benchmarks"][0]["extra_info"]
    assert (extra["cases"], extra["artifact"]) == (300, None)
    assert f"machine-{extra['machine']}.json" == path.name
    assert "node" not in saved["machine_info"]


def test_a_broken_history_ends_the_run_before_it_begins(tmp_path):
    from benchmarks.records import Machine
    from phi4bench import machine

    path = tmp_path / f"machine-{Machine.of(machine.describe()).key}.json"
    path.write_text("{")
    done = bench(QUICK, "--history", tmp_path)
    assert done.returncode == 4, done.stdout
    assert "is no history of benchmarks: broken JSON" in done.stdout
    assert "Traceback" not in done.stdout
    assert path.read_text() == "{"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["-p", "xdist", "-n", "2", "--benchmark-only"], "without -n: what is timed beside", id="xdist"),
        pytest.param(["--benchmark-timer=time.time"], "should be time.perf_counter, which never jumps", id="timer"),
        pytest.param(["-p", "no:pytest_benchmark.plugin"], "need pytest-benchmark, which", id="no-pytest-benchmark"),
        pytest.param(["--model", "no/such/model.onnx"], "no/such/model.onnx", id="no-such-model"),
    ],
)
def test_what_cannot_be_timed_is_a_usage_error(arguments, says, tmp_path):
    done = bench("benchmarks/test_generation.py", "--history", tmp_path, *arguments)
    assert done.returncode == 4, done.stdout
    assert says in done.stdout
    assert "Traceback" not in done.stdout


def test_every_model_is_timed_under_its_name_and_suites_of_the_same_run_judge_it(tmp_path):
    models = [f"--model=fixtures/models/nano-{precision}/model.onnx" for precision in ("int8", "int4")]
    places = ["benchmarks/test_generation.py", "suites/accuracy"]
    done = bench(*places, "--collect-only", "--history", tmp_path, *models)
    assert done.returncode == 0, done.stdout
    for name in ("nano-int8", "nano-int4"):
        assert f"::test_one_call[{name}]" in done.stdout
        assert f"::test_tool[{name}]" in done.stdout
