"""The file of earlier runs: whole, bounded, never taken for another machine's, never overwritten when broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.changes import changes_to_json, table
from benchmarks.comparing import BLOCKS, Blocks, Sample
from benchmarks.history import KEPT_RUNS, KEPT_SAMPLES, History, bounded, main
from benchmarks.recording import Recording, Settings, changed_since, ordinal, settings_from
from benchmarks.records import Machine, Run
from phi4bench.errors import UsageError

DESCRIBED = {
    "cpu": "Testium 9",
    "architecture": "x86_64",
    "cores": 2,
    "memory_bytes": 8 << 30,
    "os": "Linux 6.1",
    "python": "3.11.7",
    "packages": {"numpy": "2.1.0"},
    "gpus": ["NVIDIA T4, 15360 MiB, 550.54"],
}
MACHINE = Machine.of(DESCRIBED)
BLOCK = Blocks(tuple(1 + i / 100 for i in range(BLOCKS)), (0.5,) * BLOCKS)
SAMPLE = Sample("scoring/x", "ab" * 32, "interpreter/1", 1, (("cases", 80),), BLOCK, BLOCK, 0.01, 0.9)


def run(*samples: Sample, at: str = "2026-11-25T12:00:00+00:00") -> Run:
    return Run(at, "cafe", MACHINE.software, samples or (SAMPLE,))


def kept(folder: Path, *runs: Run) -> History:
    history = History.open(folder, MACHINE)
    for one in runs:
        history.keep(one)
    return history


def test_what_is_kept_is_read_back(tmp_path):
    runs = (run(), run(replace(SAMPLE, artifact="", others=0.5)))
    kept(tmp_path / "new", *runs)
    assert History.open(tmp_path / "new", MACHINE).runs == runs


def test_runs_stand_in_the_order_in_which_they_were_kept_whatever_the_time_of_day_says(tmp_path):
    kept(tmp_path, run(at="2026-11-25"), run(at="1970-01-01"))
    assert [one.at for one in History.open(tmp_path, MACHINE).runs] == ["2026-11-25", "1970-01-01"]


def test_a_run_that_another_process_kept_in_the_meantime_stays(tmp_path):
    first, second = History.open(tmp_path, MACHINE), History.open(tmp_path, MACHINE)
    first.keep(run(at="first"))
    second.keep(run(at="second"))
    assert [one.at for one in History.open(tmp_path, MACHINE).runs] == ["first", "second"]


def test_the_oldest_samples_of_a_kind_go_and_rare_ones_stay():
    rare = replace(SAMPLE, artifact="rare")
    left = bounded([run(rare, at="rare"), *[run(at=str(i)) for i in range(KEPT_SAMPLES + 5)]])
    assert [one.at for one in left] == ["rare", *[str(i) for i in range(5, KEPT_SAMPLES + 5)]]


def test_there_is_an_end_to_rare_ones_too():
    left = bounded([run(replace(SAMPLE, artifact=str(i)), at=str(i)) for i in range(KEPT_RUNS + 3)])
    assert len(left) == KEPT_RUNS
    assert left[0].at == "3"


@pytest.mark.parametrize(
    ("change", "another"),
    [
        ({"cpu": "Testium 10"}, True),
        ({"cores": 4}, True),
        ({"gpus": []}, True),
        ({"memory_bytes": 16 << 30}, True),
        ({"memory_bytes": (8 << 30) + 4096}, False),
        ({"gpus": ["NVIDIA T4, 15360 MiB, 560.10"]}, False),
        ({"python": "3.12.1", "os": "Linux 6.2", "packages": {}}, False),
    ],
    ids=["cpu", "cores", "gpu", "memory", "a-page-of-memory", "gpu-driver", "software"],
)
def test_hardware_makes_another_machine_and_software_does_not(change, another):
    assert (Machine.of(DESCRIBED | change).key != MACHINE.key) is another


def test_another_machines_history_is_named_and_not_compared(tmp_path):
    other = Machine.of(DESCRIBED | {"cpu": "Testium 10"})
    History.open(tmp_path, other).keep(run())
    mine = History.open(tmp_path, MACHINE)
    assert mine.samples == []
    [line] = mine.others()
    assert "Testium 10, 2 cores" in line
    assert line.endswith("1 run, the last on 2026-11-25: another machine, not compared")


def test_what_is_there_is_listed_for_a_terminal_of_80_columns(tmp_path, capsys):
    folder = tmp_path / "a-folder-for-the-histories-of-every-machine"
    assert main(["--history", str(folder)]) == 0
    assert "no history in" in capsys.readouterr().out
    kept(folder, run(), run(at="2026-11-26T12:00:00+00:00"))
    assert main(["--history", str(folder)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("'/")
    told = " ".join(line.strip() for line in rest)
    assert told == "Testium 9, 2 cores, NVIDIA T4, 15360 MiB, 2 runs, the last on 2026-11-26"
    assert max(map(len, rest)) <= 80


def test_another_machines_history_under_this_ones_name_is_refused_and_stays(tmp_path):
    other = History.open(tmp_path, Machine.of(DESCRIBED | {"cpu": "Testium 10"}))
    other.keep(run())
    mine = History(tmp_path, MACHINE)
    other.path.rename(mine.path)
    before = mine.path.read_bytes()
    for attempt in (lambda: History.open(tmp_path, MACHINE), lambda: mine.keep(run())):
        with pytest.raises(UsageError, match="tells of another machine than its name does"):
            attempt()
    assert mine.path.read_bytes() == before


def spoil(path: Path, *place: str | int, value: object) -> None:
    data = json.loads(path.read_text())
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        pytest.param(lambda p: p.write_text(p.read_text()[:100]), "broken JSON", id="torn"),
        pytest.param(lambda p: p.write_bytes(b"\xff\xfe"), "no UTF-8", id="bytes"),
        pytest.param(lambda p: p.write_text(""), "broken JSON", id="empty"),
        pytest.param(lambda p: p.write_text("[]"), "no phi4bench.benchmarks/1", id="list"),
        pytest.param(lambda p: spoil(p, "schema", value="x/2"), "its schema is x/2, which this version", id="schema"),
        pytest.param(lambda p: spoil(p, "machine", value={}), "'memory_gib' is missing", id="no-machine"),
        pytest.param(lambda p: spoil(p, "machine", "cores", value="2"), "should be a count", id="text-for-count"),
        pytest.param(lambda p: spoil(p, "runs", value=7), "not iterable", id="runs"),
        pytest.param(lambda p: spoil(p, "runs", 0, "samples", 0, "others", value=-1), "at least 0", id="negative"),
        pytest.param(lambda p: spoil(p, "runs", 0, "samples", 0, "idle", value=10**400), "too large", id="huge"),
        pytest.param(
            lambda p: spoil(p, "runs", 0, "samples", 0, "wall", "work_s", 3, value=0), "at least 1e-12", id="no-time"
        ),
        pytest.param(
            lambda p: spoil(p, "runs", 0, "samples", 0, "cpu", "work_s", value=[1.0]), "1 blocks", id="few-blocks"
        ),
        pytest.param(lambda p: (p.unlink(), p.mkdir()), "Is a directory", id="folder"),
    ],
)
def test_a_broken_history_is_one_line_and_stays_as_it_is(tmp_path, break_it, says):
    history = kept(tmp_path, run())
    break_it(history.path)
    before = history.path.read_bytes() if history.path.is_file() else None
    for attempt in (lambda: History.open(tmp_path, MACHINE), lambda: history.keep(run())):
        with pytest.raises(UsageError) as caught:
            attempt()
        line = str(caught.value)
        assert says in line
        assert "it stays as it is: move it away" in line
        assert "\n" not in line
    assert (history.path.read_bytes() if history.path.is_file() else None) == before


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="give another folder with --history"):
        History(tmp_path / "file", MACHINE).keep(run())


@pytest.mark.parametrize("below", ["", "some/folder"])
def test_a_file_in_place_of_the_folder_is_told_before_anything_is_measured(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file' is no folder; give another one with --history"):
        History.open(tmp_path / "file" / below, MACHINE)


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.history.os.access", lambda place, mode: place != tmp_path)
    with pytest.raises(UsageError, match=r"cannot be made in .*; give another one with --history"):
        History.open(tmp_path / "new" / "folder", MACHINE)
    (tmp_path / "new").mkdir()
    assert History.open(tmp_path / "new" / "folder", MACHINE).runs == ()
    assert History.open(tmp_path, MACHINE).runs == (), "one that is there is read, and need not be written to"


def recording(folder: Path | None, planted: float = 0.0) -> Recording:
    """Of no artifact, on the test's machine, with one sample measured."""
    made = Recording(Settings((), folder, False, planted))
    made.machine = MACHINE
    made._history = History.open(folder, MACHINE) if folder else None
    made.samples = {SAMPLE.name: SAMPLE}
    return made


def test_a_run_is_kept_and_the_next_compared_with_it(tmp_path):
    first, second = recording(tmp_path), recording(tmp_path)
    first.finish(whole=True)
    assert first.notes == [f"kept as the 1st run of this machine: {first._history.path}"]
    second = recording(tmp_path)
    second.finish(whole=True)
    assert changes_to_json(second.changes)[SAMPLE.name]["outcome"] == "same"
    lines = [line for line, _ in table(second.changes)]
    assert lines[1].split() == ["scoring/x", "1.045", "s", "1.045", "s", "1.00", "same"]
    assert not second.slower


@pytest.mark.parametrize(
    ("planted", "whole", "says"),
    [(0.15, True, "every call was slowed by 15%: nothing was kept"), (0.0, False, "nothing was kept")],
    ids=["planted", "broken-off"],
)
def test_what_is_no_whole_honest_run_is_not_kept(tmp_path, planted, whole, says):
    made = recording(tmp_path, planted)
    made.finish(whole)
    assert says in made.notes[-1]
    assert list(tmp_path.iterdir()) == []


def test_new_software_is_told(tmp_path):
    recording(tmp_path).finish(whole=True)
    made = recording(tmp_path)
    made.machine = replace(MACHINE, software=MACHINE.software | {"numpy": "2.4.0", "torch": "2.13"})
    made.finish(whole=True)
    assert "since the last run: numpy 2.1.0, now 2.4.0; torch none, now 2.13" in made.notes


def test_a_new_revision_of_ours_is_told():
    [line] = changed_since(run(), replace(run(), revision="beef"))
    assert line == "since the last run: phi4bench cafe, now beef"
    assert changed_since(run(), run()) == []


def test_without_history_nothing_is_compared_or_kept():
    made = recording(None)
    made.finish(whole=True)
    assert (made.changes, made.notes) == ([], [])


@pytest.mark.parametrize("share", ["x", "nan", "-0.1", "11"])
def test_a_share_that_is_none_is_one_line(share, tmp_path):
    options = {"plant_slowdown": share}
    with pytest.raises(UsageError, match="but should be a share"):
        settings_from(options.get, tmp_path, tmp_path)


def test_the_history_lies_under_the_root_unless_a_folder_is_given(tmp_path):
    root, place = tmp_path / "root", tmp_path / "place"
    assert settings_from({}.get, root, place).history == root / ".benchmarks"
    assert settings_from({"history": "kept"}.get, root, place).history == place / "kept"
    assert settings_from({"no_history": True}.get, root, place).history is None
    assert settings_from({"history": "~nobody-here/kept"}.get, root, place).history == place / "~nobody-here" / "kept"


def test_ordinals_read_as_people_say_them():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th",
    ]  # fmt: skip
