"""What a test says of its gate: the outcome, and for a miss all that a person needs to see why. Pure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

from phi4bench.counting import counted
from phi4bench.gates import GateResult, Outcome, RegressionResult
from phi4bench.levels import LEVELS
from phi4bench.printable import printable
from phi4bench.report.deciding import to_decide
from phi4bench.report.examples import Example, examples, expected_text, last_request
from phi4bench.report.known import stale_lines
from phi4bench.report.sizes import size_headline, size_table
from phi4bench.report.speed import slo_headline
from phi4bench.report.wording import fidelity_lines, fragile_line, interval, percent, points, points_interval
from phi4bench.run.judgement import REGRESSION, Judgement
from phi4bench.run.judging import KNOWN_FAILURES
from phi4bench.slo import UNTOLD, untold
from phi4bench.targets import FIDELITY_GATES, SIZE_GATE, SPEEDUP_GATES, TIMED_GATES, is_quantized

EXAMPLES = 5
NEAR_ZERO = 0.20
"""Below this detection the prompt itself is the first suspect."""
_COLUMN = 37


@dataclass(frozen=True)
class Finding:
    """How one gate stands. `text`: of a FAIL the whole message, else one line."""

    outcome: Literal["PASS", "FAIL", "INCONCLUSIVE", "MEASURED", "SKIP"]
    text: str


def finding(judgement: Judgement, gate: str) -> Finding:
    """Of any gate that a suite may ask for."""
    if gate == KNOWN_FAILURES:
        return _known_failures(judgement)
    result = judgement.result(gate)
    if result is None or (result.outcome is None and result.total == 0 and gate != SIZE_GATE):
        return Finding("SKIP", _why_not_judged(judgement, gate))
    line = headline(judgement, gate)
    if result.outcome is None:
        return Finding("MEASURED", f"{line} ({result.reason or 'measured, no target'})")
    if result.outcome is Outcome.FAIL:
        early = [judgement.rejection.line] if judgement.rejection and judgement.rejection.gate(gate) else []
        return Finding("FAIL", "\n".join([line, *early, "", *_details(judgement, gate)]))
    if result.outcome is Outcome.INCONCLUSIVE:
        told = " ".join(to_decide(judgement, gate))
        return Finding("INCONCLUSIVE", f"{line}: {result.reason}" + (f"; {told}" if told else ""))
    return Finding("PASS", line)


def _known_failures(judgement: Judgement) -> Finding:
    known = judgement.known
    if known is None:
        return Finding("SKIP", "no list of known failures: --xfails was not given")
    if known.stale:
        return Finding("FAIL", "\n".join(f"{judgement.id} known_failures: {line}" for line in stale_lines(known)))
    return Finding("PASS", "")


def headline(judgement: Judgement, gate: str) -> str:
    """One line: the figure, its interval, and the target with where that comes from."""
    result = judgement.result(gate)
    assert result is not None
    target = judgement.targets.gate(gate)
    source = f" [{printable(target.source, 90)}]" if target and result.outcome is Outcome.FAIL else ""
    if isinstance(result, RegressionResult):
        against = judgement.run.facts.get("baseline")
        line = f"{judgement.id} {gate}: {points(result.difference)} points ({points_interval(result.interval)})"
        line += f" from {against} over {counted(result.total, 'case')}, {result.lost} lost and {result.gained} gained"
        if result.margin is not None:
            line += f", but should lose under {100 * result.margin:g}" if _missed(result) else ""
        return line + source
    if gate == SIZE_GATE and judgement.size and result.rate is not None:
        missed = f", but should be at most {100 * (result.target or 0):g}%" if _missed(result) else ""
        return f"{judgement.id} {gate}: {size_headline(judgement.size)}{missed}{source}"
    if gate in FIDELITY_GATES and result.rate is not None:
        span = f" ({result.interval.low:.4f} to {result.interval.high:.4f})" if result.interval else ""
        line = f"{judgement.id} {gate}: {result.rate:.4f}{span} over {counted(result.total, 'reference answer')}"
        floor = target is not None and target.kind == "floor"
        if result.target is not None and _missed(result):
            line += f", but should be at {'least' if floor else 'most'} {result.target:g}"
        return line + source
    if gate in TIMED_GATES and result.rate is not None:
        return f"{judgement.id} {gate}: {slo_headline(result)}" + source
    if result.rate is None:
        return f"{judgement.id} {gate}"
    ends = f" ({interval(result.interval)})" if result.interval else ""
    line = f"{judgement.id} {gate}: {percent(result.rate)}{ends} of {counted(result.total, _unit(gate))}"
    if result.target is not None and _missed(result):
        line += f", but should be at least {100 * result.target:g}%"
    return line + source


def _missed(result: GateResult | RegressionResult) -> bool:
    return result.outcome is Outcome.FAIL


def _unit(gate: str) -> str:
    return {"schema_validity": "call", "argument_accuracy": "argument"}.get(gate, "case")


def _why_not_judged(judgement: Judgement, gate: str) -> str:
    if gate.startswith(REGRESSION):
        if judgement.waived:
            return "not judged: --no-baseline was given"
        if not is_quantized(judgement.precision):
            return f"does not apply: {judgement.id} is {judgement.precision}, not quantized"
        return f"not judged: {judgement.run.facts.get('baseline_missing') or 'no target names it'}"
    if gate in FIDELITY_GATES:
        if judgement.waived:
            return "not measured: --no-baseline was given"
        why = judgement.fidelity_missing or judgement.run.facts.get("baseline_missing")
        return f"not measured: {why or 'there is no baseline to compare with'}"
    if gate == SIZE_GATE:
        if judgement.waived:
            return "not compared: --no-baseline was given"
        why = judgement.size_missing or judgement.run.facts.get("baseline_missing")
        return f"not compared: {why or 'there is no baseline to compare with'}"
    if gate in TIMED_GATES:
        if judgement.waived and gate in SPEEDUP_GATES:
            return "not measured: --no-baseline was given"
        why = untold(judgement.slo).get(gate) if judgement.slo else None
        return f"not measured: {why or UNTOLD}"
    return "the cases hold none of this kind, and no target asks for any"


def _details(judgement: Judgement, gate: str) -> list[str]:
    if gate in FIDELITY_GATES:
        near = [fragile_line(judgement.fragile)] if judgement.fragile else []
        return [*(fidelity_lines(judgement.fidelity) if judgement.fidelity else []), *near]
    if gate == SIZE_GATE:
        return size_table(judgement.size) if judgement.size else []
    if gate in TIMED_GATES:
        return []
    lines = []
    if gate == "detection" and (judgement.gates[gate].rate or 0.0) < NEAR_ZERO:
        lines += _side_by_side(judgement)
    worst = worst_tools(judgement, gate)
    if worst:
        lines += ["worst tools: " + ", ".join(worst), ""]
    shown = examples(judgement, gate, EXAMPLES)
    if shown:
        lines.append(f"{len(shown)} of the cases that missed it (report.html shows more):")
    for example in shown:
        lines += _example_lines(example)
    return lines


def worst_tools(judgement: Judgement, gate: str) -> list[str]:
    """The three tools with the lowest rates at a level, where any fell short; `name rate (passed of total)`."""
    level = gate.removeprefix(REGRESSION)
    if level not in LEVELS:
        return []
    rows = [(name, levels[level]) for name, levels in judgement.tools.items()]
    rows = sorted((row for row in rows if row[1].passed < row[1].total), key=lambda row: (row[1].rate or 0.0, row[0]))
    return [f"{printable(name, 40)} {percent(row.rate)} ({row.passed} of {row.total})" for name, row in rows[:3]]


def _example_lines(example: Example) -> list[str]:
    lines = [
        f"- {printable(example.case_id, 60)} ({example.scenario}, {printable(example.group, 60)}):"
        f" {printable(example.reason, 300) or 'missed'}",
        f"    request     {printable(example.request, 300)}",
    ]
    if example.before is not None:
        lines.append(f"    baseline    {_text(example.before)}")
    cut = " [cut at the cap on new tokens]" if example.finish == "length" else ""
    return [
        *lines,
        f"    completion  {_text(example.completion)}{cut}",
        f"    expected    {printable(example.expected, 300)}",
    ]


def _text(text: str) -> str:
    return printable(text, 300) if text else "(empty)"


def _side_by_side(judgement: Judgement) -> list[str]:
    """The first case that stayed without a call: its prompt beside its completion."""
    score = next(score for score in judgement.scores if score.expects_call and score.level == 0)
    case, completion = judgement.answered[score.case_id]
    system_prompt = judgement.run.decoding.get("system_prompt")
    prompt = judgement.run.dialect.render(case.question(), system_prompt).text
    left = textwrap.wrap(printable(prompt, 1200), _COLUMN, break_on_hyphens=False) or [""]
    right = textwrap.wrap(printable(completion.text, 1200), _COLUMN, break_on_hyphens=False) or ["(empty)"]
    rows = [
        f"{left[i] if i < len(left) else '':{_COLUMN}} | {right[i] if i < len(right) else ''}".rstrip()
        for i in range(max(len(left), len(right)))
    ]
    return [
        "Hardly any completion attempts a call. The prompt may not be the one that the model was trained with:",
        f"this one is in dialect {judgement.run.dialect.name}; see --dialect and --system-prompt.",
        f"Case {printable(case.id, 60)}, which asks {printable(last_request(case), 200)!r}"
        f" and expects {printable(expected_text(judgement, case), 200)}",
        "",
        f"{'prompt':{_COLUMN}} | completion",
        f"{'-' * _COLUMN}-+-{'-' * _COLUMN}",
        *rows,
        "",
    ]
