"""The bet behind early rejection: its capital by hand, its error counted out exactly, looked at after each family."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from phi4bench.stats import Bet, Stakes, divided, normal_quantile, upper_bound, wilson


def settled(mean: float, largest: int, *families: tuple[int, int], stakes: Stakes | None = None) -> Bet:
    bet = Bet(mean, largest, stakes)
    for outcome, size in families:
        bet.settle(outcome, size)
    return bet


def chance_of_ever(refutes: Callable[[int, int], bool], rate: float, families: int) -> float:
    """That families of one case, each right with `rate`, are ever refuted, when (families, right) decides it.

    Exact, by adding up the chances of all paths that have not been refuted yet.
    """
    open_paths, refuted = {0: 1.0}, 0.0
    for count in range(1, families + 1):
        ahead: dict[int, float] = {}
        for right, chance in open_paths.items():
            ahead[right] = ahead.get(right, 0.0) + chance * (1 - rate)
            ahead[right + 1] = ahead.get(right + 1, 0.0) + chance * rate
        refuted += sum(chance for right, chance in ahead.items() if refutes(count, right))
        open_paths = {right: chance for right, chance in ahead.items() if not refutes(count, right)}
    return refuted


def test_the_capital_is_what_a_hand_computes() -> None:
    # Against 50%, a wrong case wins the stake and a right one loses it. Kelly's, for 40%, is 0.1 / 0.5 of the largest:
    # (0.8 / 36 + 0.4 / 6 + 0.2 + 0.1 / 6 + 0.05 / 36 + 0.025 / 216) / (1 / 36 + 1 / 6 + 1 + 1 / 6 + 1 / 36 + 1 / 216)
    grown = 0.2203488372
    assert settled(0.5, 1, (0, 1)).most == pytest.approx(1 + grown)
    assert settled(0.5, 1, (1, 1))._capitals == pytest.approx(
        [(1 - part) * capital for part, capital in pairs(Stakes.against(0.5, 1))]
    )
    # Against 90% a wrong case wins nine stakes, of which Kelly's is 0.1 / 0.9: five ninths as large.
    assert settled(0.9, 1, (0, 1)).most == pytest.approx(1 + 9 * grown * 5 / 9)
    assert settled(0.9, 2, (1, 1), (1, 1)).most == 1.0


def test_a_bet_grows_fastest_where_its_main_stake_is_meant_to() -> None:
    """10 points below: by Kullback and Leibler's divergence a case, 0.0444 nats of 80% from 90%."""
    part = Stakes.against(0.9, 2).parts[2]
    right, wrong = math.log(1 - part / 2), math.log(1 + part / 2 * 9)
    assert 0.8 * right + 0.2 * wrong == pytest.approx(0.8 * math.log(0.8 / 0.9) + 0.2 * math.log(0.2 / 0.1))
    assert Stakes.against(-0.02, 2).parts[:3] == (0.9, 0.9, 0.9)  # what may be lost and gained at once: near the most


def test_no_stake_can_lose_all_and_all_of_the_capital_is_staked() -> None:
    for mean, largest in ((0.99, 1), (0.9, 2), (0.5, 30), (0.001, 4), (-0.3, 2)):
        stakes = Stakes.against(mean, largest)
        assert all(0.0 < part < 1.0 for part in stakes.parts)
        assert sum(stakes.capital) == pytest.approx(1.0)


def pairs(stakes: Stakes) -> list[tuple[float, float]]:
    return list(zip(stakes.parts, stakes.capital, strict=True))


@pytest.mark.parametrize("part", Stakes.against(0.75, 3).parts)
def test_at_the_edge_nobody_can_expect_to_gain(part: float) -> None:
    """Families of one and of three cases, whose rates differ but whose rate over cases is exactly the one tested."""
    # Half of the families have one case, right in 60%; half have three, all right together in 80%: 3 of 4 cases.
    drawn = {(1, 1): 0.3, (0, 1): 0.2, (3, 3): 0.4, (0, 3): 0.1}
    alone = Stakes((part,), (1.0,))
    grown = sum(chance * sum(settled(0.75, 3, family, stakes=alone)._capitals) for family, chance in drawn.items())
    assert grown == pytest.approx(1.0)
    assert settled(0.75, 3, (0, 3), stakes=alone).most == pytest.approx(1 + 3 * part)  # 0.75 / 0.25 stakes are won


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_at_the_edge_it_is_refuted_at_most_alpha_of_the_time_looked_at_after_every_family(
    rate: float, alpha: float
) -> None:
    def refutes(families: int, right: int) -> bool:
        # The capital does not depend on the order: it is a product of the growths of right and wrong ones.
        grown = (
            capital * (1 - part) ** right * (1 + part * rate / (1 - rate)) ** (families - right)
            for part, capital in pairs(Stakes.against(rate, 1))
        )
        return sum(grown) >= 1 / alpha

    chance = chance_of_ever(refutes, rate, 300)
    assert alpha / 20 < chance <= alpha  # and it is no bound that never bites
    # The path on which everything is wrong, settled for real, is refuted where this counting says so.
    bet, wrong = Bet(rate, 1), 0
    while not bet.refuted(alpha):
        bet.settle(0, 1)
        wrong += 1
    assert refutes(wrong, 0)
    assert not refutes(wrong - 1, 0)


def test_a_textbook_interval_looked_at_after_every_family_would_not_hold() -> None:
    """What the bet is for: Wilson's one-sided 5% bound, which holds for one look, refutes far more often in 300."""
    quantile = normal_quantile(0.95)
    chance = chance_of_ever(lambda n, right: n >= 40 and wilson(right, n, quantile).high < 0.9, 0.9, 300)
    assert chance > 0.1


@pytest.mark.parametrize("together", [0.0, 0.2, 1.0])
def test_cases_that_are_right_and_wrong_together_change_nothing_in_that(together: float) -> None:
    """400 artifacts at 90%, families of one to four: at alpha 10% at most 60 are refuted, but for a chance of 0.1%."""
    draw, refuted = random.Random(7), 0  # scipy.stats.binom.ppf(0.999, 400, 0.1) is 60
    for _ in range(400):
        bet = Bet(0.9, 4)
        for family in range(150):
            size = 1 + family % 4
            alike = draw.random() < together
            first = draw.random() < 0.9
            right = size * first if alike else first + sum(draw.random() < 0.9 for _ in range(size - 1))
            bet.settle(int(right), size)
        refuted += bet.refuted(0.1)
    assert 0 < refuted <= 60


class TestUpperBound:
    def test_it_falls_with_the_evidence_and_lies_above_what_was_seen(self) -> None:
        bounds = [upper_bound([7, 8] * n, [10, 10] * n, Stakes.against(0.9, 10), 10, 0.05) for n in (1, 10, 100)]
        assert bounds == sorted(bounds, reverse=True)
        assert 0.75 < bounds[-1] < 0.80 < bounds[0]

    def test_it_is_the_edge_of_what_a_bet_refutes(self) -> None:
        outcomes, sizes = [1, 0, 2, 1, 1] * 20, [2, 1, 2, 2, 1] * 20
        stakes = Stakes.against(0.9, 2)
        bound = upper_bound(outcomes, sizes, stakes, 2, 0.01)
        families = list(zip(outcomes, sizes, strict=True))
        assert settled(bound, 2, *families, stakes=stakes).refuted(0.01)
        assert not settled(bound - 1e-5, 2, *families, stakes=stakes).refuted(0.01)

    def test_every_larger_mean_is_refuted_too(self) -> None:
        families = [(-1, 1), (0, 2), (-2, 2), (1, 2)] * 10
        stakes = Stakes.against(0.9, 2)
        most = [settled(mean, 2, *families, stakes=stakes).most for mean in (-0.4, -0.2, 0.0, 0.3, 0.6, 0.9)]
        assert most == sorted(most)

    def test_nothing_wrong_refutes_nothing(self) -> None:
        assert upper_bound([1] * 50, [1] * 50, Stakes.against(0.9, 1), 1, 0.05) == 1.0
        assert upper_bound([], [], Stakes.against(-0.02, 1), 1, 0.05, -1.0) == 1.0

    def test_differences_may_lie_below_zero(self) -> None:
        lost = [-1, 0, 0, 0, 0] * 100  # 20 points are lost
        assert -0.2 < upper_bound(lost, [1] * 500, Stakes.against(-0.02, 1), 1, 0.05, -1.0) < -0.1


class TestDivided:
    def test_all_of_it_is_given_out_and_most_to_the_hardest(self) -> None:
        parts = divided(0.05, [0.97, 0.95, 0.9, 0.9])
        assert sum(parts) == pytest.approx(0.05)
        assert parts[0] < parts[1] < parts[2] == parts[3]

    def test_with_its_part_each_takes_as_many_cases_as_the_others(self) -> None:
        def cases(rate: float, alpha: float) -> float:
            low = rate - 0.1
            nats = low * math.log(low / rate) + (1 - low) * math.log((1 - low) / (1 - rate))
            return -math.log(alpha) / nats

        rates = [0.97, 0.95, 0.9]
        taken = [cases(rate, part) for rate, part in zip(rates, divided(0.05, rates), strict=True)]
        assert taken == pytest.approx([taken[0]] * 3)

    @pytest.mark.parametrize("rates", [[], [0.9], [0.05, 0.9], [1e-9], [0.999999, 1e-6]])
    def test_it_ends_whatever_the_rates_are(self, rates: list[float]) -> None:
        assert sum(divided(0.05, rates)) == pytest.approx(0.05 if rates else 0.0)


@pytest.mark.parametrize(("outcome", "size"), [(0, 0), (0, 3), (2, 1)], ids=["no-case", "too-large", "more-than-all"])
def test_a_family_that_cannot_be_is_refused(outcome: int, size: int) -> None:
    with pytest.raises(ValueError, match="but should be at most the size"):
        Bet(0.9, 2).settle(outcome, size)


@pytest.mark.parametrize(("mean", "largest"), [(1.0, 1), (0.9, 0)])
def test_a_bet_that_cannot_be_placed_is_refused(mean: float, largest: int) -> None:
    with pytest.raises(ValueError, match="but should be below 1"):
        Bet(mean, largest)
