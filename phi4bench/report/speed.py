"""Speed and memory in a report: the figures as data, and the same few tables for every kind of page. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi4bench.counting import counted, each_once
from phi4bench.gates import GateResult, Outcome
from phi4bench.loads import BATCH, FEWEST, JUDGED, costs, latency_limit, throughput
from phi4bench.measured import Spread, spread
from phi4bench.report.wording import percent, size
from phi4bench.run.judgement import Judgement
from phi4bench.stats import Interval
from phi4bench.targets import LATENCIES, LATENCY_GATES, PERCENTILES, SPEEDUP_GATES

LABELS = {
    "latency": "whole answer",
    "first_token": "first token",
    "token": "each further token",
    "first_call": "first whole call",
}


@dataclass(frozen=True)
class Table:
    """`heads` and `rows`: cells as text, the first of each a name. `notes`: lines that belong to it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def crashes(judgement: Judgement) -> list[str]:
    """How the artifact broke while it was timed, each time; where targets ask for speed, there is no judgement then."""
    return [str(how) for how in (judgement.run.facts.get("slo") or {}).get("crashed") or ()]


def slo_figures(judgement: Judgement) -> dict[str, Any]:
    """`slo` of report.json; empty where nothing was asked. Infinite times (an answer without a call) are null."""
    found, stored = judgement.slo, judgement.run.facts.get("slo") or {}
    if found is None:
        return {}
    figures: dict[str, Any] = {
        "device": judgement.device,
        "runtime": dict(stored.get("runtime") or stored.get("load_runtime") or {}),
        "load": stored.get("load"),
        "missing": dict(found.missing),
        "crashed": crashes(judgement),
    }
    if found.latency:
        timed = found.latency
        figures["latency"] = {
            "calls": len(timed.calls),
            "prompts": timed.different,
            "wanted": timed.calls_wanted,
            "warm_up": timed.warm_up,
            "seconds": timed.seconds,
            "stopped": timed.stopped or None,
            **{name: _spread(spread(timed, name, judgement.targets.alpha)) for name in LATENCIES},
        }
    if found.pairs:
        figures["speedup"] = {
            "baseline": stored.get("baseline"),
            "baseline_notes": list(stored.get("baseline_notes") or ()),
            "pairs": len(found.pairs),
            "wanted": found.pairs_wanted,
            "prompts": found.pair_prompts,
            "stopped": found.pairs_stopped or None,
            **{name.removeprefix("speedup."): _ratio(judgement, name) for name in SPEEDUP_GATES},
        }
    if found.loads:
        figures |= _load_figures(judgement) | {"failed_loads": dict(stored.get("failed_loads") or {})}
    if found.memory:
        figures["memory"] = {
            "peak_rss_bytes": found.memory.peak_rss_bytes,
            "gpu_bytes": found.memory.gpu_bytes,
            "gpu_by_all": found.memory.gpu_by_all,
            "gpu_utilisation": found.memory.gpu_utilisation,
            "gpu_load_utilisation": found.memory.gpu_load_utilisation,
        }
    if found.disk_bytes is not None:
        figures["disk_bytes"] = found.disk_bytes
    figures["gates"] = {
        name: _gate(gate, _kind(judgement, name)) for name, gate in judgement.slo_gates.items() if gate.outcome
    }
    for name, gate in figures["gates"].items():
        if name in LATENCY_GATES:  # also where one end is open, which a gate's interval cannot be
            latency, _, percentile = name.removeprefix("slo.").removesuffix("_ms").rpartition("_")
            gate["ci"] = figures["latency"][latency][f"{percentile}_ci"]
    return figures


def slo_headline(gate: GateResult) -> str:
    """One figure with its bounds, and for a miss what it should be."""
    line = _number(gate.rate) + (f" ({_ends(_both(gate.interval))})" if gate.interval else "")
    what = "pairs of calls" if gate.name in SPEEDUP_GATES else "calls"
    line += f" over {gate.total:,} {what}" if gate.total > 1 else ""
    return f"{line}: {gate.reason}" if gate.outcome is Outcome.FAIL else line


def slo_tables(figures: Mapping[str, Any], machine: Mapping[str, Any]) -> list[Table]:
    """What `slo_figures` gave, for people; nothing where nothing was measured."""
    tables = [*_latency(figures), *_speedup(figures), *_loads(figures), *_gates(figures)]
    notes = list(_notes(figures, machine)) if tables or figures.get("missing") else []
    return [*tables, Table((), (), tuple(notes))] if notes else tables


def _latency(figures: Mapping[str, Any]) -> Iterator[Table]:
    timed = figures.get("latency")
    if not timed:
        return
    rows = []
    for name, label in LABELS.items():
        one = timed.get(name)
        if one:
            points = [one["mean_ms"], *(one[f"{point}_ms"] for point in PERCENTILES)]
            cells = ["never" if point is None else _number(point) for point in points]
            rows.append((label, *cells, _ends(one["p95_ci"])))
    note = f"{counted(timed['calls'], 'call')}{_of_prompts(timed)}, one by one after {timed['warm_up']} to warm up"
    note += "; prompts read whole, no cache"
    if timed.get("stopped") or timed["calls"] < timed["wanted"]:
        why = timed.get("stopped") or f"{timed['seconds']:g} s were over"
        note += f"; {timed['wanted']:,} were wanted, but {why}"
    yield Table(("ms a call", "mean", "P50", "P95", "P99", "P95 bounds"), tuple(rows), (note,))


def _speedup(figures: Mapping[str, Any]) -> Iterator[Table]:
    found = figures.get("speedup")
    if not found:
        return
    labels = {"decode": "tokens after the first", "call": "whole calls"}
    rows = [
        (label, f"{_number(one['ratio'])}x", _ends(one["ci"]), one["reason"])
        for name, label in labels.items()
        if (one := found[name])
    ]
    made = f"{counted(found['pairs'], 'pair')} of calls{_of_prompts(found)}"
    note = f"medians of {made}, each by both in turn (A B, B A, ...)"
    note += f"; {found['wanted']:,} were wanted, but {found['stopped']}" if found.get("stopped") else ""
    notes = [note, *(f"{label}: {reason}" for label, _, _, reason in rows if reason)]
    notes += [f"{found['baseline']}: {said}" for said in found.get("baseline_notes", ())]
    heads = (f"against {found['baseline']}", "speed-up", "bounds")
    yield Table(heads, tuple(row[:3] for row in rows), tuple(notes))


def _of_prompts(made: Mapping[str, Any]) -> str:
    """Of how many different ones; empty where a report does not say."""
    return f" of {counted(made['prompts'], 'prompt')}" if made.get("prompts") is not None else ""


def _loads(figures: Mapping[str, Any]) -> Iterator[Table]:
    loads = figures.get("loads")
    if not loads:
        return
    rows = []
    served = {load["name"]: load["calls_per_s"] for load in loads}
    for load in loads:
        least = served.get(f"{BATCH}1" if load["name"].startswith(BATCH) else "1 client")
        times = f"{load['calls_per_s'] / least:.2f}" if least and load["calls_per_s"] and load["clients"] else "-"
        rates = [_number(load[name]) for name in ("tokens_per_s", "calls_per_s")]
        late = [_number(load.get(name)) for name in ("p50_ms", "p95_ms", "good_per_s")]
        rows.append((load["name"], "-" if load["rows"] is None else str(load["rows"]), *rates, times, *late))
    limit = figures.get("good_within_ms")
    within = f", within {limit:g} ms" if limit is not None else "; the targets name no latency to be within"
    notes = [f"good: wholly right{within}", "batch: so many at once; clients: each waits for its answer; open: Poisson"]
    notes.append(f"times: calls/s beside those of {BATCH}1, or of 1 client")
    notes.append("a beginning that prompts share, such as the tools, is read once here; one by one, each time")
    notes += [
        f"{load['name']}: {said}" for load in loads for said in (load.get("reason"), *load.get("notes", ())) if said
    ]
    few = [load["name"] for load in loads if 0 < (load.get("steady_calls") or 0) < FEWEST]
    if few:
        notes.append(f"{'; '.join(few)}: of fewer than {FEWEST} calls in steady state, so these rates tell little")
    notes += [f"{name}: not measured: {why}" for name, why in (figures.get("failed_loads") or {}).items()]
    cost = figures.get("cost") or {}
    if "missing" in cost:
        notes.append(f"no cost: {cost['missing']}")
    elif cost:
        each = [
            f"{_number(cost[name])} {cost['currency']} {what}"
            for name, what in (
                ("per_million_tokens", "a million new tokens"),
                ("per_thousand_correct_calls", "for 1,000 correct calls"),
                ("per_thousand_good_calls", "for 1,000 good ones"),
            )
            if cost.get(name) is not None
        ]
        each += ["no call was good, so 1,000 good ones have no cost"] if cost["per_thousand_good_calls"] is None else []
        notes.append(f"cost at {JUDGED}, {cost['per_hour']:,.10g} {cost['currency']} an hour: {', '.join(each)}")
    heads = ("under load", "rows", "tokens/s", "calls/s", "times", "P50 ms", "P95 ms", "good/s")
    yield Table(heads, tuple(rows), tuple(notes))


def _gates(figures: Mapping[str, Any]) -> Iterator[Table]:
    rows = []
    for name, gate in (figures.get("gates") or {}).items():
        target = f"{'>=' if gate['kind'] == 'floor' else '<='} {gate['target']:,g}"
        rows.append((name, _number(gate["rate"]), _ends(gate["ci"]), target, gate["outcome"]))
    if rows:
        yield Table(("required", "figure", "bounds", "target", "outcome"), tuple(rows))


def _notes(figures: Mapping[str, Any], machine: Mapping[str, Any]) -> Iterator[str]:
    memory, runtime = figures.get("memory"), figures.get("runtime") or {}
    if memory:
        yield f"memory: {size(memory['peak_rss_bytes'])} at most{_gpu(memory)}"
    if figures.get("disk_bytes") is not None:
        yield f"on disk: {size(figures['disk_bytes'])}, tokenizer and configuration not counted"
    where = [str(machine[key]) for key in ("cpu",) if machine.get(key)]
    where += [counted(machine["cores"], "core")] if machine.get("cores") else []
    where += [str(gpu) for gpu in machine.get("gpus") or []]
    run_by = " ".join(str(runtime[key]) for key in ("runtime", "version", "provider", "device") if runtime.get(key))
    where += [run_by] if run_by else []
    where += [counted(runtime["threads"], "thread")] if runtime.get("threads") else []
    where += [f"{key}={value}" for key, value in (runtime.get("provider_options") or {}).items()]
    level = runtime.get("graph_optimization") or "all"
    where += [f"graph optimization {level}"] if level != "all" else []
    timed = any(figures.get(name) for name in ("latency", "speedup", "loads"))
    if timed:
        yield f"these figures hold on: {', '.join(where)}"
    load, cores = figures.get("load"), machine.get("cores")
    if timed and load is not None and cores and load > 0.5 * cores:
        yield f"the machine was busy: {load:g} processes wanted a core before the run began"
    reasons: dict[str, list[str]] = {}
    for name, reason in (figures.get("missing") or {}).items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        few = f"{names[0]} and {len(names) - 1} more" if len(names) > 2 else ", ".join(names)
        yield f"not measured: {few}: {reason}"
    for how in each_once(figures.get("crashed") or ()):
        yield f"IT BROKE while it was timed, which no target asks for, so the verdict does not count it: {how}"


def _gpu(memory: Mapping[str, Any]) -> str:
    """What was held of the GPU and how busy it was, as far as NVML told."""
    text = ""
    if memory.get("gpu_bytes") is not None:
        whose = " by all processes on it together (NVML does not list this one)" if memory.get("gpu_by_all") else ""
        text += f", {size(memory['gpu_bytes'])} of the GPU's{whose}"
    if memory.get("gpu_utilisation") is not None:
        text += f", which had work {percent(memory['gpu_utilisation'])} of the time"
    if memory.get("gpu_load_utilisation") is not None:
        text += f", {percent(memory['gpu_load_utilisation'])} of it at {JUDGED}"
    return text


def _spread(found: Spread | None) -> dict[str, Any] | None:
    if found is None:
        return None
    ends = _both(found.mean_interval) if found.mean_interval else None
    figures: dict[str, Any] = {"count": found.count, "mean_ms": _finite(found.mean), "mean_ci": ends}
    for name in PERCENTILES:
        figures[f"{name}_ms"] = _finite(found.points[name])
        figures[f"{name}_ci"] = _both(found.intervals[name])
    return figures


def _ratio(judgement: Judgement, name: str) -> dict[str, Any] | None:
    gate = judgement.slo_gates.get(name)
    if gate is None:
        return None
    reason = gate.reason if gate.outcome is None else ""
    return {"ratio": gate.rate, "ci": _both(gate.interval) if gate.interval else None, "reason": reason or None}


def _load_figures(judgement: Judgement) -> dict[str, Any]:
    """The loads as they were served, and what the one that gates speak of costs."""
    assert judgement.slo is not None
    targets = judgement.targets
    limit = latency_limit(targets, judgement.precision, judgement.slo.device)
    loads, cost = [], None
    for load in judgement.slo.loads:
        found = throughput(load, targets.alpha, limit)
        rates = {f"{name}_per_s": found.rates[name] if found else None for name in ("tokens", "calls", "good")}
        ends = {
            f"{name}_per_s_ci": _both(found.intervals[name]) if found and name in found.intervals else None
            for name in ("tokens", "calls", "good")
        }
        loads.append(
            {
                "name": load.name,
                "clients": load.clients or None,
                "rate": load.rate,
                "rows": load.rows,
                "calls": len(load.calls),
                "wanted": load.wanted,
                "prompts": load.prompts,
                "notes": list(load.notes),
                "reason": None if found else load.unsteady,
                "steady_calls": found.calls if found else 0,
                "right": found.right if found else 0,
                **rates,
                **ends,
                "p50_ms": found.p50_ms if found else None,
                "p95_ms": found.p95_ms if found else None,
            }
        )
        if load.name == JUDGED and found:
            cost = costs(found, targets.price)
    served = any(load.name == JUDGED for load in judgement.slo.loads)
    missing = {"missing": f"{'too few' if served else 'no'} calls were served at {JUDGED}"}
    return {"loads": loads, "good_within_ms": limit, "cost": cost or missing}


def _gate(gate: GateResult, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "rate": gate.rate,
        "ci": _both(gate.interval) if gate.interval else None,
        "target": gate.target,
        "outcome": str(gate.outcome),
        "reason": gate.reason or None,
    }


def _kind(judgement: Judgement, name: str) -> str:
    target = judgement.targets.gate(name)
    return target.kind if target else "ceiling"


def _both(ends: Interval) -> list[float | None]:
    return [_finite(ends.low), _finite(ends.high)]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> str:
    """Three digits or more; `-` where there is none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 100 else f"{value:.1f}"


def _ends(ends: Sequence[float | None] | None) -> str:
    low, high = ends or (None, None)
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}"
    if low is None and high is None:
        return "-"
    return f"{_number(low)} at least" if high is None else f"{_number(high)} at most"
