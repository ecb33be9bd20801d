"""Quantiles of a sample with bounds that presume no distribution, means with Student's t. Pure arithmetic.

A quantile's bounds are two of the sample's own values: how many of n independent draws lie below the true quantile is
binomial, whatever the distribution. Too small a sample has no value that far out, and then there is no bound at all.
Source: Hahn and Meeker, Statistical Intervals, 1991, section 5.2; David and Nagaraja, Order Statistics, 2003, 7.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from phi4bench.stats.distributions import t_quantile
from phi4bench.stats.proportions import Interval


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the sorted values that at least `share` of them do not exceed."""
    if not ordered:
        raise ValueError("a quantile was asked of nothing")
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def fewest_for_quantile(share: float, alpha: float) -> int:
    """How many values an upper bound at one-sided confidence 1 - alpha takes: 59 for P95 and 299 for P99 at 95%.

    The largest of n lies below the quantile with a chance of share^n, which has to be alpha at most.
    """
    if not (0.0 < share < 1.0 and 0.0 < alpha < 1.0):
        raise ValueError(f"{share=}, {alpha=}, but both should lie between 0 and 1")
    count = max(1, math.floor(math.log(alpha) / math.log(share)))
    while share**count > alpha:
        count += 1
    return count


def quantile_interval(ordered: Sequence[float], share: float, alpha: float, independent: int | None = None) -> Interval:
    """Bounds of the quantile, each end on its own at one-sided 1 - alpha; infinite where the sample has no bound.

    `independent`: how many of the values are draws of their own, each of them in there as often as any other; `None`:
    all. Were all values of a draw alike, the bounds would be just those of the draws; else they are wider than need be.
    """
    count = len(ordered)
    draws = count if independent is None else independent
    below = _cumulative(draws, share)
    # The draw at place r (from 1) is above the quantile where fewer than r draws lie below it. Of the values at its
    # place the bounds take the outermost; -(-a // b) rounds up.
    above = next((r for r in range(1, draws + 1) if below[r - 1] >= 1.0 - alpha), None)
    under = next((r for r in range(draws, 0, -1) if below[r - 1] <= alpha), None)
    return Interval(
        -math.inf if under is None else ordered[(under - 1) * count // draws],
        math.inf if above is None else ordered[-(-above * count // draws) - 1],
    )


def mean_interval(values: Sequence[float], alpha: float, draws: int | None = None) -> Interval | None:
    """Of the mean, with Student's t of one degree of freedom fewer than values; `None` for fewer than two.

    `draws`: how many of them tell of others, where some are of the same thing again.
    """
    count = len(values)
    draws = count if draws is None else min(draws, count)
    if draws < 2:
        return None
    mean = math.fsum(values) / count
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / count / (draws - 1))
    reach = t_quantile(1.0 - alpha, draws - 1) * error
    return Interval(mean - reach, mean + reach)


def _cumulative(count: int, share: float) -> list[float]:
    """The chances that at most 0, 1, ... `count` of so many draws lie below the quantile, by logarithms."""
    logs = (math.log(share), math.log1p(-share))
    sums, total = [], 0.0
    for k in range(count + 1):
        ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        total += math.exp(ways + k * logs[0] + (count - k) * logs[1])
        sums.append(min(1.0, total))
    return sums
