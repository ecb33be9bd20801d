"""Gates over made-up scores: what is counted, what passes, and what never passes for want of data."""

from __future__ import annotations

import pytest

from phi4bench.errors import UsageError
from phi4bench.gates import Outcome, judge_levels, judge_regression, per_scenario, per_tool
from phi4bench.levels import LEVELS, Level, Score
from phi4bench.targets import parse_targets

GUIDE = parse_targets(
    "".join(
        f'[[gate]]\nname = "{name}"\nfloor = {floor}\nsource = "test"\n'
        for name, floor in {
            "detection": 0.97,
            "parsing": 0.95,
            "tool": 0.95,
            "parameter": 0.9,
            "abstention": 0.9,
        }.items()
    )
    + '[regression]\nmargins = {int8 = 0.02, int4 = 0.03}\nsource = "test"\n',
    "test",
)
REPORT = parse_targets(
    "".join(
        f'[[gate]]\nname = "{name}"\nfloor = 0.9\nsource = "test"\n'
        for name in ("selection", "multi_turn", "error_recovery", "schema_validity")
    ),
    "report",
)


def calls(levels: list[Level], families: int = 0, scenario: str = "single", tool: str = "grep") -> list[Score]:
    """One score a level, spread over `families` families (one each where 0)."""
    return [
        Score(
            f"{scenario}-{i}", scenario, f"{scenario}/{i % (families or len(levels))}", (tool,), True, level,
            arguments_right=2 * (level == Level.RIGHT_PARAMETERS), arguments_total=2,
            schema_valid=int(level >= Level.RIGHT_TOOL), schema_total=int(level >= Level.PARSED),
        )
        for i, level in enumerate(levels)
    ]  # fmt: skip


def prose(right: int, wrong: int, scenario: str = "irrelevant") -> list[Score]:
    return [
        Score(f"{scenario}-{i}", scenario, f"{scenario}/{i}", (), False, Level.NOTHING, abstained=i < right)
        for i in range(right + wrong)
    ]


RIGHT, TOOL, PARSED, DETECTED, NOTHING = (Level(4), Level(3), Level(2), Level(1), Level(0))


def test_all_four_levels_have_the_same_denominator():
    results = judge_levels(calls([RIGHT] * 50 + [TOOL] * 20 + [PARSED] * 10 + [DETECTED] * 5 + [NOTHING] * 15), GUIDE)
    assert {name: (results[name].passed, results[name].total) for name in LEVELS} == {
        "detection": (85, 100),
        "parsing": (80, 100),
        "tool": (70, 100),
        "parameter": (50, 100),
    }


def test_the_levels_and_abstention_are_reported_whether_or_not_a_target_names_them_or_a_case_asks_for_them():
    results = judge_levels(prose(50, 0), REPORT)
    assert [
        name for name in results if name not in ("selection", "multi_turn", "error_recovery", "schema_validity")
    ] == [
        *LEVELS,
        "abstention",
    ]
    assert {results[name].total for name in LEVELS} == {0}


def test_each_level_is_also_given_the_one_below_it():
    results = judge_levels(calls([RIGHT] * 50 + [TOOL] * 20 + [PARSED] * 10 + [DETECTED] * 5 + [NOTHING] * 15), GUIDE)
    given = {name: (r.passed, r.total) for name, r in results.items() if "_given_" in name}
    assert given == {
        "parsing_given_detection": (80, 85),
        "tool_given_parsing": (70, 80),
        "parameter_given_tool": (50, 70),
    }


def test_measured_figures_have_an_interval_but_no_outcome():
    results = judge_levels(calls([RIGHT] * 90 + [PARSED] * 10), GUIDE)
    accuracy, validity = results["argument_accuracy"], results["schema_validity"]
    assert (accuracy.passed, accuracy.total, accuracy.outcome) == (180, 200, None)
    assert (validity.passed, validity.total, validity.required) == (90, 100, False)
    assert accuracy.interval is not None


def test_abstention_is_over_the_cases_that_expect_no_call():
    results = judge_levels(calls([RIGHT] * 100) + prose(95, 5), GUIDE)
    assert (results["abstention"].passed, results["abstention"].total) == (95, 100)
    assert results["detection"].total == 100


@pytest.mark.parametrize(
    ("right", "of", "outcome"),
    [
        pytest.param(1200, 1216, Outcome.PASS, id="clearly-above"),
        pytest.param(1216, 1216, Outcome.PASS, id="all-right"),
        pytest.param(1160, 1216, Outcome.INCONCLUSIVE, id="above-but-not-clearly"),
        pytest.param(1150, 1216, Outcome.INCONCLUSIVE, id="below-but-not-clearly"),
        pytest.param(1100, 1216, Outcome.FAIL, id="clearly-below"),
        pytest.param(0, 1216, Outcome.FAIL, id="all-wrong"),
    ],
)
def test_a_gate_passes_above_its_target_and_fails_below_it(right, of, outcome):
    result = judge_levels(calls([RIGHT] * right + [PARSED] * (of - right), families=600), GUIDE)["tool"]
    assert result.outcome is outcome, result.reason
    assert bool(result.reason) == (outcome is not Outcome.PASS)
    assert result.required


@pytest.mark.parametrize("level", [RIGHT, NOTHING])
def test_under_forty_groups_nothing_is_decided(level):
    result = judge_levels(calls([level] * 390, families=39), GUIDE)["detection"]
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "39 families of cases, but should be at least 40" in result.reason
    assert result.more_groups == (1 if level is RIGHT else None)
    assert judge_levels(calls([level] * 400, families=40), GUIDE)["detection"].outcome is not Outcome.INCONCLUSIVE


def uneven(levels: list[Level]) -> list[Score]:
    """60 families of one case and five of 40: 260^2 / (60 + 5 * 1600) = 8.4 of one size would tell as much."""
    return [
        Score(f"c{i}", "single", f"g{i if i < 60 else 60 + i % 5}", ("grep",), True, level)
        for i, level in enumerate(levels)
    ]


@pytest.mark.parametrize("level", [RIGHT, NOTHING])
def test_where_a_few_groups_hold_most_cases_nothing_is_decided(level):
    result = judge_levels(uneven([level] * 260), GUIDE)["detection"]
    assert (result.outcome, result.groups) == (Outcome.INCONCLUSIVE, 65)
    assert result.reason.startswith(
        "65 families of cases count as 8 of one size, so uneven are they, but should count as at least 25"
    )
    # Of groups like these it takes 65 * 25 * 8060 / 260^2 = 193.8.
    assert result.more_groups == (194 - 65 if level is RIGHT else None)
    lost = judge_regression(uneven([level] * 260), uneven([RIGHT] * 260), GUIDE, "int8")["regression.detection"]
    assert (lost.outcome, lost.even_groups) == (Outcome.INCONCLUSIVE, pytest.approx(260**2 / 8060))


def test_forty_groups_of_one_to_four_cases_are_even_enough():
    # 100^2 / (10 * (1 + 4 + 9 + 16)) = 33.3
    sizes = [1, 2, 3, 4] * 10
    scores = [
        Score(f"c{family}-{case}", "single", f"g{family}", ("grep",), True, RIGHT)
        for family, size in enumerate(sizes)
        for case in range(size)
    ]
    assert judge_levels(scores, GUIDE)["parameter"].outcome is Outcome.PASS


def test_a_required_gate_without_cases_is_inconclusive_and_has_no_rate():
    result = judge_levels(calls([RIGHT] * 100), GUIDE)["abstention"]
    assert (result.outcome, result.rate, result.interval) == (Outcome.INCONCLUSIVE, None, None)
    assert result.reason == "there are no cases of this kind"
    assert judge_levels([], GUIDE)["tool"].outcome is Outcome.INCONCLUSIVE


def test_an_undecided_gate_says_how_many_more_groups_would_let_it_pass():
    above = judge_levels(calls([RIGHT] * 1160 + [PARSED] * 56, families=600), GUIDE)["tool"]
    assert above.more_groups is not None
    assert above.more_groups > 500
    assert f"about {above.more_groups:,} more families" in above.reason
    below = judge_levels(calls([RIGHT] * 1150 + [PARSED] * 66, families=600), GUIDE)["tool"]
    assert below.more_groups is None
    assert "no number of further families" in below.reason


def test_that_many_more_groups_do_let_it_pass():
    counts = [RIGHT] * 1160 + [PARSED] * 56
    first = judge_levels(calls(counts, families=600), GUIDE)["tool"]
    assert first.more_groups is not None
    times = (600 + first.more_groups) / 600
    more = [RIGHT] * round(1160 * times) + [PARSED] * round(56 * times)
    assert judge_levels(calls(more, families=600 + first.more_groups), GUIDE)["tool"].outcome is Outcome.PASS


def test_nor_does_an_artifact_without_fault_stay_undecided_with_that_many_more():
    # 40 of 40: 40 / (40 + t^2) = 93.4% with t of 39, 1.685; it takes 90, of which t^2 is 1.662^2 = 2.763.
    first = judge_levels(calls([RIGHT] * 40), GUIDE)["detection"]
    assert (first.outcome, first.more_groups) == (Outcome.INCONCLUSIVE, 50)
    assert judge_levels(calls([RIGHT] * 89), GUIDE)["detection"].outcome is Outcome.INCONCLUSIVE
    assert judge_levels(calls([RIGHT] * 90), GUIDE)["detection"].outcome is Outcome.PASS


def test_the_same_rates_in_fewer_families_decide_less():
    levels = [RIGHT] * 1185 + [PARSED] * 31
    assert judge_levels(calls(levels, families=608), GUIDE)["tool"].outcome is Outcome.PASS
    # 76 families of 16: the faults sit in two of them, all of 15 or 16.
    together = [Score(f"c{i}", "single", f"g{i // 16}", ("grep",), True, level) for i, level in enumerate(levels)]
    assert judge_levels(together, GUIDE)["tool"].outcome is Outcome.INCONCLUSIVE


def test_scenario_gates_are_over_their_own_cases():
    scores = (
        calls([TOOL] * 60, scenario="selection")
        + calls([RIGHT] * 45 + [TOOL] * 15, scenario="multi_turn")
        + calls([RIGHT] * 50, scenario="missing_info")
        + prose(30, 0, scenario="missing_info")[:20]
    )
    results = judge_levels(scores, REPORT)
    assert (results["selection"].passed, results["selection"].total) == (60, 60)
    assert (results["multi_turn"].passed, results["multi_turn"].total) == (45, 60)
    assert (results["error_recovery"].passed, results["error_recovery"].total) == (50, 50)
    assert results["multi_turn"].outcome is Outcome.FAIL


def test_the_structured_track_stays_apart():
    values = [
        Score(f"s{i}", "single", f"s{i}", (), False, RIGHT, structured=True, schema_valid=1, schema_total=1)
        for i in range(50)
    ]
    results = judge_levels(calls([NOTHING] * 50) + values, GUIDE)
    assert results["detection"].total == 50
    assert results["abstention"].total == 0
    assert "schema_validity" not in results
    assert (results["structured.parameter"].passed, results["structured.parameter"].total) == (50, 50)
    assert results["structured.parameter"].outcome is None


def test_a_targets_file_can_hold_the_structured_track_to_figures():
    levels = [RIGHT] * 45 + [TOOL] * 10 + [PARSED] * 5  # 60 JSON values, 55 fit their schema, 45 are right
    values = [Score(f"s{i}", "single", f"s{i}", (), False, level, structured=True) for i, level in enumerate(levels)]
    named = ("structured.parsing", "structured.tool", "structured.parameter")
    text = "".join(f'[[gate]]\nname = "{name}"\nfloor = 0.9\nsource = "test"\n' for name in named)
    results = judge_levels(calls([NOTHING] * 50) + values, parse_targets(text, "mine"))
    found = {name: (results[name].passed, results[name].total, results[name].outcome) for name in named}
    assert found == {
        "structured.parsing": (60, 60, Outcome.PASS),
        "structured.tool": (55, 60, Outcome.INCONCLUSIVE),
        "structured.parameter": (45, 60, Outcome.FAIL),
    }


def test_a_case_counts_for_every_tool_it_expects():
    both = [Score(f"p{i}", "parallel", f"p{i}", ("read", "grep", "read"), True, TOOL) for i in range(10)]
    found = per_tool(calls([RIGHT] * 20) + both)
    assert list(found) == ["grep", "read"]
    assert (found["grep"]["parameter"].passed, found["grep"]["parameter"].total) == (20, 30)
    assert (found["read"]["tool"].passed, found["read"]["tool"].total) == (10, 10)


def test_a_scenario_of_both_kinds_has_levels_and_abstention():
    found = per_scenario(
        calls([RIGHT] * 20, scenario="missing_info") + prose(5, 5, scenario="missing_info") + prose(3, 0)
    )
    assert found["missing_info"]["tool"].total == 20
    assert (found["missing_info"]["abstention"].passed, found["missing_info"]["abstention"].total) == (5, 10)
    assert list(found["irrelevant"]) == ["abstention"]


def pair(lost: int, gained: int, both: int = 1000, families: int = 500) -> tuple[list[Score], list[Score]]:
    """(candidate, baseline): `lost` cases right in the baseline alone, and so on."""
    before = [RIGHT] * lost + [PARSED] * gained + [RIGHT] * both
    after = [PARSED] * lost + [RIGHT] * gained + [RIGHT] * both
    return calls(after, families), calls(before, families)


@pytest.mark.parametrize(
    ("lost", "gained", "precision", "outcome"),
    [
        pytest.param(0, 0, "int8", Outcome.PASS, id="no-flip"),
        pytest.param(20, 20, "int8", Outcome.PASS, id="as-many-gained-as-lost"),
        pytest.param(0, 60, "int8", Outcome.PASS, id="better"),
        pytest.param(18, 3, "int8", Outcome.INCONCLUSIVE, id="a-small-loss"),
        pytest.param(18, 3, "int4", Outcome.PASS, id="a-small-loss-int4-may-have"),
        pytest.param(60, 3, "int8", Outcome.FAIL, id="a-large-loss"),
    ],
)
def test_a_regression_gate_rules_out_a_loss_of_the_margin(lost, gained, precision, outcome):
    result = judge_regression(*pair(lost, gained), GUIDE, precision)["regression.tool"]
    assert result.outcome is outcome, result.reason
    assert bool(result.reason) == (outcome is not Outcome.PASS)
    assert bool(result.more_groups) == (outcome is Outcome.INCONCLUSIVE)
    assert (result.lost, result.gained, result.both, result.neither) == (lost, gained, 1000, 0)
    assert result.interval is not None
    assert result.difference == pytest.approx((gained - lost) / (1000 + lost + gained))


def test_a_failed_rate_tells_what_it_is_at_most_and_its_target():
    result = judge_levels(calls([RIGHT] * 900 + [PARSED] * 100), GUIDE)["tool"]
    assert result.interval is not None
    assert result.reason == f"at most {100 * result.interval.high:.1f}%, but should be at least 95%"


def test_a_failed_comparison_tells_the_loss_that_is_certain_and_its_target():
    # McNemar's 2 x 2: 60 - 3 of 1,063 are 5.4 points lost; some 4 of them are certain.
    result = judge_regression(*pair(60, 3), GUIDE, "int8")["regression.tool"]
    assert result.interval is not None
    assert -0.045 < result.interval.high < -0.035
    assert result.reason == f"loses at least {-100 * result.interval.high:.1f} points, but should lose under 2"
    assert result.target == -0.02


def test_an_undecided_loss_is_told_in_points_and_a_rate_in_percent():
    paired = judge_regression(*pair(18, 3), GUIDE, "int8")["regression.tool"].reason
    assert " points lies astride -2 points" in paired
    assert "%" not in paired.split(";")[0]
    rate = judge_levels(calls([RIGHT] * 960 + [PARSED] * 40), GUIDE)["tool"].reason
    assert "% lies astride 95%" in rate


def test_a_regression_can_hide_in_one_level():
    candidate, baseline = calls([TOOL] * 60 + [RIGHT] * 940), calls([RIGHT] * 1000)
    results = judge_regression(candidate, baseline, GUIDE, "int8")
    outcomes = {name.removeprefix("regression."): result.outcome for name, result in results.items()}
    assert outcomes["tool"] is Outcome.PASS
    assert outcomes["parameter"] is Outcome.FAIL


def test_abstention_is_compared_too():
    candidate, baseline = calls([RIGHT] * 100) + prose(80, 20), calls([RIGHT] * 100) + prose(100, 0)
    result = judge_regression(candidate, baseline, GUIDE, "int8")["regression.abstention"]
    assert (result.outcome, result.lost, result.total) == (Outcome.FAIL, 20, 100)
    assert "loses at least" in result.reason


def test_a_comparison_without_cases_has_no_advice():
    result = judge_regression(*pair(0, 0), GUIDE, "int8")["regression.abstention"]
    assert (result.outcome, result.difference, result.interval) == (Outcome.INCONCLUSIVE, None, None)
    assert result.reason == "there are no cases of this kind"


def test_an_unquantized_candidate_is_compared_without_a_gate():
    result = judge_regression(*pair(60, 3), GUIDE, "fp32")["regression.tool"]
    assert (result.outcome, result.margin, result.required) == (None, None, False)
    assert result.interval is not None


@pytest.mark.parametrize(
    ("candidate", "baseline"),
    [
        pytest.param(calls([RIGHT] * 5), calls([RIGHT] * 6), id="one-more"),
        pytest.param(calls([RIGHT] * 5), calls([RIGHT] * 5, scenario="selection"), id="none-shared"),
        pytest.param([], [], id="no-cases"),
    ],
)
def test_different_cases_are_not_compared(candidate, baseline):
    with pytest.raises(UsageError, match="should be the same ones"):
        judge_regression(candidate, baseline, GUIDE, "int8")
