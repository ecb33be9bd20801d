"""Whether a gate passes as often as `phi4bench plan` said it would, and never on too few families.

Part of `benchmarks.calibration`'s table. The planned number of cases is that of `phi4bench.planning`; artifacts are as
good as was assumed, and the fixed gate judges them. What is told of few families is the outcome of the real gates on
artifacts that are without fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.simulation import decide_pairs, decide_rates
from phi4bench.gates import LEAST_GROUPS, Outcome, judge_levels, judge_regression
from phi4bench.levels import Level, Score
from phi4bench.planning import Assumed, for_floor, for_margin
from phi4bench.stats import Interval, normal_quantile, wilson
from phi4bench.targets import parse_targets

PLANNED = 0.8
NEAR = 0.03
"""A gate's power may be so far from what was planned; the plan is a normal approximation."""
DESIGNS = ((0.0, 1), (0.0, 2), (0.1, 2), (0.2, 2), (0.2, 4))
"""(correlation, cases a family)."""
PAIRS = ((0.02, 0.05), (0.02, 0.10), (0.01, 0.05), (0.03, 0.05))
"""(margin, flips), without a true loss."""
FLOORS = ((0.95, 0.97), (0.90, 0.93), (0.97, 0.99))
"""(floor, true rate)."""
_TARGETS = """
[[gate]]
name = "tool"
floor = 0.5
source = "simulation"

[regression]
levels = ["tool"]
margins = { int8 = 0.5 }
source = "simulation"
"""


@dataclass(frozen=True)
class Power:
    """One question at its planned number of cases: how many of `trials` artifacts passed."""

    gate: str
    cases: int
    families: int
    icc: float
    setting: str
    trials: int
    passed: int

    @property
    def share(self) -> float:
        return self.passed / self.trials

    @property
    def interval(self) -> Interval:
        return wilson(self.passed, self.trials, normal_quantile(0.975))

    @property
    def misses(self) -> bool:
        return abs(self.share - PLANNED) > NEAR


def power_cells(trials: int, seed: int, alpha: float) -> Iterator[Power]:
    """Every question, at the number of cases that `plan` gives for it."""
    for icc, per_family in DESIGNS:
        assumed = Assumed(alpha, PLANNED, icc, per_family)
        for number, (margin, flips) in enumerate(PAIRS):
            needed = for_margin(margin, flips, assumed)
            assert needed is not None
            sizes = np.full(needed.families, per_family)
            rng = np.random.default_rng([seed, number, round(100 * icc), per_family])
            found = decide_pairs(sizes, flips / 2, flips / 2, icc, margin, alpha, trials, rng)
            setting = f"margin {100 * margin:g}, flips {100 * flips:g}%"
            yield Power("paired", int(sizes.sum()), needed.families, icc, setting, trials, found.passed)
        for number, (floor, rate) in enumerate(FLOORS):
            needed = for_floor(floor, rate, assumed)
            assert needed is not None
            sizes = np.full(needed.families, per_family)
            rng = np.random.default_rng([seed, 100 + number, round(100 * icc), per_family])
            found = decide_rates(sizes, rate, icc, floor, alpha, trials, rng)
            setting = f"{100 * rate:g}% against {100 * floor:g}%"
            yield Power("rate", int(sizes.sum()), needed.families, icc, setting, trials, found.passed)


def few_outcomes(families: int) -> tuple[str, str]:
    """What the real gates say of an artifact without fault on so many families of four cases: (rate, paired)."""
    scores = [
        Score(f"case-{family}-{case}", "single", f"family-{family}", ("read",), True, Level.RIGHT_PARAMETERS)
        for family in range(families)
        for case in range(4)
    ]
    targets = parse_targets(_TARGETS, "simulation")
    single = judge_levels(scores, targets, "int8")["tool"].outcome
    paired = judge_regression(scores, scores, targets, "int8")["regression.tool"].outcome
    return str(single), str(paired)


def few_misses() -> list[int]:
    """Numbers of families below the least on which something was decided all the same."""
    return [
        families for families in range(1, LEAST_GROUPS) if set(few_outcomes(families)) != {str(Outcome.INCONCLUSIVE)}
    ]


def print_power(trials: int, seed: int, alpha: float) -> tuple[int, int]:
    """Both tables; returns (cells that miss, cells)."""
    print(f"\npower at the planned number of cases, {100 * PLANNED:g}% wanted, within {100 * NEAR:g} points")
    print(f"{'gate':7}{'cases':>7}{'families':>10}{'icc':>5}  {'the truth':24}{'passes':>8}  {'95% interval':14}")
    missed = count = 0
    for cell in power_cells(trials, seed, alpha):
        missed, count = missed + cell.misses, count + 1
        low, high = 100 * cell.interval.low, 100 * cell.interval.high
        print(
            f"{cell.gate:7}{cell.cases:7,}{cell.families:10,}{cell.icc:5.1f}  {cell.setting:24}"
            f"{100 * cell.share:7.2f}%  {low:5.2f} to {high:5.2f}{'  MISS' if cell.misses else ''}",
            flush=True,
        )
    odd = few_misses()
    at_least = few_outcomes(LEAST_GROUPS)
    print(f"\nan artifact without fault on 1 to {LEAST_GROUPS - 1} families: ", end="")
    print(f"decided on {odd}  MISS" if odd else "INCONCLUSIVE on every number, rate and paired")
    print(f"on {LEAST_GROUPS} families: rate {at_least[0]}, paired {at_least[1]}")
    return missed + bool(odd), count + 1
