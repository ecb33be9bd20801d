"""Is a mean below a figure, for certain, and looked at after every family? A bet that it is, family by family. Pure.

Each case has an outcome of at most 1 (right or wrong; of a pair -1, 0 or 1), each family a sum of them. If the true
mean is `mean` or more, then `mean * size - sum` is zero or less on average, whatever the cases of a family have to do
with each other and however its size is drawn. So nobody who stakes part of a capital on it, family after family, can
expect to gain: the capital is a nonnegative supermartingale, and the chance that it ever grows `1 / alpha` fold, at any
look, is at most alpha (Ville's inequality). A capital that did refutes `mean`, and every larger mean with it: the
means never refuted end at the upper confidence bound, and that bound holds at all looks at once.

How much to stake is not known beforehand, so the capital is divided over a ladder of stakes, each a part of the largest
that cannot lose more than there is.

Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024 (sections 4
and 5, there for two-sided intervals with stakes that learn; a mixture over fixed ones keeps the refuted means one
range); Howard, Ramdas, McAuliffe and Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals of
Statistics 49, 2021 (confidence sequences). Betting on sums, which makes it a rate over cases and not over families, is
ours.

It is the rate of all families like these that is bounded, as by the interval of a gate, and not the rate of the cases
in this one set. The paper's sharper sequence for sampling without replacement would end at that rate exactly: of an
artifact just at its target, which half of all sets show below it, it would refute every other one in the end. It would
also need a fresh order for every run, where this needs only that families are as good as drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence

STAKES = tuple(0.9 / 2**step for step in range(6))
"""Parts of the largest safe stake, from 0.9 down to 0.03: each suits artifacts at another distance from the target."""
_PRECISION = 1e-6


class Bet:
    """A bet that a mean lies below `mean`. `largest`: the size that no family exceeds.

    The capital begins at 1; `most` is the highest that it has been.
    """

    def __init__(self, mean: float, largest: int) -> None:
        if not mean < 1.0 or largest < 1:
            raise ValueError(f"{mean=}, {largest=}, but should be below 1 and at least 1")
        self.mean, self.largest, self.families, self.most = mean, largest, 0, 1.0
        self._capitals = [1.0 / len(STAKES)] * len(STAKES)
        self._growth: dict[tuple[int, int], list[float]] = {}

    def settle(self, outcome: int, size: int) -> None:
        """The next family: the sum over its cases, and how many they are."""
        growth = self._growth.get((outcome, size))
        if growth is None:
            if not 0 < size <= self.largest or outcome > size:
                raise ValueError(f"{outcome=} of {size=}, but should be at most the size, and that {self.largest}")
            gain = (self.mean * size - outcome) / ((1.0 - self.mean) * self.largest)  # at least -1
            growth = self._growth[outcome, size] = [1.0 + stake * gain for stake in STAKES]
        self._capitals = [capital * grown for capital, grown in zip(self._capitals, growth, strict=True)]
        self.families += 1
        self.most = max(self.most, sum(self._capitals))

    def refuted(self, alpha: float) -> bool:
        """Whether, at any look so far, the mean was certain (up to alpha, for all looks together) to be lower."""
        return self.most >= 1.0 / alpha


def upper_bound(outcomes: Sequence[int], sizes: Sequence[int], largest: int, alpha: float, least: float = 0.0) -> float:
    """The least mean that a bet on these families, in this order, refutes; 1 where it refutes none.

    `least`: what a mean can be at least. Larger means are refuted too, since each family's growth rises with the mean.
    """
    low, high = least, 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2.0
        bet = Bet(middle, largest)
        for outcome, size in zip(outcomes, sizes, strict=True):
            bet.settle(outcome, size)
        low, high = (low, middle) if bet.refuted(alpha) else (middle, high)
    return high
