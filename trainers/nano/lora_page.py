"""The tables of `docs/nano-lora.md`, made from what `tables` found. Pure: no files, no models, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BEGIN = "<!-- tables: begin, written by `python -m trainers.nano tables` -->"
END = "<!-- tables: end -->"
LEVELS = ("detection", "parsing", "tool", "parameter", "abstention")
GUIDE = (71.0, 96.0)
"""Tool accuracy before and after fine-tuning, in percent. Source: the field guide that this project grew from."""

Row = Mapping[str, Any]


def put(page: str, results: Mapping[str, Any]) -> str:
    """`page` with the tables between its markers. Raises `ValueError` where they are missing."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the tables; write {BEGIN!r} and {END!r} into it")
    return f"{head}{BEGIN}\n{chr(10).join(tables(results))}\n{END}{tail}"


def best(rows: Sequence[Row]) -> Row:
    """The rank with the most right parameters; of equal ones, the one with the lowest rank."""
    return max(ranked(rows), key=lambda row: (row["levels"]["parameter"]["passed"], -row["rank"]))


def ranked(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if "rank" in row]


def tables(results: Mapping[str, Any]) -> Iterator[str]:
    rows: Sequence[Row] = results["rows"]
    yield from _base(results)
    if not ranked(rows):
        return
    base, chosen = rows[0], best(rows)
    yield from _before_after(base, chosen)
    yield from _per_tool(base, chosen)
    yield from _ranks(rows)
    yield from _quantized(rows, chosen)
    yield from expectations(base, chosen)


def _base(results: Mapping[str, Any]) -> Iterator[str]:
    recipe, end = results["base"]["recipe"], results["base"]["end"]
    yield ""
    if end:
        going_on = f", going on from `{recipe['start']}`" if recipe.get("start") else ""
        yield (
            f"nano-base: seed {recipe['seed']}{going_on}, {end['minutes']:.0f} of {recipe['minutes']:.0f} minutes,"
            f" {end['step']:,} steps, {end['tokens'] / 1e6:.2f} million tokens read besides the system turns,"
            f" {end['learned'] / 1e6:.2f} million of them learned from, last mean loss {end['loss']:.2f}."
        )
    yield f"Fine-tuned on {results['examples']:,} generated examples with `{results['settings']}`."
    if results["notes"]:
        yield results["notes"]
    yield ""


def _before_after(base: Row, chosen: Row) -> Iterator[str]:
    yield from _head("level", "nano-base", f"rank {chosen['rank']}", "points")
    for level in LEVELS:
        before, after = base["levels"][level], chosen["levels"][level]
        yield _line(level, _counted(before), _counted(after), f"{percent(after) - percent(before):+.1f}")
    yield ""


def _per_tool(base: Row, chosen: Row) -> Iterator[str]:
    yield from _head("tool, base to fine-tuned", *LEVELS[:-1])
    for tool, after in chosen["per_tool"].items():
        before = base["per_tool"][tool]
        yield _line(tool, *(f"{percent(before[one]):.1f} → {percent(after[one]):.1f}%" for one in LEVELS[:-1]))
    yield ""


def _ranks(rows: Sequence[Row]) -> Iterator[str]:
    yield from _head("rank", *LEVELS, "gap", "perplexity", "seconds", "verdict of the gate")
    for row in ranked(rows):
        fit, took = row["fit"], row["seconds"]
        shown = [f"{percent(row['levels'][level]):.1f}%" for level in LEVELS]
        told = [f"{fit['gap']:+.3f}", f"{fit['perplexity']:.3f}", "?" if took is None else f"{took:,.0f}"]
        yield _line(str(row["rank"]), *shown, *told, row["verdict"] or "none")
    yield ""


def _quantized(rows: Sequence[Row], chosen: Row) -> Iterator[str]:
    made = [row for row in rows if row["name"].startswith(f"{chosen['name']}-")]
    if not made:
        return
    yield from _head("level", *(row["name"] for row in (chosen, *made)))
    for level in LEVELS:
        yield _line(level, *(_counted(row["levels"][level]) for row in (chosen, *made)))
    yield _line("bytes", *(f"{row['bytes']:,}" for row in (chosen, *made)))
    yield _line("verdict", *(row["verdict"] or "none" for row in (chosen, *made)))
    yield ""


def expectations(base: Row, chosen: Row) -> Iterator[str]:
    """What held of the guide's tool accuracy before and after."""
    before, after = percent(base["levels"]["tool"]), percent(chosen["levels"]["tool"])
    wanted_gain, gain = GUIDE[1] - GUIDE[0], after - before
    yield f"The field guide expects tool accuracy to rise from {GUIDE[0]:.0f}% to {GUIDE[1]:.0f}%. Here:"
    yield ""
    for told, held in (
        (f"a base at {GUIDE[0]:.0f}% or more: {before:.1f}%", before >= GUIDE[0]),
        (f"a fine-tuned model at {GUIDE[1]:.0f}% or more: {after:.1f}%", after >= GUIDE[1]),
        (f"a gain of {wanted_gain:.0f} points or more: {gain:+.1f}", gain >= wanted_gain),
    ):
        yield f"- {told}, {'which held' if held else 'which did not hold'}"
    yield ""


def percent(count: Mapping[str, int]) -> float:
    return 100 * count["passed"] / count["total"] if count["total"] else 0.0


def _counted(count: Mapping[str, int]) -> str:
    return f"{percent(count):.1f}% ({count['passed']:,}/{count['total']:,})"


def _head(*names: str) -> Iterator[str]:
    yield _line(*names)
    yield "| --- |" + " ---: |" * (len(names) - 1)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
