"""What reading an artifact again at accuracy level 0 found, as figures and as lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phi4bench.printable import printable
from phi4bench.run.judgement import Judgement
from phi4bench.runtime_flips import Flip

SHOWN = 5


def level_figures(judgement: Judgement) -> dict[str, Any] | None:
    """As `report.json` and `promotion.json` have it; `None` where nobody asked. `missing`: why not all is there."""
    stored = judgement.run.facts.get("accuracy_level")
    if not stored:
        return None
    found = judgement.runtime_flips
    return {
        "missing": str(stored.get("missing") or "") or None,
        "nodes": {str(level): count for level, count in (stored.get("nodes") or {}).items()},
        "cases": found.cases if found else 0,
        "runtime_flips": [_flip(one) for one in found.runtime] if found else [],
        "compared": found.compared if found else 0,
        "quantization_flips": None
        if found is None or found.quantization is None
        else [_flip(one) for one in found.quantization],
    }


def level_lines(figures: Mapping[str, Any]) -> list[str]:
    """What was read again and what changed, from `level_figures`."""
    lines = []
    if figures["cases"]:
        nodes = ", ".join(f"{count:,} at level {level}" for level, count in figures["nodes"].items())
        lines.append(f"{figures['cases']:,} cases read again at level 0 (MatMulNBits nodes: {nodes})")
        lines.append("runtime flips, level 0 to the artifact: " + _counted(figures["runtime_flips"], figures["cases"]))
        if figures["quantization_flips"] is not None:
            counted = _counted(figures["quantization_flips"], figures["compared"])
            lines.append(f"quantization flips, the baseline to level 0: {counted}")
    return [*lines, *([printable(figures["missing"], 300)] if figures["missing"] else [])]


def _counted(flips: Sequence[Mapping[str, Any]], cases: int) -> str:
    if not flips:
        return f"none in {cases:,} cases"
    lost = sum(one["before"] and not one["after"] for one in flips)
    gained = sum(one["after"] and not one["before"] for one in flips)
    shown = ", ".join(printable(one["case_id"], 40) for one in flips[:SHOWN])
    more = f" and {len(flips) - SHOWN:,} more" if len(flips) > SHOWN else ""
    return f"{len(flips):,} of {cases:,} call otherwise, {lost} lost, {gained} gained: {shown}{more}"


def _flip(flip: Flip) -> dict[str, Any]:
    return {"case_id": flip.case_id, "before": flip.was_right, "after": flip.is_right}
