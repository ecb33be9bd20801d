"""Fidelity: perplexity, agreement, divergence and fragile decisions, against hand computations and numpy."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest

from phi4bench.fidelity import (
    CaseFidelity,
    Decision,
    Head,
    Position,
    compare_case,
    divergence,
    fidelity_from_json,
    fidelity_to_json,
    fragile,
    judge_fidelity,
    percentile,
    ratio_interval,
    summarise,
)
from phi4bench.gates import Outcome
from phi4bench.report.wording import fidelity_lines, fragile_line
from phi4bench.targets import parse_targets

TARGETS = parse_targets(
    'alpha = 0.05\n[[gate]]\nname = "perplexity_ratio"\nceiling = { int8 = 1.02, int4 = 1.05 }\nsource = "a test"\n'
    '[[gate]]\nname = "top1_agreement"\nfloor = 0.95\nsource = "a test"\n',
    "test",
)


def head(probabilities, shown):
    """The first `shown` of a distribution, as a backend reports it."""
    rest = probabilities[shown:]
    return Head(
        ids=tuple(range(shown)),
        logprobs=tuple(math.log(p) for p in probabilities[:shown]),
        rest=math.log(sum(rest)) if rest else -math.inf,
        lowest=math.log(min(rest)) if rest else 0.0,
    )


def distribution(rng, size, sharpness):
    weights = [math.exp(sharpness * rng.gauss(0, 1)) for _ in range(size)]
    return [one / sum(weights) for one in weights]


# Divergence


def test_divergence_over_all_tokens_is_the_textbook_sum():
    # 0.5 ln(0.5/0.25) + 0.25 ln(0.25/0.5) + 0.25 ln(0.25/0.25) = 0.25 ln 2
    found = divergence(head([0.5, 0.25, 0.25], 3), head([0.25, 0.5, 0.25], 3))
    assert found.low == found.high == pytest.approx(0.25 * math.log(2))


@pytest.mark.parametrize("shown", [1, 3, 10, 39])
def test_the_bounds_of_a_divergence_hold_the_whole_sum(shown):
    rng = random.Random(shown)
    for _ in range(200):
        p = sorted(distribution(rng, 40, 3), reverse=True)
        q = distribution(rng, 40, 3)
        whole = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        bounds = divergence(head(p, shown), head(q, shown))
        assert bounds.low - 1e-12 <= whole <= bounds.high + 1e-12


def test_the_bounds_close_as_more_tokens_are_shown():
    rng = random.Random(1)
    p, q = sorted(distribution(rng, 40, 3), reverse=True), distribution(rng, 40, 3)
    widths = [(bounds := divergence(head(p, shown), head(q, shown))).high - bounds.low for shown in (2, 10, 20, 30, 40)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0


def test_equal_distributions_do_not_diverge():
    p = head([0.9, 0.05, 0.03, 0.02], 2)
    assert divergence(p, p).low == pytest.approx(0, abs=1e-12)


def test_what_the_baseline_gives_no_probability_counts_for_nothing():
    before = Head((1, 2, 3), (math.log(0.5), -math.inf, math.log(0.5)))
    after = Head((1, 2, 3), (math.log(0.25), -math.inf, math.log(0.75)))
    assert divergence(before, after).low == pytest.approx(0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75))


def test_heads_over_different_tokens_are_not_compared():
    with pytest.raises(AssertionError):
        divergence(Head((1, 2), (-1.0, -2.0)), Head((1, 3), (-1.0, -2.0)))


# Answers


def position(token, logprob, top1):
    return Position(token, logprob, top1, Head((top1,), (0.0,)))


def test_an_answer_is_compared_token_by_token():
    before = [position(5, -0.1, 5), position(6, -0.2, 6), position(7, -0.3, 7)]
    after = [replace(before[0], logprob=-0.2), replace(before[1], logprob=-0.5, top1=9), replace(before[2])]
    found = compare_case("c", "g", before, after)
    assert (found.tokens, found.agreed) == (3, 2)
    assert (found.nll, found.baseline_nll) == pytest.approx((1.0, 0.6))


def test_what_is_left_open_of_a_divergence_is_told_apart_from_what_is_certain():
    # One token is shown, of 0.8 and 0.5; the others are 0.2 and 0.5 in all, none of them below 0.1 in the second.
    before = Position(5, math.log(0.8), 5, Head((5,), (math.log(0.8),), math.log(0.2)))
    after = Position(5, math.log(0.5), 5, Head((5,), (math.log(0.5),), math.log(0.5), math.log(0.1)))
    found = compare_case("c", "g", [before] * 2, [after] * 2)
    assert found.kl == pytest.approx((0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5),) * 2)
    # At worst one token has all of the 0.2, and 0.1 in the second: 0.2 log(0.2 / 0.1) in place of 0.2 log(0.2 / 0.5).
    assert found.kl_open == pytest.approx(2 * 0.2 * math.log(5))


def test_readings_of_different_answers_are_not_compared():
    with pytest.raises(AssertionError):
        compare_case("c", "g", [position(5, -0.1, 5)], [position(6, -0.1, 5)])


def case(number, tokens=10, more=0.0, agreed=None, group=None):
    return CaseFidelity(
        case_id=f"c{number}",
        group=group or f"g{number}",
        tokens=tokens,
        nll=1.0 + more,
        baseline_nll=1.0,
        agreed=tokens if agreed is None else agreed,
        kl=(0.01,) * tokens,
        kl_open=0.001,
    )


def test_perplexity_is_per_token_and_its_ratio_is_of_the_same_tokens():
    found = summarise([case(1, 10, 0.5), case(2, 40, 0.0)])
    assert found.perplexity == pytest.approx(math.exp(2.5 / 50))
    assert found.baseline_perplexity == pytest.approx(math.exp(2.0 / 50))
    assert found.perplexity_ratio == pytest.approx(math.exp(0.5 / 50))
    assert found.kl_mean == pytest.approx(0.01)
    assert found.kl_open == pytest.approx(0.002 / 50)
    assert (found.cases, found.groups, found.tokens, found.top1) == (2, 2, 50, 1.0)


def test_the_percentile_of_divergence_is_over_the_tokens_of_all_answers_together():
    answers = [replace(case(1, 2), kl=(0.9, 0.1)), replace(case(2, 2), kl=(0.2, 0.3))]
    assert summarise(answers).kl_p95 == 0.9  # the largest of four: 95% of 4 are 3.8 values


def test_no_answers_are_no_figures():
    assert summarise([]).perplexity_ratio is None
    assert summarise([]).tokens == 0


def test_one_family_has_figures_and_no_interval():
    found = summarise([case(1, group="g"), case(2, group="g")])
    assert (found.perplexity_ratio, found.interval) == (1.0, None)
    assert summarise([case(1), case(2)]).interval is not None


def test_the_interval_of_equal_sizes_is_students_on_the_groups_means():
    # Groups of 10 tokens whose means are 0.00, 0.01, .., 0.04: mean 0.02, s = 0.0158114, error s/sqrt(5) = 0.00707107;
    # t(0.95, 4) = 2.131847 (Student's table), so 0.02 -+ 0.0150744.
    found = ratio_interval([case(n, 10, 0.1 * n) for n in range(5)], 0.05)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((0.0049256, 0.0350744), abs=1e-6)


def test_cases_of_one_family_count_as_one_observation():
    apart = ratio_interval([case(n, more=0.1 * (n % 4)) for n in range(40)], 0.05)
    together = ratio_interval([case(n, more=0.1 * (n % 4), group=f"g{n % 4}") for n in range(40)], 0.05)
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng, missed = random.Random(3), 0
    for _ in range(1000):
        shifts = [rng.gauss(0.02, 0.05) for _ in range(40)]
        cases = [
            case(n, size := rng.randint(5, 30), size * (shifts[n // 3] + rng.gauss(0, 0.02)), group=f"g{n // 3}")
            for n in range(120)
        ]
        missed += math.log(ratio_interval(cases, 0.05).high) < 0.02
    assert missed / 1000 < 0.05 + 0.025  # three standard errors of a share of 5% over 1,000 trials are 2.1 points


@pytest.mark.parametrize(("share", "value"), [(0.95, 19), (0.5, 10), (1.0, 20), (0.01, 1)])
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(share, value):
    assert percentile(list(range(1, 21)), share) == value


# Gates


def many(more, groups=60, agreed=10):
    rng = random.Random(0)
    return summarise([case(n, 10, 10 * (math.log(1 + more) + rng.gauss(0, 0.01)), agreed) for n in range(groups)])


@pytest.mark.parametrize(
    ("more", "precision", "outcome"),
    [
        pytest.param(0.0, "int8", Outcome.PASS, id="no-loss"),
        pytest.param(0.03, "int8", Outcome.FAIL, id="3%-in-int8"),
        pytest.param(0.03, "int4", Outcome.PASS, id="3%-in-int4"),
        pytest.param(0.08, "int4", Outcome.FAIL, id="8%-in-int4"),
        pytest.param(0.0195, "int8", Outcome.INCONCLUSIVE, id="on-the-edge"),
        pytest.param(0.5, "fp32", None, id="no-figure-for-fp32"),
    ],
)
def test_perplexity_is_judged_by_its_interval(more, precision, outcome):
    result = judge_fidelity(many(more), TARGETS, precision)["perplexity_ratio"]
    assert result.outcome == outcome
    assert bool(result.reason) == (outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE))


def test_what_no_target_names_is_measured():
    result = judge_fidelity(many(0.5), parse_targets(NO_FIDELITY, "other"), "int8")
    assert {one.outcome for one in result.values()} == {None}
    assert result["perplexity_ratio"].rate == pytest.approx(1.5, rel=0.01)


NO_FIDELITY = '[[gate]]\nname = "tool"\nfloor = 0.9\nsource = "a test"\n'


def test_too_few_families_decide_nothing():
    assert judge_fidelity(many(0.5, groups=39), TARGETS, "int8")["perplexity_ratio"].outcome is Outcome.INCONCLUSIVE


def test_nor_do_families_of_which_a_few_hold_most_of_the_tokens():
    # 60 families of one answer and one of 100: (160 * 10)^2 / (60 * 10^2 + 1000^2) = 2.5
    answers = [case(n, group=f"g{min(n, 60)}") for n in range(160)]
    judged = judge_fidelity(found := summarise(answers), TARGETS, "int8")
    assert found.even_groups == pytest.approx(2.5447, abs=1e-4)
    assert {one.outcome for one in judged.values()} == {Outcome.INCONCLUSIVE, None}
    assert "61 families of cases count as 2 of one size" in judged["perplexity_ratio"].reason
    stored = fidelity_to_json(found)
    del stored["even_groups"]  # as a run was stored before it was asked for
    assert judge_fidelity(fidelity_from_json(stored), TARGETS, "int8")["perplexity_ratio"].outcome is Outcome.PASS


def test_agreement_is_a_floor():
    assert judge_fidelity(many(0.0, agreed=10), TARGETS, "int8")["top1_agreement"].outcome is Outcome.PASS
    missed = judge_fidelity(many(0.03, agreed=9), TARGETS, "int8")
    assert missed["top1_agreement"].outcome is Outcome.FAIL
    assert missed["top1_agreement"].reason == "0.9, but should be at least 0.95"
    ends, seen = missed["perplexity_ratio"].interval, missed["perplexity_ratio"].rate
    expected = f"{seen:.4g} ({ends.low:.4g} to {ends.high:.4g}), but should be at most 1.02"
    assert missed["perplexity_ratio"].reason == expected


def test_where_no_answer_was_read_a_gate_is_undecided():
    for one in ("perplexity_ratio", "top1_agreement"):
        judged = judge_fidelity(summarise([]), TARGETS, "int8")[one]
        assert (judged.outcome, judged.reason) == (Outcome.INCONCLUSIVE, "no reference answer was read")


def test_the_figure_itself_is_reached():
    held = parse_targets(
        '[[gate]]\nname = "top1_agreement"\nfloor = 0.9\nsource = "a test"\n'
        '[[gate]]\nname = "kl_mean"\nceiling = 0.25\nsource = "a test"\n',
        "edge",
    )
    found = replace(many(0.0), top1=0.9, kl_mean=0.125, kl_open=0.125)
    outcomes = {name: result.outcome for name, result in judge_fidelity(found, held, "int8").items()}
    assert (outcomes["top1_agreement"], outcomes["kl_mean"]) == (Outcome.PASS, Outcome.PASS)
    more = judge_fidelity(replace(found, kl_open=0.1251), held, "int8")["kl_mean"]  # it may be as much as that
    assert (more.outcome, more.rate) == (Outcome.FAIL, pytest.approx(0.2501))


def test_figures_survive_a_stored_run():
    for found in (many(0.01), summarise([])):
        assert fidelity_from_json(json.loads(json.dumps(fidelity_to_json(found)))) == found


def test_a_gate_on_fidelity_is_undecided_where_nothing_shows_logits(make_fake, run_suites, tmp_path):
    """A fake has none: the report says so, and the gate that a target names cannot pass for want of figures."""
    (tmp_path / "close.toml").write_text(
        '[[gate]]\nname = "perplexity_ratio"\nceiling = { int8 = 1.02 }\nsource = "a test"\n'
    )
    make_fake(name="parent")
    child = make_fake(name="child", precision="int8", parent="../parent")
    ran = run_suites("--model", child, "--targets", tmp_path / "close.toml")
    assert ran.code == 10, ran.out
    assert "is a fake and has no logits" in ran.artifact()["fidelity"]["missing"]
    [gate] = ran.artifact()["gates"]
    assert (gate["name"], gate["outcome"]) == ("perplexity_ratio", "INCONCLUSIVE")
    assert "has no logits" in gate["reason"]


def test_the_figures_are_told_in_three_lines():
    lines = fidelity_lines(many(0.03))
    assert len(lines) == 3
    assert "ratio 1.03" in lines[1]
    assert fidelity_lines(summarise([])) == ["no reference answer was read"]


# Decisions


def test_fragile_cases_agree_by_a_hair_and_the_closest_come_first():
    decisions = [
        Decision("sure", 8.0, 9.0, True),
        Decision("near", 0.4, 6.0, True),
        Decision("nearer", -0.1, -3.0, True),
        Decision("flipped", 0.05, -0.05, False),
        Decision("unseen", None, None, True),
    ]
    assert [one.case_id for one in fragile(decisions)] == ["nearer", "near"]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["a"], "1 case calls, or holds back, by a logit margin under 1: a +0.40"),
        (["a", "b"], "2 cases call, or hold back, by a logit margin under 1: a +0.40, b +0.40"),
    ],
    ids=["one", "two"],
)
def test_fragile_cases_are_counted_as_cases(names, line):
    assert fragile_line([Decision(name, 0.4, 6.0, True) for name in names]) == line
