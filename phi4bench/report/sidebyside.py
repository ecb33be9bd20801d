"""The judged rates beside the same cases decoded without a mask, or repaired: one table for people. Pure."""

from __future__ import annotations

from phi4bench.gates import GateResult
from phi4bench.report.wording import percent
from phi4bench.run.judgement import Judgement

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""(heads, rows), all texts; the first column names the rate."""


def mode(judgement: Judgement) -> str:
    """How the judged completions were decoded: `free` or `constrained`."""
    return str(judgement.run.decoding.get("mode", "free"))


def side_by_side(judgement: Judgement) -> Table | None:
    """`None` where nothing stands beside."""
    if not judgement.beside:
        return None
    heads = (f"{mode(judgement)}, judged", *(beside.name for beside in judgement.beside))
    names = [name for name in judgement.beside[0].rates if name in judgement.gates]
    rows = [
        (name, percent(judgement.gates[name].rate), *(_shown(beside.rates.get(name)) for beside in judgement.beside))
        for name in names
    ]
    return heads, rows


def side_notes(judgement: Judgement) -> list[str]:
    """What a reader of the table must know."""
    notes = []
    for beside in judgement.beside:
        if beside.missing:
            notes.append(f"{beside.name}: {beside.missing:,} completions are missing, so its rates are no fair sample")
        if beside.counts:
            first, *others = beside.counts.items()
            told = ", ".join(f"{name} {number:,}" for name, number in [first, *(one for one in others if one[1])])
            notes.append(f"{beside.name}: {told}")
    return notes


def _shown(rate: GateResult | None) -> str:
    return "-" if rate is None else percent(rate.rate)
