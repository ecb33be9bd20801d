"""Throughput of the steady part of a load, the calls that count, and what they cost: by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from scipy.stats import binomtest

from phi4bench.errors import TargetsError
from phi4bench.gates import Outcome
from phi4bench.loads import Load, ServedCall, costs, judge_loads, latency_limit, throughput
from phi4bench.targets import Price, merge_targets, parse_targets

ONE = '[[gate]]\nname = "tool"\nfloor = 0.9\nsource = "x"\n'
PRICED = ONE + '[price]\nper_hour = {}\ncurrency = "EUR"\nsource = "x"\n'


def load(calls: list[ServedCall], clients: int = 1, name: str = "batch 8", stopped_s: float = 1e9) -> Load:
    return Load(name, clients, None, 8, stopped_s, tuple(calls))


def steady(count: int, each_s: float = 0.5, tokens: int = 10, wrong_every: int = 0) -> list[ServedCall]:
    return [
        ServedCall(at * each_s, (at + 1) * each_s, tokens, not wrong_every or at % wrong_every != 0)
        for at in range(count)
    ]


def test_rates_are_those_of_the_steady_part() -> None:
    found = throughput(load(steady(105)), 0.05)
    assert found is not None
    assert (found.calls, found.seconds) == (100, pytest.approx(50))  # the first five are left out
    assert found.rates == pytest.approx({"tokens": 20, "calls": 2, "good": 2})
    assert 19 < found.intervals["tokens"].low <= 20  # nothing varies but by the one call at the edge of a span
    assert found.p50_ms == pytest.approx(500)


def test_percentiles_are_of_all_calls_whenever_they_came() -> None:
    calls = steady(105)
    calls[10:20] = [replace(call, arrived_s=call.finished_s - 2.0) for call in calls[10:20]]
    found = throughput(load(calls), 0.05)
    assert found is not None
    assert (found.p50_ms, found.p95_ms) == (pytest.approx(500), pytest.approx(2000))  # ten of a hundred took 2 s


def test_what_ends_after_the_last_call_began_is_left_out() -> None:
    found = throughput(load(steady(105), stopped_s=30.0), 0.05)
    assert found is not None
    assert found.calls == 55  # finished at 3.0, 3.5, ... 30.0


def test_as_many_first_answers_as_clients_are_left_out() -> None:
    found = throughput(load(steady(105), clients=20), 0.05)
    assert found is not None
    assert found.calls == 85


def test_a_good_call_is_right_and_in_time() -> None:
    calls = [*steady(65), *(ServedCall(at, at + 2.0, 10, True) for at in range(40, 60))]
    found = throughput(load(sorted(calls, key=lambda call: call.finished_s)), 0.05, limit_ms=500.001)
    assert found is not None
    late = sum(at + 2.0 > 2.5 for at in range(40, 60))
    assert found.rates["good"] == pytest.approx(found.rates["calls"] - late / found.seconds)
    at_the_limit = throughput(load(steady(105)), 0.05, limit_ms=500.0)
    assert at_the_limit is not None
    assert at_the_limit.rates["good"] == 2.0
    wrong = throughput(load(steady(105, wrong_every=4)), 0.05)
    assert wrong is not None
    assert wrong.rates["good"] == pytest.approx(1.5)  # three quarters of two a second
    assert wrong.right == 75


def test_where_no_call_is_good_the_interval_still_has_an_upper_end() -> None:
    found = throughput(load(steady(105), stopped_s=1e9), 0.05, limit_ms=1.0)
    assert found is not None
    assert (found.rates["good"], found.intervals["good"].low) == (0, 0)
    # 0 of 100: a share of 2.95% would leave that a chance of 5% (the "rule of three" has 3%), of 2 calls a second.
    assert found.intervals["good"].high == pytest.approx(0.0295 * 2, rel=2e-3)


@pytest.mark.parametrize("good", [0, 1, 2, 5, 50, 100])
def test_few_good_calls_leave_as_much_room_as_the_binomial_does(good: int) -> None:
    # Ten spans with a single good call among them end at 2.83 of 100, where none at all ends at 2.95 and one, by the
    # binomial, at 4.66: calls of which 3% are good failed a target of just that in 14% of runs.
    calls = [replace(call, right=(at - 5) * good % 100 < good) for at, call in enumerate(steady(105))]
    found = throughput(load(calls), 0.05)
    assert found is not None
    assert found.rates["good"] == pytest.approx(2 * good / 100)
    exact = binomtest(good, 100, alternative="less").proportion_ci(0.95).high
    assert found.intervals["good"].low >= 0.0  # no rate is less, whatever Student's t says of one in ten spans
    assert found.intervals["good"].high >= 2 * exact - 1e-9
    assert found.intervals["good"].high == pytest.approx(2 * exact, rel=0.07)


@pytest.mark.parametrize(("count", "known"), [(24, False), (25, True)])
def test_too_few_calls_have_no_interval(count: int, known: bool) -> None:
    found = throughput(load(steady(count)), 0.05)
    assert found is not None
    assert bool(found.intervals) is known


def test_nothing_steady_is_no_throughput() -> None:
    assert throughput(load([]), 0.05) is None
    assert throughput(load(steady(5)), 0.05) is None


def test_the_interval_holds_about_as_often_as_it_says() -> None:
    rng, below, above, trials = random.Random(2), 0, 0, 600
    for _ in range(trials):
        now, calls = 0.0, []
        for _ in range(305):
            now += rng.expovariate(2.0)
            calls.append(ServedCall(0.0, now, 10, True))
        found = throughput(load(calls), 0.05)
        assert found is not None
        below += found.intervals["calls"].high < 2.0
        above += found.intervals["calls"].low > 2.0
    # 5% each end; three standard errors of 5% over 600 trials are 2.7 points
    assert below / trials < 0.05 + 0.027
    assert above / trials < 0.05 + 0.027


@pytest.mark.parametrize(
    ("floor", "count", "outcome"),
    [
        pytest.param(19, 105, Outcome.PASS, id="above"),
        pytest.param(21, 105, Outcome.FAIL, id="below"),
        pytest.param(19, 24, Outcome.INCONCLUSIVE, id="too-few-calls"),
    ],
)
def test_tokens_a_second_are_judged_by_their_interval(floor: int, count: int, outcome: Outcome) -> None:
    held = parse_targets(f'[[gate]]\nname = "slo.tokens_per_s"\nfloor = {floor}\nsource = "x"', "mine")
    found = judge_loads([load(steady(count), name="batch 1"), load(steady(count))], held, "", "cpu")
    assert found["slo.tokens_per_s"].outcome is outcome
    assert found["slo.calls_per_s"].outcome is None
    if outcome is Outcome.INCONCLUSIVE:
        assert "should be at least 20" in found["slo.tokens_per_s"].reason


@pytest.mark.parametrize(
    ("wanted", "option"),
    [
        pytest.param(105, "give more calls (--slo-calls)", id="calls-ran-out"),
        pytest.param(300, "give more time (--slo-seconds)", id="time-ran-out"),
        pytest.param(None, "give more calls (--slo-calls) or more time (--slo-seconds)", id="not-stored"),
    ],
)
def test_the_advice_is_to_lift_what_ended_the_load(wanted: int | None, option: str) -> None:
    held = parse_targets('[[gate]]\nname = "slo.calls_per_s"\nfloor = 2\nsource = "x"', "mine")
    rng = random.Random(1)
    few = replace(load(steady(24)), wanted=wanted and wanted - 81)
    assert judge_loads([few], held, "", "cpu")["slo.calls_per_s"].reason.endswith(option)
    ends = sorted(rng.uniform(0.0, 52.5) for _ in range(105))
    astride = replace(load([ServedCall(0.0, end, 10, True) for end in ends]), wanted=wanted)
    gate = judge_loads([astride], held, "", "cpu")["slo.calls_per_s"]
    assert gate.outcome is Outcome.INCONCLUSIVE
    assert gate.reason.endswith(f"{option.removeprefix('give ')} would decide it")


def test_a_load_without_a_steady_part_says_so() -> None:
    held = parse_targets('[[gate]]\nname = "slo.calls_per_s"\nfloor = 2\nsource = "x"', "mine")
    found = judge_loads([replace(load(steady(5)), wanted=5)], held, "", "cpu")
    assert found["slo.calls_per_s"].outcome is Outcome.INCONCLUSIVE
    assert found["slo.calls_per_s"].required
    assert found["slo.calls_per_s"].reason == (
        "none of its 5 calls was served in steady state; give more calls (--slo-calls)"
    )
    assert set(found) == {"slo.calls_per_s"}  # what no target names is not there to be told


def test_only_the_load_that_gates_speak_of_is_judged() -> None:
    assert judge_loads([load(steady(105), name="batch 4")], parse_targets(ONE, "mine"), "", "cpu") == {}


def test_the_latency_to_be_within_is_the_one_that_targets_require() -> None:
    held = '[[gate]]\nname = "slo.latency_p95_ms"\nceiling = { gpu = 50, cpu = 200 }\nsource = "x"'
    assert latency_limit(parse_targets(held, "mine"), "int8", "cpu") == 200
    assert latency_limit(parse_targets(held, "mine"), "int8", "gpu") == 50
    assert latency_limit(parse_targets(ONE, "mine"), "int8", "cpu") is None


class TestPrice:
    def found(self, wrong_every: int = 0) -> object:
        return throughput(load(steady(105, wrong_every=wrong_every)), 0.05)

    def test_costs_follow_from_the_price_an_hour(self) -> None:
        # 20 tokens and 2 good calls a second: 72,000 and 7,200 an hour, at 7.20 an hour
        found = costs(self.found(), Price(7.2, "EUR", "x", "mine"))  # type: ignore[arg-type]
        assert found["per_million_tokens"] == pytest.approx(100)
        assert found["per_thousand_good_calls"] == found["per_thousand_correct_calls"] == pytest.approx(1)

    def test_a_correct_call_that_comes_late_is_paid_for_too(self) -> None:
        late = throughput(load(steady(105)), 0.05, limit_ms=1.0)
        found = costs(late, Price(7.2, "EUR", "x", "mine"))  # type: ignore[arg-type]
        assert (found["per_thousand_correct_calls"], found["per_thousand_good_calls"]) == (pytest.approx(1), None)

    def test_where_no_call_is_good_none_has_a_cost(self) -> None:
        found = costs(self.found(wrong_every=1), Price(7.2, "EUR", "x", "mine"))  # type: ignore[arg-type]
        assert found["per_thousand_good_calls"] is found["per_thousand_correct_calls"] is None

    def test_a_price_that_is_missing_or_zero_is_said(self) -> None:
        zero = parse_targets(PRICED.format(0), "mine").price
        assert costs(self.found(), zero) == {"missing": "the price per hour in mine is 0, so no cost can be said"}  # type: ignore[arg-type]
        assert "the targets name no price" in str(costs(self.found(), None)["missing"])  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            pytest.param(PRICED.format(-1), "per_hour", id="below-zero"),
            pytest.param(PRICED.format("nan"), "per_hour", id="no-number"),
            pytest.param(PRICED.format('"free"'), "should be a number", id="text"),
            pytest.param(ONE + "[price]\nper_hour = 1\nsource = 'x'", "'currency' is missing", id="no-currency"),
            pytest.param(ONE + "[price]\nsource = 'x'", "'per_hour' is missing; what an hour costs", id="no-price"),
        ],
    )
    def test_a_price_that_means_nothing_is_refused_by_name(self, text: str, said: str) -> None:
        with pytest.raises(TargetsError, match=said) as caught:
            parse_targets(text, "mine")
        assert str(caught.value).startswith("mine: [price]")

    def test_two_prices_contradict_each_other(self) -> None:
        one, other = parse_targets(PRICED.format(1), "a"), parse_targets(PRICED.format(2), "b")
        assert merge_targets([parse_targets(ONE, "c"), one]).price == one.price
        with pytest.raises(TargetsError, match="a and b differ in their price"):
            merge_targets([one, other])
