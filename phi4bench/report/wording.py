"""How figures are written for people: rates, intervals, points, sizes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from phi4bench.counting import counted
from phi4bench.fidelity import FRAGILE_MARGIN, Decision, Fidelity
from phi4bench.printable import printable
from phi4bench.stats import Interval


def percent(rate: float | None) -> str:
    """`0.9932` is `99.3%`. Never rounded up to a 100% that was not reached, nor down to a 0%."""
    if rate is None:
        return "-"
    shown = min(max(round(100 * rate, 1), 0.1 if rate > 0 else 0.0), 99.9 if rate < 1 else 100.0)
    return f"{shown:.1f}%"


def interval(ends: Interval | None) -> str:
    return "-" if ends is None else f"{100 * ends.low:.1f} to {100 * ends.high:.1f}%"


def points(difference: float | None) -> str:
    """A difference of rates in points, with its sign."""
    return "-" if difference is None else f"{100 * difference:+.1f}"


def points_interval(ends: Interval | None) -> str:
    return "-" if ends is None else f"{100 * ends.low:+.1f} to {100 * ends.high:+.1f}"


def fidelity_lines(found: Fidelity) -> list[str]:
    """What was read, and how it compares, in three short lines."""
    if not found.tokens:
        return ["no reference answer was read"]
    ends = found.interval
    span = f" ({ends.low:.4f} to {ends.high:.4f})" if ends else ""
    return [
        f"over {counted(found.cases, 'reference answer')}, {counted(found.tokens, 'token')}",
        f"perplexity {found.perplexity:.4g}, baseline {found.baseline_perplexity:.4g}, ratio"
        f" {found.perplexity_ratio:.4f}{span}",
        f"top token agrees {percent(found.top1)}, KL mean {found.kl_mean:.2g} (at most {found.kl_open:.1g} more),"
        f" 95% under {found.kl_p95:.2g} nats",
    ]


def fragile_line(some: Sequence[Decision], most: int = 5) -> str:
    """Which decisions hang by a hair."""
    shown = ", ".join(f"{printable(one.case_id, 40)} {one.margin:+.2f}" for one in some[:most])
    more = f" and {len(some) - most:,} more" if len(some) > most else ""
    verbs = "calls, or holds back," if len(some) == 1 else "call, or hold back,"
    return f"{counted(len(some), 'case')} {verbs} by a logit margin under {FRAGILE_MARGIN:g}: {shown}{more}"


def size(amount: float) -> str:
    """Bytes, in units of a thousand."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= factor:
            return f"{amount / factor:.1f} {unit}"
    return f"{amount:.0f} bytes"
