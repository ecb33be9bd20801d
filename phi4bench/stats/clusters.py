"""How much less cases of the same group tell than independent ones: the design effect. Pure arithmetic.

Cases of one phrasing family are right and wrong together. Their rate has the variance of a smaller sample of
independent cases, `total / design effect` of them.

The usual estimate (the ratio estimator's variance between groups over the binomial one) fails where faults are rare:
two or three faults say next to nothing about whether faults come together, a sample that happens to look clean also
happens to look independent, and at no fault at all nothing can be estimated. So the correlation within groups is
shrunk towards `PRIOR_CORRELATION`, as though `PRIOR_PAIRS` further pairs (a case at fault and another case of its
group) had been seen to have it. With many faults the data decide; with none the prior does. The larger of that design
effect (Kish's, for unequal groups) and the ratio estimator's holds, and never less than 1.
`benchmarks/calibration.py` shows the resulting error rates, and what they were without the shrinkage.

Source: Kish, Survey Sampling, 1965 (design effect); Rao and Scott, A simple method for the analysis of clustered
binary data, Biometrics 48, 1992 (counts divided by it). The shrinkage is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PRIOR_CORRELATION = 0.2
PRIOR_PAIRS = 10.0


@dataclass(frozen=True)
class Tally:
    """Counts by group. `right[i]` of the `sizes[i]` things in group i count as right."""

    right: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def passed(self) -> int:
        return sum(self.right)

    @property
    def total(self) -> int:
        return sum(self.sizes)

    @property
    def groups(self) -> int:
        return len(self.sizes)

    @property
    def rate(self) -> float:
        """`nan` of nothing."""
        return self.passed / self.total if self.total else float("nan")


def tally(counts: Iterable[tuple[str, int, int]]) -> Tally:
    """From (group, right, of how many) of each case, in any order. Groups without anything to count are left out."""
    sums: dict[str, list[int]] = {}
    for group, right, of in counts:
        if of:
            entry = sums.get(group)
            if entry is None:
                sums[group] = [right, of]
            else:
                entry[0] += right
                entry[1] += of
    return Tally(tuple(entry[0] for entry in sums.values()), tuple(entry[1] for entry in sums.values()))


def even_groups(sizes: Sequence[int]) -> float:
    """As how many groups of one size these count: hardly more than one, where one of them holds most of the cases.

    Then no estimate here, and no Student's t of groups - 1, tells how far the rate may be off. 0 of nothing.
    Source: (sum n)^2 / sum n^2, Kish, Survey Sampling, 1965; of clusters Carter, Schnepel and Steigerwald, Asymptotic
    behavior of a t-test robust to cluster heterogeneity, Review of Economics and Statistics 99, 2017, with all
    variances within groups alike.
    """
    return sum(sizes) ** 2 / max(1, sum(n * n for n in sizes))


def design_effect(counts: Tally) -> float:
    """Of a rate; at least 1."""
    total, passed = counts.total, counts.passed
    if not total:
        return 1.0
    # The rarer outcome carries the information about what comes together.
    rare = counts.right if 2 * passed < total else tuple(n - r for r, n in zip(counts.right, counts.sizes, strict=True))
    share = sum(rare) / total
    both = sum(f * (f - 1) for f in rare)
    seen = sum(f * (n - 1) for f, n in zip(rare, counts.sizes, strict=True))
    # Of a rare case, the share of the others in its group that are rare too is share + correlation * (1 - share).
    correlation = (both / seen - share) / (1.0 - share) if seen else 0.0
    spread = sum((f - share * n) ** 2 for f, n in zip(rare, counts.sizes, strict=True))
    return _larger(counts.sizes, correlation, seen, spread, total * share * (1.0 - share))


def difference_effect(lost: tuple[int, ...], gained: tuple[int, ...], sizes: tuple[int, ...]) -> float:
    """Of a difference of paired rates over at least one case; at least 1.

    A case counts -1 where it was lost, 1 where gained, 0 otherwise.
    """
    total = sum(sizes)
    sums = [g - f for f, g in zip(lost, gained, strict=True)]
    flips = [f + g for f, g in zip(lost, gained, strict=True)]
    pairs = sum(n * (n - 1) for n in sizes)
    mean = sum(sums) / total
    variance = sum(flips) / total - mean * mean
    seen = sum(f * (n - 1) for f, n in zip(flips, sizes, strict=True))
    products = sum(s * s - f for s, f in zip(sums, flips, strict=True))
    correlation = (products / pairs - mean * mean) / variance if pairs and variance > 0.0 else 0.0
    spread = sum((s - mean * n) ** 2 for s, n in zip(sums, sizes, strict=True))
    return _larger(sizes, correlation, seen, spread, total * variance)


def _larger(sizes: tuple[int, ...], correlation: float, seen: int, spread: float, independent: float) -> float:
    """The larger design effect, at least 1 since Kish's is.

    `seen`: pairs that tell of the correlation. `spread`: squared residuals of groups.
    `independent`: what the spread would be of independent cases.
    """
    groups, total = len(sizes), sum(sizes)
    shrunk = (seen * correlation + PRIOR_PAIRS * PRIOR_CORRELATION) / (seen + PRIOR_PAIRS)
    kish = 1.0 + (sum(n * n for n in sizes) / total - 1.0) * max(0.0, shrunk)
    ratio = groups / (groups - 1) * spread / independent if groups > 1 and independent > 0.0 else 1.0
    return max(kish, ratio)
