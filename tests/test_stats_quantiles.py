"""Quantiles with bounds that presume no distribution, held against scipy's binomial and against simulation."""

from __future__ import annotations

import math
import random

import pytest

from phi4bench.stats import fewest_for_quantile, mean_interval, quantile, quantile_interval


@pytest.mark.parametrize(
    ("share", "alpha", "fewest"),
    [
        # 0.95^59 = 0.0485, 0.95^58 = 0.0511; 0.99^299 = 0.0495, 0.99^298 = 0.0500...; 0.5^5 = 0.031, 0.5^4 = 0.0625
        pytest.param(0.95, 0.05, 59, id="p95"),
        pytest.param(0.99, 0.05, 299, id="p99"),
        pytest.param(0.5, 0.05, 5, id="median"),
        pytest.param(0.95, 0.01, 90, id="p95-at-99%"),  # 0.95^90 = 0.0099
        pytest.param(0.5, 0.5, 1, id="a-coin"),
    ],
)
def test_a_bound_takes_so_many_values(share: float, alpha: float, fewest: int) -> None:
    assert fewest_for_quantile(share, alpha) == fewest


@pytest.mark.parametrize(("share", "fewest"), [(0.95, 59), (0.99, 299)])
def test_the_smallest_sample_is_bounded_by_its_largest_value_and_a_smaller_one_by_none(
    share: float, fewest: int
) -> None:
    assert quantile_interval(list(range(fewest)), share, 0.05).high == fewest - 1
    assert quantile_interval(list(range(fewest - 1)), share, 0.05).high == math.inf


@pytest.mark.parametrize("count", [59, 93, 100, 300, 1000])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_the_bounds_are_the_places_that_the_binomial_gives(count: int, share: float) -> None:
    binom = pytest.importorskip("scipy.stats").binom
    ends = quantile_interval(list(range(1, count + 1)), share, 0.05)  # each value is its own place
    # P(fewer than r lie below) >= 95% first at r = ppf(0.95) + 1; P(at least s) >= 95% last at s = ppf(0.05)
    assert ends.high == binom.ppf(0.95, count, share) + 1
    assert binom.sf(ends.low - 1, count, share) >= 0.95 > binom.sf(ends.low, count, share)


def test_each_bound_holds_as_often_as_it_says_for_a_skewed_distribution() -> None:
    rng, above, below, trials = random.Random(5), 0, 0, 3000
    truth = -math.log(0.05)  # of an exponential
    for _ in range(trials):
        ends = quantile_interval(sorted(rng.expovariate(1.0) for _ in range(120)), 0.95, 0.05)
        above += ends.high < truth
        below += ends.low > truth
    # at most 5%; three standard errors of 5% over 3,000 trials are 1.2 points
    assert above / trials < 0.05 + 0.012
    assert below / trials < 0.05 + 0.012
    assert above + below > 0.02 * trials  # and not by being endless


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("times", [2, 3, 7])
def test_draws_that_stand_there_several_times_are_bounded_as_those_that_stand_there_once(
    times: int, share: float
) -> None:
    once = [float(value) for value in range(100)]
    again = [value for value in once for _ in range(times)]
    assert quantile_interval(again, share, 0.05, independent=100) == quantile_interval(once, share, 0.05)
    assert quantile_interval(again, 0.99, 0.05, independent=100).high == math.inf  # 299 are needed, and not values


@pytest.mark.parametrize(("share", "value"), [(0.5, 10), (0.95, 19), (0.99, 20), (0.01, 1)])
def test_a_quantile_is_the_value_that_so_many_do_not_exceed(share: float, value: int) -> None:
    assert quantile(list(range(1, 21)), share) == value


def test_a_mean_has_students_interval() -> None:
    # 1, 2, 3, 4: mean 2.5, sd 1.29099, error 0.645497, t(0.95, 3) = 2.353363
    ends = mean_interval([1.0, 2.0, 3.0, 4.0], 0.05)
    assert ends is not None
    assert (ends.low, ends.high) == (pytest.approx(2.5 - 1.519089, abs=1e-5), pytest.approx(2.5 + 1.519089, abs=1e-5))
    assert mean_interval([1.0], 0.05) is None


def test_what_is_of_the_same_thing_again_makes_no_mean_surer() -> None:
    # twice each of 1, 2, 3, 4: as of four
    ends = mean_interval([1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0], 0.05, 4)
    assert ends is not None
    assert ends.high - 2.5 == pytest.approx(1.519089, abs=1e-5)
    assert mean_interval([1.0, 2.0, 3.0], 0.05, 1) is None
