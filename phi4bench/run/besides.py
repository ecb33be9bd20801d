"""Rates that stand beside the judged ones, of the same cases got in another way. No gate ever reads them.

`free`: what a constrained run's artifact says without a mask. `repaired`: what it said, with its calls mended.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from phi4bench.completions import missing
from phi4bench.gates import GateResult, judge_levels
from phi4bench.levels import Score, score
from phi4bench.repairs import RULES, repair
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
        found.append(Beside("free", _rates(scores, targets), missing(run.free)))
    if run.facts.get("repair") and run.facts.get("needed") is not False:  # of no completion, nothing can be mended
        found.append(_repaired(run, targets, known))
    return tuple(found)


def _repaired(run: SavedRun, targets: Targets, known: Collection[str]) -> Beside:
    """Every completion as strictly scored, but for those whose calls a repair made whole and valid."""
    scores = []
    counts = dict.fromkeys(["completions mended", *(f"by {rule.name}" for rule in RULES)], 0)
    for case, completion in zip(run.dataset.cases, run.completions, strict=True):
        if completion is None or case.group in known:
            continue
        mended = None if case.expected.structured else repair(completion.text, run.dialect, case.tools)
        if mended is not None:
            completion = replace(completion, text=mended.text)
            counts["completions mended"] += 1
            for rule in mended.rules:
                counts[f"by {rule}"] += 1
        scores.append(score(case, completion, run.dialect))
    return Beside("repaired", _rates(scores, targets), run.missing, counts)


def _rates(scores: list[Score], targets: Targets) -> dict[str, GateResult]:
    rates = judge_levels(scores, replace(targets, gates=()))
    return {name: rates[name] for name in SHOWN if name in rates}
