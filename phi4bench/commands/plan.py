"""`phi4bench plan`: how many cases a question needs, and the command that generates them."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator
from statistics import StatisticsError
from typing import TYPE_CHECKING, Any

from phi4bench.counting import counted

if TYPE_CHECKING:
    from phi4bench.planning import Assumed, Needed

MOST_DRAWN = 16_000
"""Cases that are drawn at most to see how many families the grammar gives."""
SEED = 1
_WIDTH = 79
_OPTIONS = (
    ("--margin", "POINTS", None, "the loss to rule out (guide: 2 for int8, 3 for int4)"),
    ("--flips", "PERCENT", None, "cases that change between the two, lost and gained together"),
    ("--loss", "POINTS", 0.0, "the loss that is truly there (default: 0)"),
    ("--floor", "PERCENT", None, "the rate to reach"),
    ("--rate", "PERCENT", None, "the rate that the artifact truly has"),
    ("--power", "PERCENT", 80.0, "the chance to pass, were this so (default: 80)"),
    ("--alpha", "PERCENT", 5.0, "one-sided error, as in the targets file (default: 5)"),
    ("--icc", "R", 0.0, "correlation of the cases of one family, 0 to 1 (default: 0)"),
    ("--cases-per-family", "N", 1.0, "how many cases a family has (default: 1)"),
)
_EXAMPLES = {("--margin", "--flips"): "--margin 2 --flips 5", ("--floor", "--rate"): "--floor 95 --rate 97"}


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "plan",
        help="how many cases a question needs",
        description="How many cases, in how many phrasing families, a gate needs to pass with a given power. Give"
        " --margin and --flips (two artifacts over the same cases), --floor and --rate (one artifact), or all four."
        " All figures are in percent or points.",
        epilog="exit codes: 0 answered, also where the answer is that no number would do; 4 wrong usage",
    )
    for flag, metavar, default, text in _OPTIONS:
        parser.add_argument(flag, type=float, metavar=metavar, default=default, help=text)
    parser.set_defaults(carry_out=run)


def run(options: argparse.Namespace) -> int:
    """Print the answer; returns the exit code. UsageError for a question that is none."""
    from phi4bench.errors import UsageError
    from phi4bench.planning import Assumed, for_floor, for_margin

    paired, single = (options.margin, options.flips), (options.floor, options.rate)
    if paired == single == (None, None):
        raise UsageError("no question given", "--margin 2 --flips 5, or --floor 95 --rate 97")
    for (one, other), names in ((paired, ("--margin", "--flips")), (single, ("--floor", "--rate"))):
        if (one is None) != (other is None):
            given, lacking = names if other is None else names[::-1]
            raise UsageError(f"{given} needs {lacking}", f"for example {_EXAMPLES[names]}")
    assumed = Assumed(options.alpha / 100, options.power / 100, options.icc, options.cases_per_family)
    answers: list[Needed | None] = []
    lines: list[str] = []
    try:
        if options.margin is not None:
            answers.append(for_margin(options.margin / 100, options.flips / 100, assumed, options.loss / 100))
            lines += _paired_lines(options, answers[-1], assumed)
        if options.floor is not None:
            answers.append(for_floor(options.floor / 100, options.rate / 100, assumed))
            lines += _floor_lines(options, answers[-1], assumed)
    except (OverflowError, StatisticsError):  # 1e-300 is above 0, and nothing can be counted by it
        raise UsageError("these figures need more cases than can be counted", "give less extreme ones") from None
    found = [answer for answer in answers if answer is not None]
    if found:
        lines += _generating(max(one.cases for one in found), max(one.families for one in found))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _paired_lines(options: argparse.Namespace, needed: Needed | None, assumed: Assumed) -> Iterator[str]:
    from phi4bench.planning import PAIRED_SOURCE

    loss = f" and a true loss of {options.loss:g} points" if options.loss else ""
    asked = f"paired: rule out a loss of {options.margin:g} points, with {options.flips:g}% of the cases flipped{loss}"
    yield from textwrap.wrap(asked, _WIDTH, subsequent_indent="  ")
    if needed is None:
        yield f"  none would: a true loss of {options.loss:g} points is not below the margin of {options.margin:g}"
        return
    yield from _numbers(needed, assumed, PAIRED_SOURCE)


def _floor_lines(options: argparse.Namespace, needed: Needed | None, assumed: Assumed) -> Iterator[str]:
    from phi4bench.planning import FLOOR_SOURCE

    yield f"one sample: show that a true rate of {options.rate:g}% is at least {options.floor:g}%"
    if needed is None:
        yield f"  none would: a rate of {options.rate:g}% is not above the floor of {options.floor:g}%"
        return
    yield from _numbers(needed, assumed, FLOOR_SOURCE)


def _numbers(needed: Needed, assumed: Assumed, source: str) -> Iterator[str]:
    from phi4bench.gates import LEAST_GROUPS
    from phi4bench.planning import EFFECT_SOURCE

    independent = f"{needed.independent:,} independent cases"
    yield f"  {independent} ({100 * assumed.power:g}% power, one-sided alpha {100 * assumed.alpha:g}%)"
    sized = f"{counted(needed.cases, 'case')} in {counted(needed.families, 'family', 'families')}"
    if assumed.effect > 1.0:
        sized += f" of {assumed.cases_per_family:g}, correlation {assumed.icc:g}: design effect {assumed.effect:g}"
    yield f"  {sized}"
    if needed.raised:
        yield f"  (no gate is decided on fewer than {LEAST_GROUPS} families)"
    for text in (source, *([EFFECT_SOURCE] if assumed.effect > 1.0 else [])):
        yield from textwrap.wrap(f"source: {text}", _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _generating(cases: int, families: int) -> list[str]:
    """The command for enough of both among the cases that expect a call, as the grammar draws them."""
    count, calls, seen = _count_of(cases, families)
    command = f"phi4bench cases --count {count} --seed {SEED} --out more.jsonl"
    found = f"{counted(calls, 'case')} that expect a call, in {counted(seen, 'family', 'families')}"
    if calls < cases or seen < families:
        return [
            "generate: the grammar does not hold as many families;",
            "  bring case files of your own beside it",
            f"  {command}",
            f"  # {found}",
        ]
    about = f"{found}; the levels count these, abstention the other {count - calls:,}"
    return ["generate:", f"  {command}", *textwrap.wrap(about, _WIDTH, initial_indent="  # ", subsequent_indent="  # ")]


def _count_of(cases: int, families: int) -> tuple[int, int, int]:
    """(how many to draw, how many of them expect a call, in how many families); the most there is where too few."""
    from phi4bench.datasets import fixtures_dir
    from phi4bench.datasets.toolsets import read_toolset
    from phi4bench.errors import UsageError
    from phi4bench.generating import TOOLSET, draw_cases

    tools = read_toolset(fixtures_dir() / "tools" / f"{TOOLSET}.json")
    best = (0, 0, 0)
    size = min(2 * cases, MOST_DRAWN)
    while True:
        try:
            drawn = draw_cases("test", size, SEED, tools)
        except UsageError:  # the grammar is exhausted
            return best
        seen: set[str] = set()
        calls = 0
        for count, case in enumerate(drawn, 1):
            if case.expects_call:
                calls += 1
                seen.add(case.group)
            if calls >= cases and len(seen) >= families:
                return count, calls, len(seen)
        best = (len(drawn), calls, len(seen))
        if size >= MOST_DRAWN:
            return best
        size = min(2 * size, MOST_DRAWN)
