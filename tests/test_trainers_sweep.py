"""Sweeps: the grid, the table, which trials no other beats, what is run again after a kill. Torch at the end alone."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from kit import ROOT

from phi4bench.errors import UsageError
from trainers import tables
from trainers.__main__ import main
from trainers.grid import Sweep, trials_of
from trainers.results import FAILED, FINISHED, WAITING, Result, front, is_finished, read_result
from trainers.settings import choose
from trainers.sweep import one_by_one, sweep
from trainers.trial import LOG, run_trial

GRID = {"rank": [8, 16], "lr": [2e-5, 1e-4], "epochs": [3.0]}
PATIENCE_S = 600
"""For what does not come. What comes is not waited for a moment longer, however busy the machine is."""


@pytest.fixture
def trials():
    return trials_of(choose({"batch": 2}, {}), GRID)


@pytest.fixture
def asked(trials, tmp_path: Path):
    data = tmp_path / "train.jsonl"
    data.write_text("{}\n")
    return Sweep(tmp_path / "sweep", trials, ("--model", "m", "--data", str(data)), (str(data),))


def finish(asked, trial, accuracy=0.5, loss=1.0, parameters=100, seconds=1.0):
    """What a run of `sft` leaves that ended."""
    folder = asked.folder(trial)
    (folder / "adapter").mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "U8", "shape": [parameters], "data_offsets": [0, parameters]}}).encode()
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + bytes(parameters)
    )
    kept = {"step": 7, "validation_accuracy": accuracy, "validation_loss": loss}
    (folder / "overfitting.json").write_text(json.dumps({"kept": kept, "gap": 0.1, "verdict": "no overfitting seen"}))
    (folder / "learning_curves.json").write_text(json.dumps({"log": [{"seconds": seconds / 2}, {"seconds": seconds}]}))
    (folder / "settings.json").write_text(json.dumps({"settings": asdict(trial.training)}))
    (folder / "adapter" / "phi4bench.json").write_text("{}")


def row(name, accuracy, parameters, seconds=1.0, loss=1.0):
    return Result(name, {"rank": 8}, FINISHED, "", accuracy, loss, 0.0, "ok", 1, parameters, seconds)


# The grid


def test_a_trial_for_each_combination_with_a_name_of_its_own(trials):
    assert [trial.name for trial in trials] == [
        "rank_8-lr_2e-05-epochs_3",
        "rank_8-lr_0.0001-epochs_3",
        "rank_16-lr_2e-05-epochs_3",
        "rank_16-lr_0.0001-epochs_3",
    ]
    assert [(one.training.rank, one.training.lr, one.training.batch) for one in trials][1:3] == [
        (8, 1e-4, 2),
        (16, 2e-5, 2),
    ]


def test_a_wider_grid_finds_the_trials_of_a_narrower_one(trials):
    wider = trials_of(choose({"batch": 2}, {}), {"rank": [4, 8, 16, 16], "lr": [2e-5, 1e-4], "epochs": [3.0, 5.0]})
    assert len(wider) == 12
    assert {trial.name for trial in trials} < {trial.name for trial in wider}


def test_a_trial_says_every_setting_and_leaves_none_to_the_environment(trials):
    from trainers.__main__ import build, chosen

    command = ["sft", "--model", "m", "--data", "d", "--out", "o", *trials[1].flags()]
    assert chosen(build().parse_args(command)).training == trials[1].training


def test_a_name_that_comes_from_a_text_cannot_leave_the_folder():
    made = trials_of(choose({}, {}), {"targets": ["../../qkv_proj", "o_proj,down_proj"]})
    assert [one.name for one in made] == ["targets_..+..+qkv_proj", "targets_o_proj+down_proj"]


def test_a_wrong_value_in_the_grid_is_refused():
    with pytest.raises(UsageError, match="rank=0, but should be at least 1"):
        trials_of(choose({}, {}), {"rank": [8, 0]})


def test_values_that_are_close_are_trials_apart():
    made = trials_of(choose({}, {}), {"lr": [1e-4, 1.0000001e-4]})
    assert [one.name for one in made] == ["lr_0.0001", "lr_0.00010000001"]


# Which trials no other beats


def test_the_front_by_hand():
    some = [row("a", 0.9, 100), row("b", 0.8, 50), row("c", 0.8, 60), row("d", 0.95, 400), row("e", 0.7, 50)]
    # c costs more than b for the same; e is worse than b at the same cost; a, b and d each win somewhere
    assert [one.name for one in front(some, "accuracy", "parameters")] == ["b", "a", "d"]


def test_equal_trials_stay_on_the_front_together():
    assert [one.name for one in front([row("x", 0.9, 10), row("y", 0.9, 10)], "accuracy", "parameters")] == ["x", "y"]


def test_by_loss_the_lower_is_the_better():
    some = [row("low", 0.1, 10, loss=0.5), row("high", 0.9, 10, loss=0.7)]
    assert [one.name for one in front(some, "loss", "parameters")] == ["low"]
    assert [one.name for one in tables.ordered(some, "loss")] == ["low", "high"]


def test_a_trial_without_figures_is_on_no_front():
    assert front([Result("f", {"rank": 8}, FAILED, "why")], "accuracy", "seconds") == ()


# What is run, and what is not run again


def test_what_is_finished_is_not_run_again(asked, capsys):
    finish(asked, asked.trials[2])
    ran = []

    def run(todo, over):
        for trial in todo:
            ran.append(trial.name)
            finish(asked, trial)
            over(trial, "")

    results = sweep(asked, run)
    assert len(ran) == 3
    assert asked.trials[2].name not in ran
    assert [one.state for one in results] == [FINISHED] * 4
    assert "4 trials, 1 finished already" in capsys.readouterr().err
    ran.clear()
    sweep(asked, run)
    assert ran == []


def test_a_finished_run_with_other_settings_is_not_taken_for_the_trial(asked):
    one = asked.trials[0]
    finish(asked, one)
    assert is_finished(one, asked.folder(one))
    held = asdict(one.training) | {"seed": 1}
    (asked.folder(one) / "settings.json").write_text(json.dumps({"settings": held}))
    assert not is_finished(one, asked.folder(one))


def test_a_sweep_that_breaks_off_keeps_its_table_and_goes_on(asked):
    def dies(todo, over):
        finish(asked, todo[0])
        over(todo[0], "")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(asked, dies)
    held = json.loads((asked.out / "results.json").read_text())["trials"]
    assert sorted(one["state"] for one in held) == [FINISHED, WAITING, WAITING, WAITING]


def test_a_failing_trial_is_a_row_with_its_reason_and_is_tried_again(asked, monkeypatch):
    tried = []

    def fails(folder, arguments, environment):
        tried.append(folder.name)
        return "loss=nan at step 3; lower --lr"

    monkeypatch.setattr("trainers.sweep.run_trial", fails)
    results = sweep(asked, one_by_one(asked, 1))
    assert {one.state for one in results} == {FAILED}
    assert "failed: loss=nan at step 3; lower --lr" in (asked.out / "results.md").read_text()
    sweep(asked, one_by_one(asked, 1))
    assert len(tried) == 8


def test_a_model_of_other_weights_is_another_sweep_though_its_name_is_the_same(asked):
    once = replace(asked, identity={"model": {"weights_sha256": "a"}})
    sweep(once, lambda todo, over: None)
    with pytest.raises(UsageError, match=r"holds a sweep of another model or data \(model\)"):
        sweep(replace(asked, identity={"model": {"weights_sha256": "b"}}), lambda todo, over: None)
    sweep(once, lambda todo, over: None)


def test_another_data_file_is_another_sweep(asked):
    sweep(asked, lambda todo, over: None)
    Path(asked.data[0]).write_text("{} \n")
    with pytest.raises(UsageError, match=r"holds a sweep of another model or data \(data_sha256\)"):
        sweep(asked, lambda todo, over: None)


@pytest.mark.parametrize("name", ["sweep.json", "results.csv", "pareto.png"])
def test_what_no_sweep_wrote_is_not_replaced(asked, name):
    asked.out.mkdir()
    (asked.out / name).write_text('{"theirs": 1}')
    with pytest.raises(UsageError, match=rf"{name}' is of no sweep; name another folder with --out"):
        sweep(asked, lambda todo, over: None)
    assert [path.read_text() for path in asked.out.iterdir()] == ['{"theirs": 1}']


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_so_many_trials_run_at_a_time(asked, parallel, monkeypatch):
    at_once, most, lock, met = 0, 0, threading.Lock(), threading.Barrier(min(parallel, 2))

    def counts(folder, arguments, environment):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        met.wait(PATIENCE_S)  # breaks, and fails the trial, unless two are here
        with lock:
            at_once -= 1
        return ""

    monkeypatch.setattr("trainers.sweep.run_trial", counts)
    sweep(asked, one_by_one(asked, parallel))
    assert min(parallel, 2) <= most <= parallel


def test_an_interrupt_begins_no_further_trial(asked, monkeypatch):
    ran, gone, shutdown = [], threading.Event(), ThreadPoolExecutor.shutdown

    def second_waits(folder, arguments, environment):
        ran.append(folder.name)
        if len(ran) == 2:
            gone.wait(PATIENCE_S)
        return ""

    def told(pool, wait=True, **named):
        shutdown(pool, wait=False, **named)
        gone.set()
        shutdown(pool, wait=wait)

    def interrupted(trial, reason):
        raise KeyboardInterrupt

    monkeypatch.setattr("trainers.sweep.run_trial", second_waits)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", told)
    with pytest.raises(KeyboardInterrupt):
        one_by_one(asked, 1)(asked.trials, interrupted)
    assert len(ran) <= 2, "the one that was over, and the one that had begun"


def test_gpus_are_dealt_out_to_trials_that_run_at_the_same_time(asked, monkeypatch):
    seen, met = [], threading.Barrier(2)

    def looks(folder, arguments, environment):
        seen.append(environment.get("CUDA_VISIBLE_DEVICES"))
        met.wait(PATIENCE_S)
        return ""

    monkeypatch.setattr("trainers.sweep.usable", lambda: (("4", "7"), ""))
    monkeypatch.setattr("trainers.sweep.run_trial", looks)
    sweep(asked, one_by_one(asked, 2))
    assert sorted(seen) == ["4", "4", "7", "7"]


# The process of a trial


def test_what_a_command_says_of_its_fault_is_the_reason(tmp_path: Path):
    said = run_trial(tmp_path / "t", ["data", "--count", "1", "--out", "x"], {})
    assert said == "--count=1, but should be at least 2"
    assert "--count=1" in (tmp_path / "t" / LOG).read_text()


def test_a_trial_ends_with_the_sweep_that_is_killed_and_frees_its_folder(tmp_path: Path):
    import fcntl

    folder = tmp_path / "t"
    forever = ["data", "--count", "100000000", "--out", str(tmp_path / "x")]
    imports = "from pathlib import Path; from trainers.trial import run_trial"
    code = f"{imports}; run_trial(Path({str(folder)!r}), {forever}, {{}})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, start_new_session=True)

    def is_held():
        with (folder / ".lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def wait_until(state):
        deadline = time.monotonic() + PATIENCE_S
        while not ((folder / ".lock").exists() and is_held() is state):
            assert time.monotonic() < deadline
            assert parent.poll() in (None, -signal.SIGKILL), "the trial ended by itself"
            time.sleep(0.05)

    try:
        wait_until(True)
        parent.kill()
        parent.wait()
        wait_until(False)
    finally:
        with contextlib.suppress(ProcessLookupError):  # whoever is left
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()


# The table


@pytest.fixture
def results():
    return [
        Result("a", {"rank": 8, "lr": 5e-5}, FINISHED, "", 0.912, 0.31, 0.02, "no overfitting seen", 40, 1000, 12.5),
        Result("b", {"rank": 16, "lr": 5e-5}, FINISHED, "", 0.951, 0.28, 0.05, "still learning", 60, 2000, 14.0),
        Result("c", {"rank": 32, "lr": 5e-5}, FAILED, "out of | memory\x1b[2J"),
    ]


def test_the_table_has_the_best_first_and_says_why_a_trial_has_no_figures(results):
    lines = tables.text(results, "accuracy").splitlines()
    assert lines[1].split() == [
        "16", "5e-05", "95.1%", "0.2800", "+0.0500", "2,000", "14.0", "parameters,", "seconds", "still", "learning",
    ]  # fmt: skip
    assert lines[3].endswith("failed: out of | memory\\x1b[2J")


def test_markdown_keeps_its_columns_whatever_a_reason_says(results):
    lines = tables.markdown(results, "accuracy").splitlines()
    assert {line.replace("\\|", "").count("|") for line in lines} == {10}


def test_csv_and_json_hold_every_figure_in_full(results):
    read = list(csv.DictReader(io.StringIO(tables.comma_separated(results, "accuracy"))))
    assert (read[0]["rank"], read[0]["accuracy"], read[0]["unbeaten_for"]) == ("16", "0.951", "parameters seconds")
    assert read[2]["reason"].startswith("out of")
    listed = json.loads(tables.as_json(results, "accuracy"))["trials"]
    assert [one["name"] for one in listed] == ["b", "a", "c"]


def test_a_spreadsheet_takes_no_reason_for_a_formula(results):
    hostile = [*results[:2], Result("=x", {"rank": 1, "lr": 1.0}, FAILED, "=HYPERLINK(1)")]
    read = list(csv.DictReader(io.StringIO(tables.comma_separated(hostile, "accuracy"))))
    assert read[2]["reason"] == "'=HYPERLINK(1)"


def test_figures_are_read_from_the_run_itself(asked):
    finish(asked, asked.trials[0], accuracy=0.75, parameters=123, seconds=4.5)
    got = read_result(asked.trials[0], asked.folder(asked.trials[0]))
    assert (got.accuracy, got.parameters, got.seconds, got.step) == (0.75, 123, 4.5, 7)


def test_the_picture_is_drawn(results, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="needs the `train` extra")
    tables.draw(results, "accuracy", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


# A real one


@pytest.mark.filterwarnings("ignore")  # of transformers, PEFT and torch
def test_a_trial_is_an_ordinary_run(tmp_path: Path, capsys):
    for module in ("torch", "transformers", "peft", "accelerate", "matplotlib"):
        pytest.importorskip(module, reason="needs the `train` extra")
    from small import small_model

    from trainers.data import generated, write_examples

    model = small_model(tmp_path / "base")
    short = sorted(generated(60, 3), key=lambda one: sum(len(m.content) for m in one.messages))[:12]
    write_examples(tmp_path / "train.jsonl", short)
    command = ["sweep", "--model", str(model), "--data", str(tmp_path / "train.jsonl"), "--out", str(tmp_path / "s")]
    command += ["--rank", "2", "--epochs", "1", "--length", "512", "--threads", "1", "--device", "cpu"]
    assert main([*command, "--runner", "local", "--format", "json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["trials"]
    # Rank 2 of the small Phi: 2 x (in + out) of qkv (32, 64), o (32, 32), gate_up (32, 96) and down (48, 32).
    assert one["parameters"] == 2 * ((32 + 64) + (32 + 32) + (32 + 96) + (48 + 32))
    assert one["seconds"] > 0
    assert (tmp_path / "s" / "pareto.png").exists()
    assert (tmp_path / "s" / "trials" / "rank_2-epochs_1" / "learning_curves.png").exists()
