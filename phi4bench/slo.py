"""Service levels: timed calls and used memory held against their targets. Pure: no files, no models, no clock.

A percentile is judged by its bounds and not by its point: it passes where the upper one is within the target, fails
where the lower one is not, and is INCONCLUSIVE between, or where too few calls were timed for an upper bound to exist.
The bounds take calls of different prompts for independent draws, which on a machine with other work they are not quite;
of a prompt that is sent again they expect nothing new.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from phi4bench.counting import counted
from phi4bench.gates import GateResult, Outcome
from phi4bench.loads import JUDGED, Load, judge_loads, loads_from_json
from phi4bench.stats import Interval, fewest_for_quantile, quantile, quantile_interval
from phi4bench.targets import LATENCIES, LATENCY_GATES, PERCENTILES, SLO_GATES, SPEEDUP_GATES, Targets

Timed = TypeVar("Timed")
GB = 1e9


@dataclass(frozen=True)
class TimedCall:
    """One call, in milliseconds since it was handed over. `token_ms`: the mean time of each token after the first.

    `first_call_ms`: until a whole call could be read; `None` where the answer holds none.
    Other times are `None` where the backend cannot tell them, or there is no such token.
    """

    total_ms: float
    first_token_ms: float | None
    token_ms: float | None
    first_call_ms: float | None
    tokens: int


@dataclass(frozen=True)
class Latency:
    """Calls that were timed one after the other. `warm_up`: how many were run before and not timed.

    `calls_wanted`: more than there are where the time given was over first. `prompts`: how many different ones the
    calls had; `None`: as many as there are calls. `stopped`: the error that ended them; they decide nothing then, for
    what it left out may be the slowest.
    """

    calls: tuple[TimedCall, ...]
    warm_up: int
    calls_wanted: int
    seconds: float
    prompts: int | None = None
    stopped: str = ""

    @property
    def different(self) -> int:
        """Calls that had a prompt of their own: a prompt that is sent again is no new draw from all prompts."""
        return len(self.calls) if self.prompts is None else self.prompts

    def bounds(self, name: str, share: float, alpha: float) -> Interval:
        """Of one of `LATENCIES`, over its whole rounds."""
        calls, rounds = whole_rounds(self.calls, self.different)
        return _bounds(values_of(replace(self, calls=tuple(calls)), name), rounds, share, alpha)


@dataclass(frozen=True)
class Memory:
    """The most that the process held. `gpu_bytes`: on the device; `None` without one that can be asked.

    `gpu_by_all`: that is of all processes on the device together, since this one's alone is not known.
    `gpu_utilisation`: of the time of calls one by one; `gpu_load_utilisation`: of the load that gates speak of.
    """

    peak_rss_bytes: int
    gpu_bytes: int | None = None
    gpu_utilisation: float | None = None
    gpu_by_all: bool = False
    gpu_load_utilisation: float | None = None


@dataclass(frozen=True)
class Pair:
    """One prompt by both, one right after the other: a whole call, and each token after the first (`None`: none)."""

    call_ms: float
    token_ms: float | None
    baseline_call_ms: float
    baseline_token_ms: float | None


@dataclass(frozen=True)
class Spread:
    """How one latency is distributed. An answer that never came to it (`None` in a call) counts as infinitely late."""

    count: int
    mean: float
    points: Mapping[str, float]
    intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class Slo:
    """All that was measured of one artifact. `missing`: by what was not measured, why.

    `pairs_wanted`, and the different prompts that the pairs had: `None` where a run does not say. `pairs_stopped`: as
    `Latency.stopped`. `parameters`: of the model; `None` where its files do not say.
    """

    latency: Latency | None = None
    memory: Memory | None = None
    pairs: tuple[Pair, ...] = ()
    pairs_wanted: int | None = None
    pair_prompts: int | None = None
    pairs_stopped: str = ""
    parameters: int | None = None
    loads: tuple[Load, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"


def values_of(latency: Latency, name: str) -> list[float]:
    """One of `LATENCIES` over all calls, sorted. Calls to which it does not apply are left out."""
    if name == "latency":
        return sorted(call.total_ms for call in latency.calls)
    if name == "first_call":
        known = any(call.first_token_ms is not None for call in latency.calls)
        return sorted(_or_never(call.first_call_ms) for call in latency.calls) if known else []
    times = [call.first_token_ms if name == "first_token" else call.token_ms for call in latency.calls]
    return sorted(time for time in times if time is not None)


def whole_rounds(calls: Sequence[Timed], prompts: int) -> tuple[Sequence[Timed], int]:
    """Calls in which each of so many different prompts was sent as often as any other, and how often that was.

    Prompts are sent in turn and begun again, so that what is left out is a last round that was not finished.
    """
    if not 0 < prompts < len(calls):
        return calls, 1
    rounds = len(calls) // prompts
    return calls[: rounds * prompts], rounds


def _bounds(ordered: Sequence[float], rounds: int, share: float, alpha: float) -> Interval:
    """Of a quantile, by as many draws as there are prompts: one that is sent again tells nothing of others."""
    return quantile_interval(ordered, share, alpha, math.ceil(len(ordered) / rounds))


def spread(latency: Latency, name: str, alpha: float) -> Spread | None:
    """Of one of `LATENCIES`; `None` where it applies to no call."""
    ordered = values_of(latency, name)
    if not ordered:
        return None
    return Spread(
        len(ordered),
        math.fsum(ordered) / len(ordered) if math.isfinite(ordered[-1]) else math.inf,
        {name: quantile(ordered, share) for name, share in PERCENTILES.items()},
        {percentile: latency.bounds(name, share, alpha) for percentile, share in PERCENTILES.items()},
    )


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
                results[gate] = judge_amount(gate, amount / GB, _figure(gate, targets, precision, found), targets)
        if found.memory.gpu_by_all and "slo.gpu_memory_gb" in results:
            results["slo.gpu_memory_gb"] = _left_open(results["slo.gpu_memory_gb"])
    for gate in SPEEDUP_GATES:
        if speedups(found.pairs, gate):
            results[gate] = _judge_speedup(gate, found, targets, precision)
    return results | judge_loads(found.loads, targets, precision, found.device)


def speedups(pairs: Sequence[Pair], name: str) -> list[float]:
    """How many times as fast as the baseline, of each pair, sorted. `name`: one of `SPEEDUP_GATES`."""
    if name == "speedup.call":
        return sorted(pair.baseline_call_ms / pair.call_ms for pair in pairs if pair.call_ms > 0)
    both = [(pair.baseline_token_ms, pair.token_ms) for pair in pairs]
    return sorted(before / after for before, after in both if before and after)


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
    ends, point = _bounds(speedups(pairs, name), rounds, 0.5, targets.alpha), quantile(ordered, 0.5)
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
        elif len(ordered) < fewest:
            outcome = Outcome.INCONCLUSIVE
            reason = (
                f"{counted(len(ordered), 'pair')} of calls {_were(len(ordered))} timed, but should be at least"
                f" {fewest}; give {_more_pairs(found)}"
            )
        elif prompts < fewest:
            outcome, reason = (
                Outcome.INCONCLUSIVE,
                _too_few_prompts(len(ordered), prompts, "the median", fewest, targets),
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
    return GateResult(name, 0, count, point, interval, figure, outcome, count, None, figure is not None, reason)


def judge_amount(name: str, value: float, figure: float | None, targets: Targets) -> GateResult:
    """A figure without chance in it: the most memory that one run took."""
    outcome, reason = None, ""
    if figure is not None:
        target = targets.gate(name)
        floor = target is not None and target.kind == "floor"
        outcome = Outcome.PASS if (value >= figure if floor else value <= figure) else Outcome.FAIL
        if outcome is Outcome.FAIL:
            reason = f"{value:.4g}, but should be at {'least' if floor else 'most'} {figure:g}"
    return GateResult(name, 0, 1, value, None, figure, outcome, 1, None, figure is not None, reason)


def _left_open(gate: GateResult) -> GateResult:
    """Of memory with other processes' in it: within the target it holds all the more, beyond it proves nothing."""
    if gate.outcome is not Outcome.FAIL:
        return gate
    reason = f"{gate.reason}; it is of all processes on the device, since NVML does not list this one"
    return replace(gate, outcome=Outcome.INCONCLUSIVE, reason=reason)


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
        required=figure is not None,
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
    if count < fewest:
        return Outcome.INCONCLUSIVE, (
            f"{counted(count, 'call')} {_were(count)} timed, but a bound on {what} at {100 * (1 - targets.alpha):g}%"
            f" takes at least {fewest}; give {_more_calls(timed)}"
        )
    if timed.different < fewest:
        return Outcome.INCONCLUSIVE, _too_few_prompts(count, timed.different, what, fewest, targets)
    if ends.high <= figure:
        return Outcome.PASS, ""
    return Outcome.INCONCLUSIVE, (
        f"{what} {_ms(point)} ({_ms(ends.low)} to {_ms(ends.high)}) lies on both sides of {figure:g} ms;"
        f" {_more_prompts(timed.different, len(timed.calls)) or _more_calls(timed)} would decide it"
    )


def _ended(what: str, count: int, stopped: str) -> str:
    return f"{counted(count, what)} {_were(count)} timed, and then: {stopped}"


def _too_few_prompts(count: int, prompts: int, what: str, fewest: int, targets: Targets) -> str:
    return (
        f"{count:,} calls had {counted(prompts, 'different prompt')}, but a bound on {what} at"
        f" {100 * (1 - targets.alpha):g}% takes at least {fewest}: give {fewest} cases that expect a call (--cases,"
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


def _or_never(value: float | None) -> float:
    return math.inf if value is None else value


def slo_from_json(data: Mapping[str, Any]) -> Slo:
    """What the runs layer stored of a measurement."""
    timed, loads = data.get("latency"), loads_from_json(data.get("loads") or ())
    return Slo(
        latency=Latency(
            tuple(TimedCall(*call) for call in timed["calls"]),
            timed["warm_up"],
            timed["wanted"],
            timed["seconds"],
            timed.get("prompts", _fewer(data.get("calls_from"), len(timed["calls"]))),
            str(timed.get("stopped", "")),
        )
        if timed
        else None,
        memory=_memory(data.get("memory"), loads),
        pairs=tuple(Pair(*pair) for pair in data.get("pairs") or ()),
        pairs_wanted=data.get("pairs_wanted"),
        pairs_stopped=str(data.get("pairs_stopped", "")),
        pair_prompts=data.get("pair_prompts", _fewer(data.get("calls_from"), len(data.get("pairs") or ()))),
        parameters=data.get("parameters"),
        loads=loads,
        missing=dict(data.get("missing") or {}),
        device=str(data.get("device", "cpu")),
    )


def _memory(told: Mapping[str, Any] | None, loads: Sequence[Load]) -> Memory | None:
    """The GPU's is the most of calls one by one and in batches: with rows for the most calls a second it is larger."""
    if not told:
        return None
    alone = Memory(
        told["peak_rss_bytes"], told.get("gpu_bytes"), told.get("gpu_utilisation"), bool(told.get("gpu_by_all"))
    )
    parts: list[Memory | Load] = [alone, *(load for load in loads if load.name.startswith("batch "))]
    fullest = max(parts, key=lambda part: part.gpu_bytes or 0)
    busy = next((load.gpu_utilisation for load in loads if load.name == JUDGED), None)
    return replace(alone, gpu_bytes=fullest.gpu_bytes, gpu_by_all=fullest.gpu_by_all, gpu_load_utilisation=busy)


def _fewer(cases: int | None, calls: int) -> int | None:
    """The different prompts of a run that stored only of how many cases its calls were."""
    return None if cases is None else min(cases, calls)


assert set(LATENCY_GATES) <= set(SLO_GATES)
