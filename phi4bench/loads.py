"""Many calls at once: tokens, calls and right calls a second, what they cost, and gates on them. Pure arithmetic.

Only the steady part counts: the first answers, while rows fill, and the last, while they empty, are left out. The rest
is cut into spans of equal time, and their rates give the interval by Student's t. Source: the method of batch means;
Law, Simulation Modeling and Analysis, 5th ed., section 9.5.3. Neighbouring spans are taken for independent. Where few
calls are good ones, most spans hold none and tell little of how many more there may be: the interval does not end below
the largest share that leaves so few of these calls a chance of alpha.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from phi4bench.counting import counted
from phi4bench.gates import GateResult, Outcome
from phi4bench.stats import Interval, largest_share, mean_interval, quantile
from phi4bench.targets import Price, Targets

SPANS = 10
FEWEST = 2 * SPANS
"""Steady calls below which no interval is given."""
BATCH = "batch "
"""What the names of loads begin with for which the runtime was set up to hold just so many calls."""
JUDGED = f"{BATCH}8"
"""The load that gates on throughput speak of."""
RATES = {"slo.tokens_per_s": "tokens", "slo.calls_per_s": "calls", "slo.goodput_per_s": "good"}


@dataclass(frozen=True)
class ServedCall:
    """One call under load, in seconds since it began. `right`: every argument of every call is the one wanted."""

    arrived_s: float
    finished_s: float
    tokens: int
    right: bool

    @property
    def latency_ms(self) -> float:
        return (self.finished_s - self.arrived_s) * 1e3


@dataclass(frozen=True)
class Load:
    """`clients`: calls under way at any time; 0 where they come by themselves, `rate` a second.

    `rows`: how many the runtime works on at once; `None` where it does not say. `stopped_s`: when the last call began.
    `peak_rss_bytes`, `gpu_...`: as in `measured.Memory`, up to its end and while it was served.
    `wanted`: calls that it was to end with, more than there are where its time was over first; `None`: not stored.
    `notes`: what the backend had to say of how it ran.
    """

    name: str
    clients: int
    rate: float | None
    rows: int | None
    stopped_s: float
    calls: tuple[ServedCall, ...]
    gpu_bytes: int | None = None
    gpu_by_all: bool = False
    gpu_utilisation: float | None = None
    wanted: int | None = None
    prompts: int | None = None
    notes: tuple[str, ...] = ()
    peak_rss_bytes: int | None = None

    @property
    def more(self) -> str:
        """What would make it longer: it ended by its time or by the number of its calls."""
        if self.wanted is None:
            return "more calls (--slo-calls) or more time (--slo-seconds)"
        return "more time (--slo-seconds)" if len(self.calls) < self.wanted else "more calls (--slo-calls)"

    @property
    def unsteady(self) -> str:
        """Why it has no figures, where `throughput` finds none."""
        return f"none of its {counted(len(self.calls), 'call')} was served in steady state; give {self.more}"


@dataclass(frozen=True)
class Throughput:
    """Of the steady part of a load. `rates` a second and their `intervals`, by `tokens`, `calls` and `good`.

    `good`: right, and within the latency that the targets allow, where they name one. No interval of too few calls.
    """

    calls: int
    right: int
    seconds: float
    rates: Mapping[str, float]
    intervals: Mapping[str, Interval]
    p50_ms: float
    p95_ms: float


def throughput(load: Load, alpha: float, limit_ms: float | None = None) -> Throughput | None:
    """`None` where nothing was steady."""
    ordered = sorted(load.calls, key=lambda call: call.finished_s)
    first = max(load.clients, 5)
    steady = [call for call in ordered[first:] if call.finished_s <= load.stopped_s]
    if not steady:
        return None
    began = ordered[first - 1].finished_s
    seconds = steady[-1].finished_s - began
    if seconds <= 0.0:
        return None
    weights = {
        "tokens": [float(call.tokens) for call in steady],
        "calls": [1.0] * len(steady),
        "good": [float(call.right and (limit_ms is None or call.latency_ms <= limit_ms)) for call in steady],
    }
    places = [min(SPANS - 1, int(SPANS * (call.finished_s - began) / seconds)) for call in steady]
    intervals = {}
    for name, amounts in weights.items() if len(steady) >= FEWEST else ():
        sums = [0.0] * SPANS
        for place, amount in zip(places, amounts, strict=True):
            sums[place] += amount * SPANS / seconds
        ends = mean_interval(sums, alpha)
        assert ends is not None
        intervals[name] = Interval(max(0.0, ends.low), ends.high)
    if intervals:
        most = largest_share(int(sum(weights["good"])), len(steady), alpha) * len(steady) / seconds
        intervals["good"] = replace(intervals["good"], high=max(intervals["good"].high, most))
    late = sorted(call.latency_ms for call in steady)
    return Throughput(
        len(steady),
        sum(call.right for call in steady),
        seconds,
        {name: sum(amounts) / seconds for name, amounts in weights.items()},
        intervals,
        quantile(late, 0.5),
        quantile(late, 0.95),
    )


def latency_limit(targets: Targets, precision: str, device: str) -> float | None:
    """Within what a right call has to come to be a good one: the latency that the targets require at P95."""
    target = targets.gate("slo.latency_p95_ms")
    return target.figure(precision, device) if target else None


def judge_loads(loads: Sequence[Load], targets: Targets, precision: str, device: str) -> dict[str, GateResult]:
    """Tokens, calls and good calls a second at `JUDGED`, each by its interval."""
    load = next((one for one in loads if one.name == JUDGED), None)
    if load is None:
        return {}
    found = throughput(load, targets.alpha, latency_limit(targets, precision, device))
    results = {}
    for gate, name in RATES.items():
        target = targets.gate(gate)
        figure = target.figure(precision, device) if target else None
        outcome, reason = None, ""
        if found is None:
            if figure is not None:
                results[gate] = GateResult(gate, 0, 0, None, None, figure, Outcome.INCONCLUSIVE, 0, None, load.unsteady)
            continue
        if figure is not None:
            outcome, reason = _outcome(found, name, figure, load.more)
        results[gate] = GateResult(
            name=gate,
            passed=0,
            total=found.calls,
            rate=found.rates[name],
            interval=found.intervals.get(name),
            target=figure,
            outcome=outcome,
            groups=found.calls,
            reason=reason,
        )
    return results


def costs(found: Throughput, price: Price | None) -> dict[str, float | str | None]:
    """What a million new tokens and a thousand correct and good calls cost, or `missing`: why that cannot be said.

    A call is good that is correct and comes in time.
    """
    if price is None:
        return {"missing": "the targets name no price: [price] per_hour = 1.20 in a targets file gives one"}
    if price.per_hour == 0.0:
        return {"missing": f"the price per hour in {price.file} is 0, so no cost can be said"}

    def cost(rate: float, amount: float) -> float | None:
        return price.per_hour / 3600.0 * amount / rate if rate > 0.0 else None

    return {
        "currency": price.currency,
        "per_hour": price.per_hour,
        "per_million_tokens": cost(found.rates["tokens"], 1e6),
        "per_thousand_correct_calls": cost(found.right / found.seconds, 1e3),
        "per_thousand_good_calls": cost(found.rates["good"], 1e3),
    }


def loads_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Load, ...]:
    """What the runs layer stored."""
    return tuple(
        Load(
            **{
                **one,
                "calls": tuple(ServedCall(*call) for call in one["calls"]),
                "notes": tuple(one.get("notes", ())),
            }
        )
        for one in data
    )


def _outcome(found: Throughput, name: str, figure: float, more: str) -> tuple[Outcome, str]:
    ends = found.intervals.get(name)
    if ends is None:
        return Outcome.INCONCLUSIVE, (
            f"{found.calls} calls were served in steady state, but should be at least {FEWEST}; give {more}"
        )
    shown = f"{found.rates[name]:.4g} a second ({ends.low:.4g} to {ends.high:.4g})"
    if ends.low >= figure:
        return Outcome.PASS, ""
    if ends.high < figure:
        return Outcome.FAIL, f"{shown}, but should be at least {figure:,g}"
    return Outcome.INCONCLUSIVE, f"{shown} lies on both sides of {figure:,g}; {more} would decide it"
