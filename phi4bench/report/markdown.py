"""A finished run as Markdown, for a job's summary page. Reads report.json; what a model wrote does not enter."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phi4bench.counting import counted
from phi4bench.errors import UsageError
from phi4bench.report.known import known_title
from phi4bench.report.levels import level_lines
from phi4bench.report.speed import slo_tables
from phi4bench.report.stable import comparison_lines, unstable_line
from phi4bench.report.wording import percent, points, size
from phi4bench.sizes import EMBEDDINGS, HEAD

WORST_FIRST = ("reject", "inconclusive", "none", "promote")


def read_report(place: Path) -> Mapping[str, Any]:
    """The report in a folder, or in the file itself; raises `UsageError` where there is none that can be read."""
    path = place if place.is_file() else place / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path} is not there", "give the --report folder of a finished run") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "give the --report folder of a finished run") from None
    if not isinstance(report, dict) or report.get("schema") != "phi4bench.report/1":
        raise UsageError(f"{path} is not a phi4bench.report/1", "give the --report folder of a finished run")
    return report


def worst_verdict(report: Mapping[str, Any]) -> str:
    """`promote`, `reject` or `inconclusive`; `none` where an artifact has none, and the worst of several."""
    verdicts = [artifact.get("verdict") or "none" for artifact in report["artifacts"]] or ["none"]
    return min(verdicts, key=WORST_FIRST.index)


def markdown(report: Mapping[str, Any]) -> str:
    """One section an artifact: the verdict, the gates, the tools."""
    return "\n".join(line for artifact in report["artifacts"] for line in _section(artifact)) + "\n"


def _section(one: Mapping[str, Any]) -> Iterator[str]:
    verdict = (one.get("verdict") or "no verdict").upper()
    yield f"## {_cell(one['artifact']['id'])}: {verdict}" + (f" ({_cell(one['advice'])})" if one.get("advice") else "")
    yield ""
    if one.get("fault"):
        yield f"not judged: {_cell(one['fault'])}"
        yield ""
        return
    yield from _about(one)
    yield from _gates(one)
    yield from _known_failures(one)
    yield from _reasons(one)
    yield from _sizes(one.get("size") or {})
    yield from _beside(one)
    yield from _speed(one)
    yield from _run_again(one)
    yield from _tools(one)


def _about(one: Mapping[str, Any]) -> Iterator[str]:
    card = one["artifact"]
    if one.get("untrained"):
        yield f"**{_cell(one['untrained'])}**"
        yield ""
    if one.get("early_rejection"):
        yield f"**{_cell(one['early_rejection']['reason'])}**"
        yield ""
    cases = f"{counted(one['dataset']['cases'], 'case')} in {counted(one['dataset']['groups'], 'family', 'families')}"
    kind, sha256 = _cell(f"{card['format']} {card['precision']}"), _cell(card["sha256"][:12])
    yield f"{kind}, {size(card['bytes'])}, sha256 `{sha256}`; {cases}"
    yield ""
    if one.get("incomplete"):
        yield _cell(one["incomplete"])
        yield ""
    if one.get("unpromoting") and one.get("verdict") == "inconclusive":
        yield _cell(one["unpromoting"])
        yield ""


def _gates(one: Mapping[str, Any]) -> Iterator[str]:
    yield "| gate | passed | rate | interval | target | outcome |"
    yield "| --- | ---: | ---: | --- | ---: | --- |"
    for name, gate in {**one["levels"], "abstention": one["abstention"]}.items():
        if not gate["total"] and not gate["outcome"]:
            continue
        ends = "-" if gate["ci"] is None else "{:.1f} to {:.1f}%".format(*(100 * end for end in gate["ci"]))
        target = "-" if gate["target"] is None else f"{100 * gate['target']:g}%"
        counts = f"{gate['passed']:,}/{gate['total']:,}"
        yield f"| {name} | {counts} | {percent(gate['rate'])} | {ends} | {target} | {gate['outcome'] or 'measured'} |"
    for name, pair in one["regression"].items():
        ends = "-" if pair["ci"] is None else "{} to {}".format(*map(points, pair["ci"]))
        margin = "-" if pair.get("margin") is None else f"-{100 * pair['margin']:g}"
        cells = (
            counted(pair["total"], "pair"),
            points(pair["difference"]),
            ends,
            margin,
            pair["outcome"] or "measured",
        )
        yield f"| {name} against the baseline | {' | '.join(cells)} |"
    yield from _figures(one)
    yield ""
    if (one.get("baseline") or {}).get("is_parent") is False:
        parent = f"the parent that the manifest of {_cell(one['artifact']['id'])} names"
        yield f"{_cell(one['baseline']['id'])} is not {parent}."
        yield ""


def _known_failures(one: Mapping[str, Any]) -> Iterator[str]:
    if one.get("known_failures"):
        yield f"known failures: {_cell(known_title(one['known_failures']))}"
        yield ""
        for entry in one["known_failures"]["entries"]:
            stale = "**STALE**, it passes now: take the entry out; " if entry["stale"] else ""
            right = f"{entry['right']} of {entry['cases']} right"
            yield f"- {stale}{_cell(entry['group'])}: {right}; {_cell(entry['reason'])}"
        yield ""


def _reasons(one: Mapping[str, Any]) -> Iterator[str]:
    """Why gates came out as they did, and what would decide them."""
    reasons = [gate for gate in one.get("gates", ()) if gate.get("reason")]
    if not one.get("gates") and one.get("verdict"):
        yield f"none of the gates that the targets name concerns {_cell(one['artifact']['id'])}"
        yield ""
    for gate in reasons:
        yield f"- {gate['outcome']} {_cell(gate['name'])}: {_cell(gate['reason'])}"
    if reasons:
        yield ""
    for line in one.get("to_decide", ()):
        yield f"- {_cell(line)}"
    if one.get("to_decide"):
        yield ""


def _speed(one: Mapping[str, Any]) -> Iterator[str]:
    for table in slo_tables(one["slo"], one["machine"]):
        if table.heads:
            yield f"| {' | '.join(map(_cell, table.heads))} |"
            yield f"| --- |{' ---: |' * (len(table.heads) - 1)}"
            yield from (f"| {' | '.join(map(_cell, row))} |" for row in table.rows)
            yield ""
        yield from (f"{_cell(note)}  " for note in table.notes)
        yield ""


def _run_again(one: Mapping[str, Any]) -> Iterator[str]:
    """What came of answering the same cases in other ways."""
    if one.get("determinism"):
        figures = one["determinism"]
        for line in (*comparison_lines(figures), unstable_line(figures), figures["missing"]):
            if line:
                yield f"- determinism: {_cell(line)}"
        yield ""
    if one.get("accuracy_level"):
        yield from (f"- accuracy level: {_cell(line)}" for line in level_lines(one["accuracy_level"]))
        yield ""


def _tools(one: Mapping[str, Any]) -> Iterator[str]:
    if not one["per_tool"]:
        return
    yield "| tool | cases | detection | parsing | tool | parameter |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, levels in one["per_tool"].items():
        rates = " | ".join(percent(level["rate"]) for level in levels.values())
        yield f"| {_cell(name)} | {next(iter(levels.values()))['total']} | {rates} |"
    yield ""


def _figures(one: Mapping[str, Any]) -> Iterator[str]:
    """A row for each figure that is no rate of cases: fidelity, size, and what is required and nothing measured."""
    required = {gate["name"]: gate for gate in one.get("gates", ())}
    shown = {*one["levels"], "abstention", *(f"regression.{name}" for name in one["regression"])}
    for name, over, value, ends in _measured(one):
        gate = required.get(name, {})
        cells = (_cell(over), value, ends, _target(gate), gate.get("outcome") or "measured")
        shown.add(name)
        yield f"| {name} | {' | '.join(cells)} |"
    for name, gate in required.items():
        if name not in shown:
            rate = "-" if gate.get("rate") is None else f"{gate['rate']:.4g}"
            ends = "-" if gate.get("ci") is None else "{:.4g} to {:.4g}".format(*gate["ci"])
            yield f"| {_cell(name)} | - | {rate} | {ends} | {_target(gate)} | {gate['outcome']} |"


def _measured(one: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(gate, over what, figure, interval) of fidelity and of size, where they were measured."""
    fidelity, weighed = one.get("fidelity") or {}, one.get("size") or {}
    if fidelity.get("perplexity_ratio") is not None:
        over = f"{fidelity['cases']:,} answers"
        ends = fidelity["perplexity_ratio_ci"]
        span = "-" if ends is None else "{:.4f} to {:.4f}".format(*ends)
        yield "perplexity_ratio", over, f"{fidelity['perplexity_ratio']:.4f}", span
        yield "top1_agreement", over, f"{fidelity['top1_agreement']:.4f}", "-"
        yield "kl_mean", over, f"{fidelity['kl_mean']:.2g}", f"at most {fidelity['kl_mean_at_most']:.2g}"
    if weighed.get("ratio") is not None:
        over = f"{size(weighed['bytes'])} of {size(weighed['baseline_fp32_bytes'])}"
        yield "size_ratio", over, f"{weighed['ratio']:.4f}", "-"


def _target(gate: Mapping[str, Any]) -> str:
    target = gate.get("target", gate.get("margin"))
    return "-" if target is None else f"{target:,g}"


def _sizes(weighed: Mapping[str, Any]) -> Iterator[str]:
    """What each part takes, beside the baseline's in fp32."""
    if weighed.get("ratio") is None:
        return
    own, before = ({part["name"]: part for part in some["parts"]} for some in (weighed, weighed["baseline"]))
    yield "| part | bytes | share | baseline in fp32 |"
    yield "| --- | ---: | ---: | ---: |"
    for name in dict.fromkeys([*own, *before]):
        mine, whole = (own.get(name, {}).get("bytes", 0), before.get(name, {}).get("fp32_bytes", 0))
        share = f"{100 * mine / weighed['bytes']:.1f}%" if weighed["bytes"] else "-"
        cells = (_held(name, mine, weighed["tied"]), share, _held(name, whole, weighed["baseline"]["tied"]))
        yield f"| {_cell(name)} | {' | '.join(cells)} |"
    yield ""


def _beside(one: Mapping[str, Any]) -> Iterator[str]:
    """Rates of the same cases without a mask, or repaired; an older report has none."""
    beside = one.get("beside") or {}
    if not beside:
        return
    judged = {**one["levels"], "abstention": one["abstention"], **one["figures"]}
    names = [name for name in next(iter(beside.values()))["rates"] if name in judged]
    yield f"| side by side | {_cell(one['decoding'].get('mode', 'free'))}, judged | {' | '.join(map(_cell, beside))} |"
    yield "| --- | ---: |" + " ---: |" * len(beside)
    for name in names:
        rates = [judged[name], *(other["rates"].get(name, {}) for other in beside.values())]
        yield f"| {name} | {' | '.join(percent(rate.get('rate')) for rate in rates)} |"
    yield ""


def _held(name: str, amount: int, tied: bool) -> str:
    """Bytes of a part; of one without any, which other part holds it."""
    twin = {EMBEDDINGS: HEAD, HEAD: EMBEDDINGS}.get(name) if tied else None
    return size(amount) if amount else f"in {twin}" if twin else "-"


def _cell(text: object) -> str:
    """Text from a file, as it can stand in a table's cell."""
    kept = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return "".join(f"\\{letter}" if letter in "\\`*_|<>[]#" else letter for letter in kept)
