"""How figures are written for people: rates, intervals, points, sizes. Pure."""

from __future__ import annotations

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


def size(amount: float) -> str:
    """Bytes, in units of a thousand."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= factor:
            return f"{amount / factor:.1f} {unit}"
    return f"{amount:.0f} bytes"
