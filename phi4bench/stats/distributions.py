"""Quantiles of the normal and of Student's t, and the exact binomial test of one half. Pure arithmetic."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300


def normal_quantile(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


@lru_cache(maxsize=1024)
def t_quantile(probability: float, freedom: int) -> float:
    """Student's t: the value below which `probability` of it lies, for `freedom` >= 1 degrees of freedom."""
    if not 0.0 < probability < 1.0 or freedom < 1:
        raise ValueError(f"{probability=}, {freedom=}, but should be in (0, 1) and at least 1")
    if probability < 0.5:
        return -t_quantile(1.0 - probability, freedom)
    low, high = 0.0, 1.0
    while t_below(high, freedom) < probability:
        low, high = high, high * 2.0
    while high - low > 1e-12 * max(1.0, high):
        middle = (low + high) / 2.0
        low, high = (middle, high) if t_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2.0


def t_below(value: float, freedom: int) -> float:
    """The share of Student's t below `value`. Source: Abramowitz and Stegun 26.7.1 with 26.5.27."""
    tail = incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + value * value)) / 2.0
    return 1.0 - tail if value > 0 else tail


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b).

    Source: the continued fraction of DLMF 8.17.22, evaluated forward (Lentz), with DLMF 8.17.4 for x beyond its fast
    side.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    fraction = upper = 1.0
    lower = 0.0
    for step in range(1, 1000):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1.0 + term * lower
        lower = 1.0 / (lower if abs(lower) > _TINY else _TINY)
        upper = 1.0 + term / upper
        upper = upper if abs(upper) > _TINY else _TINY
        fraction *= upper * lower
        if abs(upper * lower - 1.0) < 1e-15:
            break
    return front / (a * fraction)


def binomial_two_sided_p(successes: int, trials: int) -> float:
    """The exact two-sided p of a fair coin: twice the smaller tail, at most 1; 1 where there were no trials."""
    fewer = min(successes, trials - successes)
    tail = sum(math.comb(trials, k) for k in range(fewer + 1)) if trials < 1000 else None
    if tail is not None:
        return min(1.0, 2 * tail / (1 << trials))
    # Far more flips than any gate leaves open: the sum of logarithms, without integers of a thousand digits.
    logs = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) - trials * math.log(2.0)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2.0 * math.fsum(math.exp(log) for log in logs))
