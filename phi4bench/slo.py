"""Service levels: timed calls and used memory held against their targets. Pure: no files, no models, no clock.

A percentile is judged by its bounds and not by its point: it passes where the upper one is within the target, fails
where the lower one is not, and is INCONCLUSIVE between, or where too few calls were timed for an upper bound to exist.
"""

from __future__ import annotations

import math
from dataclasses import replace

from phi4bench.counting import counted
from phi4bench.gates import GateResult, Outcome
from phi4bench.loads import BATCH, JUDGED, judge_loads, throughput
from phi4bench.measured import Latency, Slo, bounds_of, speedups, values_of, whole_rounds
from phi4bench.stats import Interval, fewest_for_quantile, quantile
from phi4bench.targets import (
    DISK_GATE,
    LATENCIES,
    LATENCY_GATES,
    PERCENTILES,
    SLO_GATES,
    SPEEDUP_GATES,
    THROUGHPUT_GATES,
    Targets,
)

GB = 1e9
UNTOLD = "nothing here tells it"


def judge_slo(found: Slo, targets: Targets, precision: str = "") -> dict[str, GateResult]:
    """Every figure that was measured, as a gate; those that no target names are only measured."""
    results = {}
    for name in LATENCIES if found.latency else ():
        assert found.latency is not None
        for percentile, share in PERCENTILES.items() if values_of(found.latency, name) else ():
            gate = f"slo.{name}_{percentile}_ms"
            figure = _figure(gate, targets, precision, found)
            results[gate] = _judge_percentile(gate, found.latency, name, share, figure, targets)
    if found.memory:
        amounts = {"slo.memory_gb": found.memory.peak_rss_bytes, "slo.gpu_memory_gb": found.memory.gpu_bytes}
        for gate, amount in amounts.items():
            if amount is not None:
                results[gate] = _judge_amount(gate, amount / GB, _figure(gate, targets, precision, found))
        results |= {gate: _left_open(results[gate], found) for gate in amounts if gate in results}
    if found.disk_bytes is not None:
        results[DISK_GATE] = _judge_amount(
            DISK_GATE, found.disk_bytes / GB, _figure(DISK_GATE, targets, precision, found)
        )
    for gate in SPEEDUP_GATES:
        if speedups(found.pairs, gate):
            results[gate] = _judge_speedup(gate, found, targets, precision)
    return results | judge_loads(found.loads, targets, precision, found.device)


def untold(found: Slo) -> dict[str, str]:
    """By gate, why there is no figure of what was asked for."""
    why = dict[str, str]()
    for name in LATENCIES if found.latency else ():
        assert found.latency is not None
        if not values_of(found.latency, name):
            why |= {f"slo.{name}_{percentile}_ms": UNTOLD for percentile in PERCENTILES}
    if found.memory and found.memory.gpu_bytes is None:
        why["slo.gpu_memory_gb"] = "the run was on a CPU" if found.device == "cpu" else UNTOLD
    why |= {gate: UNTOLD for gate in SPEEDUP_GATES if found.pairs and not speedups(found.pairs, gate)}
    load = next((load for load in found.loads if load.name == JUDGED), None)
    if load and throughput(load, 0.05) is None:
        why |= dict.fromkeys(THROUGHPUT_GATES, load.unsteady)
    return why | dict(found.missing)


def exempt_speedups(found: Slo | None, targets: Targets) -> frozenset[str]:
    """Gates on speed-ups whose target speaks of larger models only: then they are measured, and not judged."""
    if found is None or found.parameters is None:
        return frozenset()
    held = [targets.gate(name) for name in SPEEDUP_GATES]
    return frozenset(target.name for target in held if target and found.parameters < target.least_parameters)


def _judge_speedup(name: str, found: Slo, targets: Targets, precision: str) -> GateResult:
    """The median of the pairs' ratios, by its bounds: what else the machine does weighs on both halves of a pair."""
    ordered, figure = speedups(found.pairs, name), _figure(name, targets, precision, found)
    prompts = len(found.pairs) if found.pair_prompts is None else found.pair_prompts
    pairs, rounds = whole_rounds(found.pairs, prompts)
    ends, point = bounds_of(speedups(pairs, name), rounds, 0.5, targets.alpha), quantile(ordered, 0.5)
    outcome, reason = None, ""
    if figure is not None and name in exempt_speedups(found, targets):
        target = targets.gate(name)
        assert target is not None
        assert found.parameters is not None
        reason = (
            f"{found.parameters / 1e6:,.1f}M parameters, and {figure:g} is required from"
            f" {target.least_parameters / 1e6:,g}M on: measured only"
        )
        figure = None
    if figure is not None:
        fewest = fewest_for_quantile(0.5, targets.alpha)
        shown = f"{point:.2f} times as fast ({ends.low:.2f} to {ends.high:.2f})"
        if found.pairs_stopped:
            outcome, reason = Outcome.INCONCLUSIVE, _ended("pair", len(found.pairs), found.pairs_stopped)
        elif prompts < min(len(ordered), fewest):
            made = f"{counted(len(ordered), 'pair')} of calls"
            outcome = Outcome.INCONCLUSIVE
            reason = _too_few_prompts(made, prompts, "the median", fewest, targets.alpha)
        elif len(ordered) < fewest:
            outcome = Outcome.INCONCLUSIVE
            reason = (
                f"{counted(len(ordered), 'pair')} of calls {_were(len(ordered))} timed, but should be at least"
                f" {fewest}; give {_more_pairs(found)}"
            )
        elif ends.low >= figure:
            outcome = Outcome.PASS
        elif ends.high < figure:
            outcome, reason = Outcome.FAIL, f"{shown}, but should be at least {figure:g}"
        else:
            outcome = Outcome.INCONCLUSIVE
            more = _more_prompts(prompts, len(found.pairs)) or _more_pairs(found)
            reason = f"{shown} lies on both sides of {figure:g}; {more} would decide it"
    interval = ends if math.isfinite(ends.low) and math.isfinite(ends.high) else None
    count = len(ordered)
    return GateResult(name, 0, count, point, interval, figure, outcome, count, None, reason)


def _judge_amount(name: str, value: float, figure: float | None) -> GateResult:
    """A figure without chance in it: the most memory that one run took, or what lies on disk."""
    outcome, reason = None, ""
    if figure is not None:
        outcome = Outcome.PASS if value <= figure else Outcome.FAIL
        if outcome is Outcome.FAIL:
            reason = f"{value:.4g}, but should be at most {figure:g}"
    return GateResult(name, 0, 1, value, None, figure, outcome, 1, None, reason)


def _left_open(gate: GateResult, found: Slo) -> GateResult:
    """Where what was held is no answer: of a device, with other processes' in it, being beyond the target proves
    nothing; and without a batch that could not be served, being within it does not.
    """
    unserved = next(((name, why) for name, why in found.failed_loads.items() if name.startswith(BATCH)), None)
    reason = ""
    of_all = gate.name == "slo.gpu_memory_gb" and found.memory is not None and found.memory.gpu_by_all
    if gate.outcome is Outcome.FAIL and of_all:
        reason = f"{gate.reason}; it is of all processes on the device, since NVML does not list this one"
    elif gate.outcome is Outcome.PASS and unserved:
        reason = f"what {unserved[0]} takes is not known: {unserved[1]}"
    return replace(gate, outcome=Outcome.INCONCLUSIVE, reason=reason) if reason else gate


def _judge_percentile(
    name: str, timed: Latency, latency: str, share: float, figure: float | None, targets: Targets
) -> GateResult:
    """`latency`: one of `LATENCIES`, which applies to some call."""
    ordered = values_of(timed, latency)
    ends, point = timed.bounds(latency, share, targets.alpha), quantile(ordered, share)
    outcome, reason = None, ""
    if figure is not None:
        outcome, reason = _outcome(timed, len(ordered), point, ends, share, figure, targets)
    return GateResult(
        name=name,
        passed=0,
        total=len(ordered),
        rate=point if math.isfinite(point) else None,
        interval=ends if math.isfinite(ends.low) and math.isfinite(ends.high) else None,
        target=figure,
        outcome=outcome,
        groups=len(ordered),
        reason=reason,
    )


def _outcome(
    timed: Latency, count: int, point: float, ends: Interval, share: float, figure: float, targets: Targets
) -> tuple[Outcome, str]:
    what, fewest = f"P{100 * share:g}", fewest_for_quantile(share, targets.alpha)
    if timed.stopped:
        return Outcome.INCONCLUSIVE, _ended("call", len(timed.calls), timed.stopped)
    if ends.low > figure:
        return Outcome.FAIL, f"{what} {_ms(point)} (at least {_ms(ends.low)}), but should be at most {figure:g} ms"
    if timed.different < min(count, fewest):
        return Outcome.INCONCLUSIVE, _too_few_prompts(
            counted(count, "call"), timed.different, what, fewest, targets.alpha
        )
    if count < fewest:
        return Outcome.INCONCLUSIVE, (
            f"{counted(count, 'call')} {_were(count)} timed, but a bound on {what} at {100 * (1 - targets.alpha):g}%"
            f" takes at least {fewest}; give {_more_calls(timed)}"
        )
    if ends.high <= figure:
        return Outcome.PASS, ""
    return Outcome.INCONCLUSIVE, (
        f"{what} {_ms(point)} ({_ms(ends.low)} to {_ms(ends.high)}) lies on both sides of {figure:g} ms;"
        f" {_more_prompts(timed.different, len(timed.calls)) or _more_calls(timed)} would decide it"
    )


def _ended(what: str, count: int, stopped: str) -> str:
    return f"{counted(count, what)} {_were(count)} timed, and then: {stopped}"


def _too_few_prompts(made: str, prompts: int, what: str, fewest: int, alpha: float) -> str:
    return (
        f"{made} had {counted(prompts, 'different prompt')}, but a bound on {what} at"
        f" {100 * (1 - alpha):g}% takes at least {fewest}: give {fewest} cases that expect a call (--cases,"
        " --limit), for a prompt that is sent again tells nothing of others"
    )


def _more_prompts(prompts: int, calls: int) -> str:
    """What would make the bounds narrower where prompts were sent again; empty where none was."""
    return "more cases that expect a call (--cases, --limit)" if prompts < calls else ""


def _more_calls(timed: Latency) -> str:
    """What would make more of them: they ended by the time or by their number."""
    short = len(timed.calls) < timed.calls_wanted
    return "more time (--slo-seconds)" if short else "more calls (--slo-calls)"


def _more_pairs(found: Slo) -> str:
    short = found.pairs_wanted is not None and len(found.pairs) < found.pairs_wanted
    return "more time (--slo-seconds)" if short else "more pairs of calls (--slo-pairs)"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _ms(value: float) -> str:
    return f"{value:.4g} ms" if math.isfinite(value) else "never"


def _figure(name: str, targets: Targets, precision: str, found: Slo) -> float | None:
    target = targets.gate(name)
    return target.figure(precision, found.device) if target else None


assert set(LATENCY_GATES) <= set(SLO_GATES)
