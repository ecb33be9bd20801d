"""The known failures of a run as figures and as lines: what was left out, why, and what is stale. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi4bench.printable import printable
from phi4bench.report.wording import percent
from phi4bench.xfails import Known, KnownFailures


def known_figures(known: KnownFailures | None) -> dict[str, Any] | None:
    """As `report.json` and `promotion.json` have it; `None` where no list was given."""
    if known is None:
        return None
    return {
        "file": known.name,
        "sha256": known.sha256,
        "cases": known.cases,
        "of": known.of,
        "entries": [
            {
                "group": entry.group,
                "reason": entry.reason,
                "size": entry.size,
                "cases": entry.cases,
                "right": entry.right,
                "stale": entry.stale,
            }
            for entry in known.entries
        ],
    }


def known_title(figures: Mapping[str, Any]) -> str:
    """What was left out by which list, from `known_figures`."""
    count, share = len(figures["entries"]), figures["cases"] / figures["of"] if figures["of"] else 0.0
    families = f"{count:,} famil{'y' if count == 1 else 'ies'}"
    return (
        f"{printable(figures['file'], 60)} (sha256 {figures['sha256'][:12]}): {families} left out,"
        f" {figures['cases']:,} of {figures['of']:,} cases ({percent(share)})"
    )


def known_line(entry: Known) -> str:
    """One entry: its family, how many of its cases are right, and why it is listed."""
    mark = "STALE " if entry.stale else ""
    counted = f"{entry.right} of {entry.cases} right"
    if entry.cases < entry.size:
        counted += f", {entry.size - entry.cases} not asked"
    return f"{mark}{printable(entry.group, 80)}: {counted}; {printable(entry.reason, 200)}"


def stale_lines(known: KnownFailures) -> list[str]:
    """Why the run fails: a line for each entry that passes now."""
    return [
        f"{printable(known.name, 60)}: {printable(entry.group, 80)} is stale: all of its {entry.cases} cases are right"
        " now; take the entry out"
        for entry in known.stale
    ]
