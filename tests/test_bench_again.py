"""A benchmark that seems to have moved is measured again in a fresh process, and both have a say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import again
from benchmarks.comparing import BLOCKS, FACTOR, Blocks, Change, Outcome, Sample, seems_moved, with_another
from benchmarks.history import History
from benchmarks.recording import Recording, Settings
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


def sample(seconds: float) -> Sample:
    wall = Blocks(tuple(seconds * (1 + i / 1000) for i in range(BLOCKS)), (1.0,) * BLOCKS)
    return Sample("scoring/x", "", "interpreter/1", 1, (), wall, wall, 0.0, 1.0)


def change(outcome: Outcome, ratio: float | None, needed: float | None = FACTOR) -> Change:
    return Change(sample(1.0), outcome, 1.0, 1.0, ratio, needed)


@pytest.mark.parametrize(("ratio", "seems"), [(1.0, False), (1.03, False), (1.045, True), (0.955, True), (None, False)])
def test_more_than_half_the_way_is_worth_another_look(ratio, seems):
    assert seems_moved(change(Outcome.SAME, ratio)) is seems


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param((Outcome.SLOWER, 1.10), (Outcome.SAME, 1.00), Outcome.SAME, id="an-odd-process"),
        pytest.param((Outcome.SLOWER, 1.15), (Outcome.SLOWER, 1.14), Outcome.SLOWER, id="a-change"),
        pytest.param((Outcome.SAME, 1.06), (Outcome.SLOWER, 1.16), Outcome.SLOWER, id="a-change-in-an-odd-process"),
        pytest.param((Outcome.FASTER, 0.90), (Outcome.FASTER, 0.91), Outcome.FASTER, id="a-gain"),
        pytest.param((Outcome.FASTER, 0.90), (Outcome.SLOWER, 1.10), Outcome.SAME, id="both-ways"),
        pytest.param((Outcome.UNCLEAR, 1.10), (Outcome.UNCLEAR, 1.12), Outcome.UNCLEAR, id="neither-is-sure"),
        pytest.param((Outcome.SAME, 1.05), (Outcome.SLOWER, 1.09), Outcome.SAME, id="not-far-enough-together"),
        pytest.param((Outcome.SLOWER, 1.15), (Outcome.NEW, None), Outcome.SLOWER, id="nothing-to-compare-with-again"),
    ],
)
def test_both_processes_have_a_say(first, second, expected):
    assert with_another(change(*first), *second).outcome is expected


def test_the_line_tells_both_ratios():
    found = with_another(change(Outcome.SLOWER, 1.21), Outcome.SAME, 1.0)
    assert (found.ratio, found.reason) == (pytest.approx(1.1), "1.21, and 1.00 in a fresh process")


def slower_than_before(folder: Path) -> Recording:
    """A recording of a benchmark that takes 1.2 times what the history says."""
    made = Recording(Settings((), folder, False, 0.0, Path("/root-of-it")))
    made.machine, made._history = MACHINE, History.open(folder, MACHINE)
    made._history.keep(Run("2026-11-26", "cafe", {}, (sample(1.0),)))
    made.samples, made.nodes = {"scoring/x": sample(1.2)}, {"scoring/x": "benchmarks/test_scoring.py::test_x"}
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of second processes, each of which finds the benchmark as fast as it was."""
    commands: list[list[str]] = []

    def run(command, **_):
        commands.append(command)
        written = next(one for one in command if one.startswith("--benchmark-json=")).partition("=")[2]
        Path(written).write_text(json.dumps({"changes": {"scoring/x": {"outcome": "same", "ratio": 0.95}}}))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(again.subprocess, "run", run)
    return commands


def test_what_moved_in_one_process_alone_is_no_news(tmp_path: Path, asked):
    found = slower_than_before(tmp_path).compare()
    assert [(one.outcome, round(one.ratio or 0, 2)) for one in found] == [(Outcome.SAME, 1.07)]
    (command,) = asked
    assert "/root-of-it/benchmarks/test_scoring.py::test_x" in command
    assert not any(str(tmp_path / "machine") in part or part == f"--history={tmp_path}" for part in command)


def test_a_second_process_starts_no_third(tmp_path: Path, asked, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PHI4BENCH_MEASURED_AGAIN", "1")
    assert [one.outcome for one in slower_than_before(tmp_path).compare()] == [Outcome.SLOWER]
    assert not asked


def test_where_a_second_process_fails_the_first_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(again.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 4))
    assert [one.outcome for one in slower_than_before(tmp_path).compare()] == [Outcome.SLOWER]
