"""Sweeps on Ray: which Ray is joined, and what is told where there is none. The last needs the `sweep` extra."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from phi4bench.errors import UsageError
from trainers.faults import TrainingError
from trainers.grid import Sweep, trials_of
from trainers.results import FAILED
from trainers.settings import choose
from trainers.sweep import runner_of, sweep


@pytest.fixture
def asked(tmp_path: Path) -> Sweep:
    data = tmp_path / "train.jsonl"
    data.write_text("{}\n")
    trials = trials_of(choose({"batch": 2}, {}), {"rank": [8, 16], "lr": [2e-5], "epochs": [3.0]})
    return Sweep(tmp_path / "sweep", trials, ("--model", "m", "--data", str(data)), (str(data),))


def test_without_ray_the_trials_run_here_and_naming_it_is_told(asked, monkeypatch, capsys):
    monkeypatch.setattr("trainers.sweep.find_spec", lambda name: None)
    runner_of(asked, "auto", 1, None)
    assert "Ray is not installed (pip install 'phi4bench[sweep]')" in capsys.readouterr().err
    for name, address in (("ray", None), ("auto", "auto")):
        with pytest.raises(UsageError, match=r"needs ray\[tune\], not installed; pip install 'phi4bench\[sweep\]'"):
            runner_of(asked, name, 1, address)


class NoRay(ModuleType):
    """Ray where nothing answers; the real one takes minutes to give up."""

    asked_for: dict[str, object]

    def init(self, **options: object) -> None:
        self.asked_for = options
        raise ConnectionError("no GCS")


@pytest.fixture
def no_ray(monkeypatch) -> NoRay:
    module = NoRay("ray")
    monkeypatch.setitem(sys.modules, "ray", module)
    monkeypatch.setattr("trainers.sweep.find_spec", lambda name: module)
    return module


def test_a_cluster_that_is_not_there_is_told_in_a_line(asked, no_ray):
    with pytest.raises(UsageError, match=r"--address='127.0.0.1:1' cannot be reached \(no GCS\); see that it runs"):
        runner_of(asked, "ray", 1, "127.0.0.1:1")(asked.trials, lambda trial, reason: None)
    assert no_ray.asked_for["address"] == "127.0.0.1:1"


def test_without_an_address_nobody_elses_ray_is_joined(asked, no_ray):
    with pytest.raises(TrainingError, match=r"Ray did not start on this machine \(no GCS\); run the same"):
        runner_of(asked, "ray", 1, None)(asked.trials, lambda trial, reason: None)
    assert no_ray.asked_for["address"] == "local"  # None is what else runs here


@pytest.mark.filterwarnings("ignore")  # of Ray
def test_on_ray_each_trial_runs_once_and_fails_alone(asked):
    pytest.importorskip("ray", reason="needs the `sweep` extra: ray[tune]")
    results = sweep(asked, runner_of(asked, "ray", 2, None))
    assert {one.state for one in results} == {FAILED}  # there is no model m
    assert all("'m'" in one.reason for one in results)
