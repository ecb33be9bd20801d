"""Two artifacts on the same cases: an interval for the difference of their rates, and McNemar's p. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from phi4bench.stats.clusters import difference_effect
from phi4bench.stats.distributions import binomial_two_sided_p, normal_quantile, t_quantile
from phi4bench.stats.proportions import POWER, Interval, gate_quantile


@dataclass(frozen=True)
class Flips:
    """Cases that changed, by group: `lost` were right in the baseline alone, `gained` in the candidate alone."""

    lost: tuple[int, ...]
    gained: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.sizes)

    @property
    def difference(self) -> float:
        """The candidate's rate less the baseline's; `nan` of nothing."""
        return (sum(self.gained) - sum(self.lost)) / self.total if self.total else float("nan")


def count_flips(cases: Iterable[tuple[str, bool, bool]]) -> Flips:
    """From (group, baseline right, candidate right) of each case, in any order."""
    sums: dict[str, list[int]] = {}
    for group, before, after in cases:
        entry = sums.setdefault(group, [0, 0, 0])
        entry[0] += before and not after
        entry[1] += after and not before
        entry[2] += 1
    lost, gained, sizes = (tuple(entry[i] for entry in sums.values()) for i in range(3))
    return Flips(lost, gained, sizes)


def mcnemar_p(flips: Flips) -> float:
    """Exact, two-sided: were losses and gains equally likely, how often would they be at least as unequal.

    It takes the cases for independent, so it stands beside the verdict and is no part of it.
    Source: McNemar, Psychometrika 12, 1947, in its exact form.
    """
    return binomial_two_sided_p(sum(flips.lost), sum(flips.lost) + sum(flips.gained))


def tango(gained: float, lost: float, total: float, quantile: float) -> Interval:
    """The score interval for the difference of two paired rates, gained less lost. Counts may be fractions.

    Source: Tango, Statistics in Medicine 17, 1998, 891-908: the differences that his score statistic, with the
    nuisance parameter at its restricted maximum likelihood estimate, does not reject. Found by bisection: the
    statistic falls as the difference tested rises.
    """
    if total <= 0.0:
        raise ValueError(f"{total=}, but an interval needs at least one case")
    seen = (gained - lost) / total

    def end(far: float, accepted: float) -> float:
        near = seen
        while abs(far - near) > 1e-12:
            middle = (far + near) / 2.0
            if _score(gained, lost, total, middle) * accepted <= quantile:
                near = middle
            else:
                far = middle
        return near

    return Interval(end(-1.0, 1.0) if seen > -1.0 else -1.0, end(1.0, -1.0) if seen < 1.0 else 1.0)


def _score(gained: float, lost: float, total: float, tested: float) -> float:
    """Tango's statistic for the hypothesis that the difference is `tested`."""
    square = 2.0 * total
    linear = -gained - lost + (2.0 * total - gained + lost) * tested
    constant = -lost * tested * (1.0 - tested)
    root = math.sqrt(max(0.0, linear * linear - 4.0 * square * constant))
    loss_rate = (root - linear) / (2.0 * square)
    variance = total * (2.0 * loss_rate + tested * (1.0 - tested))
    gap = gained - lost - total * tested
    if variance <= 0.0:
        return math.copysign(math.inf, gap) if gap else 0.0
    return gap / math.sqrt(variance)


def paired_interval(flips: Flips, alpha: float) -> Interval:
    """Tango's interval on counts divided by the design effect, with Student's t of groups - 1.

    `ValueError` for no cases. One group leaves nothing to tell groups apart by: the interval is all of [-1, 1].
    """
    if not flips.total:
        raise ValueError("an interval was asked of zero cases")
    groups = len(flips.sizes)
    if groups < 2:
        return Interval(-1.0, 1.0)
    effect = difference_effect(flips.lost, flips.gained, flips.sizes)
    quantile = t_quantile(1.0 - alpha, groups - 1)
    return tango(sum(flips.gained) / effect, sum(flips.lost) / effect, flips.total / effect, quantile)


def cases_for_margin(
    margin: float, flips: float, difference: float, alpha: float, power: float, per_group: float
) -> float | None:
    """How many independent cases rule a loss of `margin` out with `power`, where a share of `flips` of them changes.

    `difference`: the true one, gained less lost. `None`: no number would, for the loss is the margin or more.
    `per_group`, and how few they are at the least: as in `cases_for_floor`.
    Source: the normal approximation to Tango's score test: with no difference (z_alpha + z_power)^2 * flips / margin^2.
    The variance under the margin's edge is taken as `flips` too, but as no less than that edge allows.
    """
    if difference <= -margin:
        return None
    variance = max(flips - difference**2, 0.0)
    at_edge = max(variance, margin * (1.0 - margin))
    reach = normal_quantile(1.0 - alpha) * math.sqrt(at_edge) + normal_quantile(power) * math.sqrt(variance)
    cases = (reach / (difference + margin)) ** 2
    return max(cases, (gate_quantile(cases, per_group, alpha) / (difference + margin)) ** 2 * at_edge)


def more_groups_for_margin(flips: Flips, margin: float, alpha: float, power: float = POWER) -> int | None:
    """How many more groups like these would show a loss smaller than `margin`, were the flips seen the true ones.

    `None`: no number of groups would, for the loss seen is the margin or more. Without a single flip the rates of
    loss and gain are taken as half a case each, of 40 at the least: one case without a flip does not stand for a rate
    of 100%.
    """
    total, groups = flips.total, len(flips.sizes)
    if not total:
        return None
    seen = sum(flips.lost) + sum(flips.gained)
    changed = seen / total if seen else 1 / max(40, total)
    per_group = total / difference_effect(flips.lost, flips.gained, flips.sizes) / groups
    cases = cases_for_margin(margin, changed, flips.difference, alpha, power, per_group)
    return None if cases is None else max(0, math.ceil(cases / per_group) - groups)
