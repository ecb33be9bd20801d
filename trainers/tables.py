"""A sweep's results for people and programs: text, Markdown, CSV, JSON, and a picture of quality against cost.

Writes the picture; the rest is text.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from phi4bench.printable import printable
from trainers.results import COSTS, FINISHED, QUALITIES, Result, front

_HEADS = ("accuracy", "loss", "gap", "parameters", "seconds", "unbeaten for", "verdict")


def unbeaten(results: Sequence[Result], quality: str) -> dict[str, list[str]]:
    """By trial, the costs for which no other trial beats it."""
    found: dict[str, list[str]] = {one.name: [] for one in results}
    for cost in COSTS:
        for one in front(results, quality, cost):
            found[one.name].append(cost)
    return found


def ordered(results: Sequence[Result], quality: str) -> list[Result]:
    """The best first; of equal ones the smaller; those without figures last."""
    return sorted(results, key=lambda one: (-one.quality(quality), one.parameters or 0, one.name))


def rows(results: Sequence[Result], quality: str) -> tuple[list[str], list[list[str]]]:
    """Heads and cells, as people read them. Of a trial that did not finish, the last cell says why."""
    axes = list(results[0].values) if results else []
    marks = unbeaten(results, quality)
    made = []
    for one in ordered(results, quality):
        cells = [_plain(one.values[axis]) for axis in axes]
        if one.state == FINISHED:
            seconds = "-" if one.seconds is None else f"{one.seconds:,.1f}"
            figures = [f"{100 * one.accuracy:.1f}%", f"{one.loss:.4f}", f"{one.gap:+.4f}", f"{one.parameters:,}"]  # type: ignore[operator]
            cells += [*figures, seconds, ", ".join(marks[one.name]), one.verdict]
        else:
            cells += ["-"] * 5 + ["", f"{one.state}: {printable(one.reason, 200)}".removesuffix(": ")]
        made.append(cells)
    return [*axes, *_HEADS], made


def text(results: Sequence[Result], quality: str) -> str:
    """Columns of figures on the right, the words at the end on the left."""
    heads, body = rows(results, quality)
    widths = [max(len(row[at]) for row in (heads, *body)) for at in range(len(heads))]
    words = {len(heads) - 2, len(heads) - 1}

    def line(row: Sequence[str]) -> str:
        cells = [cell.ljust(width) if at in words else cell.rjust(width)
                 for at, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        return "  ".join(cells).rstrip()

    return "\n".join(map(line, (heads, *body))) + "\n"


def markdown(results: Sequence[Result], quality: str) -> str:
    heads, body = rows(results, quality)
    aligned = ["---:"] * (len(heads) - 2) + ["---", "---"]

    def line(row: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"

    return "\n".join([line(heads), line(aligned), *map(line, body)]) + "\n"


def comma_separated(results: Sequence[Result], quality: str) -> str:
    """Every figure in full. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    axes = list(results[0].values) if results else []
    fields = [name for name in Result.__dataclass_fields__ if name != "values"]
    marks = unbeaten(results, quality)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*axes, *fields, "unbeaten_for"])
    for one in ordered(results, quality):
        cells = [
            *(one.values[axis] for axis in axes),
            *(getattr(one, name) for name in fields),
            " ".join(marks[one.name]),
        ]
        writer.writerow([_no_formula(cell) for cell in cells])
    return out.getvalue()


def as_json(results: Sequence[Result], quality: str) -> str:
    marks = unbeaten(results, quality)
    listed = [asdict(one) | {"unbeaten_for": marks[one.name]} for one in ordered(results, quality)]
    return json.dumps({"quality": quality, "trials": listed}, indent=2, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[Sequence[Result], str], str]] = {
    "text": text, "markdown": markdown, "csv": comma_separated, "json": as_json,
}  # fmt: skip


def draw(results: Sequence[Result], quality: str, path: Path) -> None:
    """Quality against each cost, the trials that no other beats joined by a line. Needs matplotlib, and no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (cost, label) in zip(figure.subplots(1, 2), COSTS.items(), strict=True):
        known = [one for one in results if one.state == FINISHED and getattr(one, cost) is not None]
        best = front(known, quality, cost)
        axes.scatter([getattr(one, cost) for one in known], [_height(one, quality) for one in known], s=18)
        axes.plot([getattr(one, cost) for one in best], [_height(one, quality) for one in best], marker="o", color="C1")
        for one in best:
            said = ", ".join(f"{name} {_plain(value)}" for name, value in one.values.items())
            at = (getattr(one, cost), _height(one, quality))
            axes.annotate(said, at, fontsize=7, xytext=(4, 4), textcoords="offset points")
        if known and max(getattr(one, cost) for one in known) > 0:
            axes.set_xscale("log")
        if quality == "loss":
            axes.invert_yaxis()
        axes.set(xlabel=label, ylabel=QUALITIES[quality] + (" (%)" if quality == "accuracy" else ""))
    figure.savefig(path, dpi=120)


def _height(one: Result, quality: str) -> float:
    value = getattr(one, quality)
    return 100 * value if quality == "accuracy" else float(value)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else printable(str(value), 60)


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
