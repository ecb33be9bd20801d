"""A benchmark that begins a history, or is in doubt, is measured in several processes, and the fastest count."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import again
from benchmarks.comparing import BLOCKS, FACTOR, Blocks, Change, Outcome, Sample, compare, in_doubt
from benchmarks.history import History
from benchmarks.recording import FIRST_PROCESSES, MOST_PROCESSES, SURE_PROCESSES, Recording, Settings
from benchmarks.records import Machine, Run

MACHINE = Machine.of(
    {
        "cpu": "Testium 9",
        "architecture": "x86_64",
        "cores": 2,
        "memory_bytes": 1,
        "os": "L",
        "python": "3",
        "gpus": [],
        "packages": {},
    }
)


def sample(seconds: float, piece_s: float = 1.0) -> Sample:
    """One process, on a machine on which all takes `piece_s` times as long."""
    wall = Blocks(tuple(seconds * piece_s * (1 + i / 1000) for i in range(BLOCKS)), (piece_s,) * BLOCKS)
    return Sample("scoring/x", "", "interpreter/1", 1, (), wall, wall, 0.0, 1.0)


@pytest.mark.parametrize(
    ("ratio", "doubted"), [(1.0, False), (1.03, False), (1.045, True), (0.955, True), (2.0, True), (None, False)]
)
def test_more_than_half_the_way_to_what_counts_is_in_doubt(ratio, doubted):
    assert in_doubt(Change(sample(1.0), Outcome.SAME, 1.0, 1.0, ratio, FACTOR)) is doubted


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        pytest.param([(1.10, 1.0), (1.00, 1.0)], Outcome.SAME, id="one-of-two-slow"),
        pytest.param([(1.12, 1.0), (1.11, 1.0), (1.3, 1.0), (1.01, 1.0)], Outcome.SAME, id="all-but-one-slow"),
        pytest.param([(1.15, 1.0), (1.14, 1.0)], Outcome.SLOWER, id="a-change"),
        pytest.param([(0.92, 1.6), (1.15, 1.0), (1.3, 1.3)], Outcome.SLOWER, id="a-change-that-a-slow-machine-hid"),
        pytest.param([(1.16, 1.5), (1.15, 1.5)], Outcome.SLOWER, id="a-change-on-a-slower-machine"),
        pytest.param([(1.0, 1.5), (1.0, 1.4)], Outcome.SAME, id="a-slower-machine"),
        pytest.param([(0.90, 1.0), (1.10, 1.0)], Outcome.FASTER, id="a-gain"),
        pytest.param([(0.85, 1.5), (1.0, 1.0)], Outcome.SAME, id="a-gain-on-a-slow-machine-alone"),
    ],
)
def test_of_several_processes_the_fastest_count(processes, expected):
    """Each takes so much longer than before, on a machine on which all takes so much longer."""
    (now, *others) = (sample(*one) for one in processes)
    for one in others:
        now = now.with_process(one)
    before = sample(1.0).with_process(sample(1.05))
    assert (now.processes, compare(now, [before]).outcome) == (len(processes), expected)


@pytest.mark.parametrize("swapped", [False, True], ids=["several-now", "several-before"])
def test_beside_one_process_alone_the_middle_one_of_several_counts(swapped):
    """Of the same code: the fastest of five is 10% faster than one, but the middle one is not."""
    several, one = sample(0.9), sample(1.0)
    for seconds in (0.99, 1.01, 1.2, 1.3):
        several = several.with_process(sample(seconds))
    now, before = (one, several) if swapped else (several, one)
    change = compare(now, [before])
    assert (change.outcome, change.ratio) == (Outcome.SAME, pytest.approx(1.01 if not swapped else 1 / 1.01))


def test_processes_are_pooled_block_by_block():
    """The fastest of each block, and of the reference work beside it, whichever process they are of."""
    first = Blocks((3.0, 1.0) * (BLOCKS // 2), (1.0,) * BLOCKS)
    second = Blocks((2.0, 2.0) * (BLOCKS // 2), (0.5, 1.5) * (BLOCKS // 2))
    pooled = (first + second).pooled
    assert pooled == Blocks((2.0, 1.0) * (BLOCKS // 2), (0.5, 1.0) * (BLOCKS // 2))
    assert pooled.pooled == pooled
    assert pooled.figures == (4.0, 1.0) * (BLOCKS // 2)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(sample(1.0), work=(("cases", 3),)), id="other-work"),
        pytest.param(replace(sample(1.0), artifact="ab"), id="another-artifact"),
        pytest.param(replace(sample(1.0), others=0.9, idle=0.0), id="held-up"),
    ],
)
def test_a_process_that_is_not_like_the_first_is_left_out(other):
    assert sample(1.0).with_process(other) == sample(1.0)


def test_processes_taken_together_tell_of_the_busiest():
    found = sample(1.0).with_process(replace(sample(1.2), others=0.05, idle=0.3))
    assert (found.others, found.idle) == (0.05, 0.3)
    assert found.wall.work_s == found.cpu.work_s == sample(1.0).wall.work_s + sample(1.2).wall.work_s


def measured(
    folder: Path, seconds: float, past_s: float | None = 1.0, planted: float = 0.0, piece_s: float = 1.0
) -> Recording:
    """A recording of a benchmark that took so long, beside a history of one run where `past_s` is given."""
    made = Recording(Settings((), folder, False, planted, Path("/root-of-it")))
    made.machine, made._history = MACHINE, History.open(folder, MACHINE)
    if past_s is not None:
        made._history.keep(Run("2026-11-26", "cafe", {}, (sample(past_s).with_process(sample(past_s)),)))
    made.samples, made.nodes = (
        {"scoring/x": sample(seconds, piece_s)},
        {"scoring/x": "benchmarks/test_scoring.py::test_x"},
    )
    return made


class Further:
    """Stands for the further processes, which take `seconds` in turn; the commands that started them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.commands: list[list[str]] = []

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self.seconds:
            folder = next(one for one in command if one.startswith("--history=")).partition("=")[2]
            run = Run("2026-11-26", "cafe", {}, (sample(self.seconds.pop(0)),))
            History.open(Path(folder), MACHINE).keep(run)
            return subprocess.CompletedProcess(command, 0, "")
        return subprocess.CompletedProcess(command, 4, "\nERROR: no such plugin\n\n")


@pytest.fixture
def further(monkeypatch: pytest.MonkeyPatch) -> Further:
    made = Further()
    monkeypatch.setattr(again.subprocess, "run", made.run)
    return made


def test_what_moved_in_one_process_alone_is_no_news(tmp_path: Path, further: Further):
    further.seconds = [1.06, 1.0]
    (found,) = measured(tmp_path, 1.12).compare()
    assert (found.outcome, round(found.ratio or 0, 2)) == (Outcome.SAME, 1.0)
    assert found.reason == "1.12 in the first of 3 processes", "1.06 leaves it in doubt"


def test_further_processes_leave_the_history_and_each_other_alone(tmp_path: Path, further: Further):
    further.seconds = [1.0]
    measured(tmp_path, 1.12).compare()
    for command in further.commands:
        assert "/root-of-it/benchmarks/test_scoring.py::test_x" in command
        assert not any(str(tmp_path / "machine") in part or part == f"--history={tmp_path}" for part in command)


def test_a_change_is_news_once_all_processes_were_asked_and_all_are_kept(tmp_path: Path, further: Further):
    further.seconds = [1.12, 1.13, 1.14, 1.15, 1.16]
    made = measured(tmp_path, 1.12)
    made.finish(whole=True)
    assert [one.outcome for one in made.changes] == [Outcome.SLOWER]
    assert len(further.commands) == SURE_PROCESSES - 1
    assert made._history is not None
    assert [one.processes for one in made._history.samples] == [2, SURE_PROCESSES]


def test_what_stays_in_doubt_is_measured_in_every_process(tmp_path: Path, further: Further):
    further.seconds = [1.06] * 9
    (found,) = measured(tmp_path, 1.06).compare()
    assert (found.outcome, found.sample.processes) == (Outcome.SAME, MOST_PROCESSES)


def test_a_process_that_took_less_time_is_news_once_all_were_asked(tmp_path: Path, further: Further):
    further.seconds = [1.0, 1.01, 0.99, 1.0]
    assert [one.outcome for one in measured(tmp_path, 0.8).compare()] == [Outcome.FASTER]
    assert len(further.commands) == SURE_PROCESSES - 1


def test_what_has_not_moved_is_not_measured_again(tmp_path: Path, further: Further):
    assert [one.outcome for one in measured(tmp_path, 1.0).compare()] == [Outcome.SAME]
    assert further.commands == []


@pytest.mark.parametrize(
    ("took_s", "outcome", "processes"),
    [pytest.param(5.0, Outcome.SLOWER, 5, id="soon-measured"), pytest.param(50.0, Outcome.SAME, 1, id="long")],
)
def test_a_slowdown_that_a_slow_machine_hid_is_found_by_the_second_process(
    tmp_path: Path, further: Further, took_s, outcome, processes
):
    further.seconds = [1.15, 1.16, 1.15, 1.16]
    lines: list[str] = []
    made = measured(tmp_path, 1.01, piece_s=1.5)
    made._tell = lines.append
    made.took_s = dict.fromkeys(made.samples, took_s)
    (found,) = made.compare()
    assert (found.outcome, found.sample.processes) == (outcome, processes)
    doubted = [f"1 benchmark in doubt, measured in process {number} of up to 8" for number in (3, 4, 5)]
    soon = "1 benchmark soon measured, measured in process 2 of up to 3"
    assert lines == [soon, *doubted][: processes - 1]


def begun(folder: Path, seconds: float) -> tuple[History, list[str]]:
    """A history that such a first process began, and what was told meanwhile."""
    lines: list[str] = []
    made = measured(folder, seconds, past_s=None)
    made._tell = lines.append
    made.finish(whole=True)
    assert made._history is not None
    return made._history, lines


def test_a_history_begins_with_several_processes(tmp_path: Path, further: Further):
    further.seconds = [1.02, 0.99, 1.0, 1.01]
    history, lines = begun(tmp_path, 1.0)
    assert [one.processes for one in history.samples] == [FIRST_PROCESSES]
    assert lines == [f"1 benchmark new, measured in process {number} of 5" for number in (2, 3, 4, 5)]
    assert History.open(tmp_path, MACHINE).samples == history.samples


@pytest.mark.parametrize(("planted", "whole"), [(0.15, True), (0.0, False)], ids=["planted", "broken-off"])
def test_what_is_not_kept_begins_nothing(tmp_path: Path, further: Further, planted, whole):
    measured(tmp_path, 1.0, past_s=None, planted=planted).finish(whole)
    assert further.commands == []
    assert list(tmp_path.iterdir()) == []


def test_a_further_process_starts_none_and_keeps_what_it_measured(
    tmp_path: Path, further: Further, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PHI4BENCH_MEASURED_AGAIN", "1")
    assert [one.outcome for one in measured(tmp_path / "past", 1.12).compare()] == [Outcome.SLOWER]
    measured(tmp_path / "new", 1.0, past_s=None, planted=0.15).finish(whole=True)
    assert [one.processes for one in History.open(tmp_path / "new", MACHINE).samples] == [1]
    assert further.commands == []


def test_where_a_further_process_fails_the_first_alone_is_no_news_and_it_is_told(tmp_path: Path, further: Further):
    made = measured(tmp_path, 1.12)
    made.finish(whole=True)
    assert [(one.outcome, one.reason) for one in made.changes] == [
        (Outcome.UNCLEAR, "no further process could be measured like it")
    ]
    assert len(further.commands) == 1
    assert made.notes[0] == "a further process measured nothing: exit status 4 (ERROR: no such plugin)"


def test_a_history_begins_with_one_process_where_a_further_one_fails(tmp_path: Path, further: Further):
    made = measured(tmp_path, 1.0, past_s=None)
    made.finish(whole=True)
    assert [one.processes for one in History.open(tmp_path, MACHINE).samples] == [1]
    assert [note.partition(":")[0] for note in made.notes] == [
        "a further process measured nothing",
        "kept as the 1st run of this machine",
    ]


@pytest.mark.parametrize("past_s", [1.0, None], ids=["in-doubt", "new"])
def test_ctrl_c_in_a_further_process_leaves_the_first_to_be_told_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, past_s: float | None
):
    asked = []

    def interrupted(command: list[str], **_: object) -> None:
        asked.append(command)
        raise KeyboardInterrupt

    monkeypatch.setattr(again.subprocess, "run", interrupted)
    made = measured(tmp_path, 1.12, past_s)
    kept = [path.read_bytes() for path in tmp_path.glob("*.json")]
    made.finish(whole=True)
    assert made.interrupted
    assert len(made.changes) == len(asked) == 1
    assert made.notes[-1] == "interrupted: nothing was kept"
    assert [path.read_bytes() for path in tmp_path.glob("*.json")] == kept
