"""How benchmarks that were compared are told: the lines of a table, JSON."""

from __future__ import annotations

from typing import Any

from benchmarks.comparing import Change, Outcome
from phi4bench.counting import counted
from phi4bench.printable import wrapped

WIDEST_NAME = 44
"""Of a row: a longer name stands on a line of its own."""


def changes_to_json(changes: list[Change]) -> dict[str, Any]:
    """By the benchmark's name. `ratio`: now over before, in units of the reference work; null of a new one."""
    return {
        one.sample.name: {
            "outcome": str(one.outcome),
            "before_s": one.before_s,
            "now_s": one.now_s,
            "ratio": one.ratio,
            "needed": one.needed,
            "runs": one.runs,
            "reason": one.reason,
        }
        for one in changes
    }


def table(changes: list[Change]) -> list[tuple[str, Outcome | None]]:
    """The lines of the comparison, for a terminal of 80 columns, and of each what came out."""
    width = min(max([len("benchmark"), *(len(one.sample.name) for one in changes)]), WIDEST_NAME)
    lines: list[tuple[str, Outcome | None]] = [(f"{'benchmark':{width}} {'before':>9} {'now':>9} {'ratio':>5}", None)]
    for one in changes:
        before = "" if one.before_s is None else duration(one.before_s)
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        *alone, name = [one.sample.name] if len(one.sample.name) <= width else [one.sample.name, ""]
        row = f"{name:{width}} {before:>9} {duration(one.now_s):>9} {ratio:>5}  {one.outcome}"
        reason = wrapped(one.reason, first="  ", further="    ")
        lines += [(line, one.outcome) for line in (*alone, row, *reason)]
    pieces = sorted(one.machine for one in changes if one.machine is not None)
    if pieces:
        runs = counted(max(one.runs for one in changes), "run")
        between = f"{pieces[0]:.2f} to {pieces[-1]:.2f}"
        told = f"beside the last {runs}; reference work took {between} of its time then, in no ratio above"
        lines += [(line, None) for line in wrapped(told, further="  ")]
    return lines


def duration(seconds: float) -> str:
    """Four digits and a unit: `1.234 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size or unit == "us":
            return f"{seconds / size:#.4g} {unit}"
    raise AssertionError(seconds)
