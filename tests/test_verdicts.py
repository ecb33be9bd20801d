"""Verdicts: every combination of outcomes, the waivers, the tiers and the exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi4bench.gates import GateResult, Outcome, RegressionResult
from phi4bench.stats import Interval
from phi4bench.targets import parse_targets
from phi4bench.verdicts import Verdict, advice, exit_code, required_gates, tier, verdict, worst_exit

FOLDER = Path(__file__).parent.parent / "fixtures" / "targets"
GUIDE, SMOKE, REPORT = (
    parse_targets((FOLDER / f"{name}.toml").read_text(encoding="utf-8"), name) for name in ("guide", "smoke", "report")
)
LEVELS = ("detection", "parsing", "tool", "parameter", "abstention")
PASS, FAIL, OPEN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


def gates(**outcomes: Outcome) -> list[GateResult | RegressionResult]:
    return [GateResult(name, 99, 100, 0.99, Interval(0.97, 1.0), 0.9, outcomes.get(name, PASS), 100) for name in LEVELS]


def paired(**outcomes: Outcome) -> list[GateResult | RegressionResult]:
    return [
        RegressionResult(
            f"regression.{name}", 100, 99, 1, 0, 0, -0.01, Interval(-0.02, 0.0), 1.0, 0.02, outcomes.get(name, PASS)
        )
        for name in LEVELS
    ]


@pytest.mark.parametrize(
    ("results", "precision", "expected"),
    [
        pytest.param(gates(), "fp32", Verdict.promote, id="all-pass"),
        pytest.param(gates(tool=FAIL), "fp32", Verdict.reject, id="one-fails"),
        pytest.param(gates(tool=OPEN), "fp32", Verdict.inconclusive, id="one-is-open"),
        pytest.param(gates(tool=FAIL, parsing=OPEN), "fp32", Verdict.reject, id="failing-outweighs-open"),
        pytest.param(gates()[:-1], "fp32", Verdict.inconclusive, id="a-required-gate-skipped"),
        pytest.param([], "fp32", Verdict.inconclusive, id="nothing-measured"),
        pytest.param(gates(), "int8", Verdict.inconclusive, id="quantized-without-a-baseline"),
        pytest.param(gates() + paired(), "int8", Verdict.promote, id="quantized-with-a-baseline"),
        pytest.param(gates() + paired(tool=FAIL), "int8", Verdict.reject, id="quantized-and-worse"),
        pytest.param(gates() + paired()[1:], "int8", Verdict.inconclusive, id="one-comparison-missing"),
    ],
)
def test_a_verdict_is_that_of_every_required_gate(results, precision, expected):
    assert verdict(required_gates(results, GUIDE, precision), GUIDE) is expected


def test_a_waived_baseline_leaves_the_regression_out():
    for results, expected in ((gates(), Verdict.promote), (gates(tool=FAIL), Verdict.reject)):
        assert verdict(required_gates(results, GUIDE, "int8", no_baseline=True), GUIDE) is expected


def test_a_gate_that_does_not_concern_this_artifact_does_not_keep_it_from_promotion():
    # As of a model too small for a figure on size, which is then measured and has no outcome.
    results = [gate for gate in gates() if gate.name != "abstention"]
    results.append(GateResult("abstention", 0, 1, 0.5, None))
    assert verdict(required_gates(results, GUIDE), GUIDE) is Verdict.inconclusive
    assert verdict(required_gates(results, GUIDE, exempt={"abstention"}), GUIDE) is Verdict.promote


def test_smoke_never_promotes_but_can_reject():
    assert verdict(required_gates(gates(), SMOKE), SMOKE) is Verdict.inconclusive
    assert verdict(required_gates(gates(tool=FAIL), SMOKE), SMOKE) is Verdict.reject


def test_what_is_only_measured_cannot_fail_the_run():
    extra = GateResult("selection", 0, 100, 0.0, Interval(0.0, 0.1), 0.97, FAIL, 100)
    assert verdict(required_gates([*gates(), extra], GUIDE), GUIDE) is Verdict.promote


def test_a_gate_nobody_measured_is_listed_with_its_reason():
    listed = {gate.name: gate for gate in required_gates(gates(), GUIDE, "int8")}
    assert list(listed)[:5] == list(LEVELS)
    assert listed["regression.tool"].outcome is OPEN
    assert "--baseline" in listed["regression.tool"].reason
    assert (listed["regression.tool"].total, listed["regression.tool"].interval) == (0, None)
    assert listed["regression.tool"].target == -0.02  # as a comparison that was made gives it: a loss, below zero
    slo = {gate.name: gate for gate in required_gates(gates(), REPORT, "fp32", "gpu")}["slo.latency_p95_ms"]
    assert (slo.outcome, slo.target, slo.reason) == (OPEN, 50, "no suite of this run measured it")
    on_gpu = parse_targets('[[gate]]\nname = "slo.latency_p95_ms"\nceiling = { gpu = 50 }\nsource = "test"', "test")
    timed = GateResult("slo.latency_p95_ms", 0, 100, 30.0, Interval(25.0, 40.0))
    (elsewhere,) = required_gates([timed], on_gpu, "fp32", "cpu")
    assert (elsewhere.outcome, elsewhere.target) == (OPEN, 50)
    assert elsewhere.reason.startswith("skipped: its figure is for a gpu, and this run was on a cpu")
    said = required_gates([], GUIDE, unmeasured_because={"tool": "skipped by -k"})
    assert {gate.name: gate.reason for gate in said}["tool"] == "skipped by -k"


def test_hardware_that_is_not_there_is_what_would_give_this_very_artifact_a_figure():
    entry = '[[gate]]\nname = "{}"\n{}\nsource = "test"'
    mixed = parse_targets(entry.format("slo.latency_p95_ms", "ceiling = { gpu = 50, int8 = 9 }"), "test")
    (elsewhere,) = required_gates([], mixed, "fp32", "cpu")  # an int8 file's own figure leaves this one's where it is
    assert (elsewhere.target, elsewhere.reason[:34]) == (50, "skipped: its figure is for a gpu, ")
    assert [gate.target for gate in required_gates([], mixed, "int8", "cpu")] == [9]
    compared = parse_targets(entry.format("speedup.call", "floor = { gpu = 2 }"), "test")
    assert required_gates([], compared, "fp32", "cpu") == ()  # on a gpu it has none either: nothing is its parent
    assert [gate.target for gate in required_gates([], compared, "int8", "cpu")] == [2]


@pytest.mark.parametrize(
    ("tool", "parameter", "name"),
    [
        (0.96, 0.91, "EXCELLENT"),
        (0.95, 0.91, "GOOD"),  # above 95, not at it
        (0.99, 0.90, "GOOD"),
        (0.86, 0.81, "GOOD"),
        (0.99, 0.71, "ACCEPTABLE"),
        (0.75, 0.99, "POOR"),
        (0.0, 0.0, "POOR"),
    ],
)
def test_a_tier_needs_every_rate_above_its_figure(tool, parameter, name):
    rates = {"tool": tool, "parameter": parameter}
    results = {level: GateResult(level, 0, 100, rate, None) for level, rate in rates.items()}
    reached = tier(results, GUIDE)
    assert reached is not None
    assert reached.name == name


def test_without_cases_or_tiers_there_is_no_tier():
    assert tier({}, GUIDE) is None
    assert tier({level: GateResult(level, 0, 0, None, None) for level in LEVELS}, GUIDE) is None
    assert tier({level: GateResult(level, 1, 1, 1.0, None) for level in LEVELS}, REPORT) is None


def test_advice_comes_only_with_a_promotion():
    best = GUIDE.tiers[0]
    assert advice(Verdict.promote, best) == "deploy"
    assert advice(Verdict.inconclusive, best) == advice(Verdict.reject, best) == advice(Verdict.promote, None) == ""


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["promote"], 0),
        (["promote", "inconclusive"], 10),
        (["inconclusive", "reject", "promote"], 1),
        ([], 4),
    ],
)
def test_the_exit_code_is_that_of_the_worst_model(verdicts, code):
    assert exit_code([Verdict(one) for one in verdicts]) == code


@pytest.mark.parametrize(("codes", "code"), [([0, 10, 1, 4], 4), ([0, 10, 1], 1), ([0, 10], 10), ([0], 0), ([0, 3], 3)])
def test_usage_outweighs_reject_outweighs_inconclusive(codes, code):
    assert worst_exit(codes) == code
