"""The determinism checks of a run as figures and as lines: how often another run gave other calls. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi4bench.printable import printable
from phi4bench.run.judgement import Judgement
from phi4bench.stability import AGAIN, ALONE, FIRST, THREADS

SHOWN = 5


def stability_figures(judgement: Judgement) -> dict[str, Any] | None:
    """As `report.json` and `promotion.json` have it; `None` where nobody asked.

    `missing`: why not all is there. `at_once`: how many cases a run answered side by side.
    """
    found = judgement.stability
    if found is None:
        return None
    runs = judgement.run.facts["determinism"].get("runs") or {}
    return {
        "cases": found.cases,
        "missing": judgement.stability_missing or None,
        "runs": {str(name): _layout(runtime) for name, runtime in runs.items()},
        "comparisons": [
            {
                "run": one.other,
                "against": one.one,
                "cases": one.cases,
                "other_calls": len(one.calls),
                "other_tokens": len(one.differences),
                "calls_differ": list(one.calls),
                "tokens_differ": [difference.case_id for difference in one.differences],
            }
            for one in found.comparisons
        ],
        "unstable": list(found.unstable),
    }


def comparison_name(comparison: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    """What was compared, such as `1 at once, against 16`."""
    one, other = (runs.get(comparison[side]) or {} for side in ("against", "run"))
    match comparison["run"]:
        case name if name == FIRST:
            return "a fresh run, against the judged one"
        case name if name == AGAIN:
            return "run once more"
        case name if name == ALONE:
            return f"{other.get('at_once')} at once, against {one.get('at_once')}"
        case name if name == THREADS:
            threads = other.get("threads")
            return f"{threads} thread{'' if threads == 1 else 's'}, against {one.get('threads')} (1 at once)"
    return str(comparison["run"])


def comparison_lines(figures: Mapping[str, Any]) -> list[str]:
    """One line a comparison, from `stability_figures`."""
    return [
        f"{comparison_name(one, figures['runs'])}: other calls in {one['other_calls']:,} of {one['cases']:,} cases,"
        f" other tokens in {one['other_tokens']:,}"
        for one in figures["comparisons"]
    ]


def unstable_line(figures: Mapping[str, Any]) -> str:
    """Which cases are not stable; empty where all are."""
    some = figures["unstable"]
    if not some:
        return ""
    shown = ", ".join(printable(one, 40) for one in some[:SHOWN])
    more = f" and {len(some) - SHOWN:,} more" if len(some) > SHOWN else ""
    return f"{len(some):,} of {figures['cases']:,} cases are not stable and count as wrong: {shown}{more}"


def _layout(runtime: Mapping[str, Any]) -> dict[str, Any]:
    """The threads of a run and how many cases it answers at once, as far as its backend says."""
    rows, lanes = runtime.get("rows"), runtime.get("lanes", 1)
    at_once = rows * lanes if isinstance(rows, int) and isinstance(lanes, int) else None
    return {"threads": runtime.get("threads"), "at_once": at_once}
