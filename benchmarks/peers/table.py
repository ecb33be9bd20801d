"""The table of peers: ratios of one run, beside what was wanted. Pure: figures in, text out."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.peers.rivals import Peer
from benchmarks.peers.running import Pair

HEAD = (
    "peer",
    "precision",
    "to the verdict",
    "ours",
    "times ours",
    "wanted",
    "cases/s",
    "ours",
    "same tokens",
    "right",
)


def table(peers: Sequence[Peer], pairs: Sequence[Pair], failures: Mapping[str, str]) -> str:
    """A Markdown table, a row a peer, those that could not be measured with the reason."""
    rows = [list(HEAD), ["---", "---"] + ["---:"] * (len(HEAD) - 2)]
    rows += [row(peer, [pair for pair in pairs if pair.peer == peer.name], failures.get(peer.name)) for peer in peers]
    widths = [max(len(line[at]) for line in rows if len(line) > at) for at in range(2)]
    return "\n".join("| " + " | ".join(_padded(line, widths)) + " |" for line in rows)


def row(peer: Peer, pairs: Sequence[Pair], failure: str | None) -> list[str]:
    if not pairs:
        why = (failure or "not asked for").replace("|", r"\|")
        return [peer.what, peer.precision, f"not measured: {why}", *[""] * (len(HEAD) - 3)]
    ratios = [pair.ratio for pair in pairs]
    middle = statistics.median(ratios)
    last = pairs[-1]
    return [
        peer.what,
        peer.precision,
        _seconds(pair.peer_s for pair in pairs),
        _seconds(pair.ours_s for pair in pairs),
        f"{middle:.1f}×" + (f" ({min(ratios):.1f} to {max(ratios):.1f} in {len(ratios)})" if len(ratios) > 1 else ""),
        _wanted(peer.wanted, middle),
        f"{statistics.median(pair.peer_per_s for pair in pairs):,.1f}",
        f"{statistics.median(pair.ours_per_s for pair in pairs):,.1f}",
        f"{last.same:,}/{last.cases:,}",
        f"{last.right:,} (ours {last.ours_right:,})",
    ]


def notes(peers: Sequence[Peer], pairs: Sequence[Pair], failures: Mapping[str, str]) -> list[str]:
    """Where a peer wrote other tokens than ours, or read other ones; and why one with figures has no more of them."""
    lines = []
    for peer in peers:
        last = next((pair for pair in reversed(pairs) if pair.peer == peer.name), None)
        if last is None:
            continue
        if peer.name in failures:
            lines.append(f"{peer.name} was not measured again: {failures[peer.name]}")
        if last.other_prompts:
            lines.append(f"{peer.name} read {last.other_prompts:,} prompts as other tokens than ours.")
        if any(place > 1 for place in last.differ_at):
            first, middle = min(last.differ_at), statistics.median_low(last.differ_at)
            lines.append(
                f"{peer.name} ({peer.precision}) parts from ours ({peer.ours}) in {len(last.differ_at):,} cases: at new"
                f" token {first} at the earliest, {middle} in the middle one."
            )
    return lines


def _wanted(wanted: float | None, found: float) -> str:
    if wanted is None:
        return ""
    return f"≥ {wanted:g}×: {'held' if found >= wanted else 'NOT HELD'}"


def _seconds(values: Iterable[float]) -> str:
    return f"{statistics.median(values):,.1f} s"


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The first columns in line, so that the table can be read on a terminal too."""
    return [cell.ljust(widths[at]) if at < len(widths) else cell for at, cell in enumerate(line)]
