"""`phi4bench plan`: how many cases a question needs, checked against hand computations and the gates' own figures."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

import pytest
from scipy.stats import norm, t

from phi4bench.cli import main
from phi4bench.datasets import load_cases
from phi4bench.errors import UsageError
from phi4bench.gates import LEAST_GROUPS
from phi4bench.planning import PAIRED_SOURCE, Assumed, for_floor, for_margin
from phi4bench.stats import Flips, Tally, more_groups_for_floor, more_groups_for_margin

INDEPENDENT = Assumed()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code: object = main(["plan", *arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert isinstance(code, int)
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("margin", "flips", "cases"),
    [
        # (1.64485 + 0.84162)^2 = 6.1826 in all three; * 0.05 / 0.02^2 = 772.8, / 0.01^2 = 3,091.3
        pytest.param(0.02, 0.05, 773, id="2-points-5-flips"),
        pytest.param(0.01, 0.05, 3_092, id="1-point"),
        pytest.param(0.02, 0.10, 1_546, id="10-flips"),
        # No flips at all, Tango's interval ends at t^2 / (n + t^2): t^2 * 49 = 134.4 with scipy's t of 132, 1.65648
        pytest.param(0.02, 0.0, 135, id="no-flips"),
    ],
)
def test_a_paired_question_by_hand(margin: float, flips: float, cases: int) -> None:
    needed = for_margin(margin, flips, INDEPENDENT)
    assert needed is not None
    assert (needed.independent, needed.cases, needed.families) == (cases, cases, cases)


@pytest.mark.parametrize(
    ("flips", "loss"),
    [
        pytest.param(0.05, 0.0, id="no-loss"),
        pytest.param(0.05, 0.0125, id="loss"),
        pytest.param(0.01, 0.0, id="fewer-flips-than-points"),
        pytest.param(0.0, 0.0, id="no-flips"),
    ],
)
def test_the_formula_that_is_printed_gives_the_number(flips: float, loss: float) -> None:
    needed = for_margin(0.02, flips, INDEPENDENT, loss)
    assert needed is not None
    v, reach = flips - loss**2, 0.02 - loss
    w = max(v, 0.02 * 0.98)
    by_chance = ((norm.ppf(0.95) * math.sqrt(w) + norm.ppf(0.8) * math.sqrt(v)) / reach) ** 2
    at_least = w * (t.ppf(0.95, math.ceil(by_chance) - 1) / reach) ** 2
    assert needed.independent == math.ceil(max(by_chance, at_least))
    assert "((z_alpha*sqrt(w) + z_power*sqrt(v)) / (m - loss))^2, or w*(t_alpha / (m - loss))^2" in PAIRED_SOURCE
    assert "v = flips - loss^2, w = max(v, m*(1-m))" in PAIRED_SOURCE


def test_a_true_loss_uses_the_margin_up() -> None:
    # 0.5 points of 2 are gone: variance 0.05 - 0.005^2 = 0.049975; 6.18256 * 0.049975 / 0.015^2 = 1,373.2
    needed = for_margin(0.02, 0.05, INDEPENDENT, loss=0.005)
    assert needed is not None
    assert needed.independent == 1_374
    assert for_margin(0.02, 0.05, INDEPENDENT, loss=0.02) is None


@pytest.mark.parametrize(
    ("floor", "rate", "alpha", "power"),
    [
        pytest.param(0.95, 0.97, 0.05, 0.8, id="95-97"),
        pytest.param(0.90, 0.92, 0.05, 0.9, id="90-percent-power"),
        pytest.param(0.97, 0.985, 0.025, 0.8, id="alpha-2.5"),
    ],
)
def test_a_floor_agrees_with_the_textbook_formula_in_scipy(
    floor: float, rate: float, alpha: float, power: float
) -> None:
    spread = norm.ppf(1 - alpha) * math.sqrt(floor * (1 - floor)) + norm.ppf(power) * math.sqrt(rate * (1 - rate))
    needed = for_floor(floor, rate, Assumed(alpha, power))
    assert needed is not None
    assert needed.independent == math.ceil((spread / (rate - floor)) ** 2)


def test_families_cost_what_their_design_effect_says() -> None:
    # 772.8 * (1 + (2 - 1) * 0.1) = 850.1 cases, two a family
    needed = for_margin(0.02, 0.05, Assumed(icc=0.1, cases_per_family=2))
    assert needed is not None
    assert (needed.independent, needed.cases, needed.families) == (773, 851, 426)
    # At a correlation of 1 a family tells as much as one case.
    alike = for_margin(0.02, 0.05, Assumed(icc=1.0, cases_per_family=4))
    assert alike is not None
    assert alike.families == 773


@pytest.mark.parametrize("assumed", [INDEPENDENT, Assumed(icc=0.2, cases_per_family=4)], ids=["alone", "four-alike"])
@pytest.mark.parametrize("short", [0.01, 0.02, 0.03])
def test_without_a_fault_the_planned_families_pass_and_one_fewer_do_not(short: float, assumed: Assumed) -> None:
    # Of n that are all right Wilson's lower end is n / (n + t^2), and Tango's without a flip -t^2 / (n + t^2).
    needed, paired = for_floor(1 - short, 1.0, assumed), for_margin(short, 0.0, assumed)
    assert needed is not None
    assert paired is not None
    for families in (needed.families, paired.families):
        ends = [
            squared / (count * assumed.cases_per_family / assumed.effect + squared)
            for count in (families, families - 1)
            for squared in [t.ppf(0.95, count - 1) ** 2]
        ]
        assert ends[0] <= short
        assert ends[1] > short or families == LEAST_GROUPS


def test_no_plan_stays_below_the_families_that_a_gate_needs() -> None:
    needed = for_margin(0.3, 0.3, Assumed(cases_per_family=2))
    assert needed is not None
    assert needed.independent == 21  # 6.1826 * 0.3 / 0.09 = 20.6
    assert (needed.families, needed.cases, needed.raised) == (LEAST_GROUPS, 80, True)


def test_it_agrees_with_what_an_undecided_gate_asks_for() -> None:
    # 200 groups of one case each; of 10 flips half are lost. The rate of 97% has its 6 faults one a group.
    flips = Flips((1,) * 5 + (0,) * 195, (0,) * 5 + (1,) * 5 + (0,) * 190, (1,) * 200)
    more, planned = more_groups_for_margin(flips, 0.02, 0.05), for_margin(0.02, 0.05, INDEPENDENT)
    assert more is not None
    assert planned is not None
    assert 200 + more == pytest.approx(planned.families, rel=0.01)
    counts = Tally((0,) * 6 + (1,) * 194, (1,) * 200)
    further, enough = more_groups_for_floor(counts, 0.95, 0.05), for_floor(0.95, 0.97, INDEPENDENT)
    assert further is not None
    assert enough is not None
    assert 200 + further == pytest.approx(enough.families, rel=0.01)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: for_margin(0.0, 0.05, INDEPENDENT), id="no-margin"),
        pytest.param(lambda: for_margin(float("nan"), 0.05, INDEPENDENT), id="nan"),
        pytest.param(lambda: for_margin(0.02, 1.5, INDEPENDENT), id="150-percent-flips"),
        pytest.param(lambda: for_margin(0.02, 0.001, INDEPENDENT, loss=0.01), id="more-loss-than-flips"),
        pytest.param(lambda: for_margin(0.02, 0.05, INDEPENDENT, loss=float("nan")), id="loss-nan"),
        pytest.param(lambda: for_floor(1.0, 0.97, INDEPENDENT), id="floor-of-100"),
        pytest.param(lambda: for_floor(0.9, 1.05, INDEPENDENT), id="rate-of-105-percent"),
        pytest.param(lambda: Assumed(alpha=0.0), id="no-error"),
        pytest.param(lambda: Assumed(alpha=0.5), id="a-coin"),
        pytest.param(lambda: Assumed(power=1.0), id="certainty"),
        pytest.param(lambda: Assumed(icc=2.0), id="icc-2"),
        pytest.param(lambda: Assumed(icc=-0.1), id="icc-below-0"),
        pytest.param(lambda: Assumed(cases_per_family=0.5), id="half-a-case"),
    ],
)
def test_figures_that_cannot_be_are_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=r"but should|needs as many flips"):
        call()


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param("--margin 1e-300 --flips 5", id="margin"),
        pytest.param("--margin 2 --flips 5 --alpha 1e-300", id="alpha"),
        pytest.param("--floor 95 --rate 97 --cases-per-family 1e308", id="cases-per-family"),
    ],
)
def test_figures_that_no_number_of_cases_answers_are_one_line(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, *asked.split())
    assert (code, out) == (4, "")
    assert err == "phi4bench plan: these figures need more cases than can be counted; give less extreme ones\n"


def test_the_command_prints_the_number_its_source_and_what_generates_the_cases(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = said(capsys, "--margin", "2", "--flips", "5", "--power", "80")
    assert code == 0
    assert "773 independent cases (80% power, one-sided alpha 5%)" in out
    assert "Tango" in out
    assert max(map(len, out.splitlines())) < 80
    (line,) = [line for line in out.splitlines() if line.startswith("  phi4bench cases")]
    made = tmp_path / "more.jsonl"
    assert main([str(made) if word == "more.jsonl" else word for word in shlex.split(line)[1:]]) == 0
    calls = [case for case in load_cases([str(made)]).cases if case.expects_call]
    assert len(calls) >= 773
    assert len({case.group for case in calls}) == 773
    assert f"{len(calls)} cases that expect a call, in 773 families" in out


def test_both_questions_at_once_are_served_by_one_set_of_cases(capsys: pytest.CaptureFixture[str]) -> None:
    asked = "--margin 3 --flips 5 --floor 95 --rate 97 --icc 0.1 --cases-per-family 2"
    code, out, _ = said(capsys, *asked.split())
    assert code == 0
    assert "378 cases in 189 families of 2" in out  # 6.1826 * 0.05 / 0.0009 = 343.5, * 1.1 = 377.8
    assert "694 cases in 347 families of 2" in out
    assert out.count("phi4bench cases") == 1


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        pytest.param("--floor 95 --rate 95", "a rate of 95% is not above the floor of 95%", id="at-the-floor"),
        pytest.param("--floor 95 --rate 90", "a rate of 90% is not above the floor of 95%", id="below-the-floor"),
        pytest.param(
            "--margin 2 --flips 5 --loss 2", "a true loss of 2 points is not below the margin", id="at-the-margin"
        ),
    ],
)
def test_where_no_number_would_do_it_says_so(asked: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, *asked.split())
    assert code == 0
    assert f"none would: {why}" in " ".join(out.split())
    assert "phi4bench cases" not in out


def test_a_question_beyond_the_grammar_is_told_what_the_grammar_holds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phi4bench.commands.plan.MOST_DRAWN", 500)
    code, out, _ = said(capsys, "--margin", "1", "--flips", "5")
    assert code == 0
    assert "the grammar does not hold as many families" in " ".join(out.split())
    assert max(map(len, out.splitlines())) < 80
    assert "--count 500" in out


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        pytest.param("", "no question given", id="nothing"),
        pytest.param("--margin 2", "--margin needs --flips", id="margin-alone"),
        pytest.param("--rate 97", "--rate needs --floor", id="rate-alone"),
        pytest.param("--margin two --flips 5", "invalid float value", id="no-number"),
        pytest.param("--margin 200 --flips 5", "--margin=200, but should lie between", id="200-points"),
    ],
)
def test_no_question_is_one_line_and_exit_4(asked: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = said(capsys, *asked.split())
    assert code == 4
    assert why in error
    assert error.count("\n") == 1
