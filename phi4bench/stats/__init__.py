"""Statistics of right and wrong over groups of cases. Pure: no files, no models, no clock, no scipy."""

from __future__ import annotations

from phi4bench.stats.betting import Bet, Stakes, divided, upper_bound
from phi4bench.stats.clusters import Tally, design_effect, even_groups, tally
from phi4bench.stats.distributions import binomial_two_sided_p, normal_quantile, t_quantile
from phi4bench.stats.paired import (
    Flips,
    cases_for_margin,
    count_flips,
    mcnemar_p,
    more_groups_for_margin,
    paired_interval,
    tango,
)
from phi4bench.stats.proportions import (
    Interval,
    cases_for_floor,
    largest_share,
    more_groups_for_floor,
    proportion_interval,
    wilson,
)
from phi4bench.stats.quantiles import fewest_for_quantile, mean_interval, quantile, quantile_interval

__all__ = [
    "Bet",
    "Flips",
    "Interval",
    "Stakes",
    "Tally",
    "binomial_two_sided_p",
    "cases_for_floor",
    "cases_for_margin",
    "count_flips",
    "design_effect",
    "divided",
    "even_groups",
    "fewest_for_quantile",
    "largest_share",
    "mcnemar_p",
    "mean_interval",
    "more_groups_for_floor",
    "more_groups_for_margin",
    "normal_quantile",
    "paired_interval",
    "proportion_interval",
    "quantile",
    "quantile_interval",
    "t_quantile",
    "tally",
    "tango",
    "upper_bound",
    "wilson",
]
