"""Service levels as gates: bounds and not points decide, and too few calls or too few prompts decide nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from slo_targets import DECODE, HELD, P95, targets

from phi4bench.gates import Outcome
from phi4bench.loads import Load, ServedCall
from phi4bench.measured import Latency, Memory, Pair, Slo, TimedCall, slo_from_json, speedups, spread
from phi4bench.report.speed import slo_headline, slo_tables
from phi4bench.slo import exempt_speedups, judge_slo, untold
from phi4bench.targets import LATENCIES, parse_targets


def calls(*totals: float, **fields: Any) -> Slo:
    timed = [TimedCall(total, **{"first_token_ms": 5.0, "token_ms": 1.0, "first_call_ms": 9.0, **fields}, tokens=4)
        for total in totals]  # fmt: skip
    return Slo(Latency(tuple(timed), 10, len(timed), 60.0))


@pytest.mark.parametrize(
    ("slow", "of", "outcome"),
    [
        # Upper bound of P95 among 100: P(at most 98 below) = 0.963 >= 95%, so the 99th value; lower: the 91st, for
        # P(at most 90 below) = 0.028 and P(at most 91) = 0.063.
        pytest.param(1, 100, Outcome.PASS, id="one-slow-call-of-100"),
        pytest.param(2, 100, Outcome.INCONCLUSIVE, id="two-of-100-may-be-more-than-one-in-20"),
        pytest.param(9, 100, Outcome.INCONCLUSIVE, id="nine-of-100-may-be-one-in-20"),
        pytest.param(10, 100, Outcome.FAIL, id="ten-of-100-are-more-than-one-in-20"),
        pytest.param(0, 59, Outcome.PASS, id="the-fewest-calls"),
        pytest.param(0, 58, Outcome.INCONCLUSIVE, id="one-call-too-few"),
        pytest.param(1, 59, Outcome.INCONCLUSIVE, id="the-fewest-calls-with-one-slow"),
    ],
)
def test_a_percentile_is_judged_by_its_bounds_and_not_by_its_point(slow: int, of: int, outcome: Outcome) -> None:
    found = calls(*[300.0] * slow, *[100.0] * (of - slow))
    assert judge_slo(found, targets(f"{P95} <= 200"))[P95].outcome is outcome


def test_the_target_itself_is_in_time() -> None:
    held = targets(f"{P95} <= 200")
    assert judge_slo(calls(*[200.0] * 100), held)[P95].outcome is Outcome.PASS
    late = judge_slo(calls(*[200.5] * 100), held)[P95]
    assert (late.outcome, late.reason) == (
        Outcome.FAIL,
        "P95 200.5 ms (at least 200.5 ms), but should be at most 200 ms",
    )
    # Of 100 calls the lower bound of P95 is the 91st value, here at the target; the upper one, the 99th, is above it.
    assert judge_slo(calls(*[200.0] * 91, *[300.0] * 9), held)[P95].outcome is Outcome.INCONCLUSIVE


def test_too_few_calls_are_refused_with_the_number_it_takes() -> None:
    gate = judge_slo(calls(*[1.0] * 58), targets(f"{P95} <= 200"))[P95]
    assert "58 calls were timed, but a bound on P95 at 95% takes at least 59" in gate.reason
    gate = judge_slo(calls(*[1.0] * 298), targets("slo.latency_p99_ms <= 200"))["slo.latency_p99_ms"]
    assert "takes at least 299" in gate.reason
    assert gate.interval is None


def test_what_an_error_cut_short_decides_nothing() -> None:
    """What it left out may be the slowest, or the fastest: neither a FAIL nor a PASS stands."""
    for figure in (50, 200):
        found = calls(*[100.0] * 100)
        assert found.latency is not None
        gate = judge_slo(
            replace(found, latency=replace(found.latency, stopped="a crash")), targets(f"{P95} <= {figure}")
        )
        told = "100 calls were timed, and then: a crash"
        assert (gate[P95].outcome, gate[P95].reason) == (Outcome.INCONCLUSIVE, told)
    for ratio in (1.0, 3.0):
        found = replace(pairs(*[ratio] * 10), pairs_stopped="a crash")
        gate = judge_slo(found, parse_targets(HELD, "ours"), "int8")
        told = "10 pairs were timed, and then: a crash"
        assert (gate[DECODE].outcome, gate[DECODE].reason) == (Outcome.INCONCLUSIVE, told)


def of_prompts(found: Slo, prompts: int, wanted: int | None = None) -> Slo:
    """The same calls, which had so many different prompts."""
    assert found.latency is not None
    return replace(
        found, latency=replace(found.latency, prompts=prompts, calls_wanted=wanted or found.latency.calls_wanted)
    )


class TestRepeatedPrompts:
    @pytest.mark.parametrize(
        ("prompts", "gate", "figure", "outcome"),
        [
            pytest.param(1, "slo.latency_p99_ms", 200, Outcome.INCONCLUSIVE, id="one-prompt-300-times"),
            pytest.param(298, "slo.latency_p99_ms", 200, Outcome.INCONCLUSIVE, id="one-prompt-too-few"),
            pytest.param(299, "slo.latency_p99_ms", 200, Outcome.PASS, id="the-fewest-prompts"),
            pytest.param(59, P95, 200, Outcome.PASS, id="the-fewest-prompts-of-p95"),
            # 0.5^4 = 0.0625: four prompts above a median that is within the target are not rare enough
            pytest.param(4, "slo.latency_p50_ms", 50, Outcome.INCONCLUSIVE, id="four-slow-prompts-are-no-median"),
            pytest.param(5, "slo.latency_p50_ms", 50, Outcome.FAIL, id="five-are"),
        ],
    )
    def test_a_prompt_that_is_sent_again_is_no_new_draw(
        self, prompts: int, gate: str, figure: float, outcome: Outcome
    ) -> None:
        found = judge_slo(of_prompts(calls(*[100.0] * 300), prompts), targets(f"{gate} <= {figure}"))[gate]
        assert found.outcome is outcome

    # Of 60 draws the upper bound on P95 is the largest: P(at most 58 below) = 1 - 0.95^60 - 60 x 0.05 x 0.95^59 = 0.81.
    # Of 300 it would be the 292nd.
    @pytest.mark.parametrize(
        ("slow", "outcome"),
        [
            pytest.param(range(0, 300, 60), Outcome.INCONCLUSIVE, id="one-prompt-each-time"),
            pytest.param(range(300, 310), Outcome.PASS, id="a-round-that-was-not-finished"),
        ],
    )
    def test_bounds_are_of_as_many_draws_as_there_are_prompts(self, slow: range, outcome: Outcome) -> None:
        found = of_prompts(calls(*(300.0 if at in slow else 100.0 for at in range(310))), 60)
        gate = judge_slo(found, targets(f"{P95} <= 200"))[P95]
        assert gate.outcome is outcome
        assert ("more cases that expect a call (--cases, --limit) would" in gate.reason) is (
            outcome is not Outcome.PASS
        )
        assert found.latency is not None
        shown = spread(found.latency, "latency", 0.05)
        assert shown is not None
        assert shown.intervals["p95"].high == (100.0 if outcome is Outcome.PASS else 300.0)
        assert gate.interval is None or gate.interval == shown.intervals["p95"]

    def test_so_are_those_of_pairs(self) -> None:
        # One prompt of five is slow, each time. Of 5 draws the bounds of the median are the outermost.
        held, found = parse_targets(HELD, "ours"), pairs(*[2.0, 2.7, 2.7, 2.7, 2.7] * 4)
        assert judge_slo(found, held, "int8")[DECODE].outcome is Outcome.PASS
        again = judge_slo(replace(found, pair_prompts=5), held, "int8")[DECODE]
        assert again.outcome is Outcome.INCONCLUSIVE
        assert "more cases that expect a call" in again.reason

    def test_the_reason_names_the_cases_it_takes(self) -> None:
        gate = judge_slo(of_prompts(calls(*[1.0] * 300), 20), targets("slo.latency_p99_ms <= 200"))
        reason = gate["slo.latency_p99_ms"].reason
        assert "300 calls had 20 different prompts, but a bound on P99 at 95% takes at least 299" in reason
        assert "give 299 cases that expect a call" in reason
        few = judge_slo(of_prompts(calls(*[1.0] * 35), 16, 40), targets(f"{P95} <= 200"))[P95]
        assert few.reason.startswith("35 calls had 16 different prompts")  # more time alone would bring no others
        again = judge_slo(replace(pairs(2.7, 2.7, 2.7, 2.7), pair_prompts=2), parse_targets(HELD, "ours"), "int8")
        assert again[DECODE].reason.startswith("4 pairs of calls had 2 different prompts")

    def test_pairs_are_held_to_it_too(self) -> None:
        held = parse_targets(HELD, "ours")
        assert judge_slo(replace(pairs(*[2.7] * 10), pair_prompts=4), held, "int8")[DECODE].outcome is (
            Outcome.INCONCLUSIVE
        )
        assert judge_slo(replace(pairs(*[2.7] * 10), pair_prompts=5), held, "int8")[DECODE].outcome is Outcome.PASS

    def test_a_run_that_stored_the_number_of_its_cases_alone_is_held_to_that(self) -> None:
        stored = {"latency": {"calls": [[1.0, 1.0, 1.0, 1.0, 4]] * 300, "warm_up": 10, "wanted": 300, "seconds": 60}}
        found = slo_from_json({**stored, "calls_from": 1})
        assert judge_slo(found, targets(f"{P95} <= 200"))[P95].outcome is Outcome.INCONCLUSIVE
        assert judge_slo(slo_from_json(stored), targets(f"{P95} <= 200"))[P95].outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("more", "option"), [pytest.param(0, "--slo-calls", id="by-count"), pytest.param(9, "--slo-seconds", id="by-time")]
)
def test_the_advice_is_to_lift_what_ended_the_calls(more: int, option: str) -> None:
    for totals in ([1.0] * 58, [*[300.0] * 2, *[100.0] * 98]):  # too few; two of 100 may be more than one in 20
        found = of_prompts(calls(*totals), len(totals), len(totals) + more)
        gate = judge_slo(found, targets(f"{P95} <= 200"))[P95]
        assert gate.outcome is Outcome.INCONCLUSIVE
        assert option in gate.reason


@pytest.mark.parametrize(("wanted", "option"), [(10, "--slo-pairs"), (100, "--slo-seconds")], ids=["count", "time"])
def test_the_advice_on_pairs_is_to_lift_what_ended_them(wanted: int, option: str) -> None:
    found = replace(pairs(2.0, 2.0, *[2.7] * 8), pairs_wanted=wanted)
    gate = judge_slo(found, parse_targets(HELD, "ours"), "int8")[DECODE]
    assert gate.outcome is Outcome.INCONCLUSIVE
    assert f"({option}) would decide it" in gate.reason


def test_a_figure_by_device_is_the_devices_own() -> None:
    held = targets(f"{P95} <= {{ gpu = 50, cpu = 200 }}")
    on_gpu = Slo(calls(*[100.0] * 100).latency, device="gpu")
    assert judge_slo(calls(*[100.0] * 100), held)[P95].outcome is Outcome.PASS
    assert judge_slo(on_gpu, held)[P95].outcome is Outcome.FAIL


def test_an_answer_without_a_call_never_has_its_first_call() -> None:
    with_none = [*calls(*[10.0] * 80).latency.calls, *calls(*[10.0] * 20, first_call_ms=None).latency.calls]
    found = Slo(Latency(tuple(with_none), 10, 100, 60.0))
    gate = judge_slo(found, targets("slo.first_call_p95_ms <= 1000"))["slo.first_call_p95_ms"]
    assert gate.outcome is Outcome.FAIL  # a fifth of the calls never came
    assert gate.rate is None
    assert "never" in gate.reason


def test_what_no_target_names_is_measured_and_nothing_else() -> None:
    found = judge_slo(calls(*[100.0] * 100), targets("tool >= 0.9"))
    assert {gate.outcome for gate in found.values()} == {None}
    assert found[P95].rate == 100.0


def test_what_a_backend_cannot_tell_is_no_figure() -> None:
    found = judge_slo(calls(1.0, first_token_ms=None, token_ms=None, first_call_ms=None), targets("tool >= 0.9"))
    assert set(found) == {"slo.latency_p50_ms", "slo.latency_p95_ms", "slo.latency_p99_ms"}


def test_a_figure_that_was_asked_for_and_not_found_has_a_reason_of_its_own() -> None:
    timed = calls(1.0, first_token_ms=None, token_ms=None, first_call_ms=None)
    few = Load("batch 8", 8, None, 8, 1.0, (ServedCall(0.0, 0.5, 9, True),), wanted=60)
    alone = (Pair(9.0, None, 9.0, None),)
    found = Slo(timed.latency, Memory(1), alone, loads=(few,), missing={"slo.token_p50_ms": "the time was over"})
    why = untold(found)
    assert why["slo.gpu_memory_gb"] == "the run was on a CPU"
    assert untold(replace(found, device="gpu"))["slo.gpu_memory_gb"] == "nothing here tells it"
    assert why["slo.calls_per_s"] == few.unsteady
    assert why["slo.first_token_p95_ms"] == why["speedup.decode"] == "nothing here tells it"
    assert why["slo.token_p50_ms"] == "the time was over"
    assert not {"slo.memory_gb", P95, "speedup.call"} & why.keys()
    assert untold(Slo()) == untold(Slo(memory=Memory(1, 3), device="gpu")) == {}  # nobody asked, or it is there
    assert untold(Slo(loads=(replace(few, name="batch 1"),))) == {}  # gates speak of another load


@pytest.mark.parametrize(("gb", "outcome"), [(0.9, Outcome.PASS), (1.1, Outcome.FAIL)])
@pytest.mark.parametrize("name", ["slo.memory_gb", "slo.size_gb"])
def test_memory_and_size_on_disk_are_what_they_are(name: str, gb: float, outcome: Outcome) -> None:
    found = Slo(memory=Memory(int(gb * 1e9)), disk_bytes=int(gb * 1e9))
    gate = judge_slo(found, targets(f"{name} <= 1"))[name]
    assert (gate.outcome, gate.reason) == (outcome, "1.1, but should be at most 1" if gb > 1 else "")
    assert name not in judge_slo(Slo(), targets(f"{name} <= 1"))


@pytest.mark.parametrize(
    ("gb", "by_all", "outcome"),
    [
        pytest.param(13, False, Outcome.FAIL, id="ours"),
        pytest.param(13, True, Outcome.INCONCLUSIVE, id="with-others"),
        pytest.param(11, True, Outcome.PASS, id="with-others-within"),
    ],
)
def test_a_gpu_that_others_fill_too_fails_nothing(gb: int, by_all: bool, outcome: Outcome) -> None:
    found = Slo(memory=Memory(1, gb * 10**9, 0.5, by_all), device="gpu")
    gate = judge_slo(found, targets("slo.gpu_memory_gb <= 12"))["slo.gpu_memory_gb"]
    assert gate.outcome is outcome
    assert ("of all processes on the device" in gate.reason) is (outcome is Outcome.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("gb", "unserved", "outcome"),
    [
        pytest.param(11, "batch 8", Outcome.INCONCLUSIVE, id="within-without-a-batch"),
        pytest.param(13, "batch 8", Outcome.FAIL, id="beyond-all-the-same"),
        pytest.param(11, "20 clients", Outcome.PASS, id="what-the-target-does-not-speak-of"),
    ],
)
@pytest.mark.parametrize("name", ["slo.memory_gb", "slo.gpu_memory_gb"])
def test_a_batch_that_could_not_be_served_may_take_more(name: str, gb: int, unserved: str, outcome: Outcome) -> None:
    found = Slo(memory=Memory(gb * 10**9, gb * 10**9), failed_loads={unserved: "no memory"}, device="gpu")
    gate = judge_slo(found, targets(f"{name} <= 12"))[name]
    assert gate.outcome is outcome
    assert (gate.reason == "what batch 8 takes is not known: no memory") is (outcome is Outcome.INCONCLUSIVE)


def test_memory_is_the_most_of_calls_one_by_one_and_in_batches() -> None:
    def part(gpu_bytes: int | None, name: str = "", busy: float = 0.1) -> dict[str, Any]:
        told = {"gpu_bytes": gpu_bytes, "gpu_by_all": gpu_bytes == 7, "gpu_utilisation": busy}
        told |= {"peak_rss_bytes": 10 * (gpu_bytes or 0)}
        return told | ({"name": name, "clients": 1, "rate": None, "rows": 1, "stopped_s": 1.0, "calls": []})

    loads = [part(5, "batch 4"), part(7, "batch 8", 0.9), part(60, "20 clients")]  # rows as many as the memory takes
    told = {"memory": part(3), "loads": loads, "failed_loads": {"batch 1": "no memory"}}
    assert slo_from_json(told).failed_loads == {"batch 1": "no memory"}
    assert slo_from_json(told).memory == Memory(70, 7, 0.1, True, 0.9)
    assert slo_from_json({"memory": part(3)}).memory == Memory(30, 3, 0.1)
    for load in loads:  # of a run from before loads told of it
        del load["peak_rss_bytes"]
    assert slo_from_json(told).memory == Memory(30, 7, 0.1, True, 0.9)
    assert slo_from_json({"memory": {"peak_rss_bytes": 1}}).memory == Memory(1)


def test_a_report_says_whose_the_memory_of_the_gpu_is() -> None:
    memory = {"peak_rss_bytes": 10**9, "gpu_bytes": 3 * 10**9, "gpu_utilisation": 0.25, "gpu_load_utilisation": 0.9}

    def line(by_all: bool) -> str:
        *_, notes = slo_tables({"memory": memory | {"gpu_by_all": by_all}, "missing": {"x": "y"}}, {})
        return notes.notes[0]

    assert (
        line(False)
        == "memory: 1.0 GB at most, 3.0 GB of the GPU's, which had work 25.0% of the time, 90.0% of it at batch 8"
    )
    assert "3.0 GB of the GPU's by all processes on it together (NVML does not list this one)" in line(True)


def pairs(*ratios: float, parameters: int | None = 300_000_000) -> Slo:
    """Pairs in which the baseline's tokens take so many times as long, and its calls half that."""
    return Slo(pairs=tuple(Pair(100.0, 2.0, 50.0 * one, 2.0 * one) for one in ratios), parameters=parameters)


class TestSpeedup:
    @pytest.mark.parametrize(
        ("ratios", "precision", "outcome"),
        [
            # Bounds of the median of 10: the 2nd and the 9th, for P(at most 1 of 10 below) = 0.0107 and
            # P(at most 2) = 0.0547.
            pytest.param([2.0, *[2.7] * 9], "int8", Outcome.PASS, id="one-pair-was-disturbed"),
            pytest.param([2.0, 2.0, *[2.7] * 8], "int8", Outcome.INCONCLUSIVE, id="two-of-ten-below"),
            pytest.param([2.0, 2.0, *[2.67] * 8], "int8", Outcome.INCONCLUSIVE, id="at-most-the-figure-itself"),
            pytest.param([*[2.6] * 9, 9.0], "int8", Outcome.FAIL, id="one-lucky-pair"),
            pytest.param([2.67] * 10, "int8", Outcome.PASS, id="the-figure-itself"),
            pytest.param([2.7] * 10, "int4", Outcome.FAIL, id="int4-has-a-figure-of-its-own"),
            pytest.param([2.7] * 5, "int8", Outcome.PASS, id="the-fewest-pairs"),  # 0.5^5 = 0.031
            pytest.param([2.7] * 4, "int8", Outcome.INCONCLUSIVE, id="one-pair-too-few"),
            pytest.param([2.7] * 10, "fp32", None, id="no-figure-for-fp32"),
        ],
    )
    def test_the_median_of_pairs_is_judged_by_its_bounds(
        self, ratios: list[float], precision: str, outcome: Outcome | None
    ) -> None:
        found = judge_slo(pairs(*ratios), parse_targets(HELD, "ours"), precision)
        assert found[DECODE].outcome is outcome
        assert found["speedup.call"].outcome is None
        assert found["speedup.call"].rate == pytest.approx((found[DECODE].rate or 0) / 2)  # 50 r / 100 against r

    def test_a_small_model_is_measured_and_not_judged(self) -> None:
        held = parse_targets(HELD, "ours")
        small = pairs(*[1.0] * 10, parameters=199_999_999)
        assert judge_slo(small, held, "int8")[DECODE].outcome is None
        assert "200.0M parameters, and 2.67 is required from 200M on" in judge_slo(small, held, "int8")[DECODE].reason
        assert judge_slo(small, held, "fp32")[DECODE].reason == ""  # nobody requires it, whatever its size
        assert exempt_speedups(small, held) == {DECODE}
        assert exempt_speedups(pairs(1.0, parameters=200_000_000), held) == frozenset()
        assert exempt_speedups(pairs(1.0, parameters=None), held) == frozenset()  # unknown: judged

    def test_a_pair_whose_answer_is_one_token_has_no_decode(self) -> None:
        found = Slo(pairs=(Pair(10.0, None, 20.0, None), Pair(10.0, 1.0, 20.0, 3.0)))
        assert speedups(found.pairs, DECODE) == [3.0]
        assert speedups(found.pairs, "speedup.call") == [2.0, 2.0]


def test_a_speed_up_is_told_over_its_pairs_and_not_over_calls() -> None:
    missed = judge_slo(pairs(*[1.5] * 9), targets(f"{DECODE} >= 2"), "int8")[DECODE]
    assert slo_headline(missed).startswith("1.5 (1.5 to 1.5) over 9 pairs of calls: 1.50 times as fast")
    slow = judge_slo(calls(*[300.0] * 60), targets(f"{P95} <= 200"))[P95]
    assert slo_headline(slow).startswith("300.0 (300.0 to 300.0) over 60 calls: P95 300 ms")


def test_one_call_has_no_bounds_and_is_told_as_one() -> None:
    ends = {"p50_ci": [None, None], "p95_ci": [None, 7.0], "p99_ci": [None, None]}
    one = {"mean_ms": 7.0, "p50_ms": 7.0, "p95_ms": 7.0, "p99_ms": 7.0, **ends}
    latency = {"calls": 1, "prompts": 1, "wanted": 1, "warm_up": 1, "seconds": 60, **dict.fromkeys(LATENCIES)}
    table, *_ = slo_tables({"latency": {**latency, "latency": one}}, {})
    assert table.rows[0][-1] == "7 at most"
    assert table.notes[0].startswith("1 call of 1 prompt, one by one after 1 to warm up")


def test_a_percentile_that_answers_never_came_to_is_told_as_never_and_not_left_out() -> None:
    ends = {"p50_ci": [5.0, 8.0], "p95_ci": [7.0, None], "p99_ci": [None, None]}
    one = {"mean_ms": None, "p50_ms": 7.0, "p95_ms": 9.0, "p99_ms": None, **ends}  # of 100, two held no call
    latency = {"calls": 100, "prompts": 100, "wanted": 100, "warm_up": 1, "seconds": 60, **dict.fromkeys(LATENCIES)}
    table, *_ = slo_tables({"latency": {**latency, "first_call": one}}, {})
    assert table.rows == (("first whole call", "never", "7", "9", "never", "7 at least"),)


@pytest.mark.parametrize(
    ("per_hour", "shown"), [(1.2, "1.2"), (1_500_000.0, "1,500,000"), (12345.678, "12,345.678"), (1.5e-6, "1.5e-06")]
)
def test_a_price_is_told_as_it_was_given(per_hour: float, shown: str) -> None:
    cost = {"per_hour": per_hour, "currency": "IDR", "per_million_tokens": 2.0, "per_thousand_good_calls": 3.0}
    load = {"name": "batch 8", "rows": 8, "clients": 8, "tokens_per_s": None, "calls_per_s": None}
    table, *_ = slo_tables({"loads": [load], "cost": cost}, {})
    assert table.notes[-1].startswith(f"cost at batch 8, {shown} IDR an hour: 2 IDR a million new tokens")


def test_a_load_of_few_calls_says_that_its_rates_tell_little() -> None:
    rates = dict.fromkeys(("tokens_per_s", "calls_per_s", "good_per_s", "p50_ms", "p95_ms"), 9.0)
    steady = {"batch 1": 20, "batch 8": 19, "20 clients": 1, "open, 50%": 0, "open, 80%": 3}
    loads = [{"name": name, "clients": 1, "rows": 1, "steady_calls": many, **rates} for name, many in steady.items()]
    table, *_ = slo_tables({"loads": loads}, {})
    [note] = [note for note in table.notes if "steady" in note]
    assert note == "batch 8; 20 clients; open, 80%: of fewer than 20 calls in steady state, so these rates tell little"


def test_a_target_is_written_as_its_figure_is() -> None:
    gate = {"kind": "floor", "rate": 3307.4, "ci": [3122.0, 3492.0], "target": 1000, "outcome": "PASS"}
    table, *_ = slo_tables({"gates": {"slo.tokens_per_s": gate}}, {})
    assert table.rows == (("slo.tokens_per_s", "3,307", "3,122 to 3,492", ">= 1,000", "PASS"),)


def test_one_thread_of_one_core_is_told_as_one() -> None:
    found = {"speedup": {"pairs": 1, "baseline": "base", "decode": None, "call": None}, "runtime": {"threads": 1}}
    *_, notes = slo_tables(found, {"cpu": "Testium", "cores": 1})
    assert notes.notes == ("these figures hold on: Testium, 1 core, 1 thread",)


def test_never_is_infinite_and_no_number_in_json() -> None:
    assert not math.isfinite(
        max(call.first_call_ms or math.inf for call in calls(1.0, first_call_ms=None).latency.calls)
    )
