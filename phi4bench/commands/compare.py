"""`phi4bench compare`: an A/B test of two finished runs, from their transcripts alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi4bench.counting import counted
from phi4bench.printable import wrapped

if TYPE_CHECKING:
    from phi4bench.comparing import Comparison
    from phi4bench.pairing import Pair

METRICS = ("detection", "parsing", "tool", "parameter", "abstention")


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "compare",
        help="A/B-test two finished runs",
        description="Tests run B against run A over the cases that both answered: ship where every chosen metric"
        " improves significantly and by at least the minimum and nothing regresses significantly; roll back on a"
        " significant regression of a critical metric; else iterate. Significant: the interval (Tango's, by families)"
        " leaves zero out. McNemar's p takes cases for independent; it stands beside and decides nothing.",
        epilog="exit codes: 0 ship, 1 roll back, 10 iterate, 4 wrong usage",
    )
    parser.add_argument("a", type=Path, metavar="RUN_A", help="the run to beat: a report folder or a transcript file")
    parser.add_argument("b", type=Path, metavar="RUN_B", help="the run that may replace it")
    parser.add_argument(
        "--minimum", type=float, required=True, metavar="POINTS", help="the least improvement that is worth shipping"
    )
    parser.add_argument(
        "--metric", action="append", choices=METRICS, metavar="NAME",
        help="what has to improve; may repeat, then all of them have to (default: parameter, the whole call)",
    )  # fmt: skip
    parser.add_argument(
        "--critical", action="append", choices=METRICS, metavar="NAME",
        help="what must not regress; may repeat (default: every metric)",
    )  # fmt: skip
    parser.add_argument(
        "--alpha", type=float, default=5.0, metavar="PERCENT", help="one-sided error of each end (default: 5)"
    )
    parser.set_defaults(carry_out=run)


def run(options: argparse.Namespace) -> int:
    """Print the table and the decision; returns the exit code. UsageError or StoreError for no fair pair."""
    from phi4bench.comparing import EXIT_CODES, compare
    from phi4bench.errors import UsageError
    from phi4bench.pairing import pair_runs

    if not 0.0 <= options.minimum <= 100.0:
        raise UsageError(f"--minimum={options.minimum:g}, but should be points between 0 and 100")
    if not 0.0 < options.alpha < 50.0:
        raise UsageError(f"--alpha={options.alpha:g}, but should be percent between 0 and 50")
    pair = pair_runs(options.a, options.b)
    metrics = dict.fromkeys(options.metric or ("parameter",))
    critical = options.critical or METRICS
    found = compare(pair.a_scores, pair.b_scores, options.minimum / 100, metrics, critical, options.alpha / 100)
    sys.stdout.write("\n".join([*_about(pair), *_table(found), *_decision(found)]) + "\n")
    return EXIT_CODES[found.decision]


def _about(pair: Pair) -> Iterator[str]:
    for letter, one in (("A", pair.a), ("B", pair.b)):
        card = one.artifact
        yield f"{letter}  {card['id']}: {card['format']} {card['precision']}, sha256 {card['sha256'][:12]}"
    families = counted(len({score.group for score in pair.a_scores}), "family", "families")
    yield f"   {counted(len(pair.a_scores), 'case')} in {families}, dialect {pair.a.dialect.name}"
    for warning in pair.warnings:
        yield from wrapped(f"warning: {warning}", first="   ", further="     ")


def _table(found: Comparison) -> Iterator[str]:
    from phi4bench.comparing import nothing_to_tell, rate_of_a, rate_of_b
    from phi4bench.report.wording import percent, points, points_interval

    yield f"  {'metric':<11}{'A':>7}{'B':>8}{'lost/gained':>13}{'points':>8}{'interval':>17}{'McNemar p':>12}"
    for name, result in found.results.items():
        flips = f"{result.lost}/{result.gained}"
        yield (
            f"  {name:<11}{percent(rate_of_a(result)):>7}{percent(rate_of_b(result)):>8}{flips:>13}"
            f"{points(result.difference):>8}{points_interval(result.interval):>17}{_p(result.mcnemar_p):>12}"
        )
    silent: dict[str, list[str]] = {}
    for name, result in found.results.items():
        silent.setdefault(nothing_to_tell(result), []).append(name)
    for why, names in silent.items():
        if why:
            yield f"  {', '.join(names)}: {why}"


def _decision(found: Comparison) -> Iterator[str]:
    for reason in found.reasons:
        yield from wrapped(reason, first="  ")
    yield f"  decision  {found.decision.upper()}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"
