"""`phi4bench summary`: a finished run as Markdown, or its worst verdict alone."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from phi4bench.nearby import expanded


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "summary",
        help="a finished run as Markdown",
        description="Prints report.json as Markdown, for a job's summary page.",
        epilog="exit codes: 0 printed, whatever the verdict; 4 wrong usage",
    )
    parser.add_argument(
        "report", type=expanded, metavar="REPORT", help="the folder that --report named, or its report.json"
    )
    parser.add_argument("--verdict", action="store_true", help="only the worst verdict of the run, in one word")
    parser.set_defaults(carry_out=run)


def run(options: argparse.Namespace) -> int:
    """Print it; returns the exit code. UsageError where there is no report."""
    from phi4bench.errors import UsageError
    from phi4bench.printable import printable
    from phi4bench.report.markdown import markdown, read_report, worst_verdict

    report = read_report(options.report)
    try:
        text = f"{worst_verdict(report)}\n" if options.verdict else markdown(report)
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        shown = printable(str(options.report), 200)
        raise UsageError(
            f"{shown} is not a whole report ({printable(repr(error), 80)})", "run the suites again"
        ) from None
    sys.stdout.write(text)
    return 0
