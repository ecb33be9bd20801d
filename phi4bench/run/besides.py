"""Rates that stand beside the judged ones, of the same cases got in another way. No gate ever reads them.

`free`: what a constrained run's artifact says without a mask.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from phi4bench.gates import GateResult, judge_levels
from phi4bench.levels import Score, score
from phi4bench.runfile import SavedRun
from phi4bench.targets import Targets

SHOWN = ("detection", "parsing", "tool", "parameter", "abstention", "schema_validity")
"""The rates that reports show side by side."""


@dataclass(frozen=True)
class Beside:
    """`rates` by name, without targets or outcomes. `missing`: cases without a completion: no fair sample then.

    `counts`: what else is worth knowing of how they came about, in numbers.
    """

    name: str
    rates: Mapping[str, GateResult]
    missing: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


def besides(run: SavedRun, targets: Targets, known: Collection[str]) -> tuple[Beside, ...]:
    """Whatever the run holds of the kind. `known`: families of cases that are left out of every rate."""
    found = []
    if run.free:
        scores = [
            score(case, completion, run.dialect)
            for case, completion in zip(run.dataset.cases, run.free, strict=True)
            if completion is not None and case.group not in known
        ]
        found.append(Beside("free", _rates(scores, targets), sum(one is None for one in run.free)))
    return tuple(found)


def _rates(scores: list[Score], targets: Targets) -> dict[str, GateResult]:
    rates = judge_levels(scores, replace(targets, gates=()))
    return {name: rates[name] for name in SHOWN if name in rates}
