"""An interval for a rate over groups of cases, and how many groups a floor needs. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from phi4bench.stats.clusters import Tally, design_effect
from phi4bench.stats.distributions import incomplete_beta, normal_quantile, t_quantile

POWER = 0.8


@dataclass(frozen=True)
class Interval:
    """Each end holds on its own with one-sided confidence 1 - alpha; both together with 1 - 2 alpha."""

    low: float
    high: float


def wilson(passed: float, total: float, quantile: float) -> Interval:
    """The score interval. `passed` and `total` may be fractions, as an effective sample size is.

    Source: Wilson, JASA 22, 1927; the form of Newcombe, Statistics in Medicine 17, 1998, method 3.
    """
    if total <= 0.0:
        raise ValueError(f"{total=}, but an interval needs at least one case")
    rate, square = passed / total, quantile * quantile
    middle = (rate + square / (2.0 * total)) / (1.0 + square / total)
    reach = quantile * math.sqrt(rate * (1.0 - rate) / total + square / (4.0 * total * total)) / (1.0 + square / total)
    # At 0 and at 100% the end is exact, which rounding would miss by an ulp.
    low = 0.0 if passed <= 0.0 else max(0.0, middle - reach)
    high = 1.0 if passed >= total else min(1.0, middle + reach)
    return Interval(low, high)


def largest_share(passed: int, total: int, alpha: float) -> float:
    """The largest true share that leaves `passed` or fewer of `total` independent ones a chance of alpha.

    Source: Clopper and Pearson, Biometrika 26, 1934; a binomial tail is an incomplete beta function (DLMF 8.17.5).
    """
    low, high = 0.0, 1.0
    while passed < total and high - low > 1e-12:
        middle = (low + high) / 2.0
        so_few = incomplete_beta(total - passed, passed + 1, 1.0 - middle)
        low, high = (middle, high) if so_few > alpha else (low, middle)
    return high


def proportion_interval(counts: Tally, alpha: float) -> Interval:
    """Wilson on the effective sample size, with Student's t of groups - 1 for the normal quantile.

    `ValueError` for no cases. One group leaves nothing to tell groups apart by: the interval is all of [0, 1].
    """
    if not counts.total:
        raise ValueError("an interval was asked of zero cases")
    if counts.groups < 2:
        return Interval(0.0, 1.0)
    effect = design_effect(counts)
    return wilson(counts.passed / effect, counts.total / effect, t_quantile(1.0 - alpha, counts.groups - 1))


def cases_for_floor(floor: float, rate: float, alpha: float, power: float, per_group: float) -> float | None:
    """How many independent cases pass `floor` with `power`, where `rate` is the true one; `None` where none would.

    `per_group`: how many of them a group tells as much as. No fewer than let a run pass that shows just this rate.
    Source: the normal approximation to the score test of one proportion, as in Fleiss, Levin and Paik, Statistical
    Methods for Rates and Proportions, 2003, one-sided and without its continuity correction.
    """
    if rate <= floor:
        return None
    reach = normal_quantile(1.0 - alpha) * math.sqrt(floor * (1.0 - floor))
    reach += normal_quantile(power) * math.sqrt(rate * (1.0 - rate))
    cases = (reach / (rate - floor)) ** 2
    return max(cases, (gate_quantile(cases, per_group, alpha) / (rate - floor)) ** 2 * floor * (1.0 - floor))


def gate_quantile(cases: float, per_group: float, alpha: float) -> float:
    """Student's t that a gate takes on so many cases: larger than the normal quantile, which no chance makes up for
    where nothing varies, such as at a rate of 100%.
    """
    return t_quantile(1.0 - alpha, max(1, math.ceil(cases / per_group) - 1))


def more_groups_for_floor(counts: Tally, floor: float, alpha: float, power: float = POWER) -> int | None:
    """How many more groups like these would pass `floor` with `power`, were the rate seen the true one.

    `None`: no number of groups would, for the rate is at the floor or below it. Design effect and group size as seen.
    """
    per_group = counts.total / design_effect(counts) / counts.groups
    cases = cases_for_floor(floor, counts.rate, alpha, power, per_group)
    return None if cases is None else max(0, math.ceil(cases / per_group) - counts.groups)
