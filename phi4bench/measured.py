"""What was measured of an artifact's speed and memory, as a run stores it. Pure: no files, no models, no clock.

Bounds take calls of different prompts for independent draws, which on a machine with other work they are not quite; of
a prompt that is sent again they expect nothing new.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from phi4bench.loads import BATCH, JUDGED, Load, loads_from_json
from phi4bench.stats import Interval, mean_interval, quantile, quantile_interval
from phi4bench.targets import PERCENTILES

Timed = TypeVar("Timed")


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
        """Of a quantile of one of `LATENCIES`, over its whole rounds."""
        ordered, rounds = self._whole(name)
        return bounds_of(ordered, rounds, share, alpha)

    def mean_bounds(self, name: str, alpha: float) -> Interval | None:
        """Of the mean of one of `LATENCIES`, over its whole rounds; `None` where that is infinite or of one prompt."""
        ordered, rounds = self._whole(name)
        if not ordered or not math.isfinite(ordered[-1]):
            return None
        return mean_interval(ordered, alpha, math.ceil(len(ordered) / rounds))

    def _whole(self, name: str) -> tuple[list[float], int]:
        calls, rounds = whole_rounds(self.calls, self.different)
        return values_of(replace(self, calls=tuple(calls)), name), rounds


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
    """How one latency is distributed. An answer that never came to it (`None` in a call) counts as infinitely late.

    `mean_interval`: `None` for fewer than two prompts, and where the mean is infinite.
    """

    count: int
    mean: float
    mean_interval: Interval | None
    points: Mapping[str, float]
    intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class Slo:
    """All that was measured of one artifact. `missing`: by what was not measured, why; `failed_loads`: by load.

    `pairs_wanted`, and the different prompts that the pairs had: `None` where a run does not say. `pairs_stopped`: as
    `Latency.stopped`. `parameters`: of the model; `None` where its files do not say. `disk_bytes`: of its files.
    """

    latency: Latency | None = None
    memory: Memory | None = None
    pairs: tuple[Pair, ...] = ()
    pairs_wanted: int | None = None
    pair_prompts: int | None = None
    pairs_stopped: str = ""
    parameters: int | None = None
    loads: tuple[Load, ...] = ()
    failed_loads: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    disk_bytes: int | None = None


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


def bounds_of(ordered: Sequence[float], rounds: int, share: float, alpha: float) -> Interval:
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
        latency.mean_bounds(name, alpha),
        {name: quantile(ordered, share) for name, share in PERCENTILES.items()},
        {percentile: latency.bounds(name, share, alpha) for percentile, share in PERCENTILES.items()},
    )


def speedups(pairs: Sequence[Pair], name: str) -> list[float]:
    """How many times as fast as the baseline, of each pair, sorted. `name`: one of `SPEEDUP_GATES`."""
    if name == "speedup.call":
        return sorted(pair.baseline_call_ms / pair.call_ms for pair in pairs if pair.call_ms > 0)
    both = [(pair.baseline_token_ms, pair.token_ms) for pair in pairs]
    return sorted(before / after for before, after in both if before and after)


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
        failed_loads=dict(data.get("failed_loads") or {}),
        missing=dict(data.get("missing") or {}),
        device=str(data.get("device", "cpu")),
        disk_bytes=data.get("disk_bytes"),
    )


def _memory(told: Mapping[str, Any] | None, loads: Sequence[Load]) -> Memory | None:
    """The most of calls one by one and in batches: with rows for the most calls a second it is larger."""
    if not told:
        return None
    alone = Memory(
        told["peak_rss_bytes"], told.get("gpu_bytes"), told.get("gpu_utilisation"), bool(told.get("gpu_by_all"))
    )
    batches = [load for load in loads if load.name.startswith(BATCH)]
    parts: list[Memory | Load] = [alone, *batches]
    most = max([alone.peak_rss_bytes, *(load.peak_rss_bytes or 0 for load in batches)])
    fullest = max(parts, key=lambda part: part.gpu_bytes or 0)
    busy = next((load.gpu_utilisation for load in loads if load.name == JUDGED), None)
    return Memory(most, fullest.gpu_bytes, alone.gpu_utilisation, fullest.gpu_by_all, busy)


def _fewer(cases: int | None, calls: int) -> int | None:
    """The different prompts of a run that stored only of how many cases its calls were."""
    return None if cases is None else min(cases, calls)


def _or_never(value: float | None) -> float:
    return math.inf if value is None else value
