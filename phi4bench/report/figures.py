"""`report.json`: every figure of a run as data, in the form that `report.schema.json` publishes. Pure.

The main fields (`artifact`, `dataset`, `levels`, `abstention`, `per_tool`, `regression`, `slo`, `tier`, `verdict`,
`machine`) are what scripts rely on; the others may grow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phi4bench import __version__
from phi4bench.artifacts.artifact import files_sha256, is_text
from phi4bench.fidelity import FRAGILE_MARGIN
from phi4bench.gates import GateResult, RegressionResult
from phi4bench.levels import LEVELS
from phi4bench.printable import printable
from phi4bench.rejection import Rejection
from phi4bench.report.deciding import to_decide
from phi4bench.report.examples import flips
from phi4bench.report.known import known_figures
from phi4bench.report.levels import level_figures
from phi4bench.report.sizes import size_figures
from phi4bench.report.speed import slo_figures
from phi4bench.report.stable import stability_figures
from phi4bench.run.besides import Beside
from phi4bench.run.judge import Fault
from phi4bench.run.judgement import REGRESSION, Judgement
from phi4bench.run.judging import Conclusion
from phi4bench.stats import Interval

SCHEMA = "phi4bench.report/1"


def report(results: Sequence[tuple[Judgement, Conclusion] | Fault], targets: Mapping[str, Any]) -> dict[str, Any]:
    """One object an artifact, in the order in which they were given."""
    return {
        "schema": SCHEMA,
        "phi4bench": __version__,
        "targets": dict(targets),
        "artifacts": [
            {"artifact": {"id": result.artifact_id}, "fault": result.line, "verdict": None}
            if isinstance(result, Fault)
            else artifact_figures(*result)
            for result in results
        ],
    }


def targets_facts(targets: Any) -> dict[str, Any]:
    return {
        "names": list(targets.names),
        "sha256": targets.sha256,
        "alpha": targets.alpha,
        "sources": dict(targets.sources),
    }


def artifact_figures(judgement: Judgement, conclusion: Conclusion) -> dict[str, Any]:
    """All figures of one artifact."""
    run, gates, scores = judgement.run, judgement.gates, judgement.scores
    called = [score for score in scores if score.expects_call]
    with_prose = sum(score.prose for score in called)
    return {
        "artifact": dict(run.artifact),
        "baseline": baseline_figures(judgement),
        "baseline_missing": None if judgement.baseline else run.facts.get("baseline_missing") or None,
        "no_baseline": judgement.waived,
        "dataset": {
            "path": run.dataset.path,
            "sha256": run.dataset.sha256,
            "name": run.dataset.name,
            "cases": len(run.dataset.cases),
            "groups": len(set(run.dataset.groups)),
            "notes": list(run.dataset.notes),
        },
        "decoding": dict(run.decoding),
        "levels": {name: rate_figures(gates[name]) for name in LEVELS},
        "abstention": rate_figures(gates["abstention"]),
        "figures": {
            name: rate_figures(gate) for name, gate in gates.items() if name not in LEVELS and name != "abstention"
        },
        "prose_around_calls": {"passed": with_prose, "total": len(called)},
        "per_tool": {
            name: {level: rate_figures(gate) for level, gate in rows.items()} for name, rows in judgement.tools.items()
        },
        "per_scenario": {
            name: {level: rate_figures(gate) for level, gate in rows.items()}
            for name, rows in judgement.scenarios.items()
        },
        "regression": {
            name.removeprefix(REGRESSION): pair_figures(gate) | _flip_ids(judgement, name)
            for name, gate in judgement.regression.items()
        },
        "fidelity": fidelity_figures(judgement),
        "known_failures": known_figures(judgement.known),
        "size": size_figures(judgement),
        "beside": {beside.name: beside_figures(beside) for beside in judgement.beside},
        "slo": slo_figures(judgement),
        "determinism": stability_figures(judgement),
        "accuracy_level": level_figures(judgement),
        "gates": [gate_line(gate) for gate in judgement.required],
        "to_decide": list(to_decide(judgement)),
        "tier": judgement.tier.name if judgement.tier else None,
        "verdict": str(conclusion.verdict) if conclusion.verdict else None,
        "advice": conclusion.advice or None,
        "not_run": list(conclusion.not_run),
        "incomplete": judgement.incomplete or None,
        "untrained": judgement.untrained or None,
        "unpromoting": judgement.unpromoting or None,
        "early_rejection": _early_rejection(judgement.rejection),
        "generation": dict(run.facts.get("generation") or {}),
        "provider": provider_figures(run.facts),
        "seed": run.facts.get("seed"),
        "machine": dict(run.machine),
        "versions": dict(run.versions),
    }


def baseline_figures(judgement: Judgement) -> dict[str, Any] | None:
    """What the artifact was compared with. `is_parent`: `None` where its manifest does not say which file is."""
    if judgement.baseline is None:
        return None
    card, named = judgement.baseline.artifact, judgement.run.artifact.get("parent_sha256")
    files = ((one["name"], one["sha256"], one["bytes"]) for one in card["files"])
    weights = files_sha256(file for file in files if not is_text(file[0]))
    told = {key: card[key] for key in ("id", "spec", "sha256", "precision")}
    return told | {"is_parent": named in (card["sha256"], weights) if named else None}


def other_baseline(judgement: Judgement) -> str:
    """A line where the artifact was compared with another file than the parent that its manifest names; else empty."""
    figures = baseline_figures(judgement)
    if figures is None or figures["is_parent"] is not False:
        return ""
    return printable(f"{figures['id']} is not the parent that the manifest of {judgement.id} names (another sha256)")


def provider_figures(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was asked to run the artifact, what ran it, and what went otherwise; `None` for an older version's run."""
    asked = facts.get("asked")
    if asked is None:
        return None
    generation, speed, runtime = facts.get("generation") or {}, facts.get("slo") or {}, runtime_figures(facts)
    return {
        **asked,
        "used": runtime.get("provider") or runtime.get("device"),
        "notes": list(dict.fromkeys([*generation.get("notes", ()), *speed.get("notes", ())])),
    }


def runtime_figures(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What ran the artifact: for its completions, or else for the timings; empty where nothing ran."""
    generation, speed = facts.get("generation") or {}, facts.get("slo") or {}
    return dict(generation.get("runtime") or speed.get("runtime") or speed.get("load_runtime") or {})


def rate_figures(gate: GateResult) -> dict[str, Any]:
    return {
        "passed": gate.passed,
        "total": gate.total,
        "rate": gate.rate,
        "ci": _ends(gate.interval),
        "target": gate.target,
        "outcome": str(gate.outcome) if gate.outcome else None,
        "groups": gate.groups,
        "more_groups": gate.more_groups,
        "reason": gate.reason or None,
    }


def pair_figures(gate: RegressionResult) -> dict[str, Any]:
    return {
        "total": gate.total,
        "both": gate.both,
        "lost": gate.lost,
        "gained": gate.gained,
        "neither": gate.neither,
        "difference": gate.difference,
        "ci": _ends(gate.interval),
        "margin": gate.margin,
        "outcome": str(gate.outcome) if gate.outcome else None,
        "mcnemar_p": gate.mcnemar_p,
        "groups": gate.groups,
        "more_groups": gate.more_groups,
        "reason": gate.reason or None,
    }


def _early_rejection(found: Rejection | None) -> dict[str, Any] | None:
    """`None` where every case was judged. `alphas`: of each gate in `watched`, whose bound holds at all looks."""
    if found is None:
        return None
    return {
        "reason": found.line,
        "gates": [{"name": one.gate, "upper": one.upper, "target": one.edge} for one in found.refuted],
        "watched": dict(found.upper),
        "alphas": dict(found.alphas),
        "cases": found.cases,
        "cases_total": found.total,
        "groups": found.families,
        "groups_total": found.total_families,
    }


def fidelity_figures(judgement: Judgement) -> dict[str, Any] | None:
    """`None` where there is no baseline, or nobody asked; `missing` says why it could not be measured."""
    found = judgement.fidelity
    if found is None:
        return {"missing": judgement.fidelity_missing} if judgement.fidelity_missing else None
    return {
        "cases": found.cases,
        "groups": found.groups,
        "tokens": found.tokens,
        "perplexity": found.perplexity,
        "baseline_perplexity": found.baseline_perplexity,
        "perplexity_ratio": found.perplexity_ratio,
        "perplexity_ratio_ci": _ends(found.interval),
        "top1_agreement": found.top1,
        "kl_mean": found.kl_mean,
        "kl_p95": found.kl_p95,
        "kl_mean_at_most": None if found.kl_mean is None else found.kl_mean + (found.kl_open or 0.0),
        "gates": {name: str(gate.outcome) for name, gate in judgement.fidelity_gates.items() if gate.outcome},
        "fragile_within": FRAGILE_MARGIN,
        "fragile": [
            {"case_id": one.case_id, "margin": one.margin, "baseline_margin": one.baseline_margin}
            for one in judgement.fragile
        ],
    }


def beside_figures(beside: Beside) -> dict[str, Any]:
    """Rates that no gate reads; `missing` completions make them no fair sample."""
    rates = {name: rate_figures(rate) for name, rate in beside.rates.items()}
    return {"rates": rates, "missing": beside.missing, "counts": dict(beside.counts)}


def gate_line(gate: GateResult | RegressionResult) -> dict[str, Any]:
    """A required gate with its numbers, as verdicts and promotions list it."""
    if isinstance(gate, RegressionResult):
        return {"name": gate.name, **pair_figures(gate)}
    return {"name": gate.name, **rate_figures(gate)}


def _flip_ids(judgement: Judgement, name: str) -> dict[str, Any]:
    lost, gained = flips(judgement, name.removeprefix(REGRESSION))
    return {"lost_cases": [score.case_id for score in lost], "gained_cases": [score.case_id for score in gained]}


def _ends(ends: Interval | None) -> list[float] | None:
    return None if ends is None else [ends.low, ends.high]
