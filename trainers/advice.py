"""The rule after quantizing: post-training first, quantization-aware training only where the loss stays above 2 points.

Reads the gate's own report; decides nothing that the gate decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi4bench.printable import printable
from trainers.base import read_json_file

MOST_LOST = 2.0
"""Points that a quantized file may lose to its parent before retraining is worth it."""


def advice(report: Path) -> list[str]:
    """A line for each quantized artifact of a report.json that was compared with its parent; none where there is no
    report."""
    if not report.is_file():
        return []
    return [told(one) for one in read_json_file(report)["artifacts"] if one.get("regression")]


def told(artifact: dict[str, Any]) -> str:
    """The level that lost most, and what the rule says of it. Points: of the candidate's rate under its parent's."""
    losses = {level: pair for level, pair in artifact["regression"].items() if pair.get("difference") is not None}
    name = printable(str(artifact["artifact"].get("id") or artifact["artifact"]["spec"]), 80)
    if not losses:
        return f"{name}: no loss against its parent could be measured"
    level = min(losses, key=lambda one: losses[one]["difference"])
    points = -100 * losses[level]["difference"]
    low, high = sorted(-100 * end for end in losses[level]["ci"] or (losses[level]["difference"],) * 2)
    line = f"{name}: {level} loses {max(points, 0) + 0.0:.1f} points to its parent ({low:+.1f} to {high:+.1f})"
    if low >= MOST_LOST:
        hint = "another method, smaller blocks or --search first; quantization-aware training if it stays"
        return f"{line}, more than {MOST_LOST:g}: {hint}"
    if high > MOST_LOST:
        return f"{line}, perhaps more than {MOST_LOST:g}: judge more cases before any retraining"
    return f"{line}, at most {MOST_LOST:g}: post-training quantization is enough"
