"""A sweep and its trials: every combination of the values that were asked for, each with a name of its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError
from trainers.settings import FIELDS, Chosen, Training, checked

ALWAYS_NAMED = ("rank", "lr", "epochs")
"""Axes that a trial's name holds even with one value, so that a wider grid finds the trials of a narrower one."""


@dataclass(frozen=True)
class Trial:
    """`values`: the axes of its sweep, and where it stands on each. `name`: its folder's."""

    name: str
    values: Mapping[str, Any]
    training: Training

    def flags(self) -> list[str]:
        """Every setting as an option of `sft`: nothing is left to a file or to the environment."""
        flags = []
        for key in FIELDS:
            value, option = getattr(self.training, key), key.replace("_", "-")
            flags += [f"--{'' if value else 'no-'}{option}"] if type(value) is bool else [f"--{option}={value}"]
        return flags


Over = Callable[[Trial, str], None]
"""Told of each trial that is over, with what went wrong, empty where nothing did."""
Runner = Callable[[Sequence[Trial], Over], None]
"""Runs trials to their end."""


@dataclass(frozen=True)
class Sweep:
    """`command`: the options of `sft` that say which model learns from which data. `data`: its files. `identity`: what
    those options stand for, such as the model's sha256."""

    out: Path
    trials: tuple[Trial, ...]
    command: tuple[str, ...]
    data: tuple[str, ...]
    quality: str = "accuracy"
    identity: Mapping[str, Any] = field(default_factory=dict)

    def folder(self, trial: Trial) -> Path:
        return self.out / "trials" / trial.name

    def arguments(self, trial: Trial) -> list[str]:
        return ["sft", *self.command, "--out", str(self.folder(trial)), *trial.flags()]


def trials_of(chosen: Chosen, axes: Mapping[str, Sequence[Any]]) -> tuple[Trial, ...]:
    """One trial a combination, in the order that was written: the last axis turns fastest. Raises `UsageError`.

    `chosen`: what no axis says. `axes`: a setting's name and its values; repeated values count once.
    """
    values = {name: [checked(name, value, "flag") for value in dict.fromkeys(some)] for name, some in axes.items()}
    empty = [name for name, some in values.items() if not some]
    if empty:
        raise UsageError(f"--{empty[0].replace('_', '-')} names no value")
    named = [name for name, some in values.items() if len(some) > 1 or name in ALWAYS_NAMED]
    made = []
    for combination in product(*values.values()):
        point = dict(zip(values, combination, strict=True))
        name = "-".join(f"{key}_{_short(point[key])}" for key in named) or "trial"
        made.append(Trial(name, {key: point[key] for key in named}, replace(chosen.training, **point)))
    return tuple(made)


def _short(value: Any) -> str:
    """`5e-05` as `5e-05`, `3.0` as `3`, more digits where they count; letters, digits and a few marks alone, since it
    names a folder."""
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    return re.sub(r"[^\w.+-]+", "+", text)
