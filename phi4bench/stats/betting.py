"""Is a mean below a figure, for certain, and looked at after every family? A bet that it is, family by family. Pure.

Each case has an outcome of at most 1 (right or wrong; of a pair -1, 0 or 1), each family a sum of them. If the true
mean is `mean` or more, then `mean * size - sum` is zero or less on average, whatever the cases of a family have to do
with each other and however its size is drawn. So nobody who stakes part of a capital on it, family after family, can
expect to gain: the capital is a nonnegative supermartingale, and the chance that it ever grows `1 / alpha` fold, at any
look, is at most alpha (Ville's inequality). A capital that did refutes `mean`, and every larger mean with it: the
means never refuted end at the upper confidence bound, and that bound holds at all looks at once.

How much to stake is not known beforehand, so the capital is divided over several stakes, each a part of the largest
that cannot lose more than there is. Most lies on the one that grows fastest (Kelly's) where the true mean is
`SHORTFALL` below the tested one, and a sixth of that on each further step away from it.

Sources: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024 (sections 4
and 5, there for two-sided intervals with stakes that learn; a mixture over fixed ones keeps the refuted means one
range); Howard, Ramdas, McAuliffe and Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals of
Statistics 49, 2021 (confidence sequences); Kelly, A new interpretation of information rate, Bell System Technical
Journal 35, 1956 (the stake). Betting on sums, which makes it a rate over cases and not over families, is
ours.

It is the rate of all families like these that is bounded, as by the interval of a gate, and not the rate of the cases
in this one set. The paper's sharper sequence for sampling without replacement would end at that rate exactly: of an
artifact just at its target, which half of all sets show below it, it would refute every other one in the end. It would
also need a fresh order for every run, where this needs only that families are as good as drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

SHORTFALL = 0.1
"""How far below its figure the mean lies that a bet is sharpest for, and that `divided` reckons with."""
_MOST_STAKED = 0.9
_STEPS = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125)
_WEIGHTS = tuple(6.0 ** -abs(place - 2) for place in range(len(_STEPS)))
_PRECISION = 1e-6


@dataclass(frozen=True)
class Stakes:
    """Parts of the largest safe stake, and the capital that each begins with (1 in all)."""

    parts: tuple[float, ...]
    capital: tuple[float, ...]

    @classmethod
    def against(cls, mean: float, largest: int) -> Stakes:
        """Those that suit a mean `SHORTFALL` below `mean` best, in families of at most `largest` cases.

        Of outcomes that are 0 or 1, Kelly's stake on one case is SHORTFALL / (mean * (1 - mean)); the largest safe one
        on a family is 1 / ((1 - mean) * largest).
        """
        best = SHORTFALL * largest / mean if mean > 0.0 else _MOST_STAKED
        parts = tuple(min(_MOST_STAKED, step * best) for step in _STEPS)
        return cls(parts, tuple(weight / sum(_WEIGHTS) for weight in _WEIGHTS))


class Bet:
    """A bet that a mean lies below `mean`. `largest`: the size that no family exceeds.

    The capital begins at 1; `most` is the highest that it has been.
    """

    def __init__(self, mean: float, largest: int, stakes: Stakes | None = None) -> None:
        if not mean < 1.0 or largest < 1:
            raise ValueError(f"{mean=}, {largest=}, but should be below 1 and at least 1")
        self.mean, self.largest, self.families, self.most = mean, largest, 0, 1.0
        self.stakes = stakes or Stakes.against(mean, largest)
        self._capitals = list(self.stakes.capital)
        self._growth: dict[tuple[int, int], list[float]] = {}

    def settle(self, outcome: int, size: int) -> None:
        """The next family: the sum over its cases, and how many they are."""
        growth = self._growth.get((outcome, size))
        if growth is None:
            if not 0 < size <= self.largest or outcome > size:
                raise ValueError(f"{outcome=} of {size=}, but should be at most the size, and that {self.largest}")
            gain = (self.mean * size - outcome) / ((1.0 - self.mean) * self.largest)  # at least -1
            growth = self._growth[outcome, size] = [1.0 + part * gain for part in self.stakes.parts]
        self._capitals = [capital * grown for capital, grown in zip(self._capitals, growth, strict=True)]
        self.families += 1
        self.most = max(self.most, sum(self._capitals))

    def refuted(self, alpha: float) -> bool:
        """Whether, at any look so far, the mean was certain (up to alpha, for all looks together) to be lower."""
        return self.most >= 1.0 / alpha


def upper_bound(
    outcomes: Sequence[int], sizes: Sequence[int], stakes: Stakes, largest: int, alpha: float, least: float = 0.0
) -> float:
    """The least mean that a bet with these stakes on these families, in this order, refutes; 1 where it refutes none.

    `least`: what a mean can be at least. Larger means are refuted too, since each family's growth rises with the mean
    where the stakes stay the same parts of the largest.
    """
    low, high = least, 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2.0
        bet = Bet(middle, largest, stakes)
        for outcome, size in zip(outcomes, sizes, strict=True):
            bet.settle(outcome, size)
        low, high = (low, middle) if bet.refuted(alpha) else (middle, high)
    return high


def divided(alpha: float, rates: Sequence[float]) -> tuple[float, ...]:
    """Parts of alpha, one for each of these rates: with them, bets on all take about as many cases to end.

    That is where the true rate is `SHORTFALL` below: n cases then multiply the best capital by exp(n * divergence).
    """
    nats = [_divergence(max(rate - SHORTFALL, 0.0), rate) for rate in rates]
    fewest, most = 0.0, 1.0
    while sum(exp(-most * one) for one in nats) > alpha:
        fewest, most = most, 2.0 * most
    for _ in range(60):
        middle = (fewest + most) / 2.0
        enough = sum(exp(-middle * one) for one in nats) <= alpha
        fewest, most = (fewest, middle) if enough else (middle, most)
    shares = [exp(-most * one) for one in nats]
    return tuple(alpha * share / sum(shares) for share in shares)


def _divergence(true: float, tested: float) -> float:
    """Kullback and Leibler's, in nats a case, of a rate of `true` from one of `tested`, both below 1."""
    right = true * log(true / tested) if true > 0.0 else 0.0
    return right + (1.0 - true) * log((1.0 - true) / (1.0 - tested))
