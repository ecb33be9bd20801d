"""Many artifacts at once before the fixed gates: what `benchmarks.calibration` and `benchmarks.power` count.

Families of one size are alike, so an artifact is drawn as how many of its families have each possible outcome: a
multinomial over the beta-binomial (in pairs, the Dirichlet-multinomial) probabilities, which is the same distribution
as drawing case by case. The gates' arithmetic is done on all artifacts together, and the first `CHECKED` of each
setting are judged by the real `phi4bench.stats` too, which has to agree on every one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phi4bench.stats import (
    Flips,
    Interval,
    Tally,
    normal_quantile,
    paired_interval,
    proportion_interval,
    t_quantile,
)
from phi4bench.stats.clusters import PRIOR_CORRELATION, PRIOR_PAIRS

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Outcomes = Sequence[tuple[int, ...]]

CHECKED = 20


@dataclass(frozen=True)
class Decided:
    """Of so many artifacts, how many passed, how many failed, and how many passed without regard to families."""

    passed: int
    failed: int
    plain: int


def decide_rates(
    sizes: Counts, rate: float, icc: float, floor: float, alpha: float, trials: int, rng: np.random.Generator
) -> Decided:
    """Artifacts that are right at `rate`, held to `floor`."""
    drawn = {}
    for size, families in _by_size(sizes):
        outcomes = [(right, size - right) for right in range(size + 1)]
        chances = [_chance(one, (rate, 1 - rate), icc) for one in outcomes]
        drawn[size] = (outcomes, rng.multinomial(families, chances, size=trials))
    total, groups = int(sizes.sum()), len(sizes)
    passed = _sum(drawn, lambda size, one: one[0])
    # The rarer outcome tells what comes together: in each artifact right or wrong, as phi4bench.stats.clusters has it.
    low, high = (_rate_ends(drawn, passed, total, groups, which, alpha) for which in (0, 1))
    rare = 2 * passed < total
    ends = np.where(rare, low, high)
    z = normal_quantile(1 - alpha)
    found = Decided(
        int((ends[0] >= floor).sum()),
        int((ends[1] < floor).sum()),
        int((_wilson(passed, np.full(trials, total), z)[0] >= floor).sum()),
    )
    for trial in range(min(CHECKED, trials)):
        counts = [(one[0], size) for size, one in _families(drawn, trial)]
        real = proportion_interval(Tally(*(tuple(some) for some in zip(*counts, strict=True))), alpha)
        _agree(real, Interval(*ends[:, trial].tolist()), floor)
    return found


def decide_pairs(
    sizes: Counts, lost: float, gained: float, icc: float, margin: float, alpha: float, trials: int,
    rng: np.random.Generator,
) -> Decided:  # fmt: skip
    """Artifacts that lose and gain cases at these rates, held to losing less than `margin`.

    The interval's ends are not sought: the lower one is above the margin's edge where the score statistic there is
    above the quantile, and likewise the upper one.
    """
    drawn = {}
    for size, families in _by_size(sizes):
        outcomes = [(f, g, size - f - g) for f, g in itertools.product(range(size + 1), repeat=2) if f + g <= size]
        chances = [_chance(one, (lost, gained, 1 - lost - gained), icc) for one in outcomes]
        drawn[size] = (outcomes, rng.multinomial(families, chances, size=trials))
    total, groups = int(sizes.sum()), len(sizes)
    down, up = (_sum(drawn, lambda size, one, at=at: one[at]) for at in (0, 1))
    mean = (up - down) / total
    variance = (up + down) / total - mean**2
    seen = _sum(drawn, lambda size, one: (one[0] + one[1]) * (size - 1))
    products = _sum(drawn, lambda size, one: (one[1] - one[0]) ** 2 - one[0] - one[1])
    spread = (
        _sum(drawn, lambda size, one: (one[1] - one[0]) ** 2)
        - 2 * mean * _sum(drawn, lambda size, one: (one[1] - one[0]) * size)
        + mean**2 * int((sizes**2).sum())
    )
    pairs = int((sizes * (sizes - 1)).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where((variance > 0) & (pairs > 0), (products / max(pairs, 1) - mean**2) / variance, 0.0)
    effect = _effect(sizes, correlation, seen, spread, total * variance)
    quantile = t_quantile(1 - alpha, groups - 1)
    reached = _score(up / effect, down / effect, total / effect, -margin)
    plain = _score(up, down, np.full(trials, float(total)), -margin)
    for trial in range(min(CHECKED, trials)):
        flips = [(one[0], one[1], size) for size, one in _families(drawn, trial)]
        real = paired_interval(Flips(*(tuple(some) for some in zip(*flips, strict=True))), alpha)
        ours = (reached[trial] > quantile, reached[trial] < -quantile)
        if ours != (real.low >= -margin, real.high < -margin):
            raise AssertionError(f"the gate says {real}, but its arithmetic here {reached[trial]} of {quantile}")
    return Decided(
        int((reached > quantile).sum()),
        int((reached < -quantile).sum()),
        int((plain > normal_quantile(1 - alpha)).sum()),
    )


Drawn = Mapping[int, tuple[Outcomes, Counts]]


def _by_size(sizes: Counts) -> list[tuple[int, int]]:
    found, families = np.unique(sizes, return_counts=True)
    return [(int(size), int(count)) for size, count in zip(found, families, strict=True)]


def _chance(outcome: tuple[int, ...], rates: Sequence[float], icc: float) -> float:
    """Of one family: multinomial, or Dirichlet-multinomial with the correlation `icc` between any two of its cases."""
    size = sum(outcome)
    ways = math.factorial(size) / math.prod(math.factorial(one) for one in outcome)
    if not icc:
        return ways * math.prod(rate**one for rate, one in zip(rates, outcome, strict=True))
    weights = [rate * (1 / icc - 1) for rate in rates]
    # A rising factorial for each kind over that of all: the chance of drawing them one after another from Polya's urn.
    rises = [math.prod(weight + step for step in range(one)) for weight, one in zip(weights, outcome, strict=True)]
    return ways * math.prod(rises) / math.prod(sum(weights) + step for step in range(size))


def _sum(drawn: Drawn, value) -> Floats:  # type: ignore[no-untyped-def]
    """Over the families of each artifact."""
    return sum(
        counts @ np.array([float(value(size, one)) for one in outcomes]) for size, (outcomes, counts) in drawn.items()
    )


def _families(drawn: Drawn, trial: int) -> list[tuple[int, tuple[int, ...]]]:
    """(size, outcome) of each family of one artifact."""
    return [
        (size, one)
        for size, (outcomes, counts) in drawn.items()
        for one, count in zip(outcomes, counts[trial], strict=True)
        for _ in range(count)
    ]


def _rate_ends(drawn: Drawn, passed: Floats, total: int, groups: int, which: int, alpha: float) -> Floats:
    """(2, trials): the interval's ends, with the design effect of outcome `which` (0 right, 1 wrong)."""
    sizes = np.concatenate([np.full(counts[0].sum(), size) for size, (_, counts) in drawn.items()])
    share = (passed if which == 0 else total - passed) / total
    both = _sum(drawn, lambda size, one: one[which] * (one[which] - 1))
    seen = _sum(drawn, lambda size, one: one[which] * (size - 1))
    spread = (
        _sum(drawn, lambda size, one: one[which] ** 2)
        - 2 * share * _sum(drawn, lambda size, one: one[which] * size)
        + share**2 * int((sizes**2).sum())
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(seen > 0, (both / seen - share) / (1 - share), 0.0)
    effect = _effect(sizes, correlation, seen, spread, total * share * (1 - share))
    return _wilson(passed / effect, total / effect, t_quantile(1 - alpha, groups - 1))


def _effect(sizes: Counts, correlation: Floats, seen: Floats, spread: Floats, independent: Floats) -> Floats:
    groups, total = len(sizes), int(sizes.sum())
    shrunk = (seen * correlation + PRIOR_PAIRS * PRIOR_CORRELATION) / (seen + PRIOR_PAIRS)
    kish = 1 + (int((sizes**2).sum()) / total - 1) * np.maximum(0.0, shrunk)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(independent > 0, groups / (groups - 1) * spread / independent, 1.0)
    return np.maximum(kish, ratio)


def _wilson(passed: Floats, total: Floats, quantile: float) -> Floats:
    rate, square = passed / total, quantile**2
    middle = (rate + square / (2 * total)) / (1 + square / total)
    root = np.sqrt(np.maximum(rate * (1 - rate), 0) / total + square / (4 * total**2))
    reach = quantile * root / (1 + square / total)
    return np.stack([np.maximum(0.0, middle - reach), np.where(rate >= 1, 1.0, np.minimum(1.0, middle + reach))])


def _score(gained: Floats, lost: Floats, total: Floats, tested: float) -> Floats:
    """Tango's statistic for the hypothesis that the difference is `tested`."""
    square = 2 * total
    linear = -gained - lost + (2 * total - gained + lost) * tested
    constant = -lost * tested * (1 - tested)
    loss_rate = (np.sqrt(np.maximum(0.0, linear**2 - 4 * square * constant)) - linear) / (2 * square)
    variance = total * (2 * loss_rate + tested * (1 - tested))
    gap = gained - lost - total * tested
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, gap / np.sqrt(variance), np.where(gap == 0, 0.0, np.copysign(np.inf, gap)))


def _agree(real: Interval, ours: Interval, edge: float) -> None:
    close = math.isclose(real.low, ours.low, abs_tol=1e-9) and math.isclose(real.high, ours.high, abs_tol=1e-9)
    if not close:
        raise AssertionError(f"the gate says {real}, but its arithmetic here {ours} (at {edge})")
