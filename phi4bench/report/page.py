"""`report.html`: one file without scripts. What a model or a user wrote is hostile, and shown as text only."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi4bench import __version__
from phi4bench.counting import counted
from phi4bench.gates import GateResult, RegressionResult
from phi4bench.levels import LEVELS, Score, is_right
from phi4bench.printable import printable
from phi4bench.report.deciding import to_decide
from phi4bench.report.examples import Example, failing_example, flip_example, flips
from phi4bench.report.figures import other_baseline, provider_figures, runtime_figures
from phi4bench.report.known import known_figures, known_line, known_title
from phi4bench.report.levels import level_figures, level_lines
from phi4bench.report.sidebyside import mode, side_by_side, side_notes
from phi4bench.report.sizes import size_beside, size_headline, size_rows
from phi4bench.report.speed import slo_figures, slo_tables
from phi4bench.report.stable import comparison_lines, stability_figures, unstable_line
from phi4bench.report.wording import fidelity_lines, fragile_line, interval, percent, points, points_interval, size
from phi4bench.run.judge import Fault
from phi4bench.run.judgement import REGRESSION, Judgement
from phi4bench.run.judging import Conclusion
from phi4bench.stability import how
from phi4bench.targets import Targets
from phi4bench.verdicts import Verdict

if TYPE_CHECKING:
    from jinja2 import Template

MOST_CASES = 300
"""Failing cases shown for each artifact; the transcripts hold the rest."""
_TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class Row:
    """One gate in a table. `low`, `high`, `at`, `mark`: places on the drawing's scale, in percent."""

    name: str
    count: str
    figure: str
    interval: str
    target: str
    outcome: str
    reason: str
    low: float | None = None
    high: float | None = None
    at: float | None = None
    mark: float | None = None


def page(results: Sequence[tuple[Judgement, Conclusion] | Fault], targets: Targets, created: str) -> str:
    """The whole page. `created`: UTC, ISO 8601."""
    return template().render(
        created=created,
        version=__version__,
        targets=targets,
        artifacts=[_fault(result) if isinstance(result, Fault) else _artifact(*result) for result in results],
        level_names=list(LEVELS),
    )


@functools.cache
def template() -> Template:
    """What the page is made from. Compiling it takes longer than filling it in."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = visible
    environment.globals["counted"] = counted
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def visible(text: str) -> str:
    """Control characters and bidirectional overrides as escapes; line breaks stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _fault(fault: Fault) -> dict[str, Any]:
    return {"id": fault.artifact_id, "fault": fault.line}


def _artifact(judgement: Judgement, conclusion: Conclusion) -> dict[str, Any]:
    run = judgement.run
    named = {gate.name for gate in judgement.targets.gates}
    failing = [score for score in judgement.scores if not is_right(score)]
    shown = [
        gate
        for name, gate in judgement.gates.items()
        if (name in LEVELS or name == "abstention" or name in named) and (gate.total or gate.outcome)
    ]
    start = _scale_start(shown)
    measured = {**judgement.gates, **judgement.regression, **judgement.fidelity_gates, **judgement.size_gates}
    timed = {name for name, gate in judgement.slo_gates.items() if not gate.reason}  # the tables hold no reason
    told = {*measured, *timed, *conclusion.not_run}
    told -= set(run.facts.get("gates_skipped") or ())  # whose rows say how they were measured
    missing = [gate for gate in judgement.required if gate.name not in told]
    return {
        "id": judgement.id,
        "fault": "",
        "verdict": str(conclusion.verdict) if conclusion.verdict else "no verdict",
        "advice": conclusion.advice,
        "not_run": conclusion.not_run,
        "incomplete": judgement.incomplete,
        "unconcerned": "" if conclusion.not_run else judgement.unconcerned,
        "untrained": judgement.untrained,
        "unpromoting": judgement.unpromoting if conclusion.verdict is Verdict.inconclusive else "",
        "rejection": judgement.rejection.line if judgement.rejection else "",
        "tier": judgement.tier.name if judgement.tier and not judgement.incomplete else "",
        "card": run.artifact,
        "size": size(run.artifact["bytes"]),
        "dataset": run.dataset,
        "groups": len(set(run.dataset.groups)),
        "levels": [_row(gate, start) for gate in shown],
        "scale": [f"{100 * start:.0f}", "100%"],
        "beside": side_by_side(judgement),
        "beside_notes": side_notes(judgement),
        "mode": mode(judgement),
        "missing": missing,
        "to_decide": to_decide(judgement),
        "baseline": judgement.baseline.artifact["id"] if judgement.baseline else "",
        "other_baseline": other_baseline(judgement),
        "regression": [_pair_row(gate) for gate in judgement.regression.values()],
        "fidelity": fidelity_lines(judgement.fidelity) if judgement.fidelity else [],
        "fidelity_gates": [gate for gate in judgement.fidelity_gates.values() if gate.outcome],
        "size_rows": size_rows(judgement.size) if judgement.size else [],
        "size_beside": size_beside(judgement.size) if judgement.size else "",
        "size_headline": size_headline(judgement.size) if judgement.size and judgement.size.baseline else "",
        "size_gates": list(judgement.size_gates.values()),
        "speed": slo_tables(slo_figures(judgement), run.machine),
        "fragile": fragile_line(judgement.fragile) if judgement.fragile else "",
        "known_failures": known_title(known_figures(judgement.known) or {}) if judgement.known else "",
        "known": [(known_line(one), one.stale) for one in judgement.known.entries] if judgement.known else [],
        "determinism": _determinism(judgement),
        "unstable": _unstable(judgement),
        "accuracy_level": level_lines(level_figures(judgement) or {})
        if judgement.run.facts.get("accuracy_level")
        else [],
        "runtime_flips": _runtime_flips(judgement),
        "flips": _flips(judgement),
        "tools": _rates(judgement.tools),
        "scenarios": _rates(judgement.scenarios),
        "failing": [failing_example(judgement, score) for score in _spread(failing, MOST_CASES)],
        "failing_total": len(failing),
        "facts": _facts(judgement),
    }


def _spread(failing: Sequence[Score], most: int) -> list[Score]:
    """At most `most` of them in their order, taken in turn from every scenario, so that none hides the others."""
    turns: dict[str, int] = {}
    taken = []
    for place, score in enumerate(failing):
        turns[score.scenario] = turns.get(score.scenario, 0) + 1
        taken.append((turns[score.scenario], place))
    return [failing[place] for _, place in sorted(sorted(taken)[:most], key=lambda one: one[1])]


def _scale_start(gates: Sequence[GateResult]) -> float:
    """Where the drawings begin, a round tenth: near 100% a scale from 0 would show nothing."""
    ends = [gate.interval.low for gate in gates if gate.interval] + [gate.target for gate in gates if gate.target]
    return math.floor(10 * min(ends, default=0.0)) / 10 if min(ends, default=0.0) < 1 else 0.9


def _row(gate: GateResult, start: float) -> Row:
    ends = gate.interval

    def place(rate: float) -> float:
        return 100 * (rate - start) / (1 - start)

    return Row(
        name=gate.name,
        count=f"{gate.passed:,}/{gate.total:,}",
        figure=percent(gate.rate),
        interval=interval(ends),
        target="-" if gate.target is None else f"{100 * gate.target:g}%",
        outcome=str(gate.outcome) if gate.outcome else "measured",
        reason=gate.reason,
        low=place(ends.low) if ends else None,
        high=place(ends.high) if ends else None,
        at=None if gate.rate is None else place(gate.rate),
        mark=None if gate.target is None else place(gate.target),
    )


def _pair_row(gate: RegressionResult) -> Row:
    """On a scale from 10 points lost to 10 gained."""
    ends = gate.interval
    return Row(
        name=gate.name.removeprefix(REGRESSION),
        count=f"{gate.lost}/{gate.gained}",
        figure=points(gate.difference),
        interval=points_interval(ends),
        target="-" if gate.margin is None else f"-{100 * gate.margin:g}",
        outcome=str(gate.outcome) if gate.outcome else "measured",
        reason=gate.reason,
        low=_place(ends.low) if ends else None,
        high=_place(ends.high) if ends else None,
        at=None if gate.difference is None else _place(gate.difference),
        mark=None if gate.margin is None else _place(-gate.margin),
    )


def _place(difference: float) -> float:
    return min(max(50 + 500 * difference, 0.0), 100.0)


def _rates(rows: Mapping[str, Mapping[str, GateResult]]) -> list[dict[str, Any]]:
    """A row for the cases of a tool or scenario that expect a call, and one for those that expect none."""
    shown: list[dict[str, Any]] = []
    for name, gates in rows.items():
        if "detection" in gates:
            rates = [percent(gates[level].rate) for level in LEVELS]
            shown.append({"name": name, "total": gates["detection"].total, "rates": rates, "abstention": ""})
        if "abstention" in gates:
            gate = gates["abstention"]
            shown.append({"name": name, "total": gate.total, "rates": [], "abstention": percent(gate.rate)})
    return shown


def _flips(judgement: Judgement) -> list[dict[str, Any]]:
    """Cases that changed at some level, each under the lowest level at which it did."""
    seen: set[str] = set()
    groups = []
    for name in judgement.regression:
        level = name.removeprefix(REGRESSION)
        for kind, scores in zip(("lost", "gained"), flips(judgement, level), strict=True):
            fresh = [score for score in scores if score.case_id not in seen]
            seen |= {score.case_id for score in fresh}
            if fresh:
                examples: list[Example] = [flip_example(judgement, score) for score in fresh[:MOST_CASES]]
                groups.append({"level": level, "kind": kind, "total": len(fresh), "examples": examples})
    return groups


def _determinism(judgement: Judgement) -> list[str]:
    figures = stability_figures(judgement)
    if figures is None:
        return []
    return [line for line in (*comparison_lines(figures), unstable_line(figures), figures["missing"]) if line]


def _unstable(judgement: Judgement) -> list[dict[str, str]]:
    """Each difference in calls, with both completions."""
    found = judgement.stability
    return [
        {"case_id": one.case_id, "how": how([comparison.other]), "one": one.one.text, "other": one.other.text}
        for comparison in (found.comparisons if found else ())
        for one in comparison.differences
        if one.calls
    ][:MOST_CASES]


def _runtime_flips(judgement: Judgement) -> list[dict[str, Any]]:
    """Each flip with both completions, the runtime's before those of quantization."""
    found = judgement.runtime_flips
    if found is None:
        return []
    kinds = (("runtime", "at level 0", "as built", found.runtime),
             ("quantization", "baseline", "at level 0", found.quantization or ()))  # fmt: skip
    return [
        {"kind": kind, "case_id": one.case_id, "names": (before, after), "texts": (one.before.text, one.after.text)}
        for kind, before, after, flips in kinds
        for one in flips[:MOST_CASES]
    ]


def _facts(judgement: Judgement) -> list[tuple[str, str]]:
    run = judgement.run
    generation = run.facts.get("generation") or {}
    peak = generation.get("peak_rss_bytes")
    return [
        ("artifact sha256", str(run.artifact["sha256"])),
        ("cases sha256", run.dataset.sha256),
        ("targets sha256", judgement.targets.sha256),
        ("decoding", _pairs(run.decoding)),
        (
            "completions",
            f"{generation.get('from_cache', 0):,} from cache, {generation.get('generated', 0):,} generated",
        ),
        ("peak memory", size(peak) if peak else "nothing was generated"),
        ("provider", _provider(run.facts)),
        ("runtime", _pairs(runtime_figures(run.facts))),
        ("machine", _pairs({key: value for key, value in run.machine.items() if key != "packages"})),
        ("versions", _pairs(run.versions)),
    ]


def _provider(facts: Mapping[str, Any]) -> str:
    figures = provider_figures(facts)
    if figures is None:
        return ""
    told = {"asked for": figures["provider"], **figures["provider_options"], "used": figures["used"]}
    return "; ".join([_pairs(told), *figures["notes"]])


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value not in (None, [], {}, ""))
