"""How many cases and families a question needs before anybody generates one. Pure arithmetic.

The same formulas that tell an undecided gate how many more groups it needs (`phi4bench.stats`), with the correlation
within families as an assumption in place of an estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from phi4bench.errors import UsageError
from phi4bench.gates import LEAST_GROUPS
from phi4bench.stats import cases_for_floor, cases_for_margin

PAIRED_SOURCE = (
    "normal approximation to Tango's score test (Statistics in Medicine 17, 1998):"
    " ((z_alpha*sqrt(w) + z_power*sqrt(v)) / (m - loss))^2, or w*(t_alpha / (m - loss))^2 if that is more;"
    " v = flips - loss^2, w = max(v, m*(1-m)), t of the families less one"
)
FLOOR_SOURCE = (
    "normal approximation to the score test of one proportion (Fleiss, Levin and Paik, 2003):"
    " ((z_alpha*sqrt(f*(1-f)) + z_power*sqrt(r*(1-r))) / (r - f))^2, or f*(1-f)*(t_alpha / (r - f))^2 if that is"
    " more; t of the families less one"
)
EFFECT_SOURCE = "design effect 1 + (cases per family - 1) * icc (Kish, Survey Sampling, 1965)"


@dataclass(frozen=True)
class Assumed:
    """What a plan takes for granted. `alpha` is one-sided; `icc`: correlation of cases of one family."""

    alpha: float = 0.05
    power: float = 0.8
    icc: float = 0.0
    cases_per_family: float = 1.0

    def __post_init__(self) -> None:
        _check("--alpha", 100 * self.alpha, 0.0 < self.alpha < 0.5, "above 0 and below 50")
        _check("--power", 100 * self.power, 0.5 <= self.power < 1.0, "50 and below 100")
        _check("--icc", self.icc, 0.0 <= self.icc <= 1.0, "0 and 1")
        if not 1.0 <= self.cases_per_family < math.inf:
            raise UsageError(f"--cases-per-family={self.cases_per_family:g}, but should be at least 1")

    @property
    def per_family(self) -> float:
        """How many independent cases a family tells as much as."""
        return self.cases_per_family / self.effect

    @property
    def effect(self) -> float:
        """How many cases of such families tell as much as one independent case."""
        return 1.0 + (self.cases_per_family - 1.0) * self.icc


@dataclass(frozen=True)
class Needed:
    """`independent` cases, one a family, or `cases` in `families` as assumed; `raised` to the fewest ever judged."""

    independent: int
    cases: int
    families: int
    raised: bool


def for_margin(margin: float, flips: float, assumed: Assumed, loss: float = 0.0) -> Needed | None:
    """To rule out a loss of `margin` between two artifacts where a share of `flips` of the cases changes.

    `loss`: the true one. `None`: no number of cases would. `UsageError` for figures that cannot be.
    """
    _check("--margin", 100 * margin, 0.0 < margin < 1.0, "above 0 and below 100")
    _check("--flips", 100 * flips, 0.0 <= flips <= 1.0, "0 and 100")
    _check("--loss", 100 * loss, -1.0 <= loss <= 1.0, "-100 and 100")
    if abs(loss) > flips:
        raise UsageError(f"--loss={100 * loss:g} points needs as many flips, but --flips={100 * flips:g}")
    return _needed(cases_for_margin(margin, flips, -loss, assumed.alpha, assumed.power, assumed.per_family), assumed)


def for_floor(floor: float, rate: float, assumed: Assumed) -> Needed | None:
    """To show that a true `rate` is at least `floor`; `None`: no number of cases would. `UsageError` likewise."""
    _check("--floor", 100 * floor, 0.0 < floor < 1.0, "above 0 and below 100")
    _check("--rate", 100 * rate, 0.0 <= rate <= 1.0, "0 and 100")
    return _needed(cases_for_floor(floor, rate, assumed.alpha, assumed.power, assumed.per_family), assumed)


def _needed(independent: float | None, assumed: Assumed) -> Needed | None:
    if independent is None:
        return None
    families = _up(independent * assumed.effect / assumed.cases_per_family)
    enough = max(families, LEAST_GROUPS)
    cases = max(_up(independent * assumed.effect), _up(enough * assumed.cases_per_family) if enough > families else 0)
    return Needed(_up(independent), cases, enough, enough > families)


def _up(number: float) -> int:
    """The next whole number, where rounding has not put an ulp on top of one."""
    return math.ceil(number - 1e-9)


def _check(option: str, shown: float, fits: bool, ends: str) -> None:
    if not fits:
        raise UsageError(f"{option}={shown:g}, but should lie between {ends}")
