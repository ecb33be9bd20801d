"""What the trials of a sweep came to, and which of them no other beats. Reads run folders; no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phi4bench.artifacts.safetensors import tensors
from phi4bench.errors import UsageError
from trainers.base import read_json_file
from trainers.grid import Trial
from trainers.settings import Training

FINISHED, FAILED, WAITING = "finished", "failed", "waiting"
COSTS = {"parameters": "trainable parameters", "seconds": "seconds of training"}
QUALITIES = {"accuracy": "validation answers right in every token", "loss": "validation loss (nats a token)"}


@dataclass(frozen=True)
class Result:
    """One row. `accuracy`: share of the validation answers that greedy decoding would give, call and all, in every
    token. `loss` and `gap` in nats a token, of the step that was kept. `parameters`: how many learned. Figures are
    `None` where the trial has not finished; `reason` says why."""

    name: str
    values: Mapping[str, Any]
    state: str
    reason: str = ""
    accuracy: float | None = None
    loss: float | None = None
    gap: float | None = None
    verdict: str = ""
    step: int | None = None
    parameters: int | None = None
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def quality(self, name: str) -> float:
        """Higher is better."""
        value = getattr(self, name)
        return -math.inf if value is None else -value if name == "loss" else value


def is_finished(trial: Trial, folder: Path) -> bool:
    """Whether its run ended, with these very settings."""
    if not (folder / "adapter" / "phi4bench.json").is_file():
        return False
    try:
        held = dict(read_json_file(folder / "settings.json").get("settings", {}))
    except UsageError:
        return False
    return asdict(Training()) | held == asdict(trial.training)  # a setting that is younger than the run had its default


def read_result(trial: Trial, folder: Path, reason: str = "") -> Result:
    """`reason`: why it did not finish, where that is known; empty for a trial that was not begun or was broken off."""
    if not is_finished(trial, folder):
        return Result(trial.name, trial.values, FAILED if reason else WAITING, reason)
    try:
        report = read_json_file(folder / "overfitting.json")
        log = read_json_file(folder / "learning_curves.json")["log"]
        kept = report["kept"]
        return Result(
            trial.name,
            trial.values,
            FINISHED,
            accuracy=float(kept["validation_accuracy"]),
            loss=float(kept["validation_loss"]),
            gap=float(report["gap"]),
            verdict=str(report["verdict"]),
            step=int(kept["step"]),
            parameters=sum(one.elements for one in tensors(folder / "adapter" / "adapter_model.safetensors")),
            seconds=max((float(line["seconds"]) for line in log if "seconds" in line), default=None),
        )
    except (UsageError, LookupError, TypeError, ValueError) as error:
        return Result(trial.name, trial.values, FAILED, f"its folder cannot be read ({error})")


def front(results: Sequence[Result], quality: str, cost: str) -> tuple[Result, ...]:
    """The trials that no other beats: none is at least as good at no more cost, and better in one. By rising cost.

    Equal ones stay together.
    """
    known = [one for one in results if getattr(one, quality) is not None and getattr(one, cost) is not None]

    def beats(other: Result, one: Result) -> bool:
        better, cheaper = other.quality(quality) - one.quality(quality), getattr(one, cost) - getattr(other, cost)
        return better >= 0 and cheaper >= 0 and (better > 0 or cheaper > 0)

    kept = [one for one in known if not any(beats(other, one) for other in known)]
    return tuple(sorted(kept, key=lambda one: (getattr(one, cost), one.name)))
