"""The table that a run ends with, for a terminal of 80 columns. Pure: lines out, each with a style."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from phi4bench.counting import counted
from phi4bench.gates import GateResult, Outcome
from phi4bench.levels import LEVELS
from phi4bench.printable import printable, wrapped
from phi4bench.report.deciding import COMMAND, to_decide
from phi4bench.report.figures import other_baseline
from phi4bench.report.known import known_figures, known_line, known_title, stale_lines
from phi4bench.report.levels import level_figures, level_lines
from phi4bench.report.sidebyside import mode, side_by_side, side_notes
from phi4bench.report.sizes import size_table
from phi4bench.report.speed import slo_figures, slo_tables
from phi4bench.report.stable import comparison_name, stability_figures, unstable_line
from phi4bench.report.wording import fidelity_lines, fragile_line, interval, percent, points, points_interval, size
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import Conclusion

Line = tuple[str, str]
"""(text, style): a style is words that pytest's terminal knows, such as `bold green`, or empty."""

_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.INCONCLUSIVE: "yellow", None: ""}
_SPEED_WIDTHS = {6: [20, 9, 9, 9, 9, 20], 8: [14, 6, 10, 9, 7, 10, 10, 9]}
MOST_TOOLS = 30
_VERDICT_STYLES = {"promote": "bold green", "reject": "bold red", "inconclusive": "bold yellow"}
_UNWRITTEN = ("  verdict  none: its reports could not be written", "bold red")


def summary(judgement: Judgement, conclusion: Conclusion, *, written: bool = True) -> list[Line]:
    """One artifact: its levels, what it is compared with, its tools and scenarios, tier and verdict.

    `written`: its reports stand; there is no verdict without them.
    """
    lines = (
        *_title(judgement),
        *_levels(judgement),
        *_beside(judgement),
        *_regression(judgement),
        *_fidelity(judgement),
        *_size(judgement),
        *_known_failures(judgement),
        *_speed(judgement),
        *_determinism(judgement),
        *_accuracy_level(judgement),
        *_tools(judgement.tools),
        *_groups("scenario", judgement.scenarios.items()),
        *_reasons(judgement, conclusion.not_run),
        *_stale(judgement),
        *(_end(judgement, conclusion) if written else [_UNWRITTEN]),
    )
    return [(printable(line), style) for line, style in lines]  # names come from folders and files of anywhere


def where(paths: Iterable[Path]) -> list[Line]:
    named = ", ".join(printable(str(path), 200) for path in paths)
    return [(line, "") for line in wrapped(f"reports: {named}", further="  ")]


def _title(judgement: Judgement) -> Iterator[Line]:
    artifact, families = judgement.run.artifact, judgement.run.dataset.groups
    title = (
        f"{judgement.id}  {artifact['format']} {artifact['precision']} {size(artifact['bytes'])},"
        f" dialect {artifact['dialect']}{_decoded(judgement)}, {counted(len(families), 'case')} in"
        f" {counted(len(set(families)), 'family', 'families')}"
    )
    for line in wrapped(title, further="  "):
        yield line, "bold"
    if judgement.untrained:
        yield from ((line, "bold yellow") for line in _wrapped(printable(judgement.untrained)))


def _decoded(judgement: Judgement) -> str:
    return "" if mode(judgement) == "free" else f", {mode(judgement)} decoding"


def _levels(judgement: Judgement) -> Iterator[Line]:
    if not judgement.scores and judgement.run.facts.get("needed") is False:
        yield "  no completion was asked for: speed alone was measured", ""
        return
    yield f"  {'level':<18}{'passed/total':>13}{'rate':>8}{'interval':>15}{'target':>9}  outcome", ""
    named = {gate.name for gate in judgement.targets.gates}
    for name, gate in judgement.gates.items():
        if name in LEVELS or name == "abstention" or name in named:
            yield _level_row(name, gate)
    yield from _structured(judgement)
    for other in judgement.required:
        apart = other.name.startswith("regression.") or other.name in {
            **judgement.fidelity_gates,
            **judgement.size_gates,
            **judgement.slo_gates,
        }
        if other.name not in judgement.gates and not apart:
            yield (
                f"  {printable(other.name):<18}{'-':>13}{'-':>8}{'-':>15}{other.target:>9g}  {other.outcome}",
                "yellow",
            )


def _structured(judgement: Judgement) -> Iterator[Line]:
    """The structured track, which counts in no rate of calls."""
    words = {"parsing": "are JSON", "tool": "fit their schema", "parameter": "are as expected"}
    found = {told: judgement.gates.get(f"structured.{level}") for level, told in words.items()}
    rates = [f"{gate.passed:,}/{gate.total:,} {told}" for told, gate in found.items() if gate is not None]
    aim = "" if any(gate.required for gate in found.values() if gate is not None) else ", without a target"
    if rates:
        yield from ((part, "") for part in _wrapped(f"structured answers{aim}: {', '.join(rates)}"))


def _level_row(name: str, gate: GateResult) -> Line:
    target = "-" if gate.target is None else f"{100 * gate.target:g}%"
    return (
        f"  {name}{f'{gate.passed:,}/{gate.total:,}':>{31 - len(name)}}{percent(gate.rate):>8}"
        f"{interval(gate.interval):>15}{target:>9}  {gate.outcome or 'measured'}",
        _STYLES[gate.outcome],
    )


def _beside(judgement: Judgement) -> Iterator[Line]:
    table = side_by_side(judgement)
    if table is not None:
        heads, rows = table
        yield f"  {'side by side':<18}" + "".join(f"{head:>21}" for head in heads), ""
        for name, *cells in rows:
            yield f"  {name:<18}" + "".join(f"{cell:>21}" for cell in cells), ""
        for note in side_notes(judgement):
            yield from ((part, "") for part in _wrapped(note))


def _regression(judgement: Judgement) -> Iterator[Line]:
    if not judgement.regression:
        if judgement.waived:
            yield "  no comparison with a baseline: --no-baseline was given", ""
        return
    yield from ((line, "yellow") for line in _wrapped(other_baseline(judgement)))
    against = printable(str(judgement.run.facts.get("baseline")), 12)
    yield f"  {'against ' + against:<20}{'lost/gained':>12}{'points':>7}{'interval':>17}{'margin':>7}  outcome", ""
    for name, gate in judgement.regression.items():
        margin = "-" if gate.margin is None else f"-{100 * gate.margin:g}"
        yield (
            f"  {name.removeprefix('regression.'):<20}{f'{gate.lost}/{gate.gained}':>12}{points(gate.difference):>7}"
            f"{points_interval(gate.interval):>17}{margin:>7}  {gate.outcome or 'measured'}",
            _STYLES[gate.outcome],
        )


def _fidelity(judgement: Judgement) -> Iterator[Line]:
    """How closely reference answers are followed, judged only where a target names a figure."""
    if judgement.fidelity is not None:
        for line in [
            "fidelity " + line if not at else line for at, line in enumerate(fidelity_lines(judgement.fidelity))
        ]:
            yield from ((part, "") for part in _wrapped(line))
    for name, gate in judgement.fidelity_gates.items():
        if gate.outcome is not None:
            yield f"  {name:<40}{gate.rate or 0:>10.4f}{gate.target or 0:>17g}  {gate.outcome}", _STYLES[gate.outcome]
    if judgement.fragile:
        yield from ((part, "") for part in _wrapped(f"fragile  {fragile_line(judgement.fragile)}"))


def _size(judgement: Judgement) -> Iterator[Line]:
    """What each part takes, where there is a baseline to compare with, and how the whole stands to its target."""
    if judgement.size is None or judgement.size.baseline is None:
        return
    yield from ((line, "") for line in size_table(judgement.size))
    for name, gate in judgement.size_gates.items():
        if gate.outcome is not None:
            at_most = f"at most {100 * (gate.target or 0):g}%"
            yield f"  {name:<24}{percent(gate.rate):>14}{at_most:>30}  {gate.outcome}", _STYLES[gate.outcome]
        elif gate.reason:
            yield from ((part, "") for part in _wrapped(f"{name}  {gate.reason}"))


def _known_failures(judgement: Judgement) -> Iterator[Line]:
    """What a list of known failures left out, and what became of each entry."""
    known = judgement.known
    figures = known_figures(known)
    if known is None or figures is None:
        return
    yield from ((part, "") for part in _wrapped(f"known failures  {known_title(figures)}"))
    for entry in known.entries:
        yield from ((part, "red" if entry.stale else "") for part in wrapped(known_line(entry), "    ", "      "))


def _speed(judgement: Judgement) -> Iterator[Line]:
    """How long calls take and what they take, where that was measured; a row a required gate, with its outcome."""
    for table in slo_tables(slo_figures(judgement), judgement.run.machine):
        widths = _SPEED_WIDTHS.get(len(table.heads), [24, 9, 18, 12, 14])
        for cells in [table.heads, *table.rows] if table.heads else []:
            line = "  " + printable(cells[0], widths[0]).ljust(widths[0])
            line += "".join(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=False))
            style = _STYLES[Outcome(cells[-1])] if cells[-1] in Outcome.__members__ else ""
            yield line, style
        for note in table.notes:
            yield from ((line, "") for line in _wrapped(printable(note)))


def _determinism(judgement: Judgement) -> Iterator[Line]:
    """How often another run of the same artifact gave other calls."""
    figures = stability_figures(judgement)
    if figures is None:
        return
    yield f"  {'determinism':<46}{'cases':>7}{'other calls':>13}{'tokens':>8}", ""
    for one in figures["comparisons"]:
        name = comparison_name(one, figures["runs"])
        row = f"  {printable(name, 46):<46}{one['cases']:>7,}{one['other_calls']:>13,}{one['other_tokens']:>8,}"
        yield row, "red" if one["other_calls"] else ""
    unstable = unstable_line(figures)
    yield from ((part, "red") for part in (_wrapped(unstable) if unstable else ()))


def _accuracy_level(judgement: Judgement) -> Iterator[Line]:
    """What the runtime's arithmetic changes, apart from what quantization changes."""
    figures = level_figures(judgement)
    for at, line in enumerate(level_lines(figures) if figures else ()):
        yield from ((part, "") for part in _wrapped(line if at else f"accuracy level  {line}"))


def _tools(rows: Mapping[str, Mapping[str, GateResult]]) -> Iterator[Line]:
    """At most `MOST_TOOLS`, those of most cases: a set of hundreds would push all else off the screen."""
    by_cases = sorted(rows, key=lambda name: -rows[name]["detection"].total)
    shown, left = set(by_cases[:MOST_TOOLS]), by_cases[MOST_TOOLS:]
    yield from _groups("tool", [row for row in rows.items() if row[0] in shown])
    if left:
        most = counted(rows[left[0]]["detection"].total, "case")
        yield f"  {counted(len(left), 'more tool')}, of at most {most} each: report.html shows all", ""


def _groups(kind: str, rows: Iterable[tuple[str, object]]) -> Iterator[Line]:
    """A row a tool or a scenario: how many cases, and its rate at each level (or of abstention)."""
    if not rows:
        return
    yield f"  {kind:<20}{'cases':>7}" + "".join(f"{name:>11}" for name in (*LEVELS, "")).rstrip(), ""
    for name, levels in rows:
        assert isinstance(levels, dict)
        if "detection" in levels:
            cells = "".join(f"{percent(levels[level].rate):>11}" for level in LEVELS)
            yield f"  {printable(name, 20):<20}{levels['detection'].total:>7,}{cells}", ""
        if "abstention" in levels:
            gate = levels["abstention"]
            yield f"  {printable(name, 20):<20}{gate.total:>7,}   abstention {percent(gate.rate)}", ""


def _reasons(judgement: Judgement, not_run: Collection[str]) -> Iterator[Line]:
    """Why required gates are undecided, each reason once; those whose tests were not run are told at the end."""
    if judgement.unconcerned and not not_run:
        yield from ((line, "yellow") for line in _wrapped(f"INCONCLUSIVE: {printable(judgement.unconcerned)}"))
    reasons: dict[str, list[str]] = {}
    for gate in judgement.required:
        if gate.outcome is Outcome.INCONCLUSIVE and gate.name not in not_run:
            reasons.setdefault(gate.reason, []).append(gate.name)
    for reason, names in reasons.items():
        for line in _wrapped(f"INCONCLUSIVE {', '.join(names)}: {printable(reason)}"):
            yield line, "yellow"
    for told in to_decide(judgement):
        whole = told.startswith(COMMAND)  # a command that is broken over lines cannot be copied
        yield from ((line, "") for line in ([f"  {told}"] if whole else _wrapped(told)))


def _stale(judgement: Judgement) -> Iterator[Line]:
    if judgement.stability_missing:
        for line in _wrapped(f"INCONCLUSIVE determinism: {judgement.stability_missing}"):
            yield line, "yellow"
    if judgement.untrained:
        for line in _wrapped(f"INCONCLUSIVE at best: {printable(judgement.untrained)}"):
            yield line, "yellow"
    for line in stale_lines(judgement.known) if judgement.known else ():
        yield from ((part, "red") for part in _wrapped(f"FAIL known_failures: {line}"))


def _end(judgement: Judgement, conclusion: Conclusion) -> Iterator[Line]:
    if judgement.rejection is not None:
        for line in _wrapped(judgement.rejection.line):
            yield line, "red"
    reached = judgement.tier
    if reached is not None and not judgement.incomplete:
        yield f"  tier     {reached.name}", ""
    if conclusion.verdict is None:
        for line in _wrapped(f"partial run: no verdict (not run: {', '.join(conclusion.not_run)})"):
            yield line, "yellow"
        return
    advice = f": {conclusion.advice}" if conclusion.advice else ""
    yield f"  verdict  {conclusion.verdict.upper()}{advice}", _VERDICT_STYLES[conclusion.verdict]
    if conclusion.verdict == "inconclusive" and judgement.unpromoting:
        yield f"  {judgement.unpromoting}", ""


def _wrapped(text: str) -> list[str]:
    return wrapped(text, first="  ")
