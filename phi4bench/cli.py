"""The `phi4bench` command: a thin front to pytest, to rescoring and to the case generator."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from phi4bench import __version__
from phi4bench.cases import SCENARIOS
from phi4bench.commands import add_commands
from phi4bench.counting import counted
from phi4bench.errors import Phi4benchError
from phi4bench.nearby import expanded
from phi4bench.printable import printable
from phi4bench.run.options import add_options

USAGE_EXIT = 4
CRASHED_EXIT = 3
INTERRUPTED_EXIT = 130
READER_GONE_EXIT = 141
"""As a shell tells of who wrote to `| head`: 1 would be a reject."""
_EXIT_CODES = "exit codes: 0 promote, 1 reject, 10 inconclusive, 4 wrong usage, 3 the run broke, 130 interrupted"


class _Parser(argparse.ArgumentParser):
    """argparse, with one line for what is wrong and the exit code that stands for it."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_EXIT, f"{self.prog}: {message} (--help lists what there is)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter still gets the table
    parser = _build()
    options, rest = parser.parse_known_args(given)
    if rest and options.command != "judge":
        parser.error(f"unknown argument {rest[0]!r}")
    try:
        code = _carry_out(options, given)
        sys.stdout.flush()
        return code
    except Phi4benchError as error:
        sys.stderr.write(f"phi4bench {options.command}: {printable(str(error))}\n")
        return USAGE_EXIT
    except KeyboardInterrupt:
        sys.stderr.write(f"\nphi4bench {options.command}: interrupted\n")  # ^C stands on the line
        return INTERRUPTED_EXIT
    except OSError as error:
        if error.filename is None:  # of standard output: a file has a name
            return without_output(f"phi4bench {options.command}", error)
        shown = printable(str(error.filename), 200)
        sys.stderr.write(f"phi4bench {options.command}: '{shown}' cannot be used ({error.strerror})\n")
        return USAGE_EXIT
    except Exception:
        traceback.print_exc()
        return CRASHED_EXIT  # Python's own 1 would read as a reject


def without_output(who: str, error: OSError) -> int:
    """The exit code where standard output takes nothing more: a reader that is gone needs no word of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it at its end
    if isinstance(error, BrokenPipeError):
        return READER_GONE_EXIT
    sys.stderr.write(f"{who}: {printable(error.strerror or str(error))}\n")
    return CRASHED_EXIT


def _carry_out(options: argparse.Namespace, given: Sequence[str]) -> int:
    match options.command:
        case "judge":
            return _judge(given[given.index("judge") + 1 :])
        case _ if "carry_out" in options:
            return int(options.carry_out(options))
        case "rescore":
            return _rescore(options.run, options.targets or (), options.report)
        case "cases":
            return _cases(options)
        case _:
            sys.stdout.write(f"phi4bench {__version__}\n")
            return 0


def _build() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="phi4bench", description="Decides whether a tool-calling model may be promoted.", epilog=_EXIT_CODES
    )
    parser.add_argument("--version", action="version", version=f"phi4bench {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    judge = commands.add_parser(
        "judge",
        help="run the suites that come with phi4bench on an artifact",
        description="Runs the shipped suites with pytest. Further arguments (-k, -x, --junitxml, ...) are pytest's.",
        epilog=_EXIT_CODES,
    )
    add_options(judge.add_argument)

    rescore = commands.add_parser(
        "rescore", help="score a finished run again, without its model", epilog=_EXIT_CODES,
        description="Scores the stored completions of a run again and prints the same table.",
    )  # fmt: skip
    rescore.add_argument(
        "run", type=Path, metavar="RUN", help="the report folder of the run, or one file of transcripts"
    )
    rescore.add_argument(
        "--targets", action="append", metavar="NAME|FILE", help="figures to reach (default: the run's own)"
    )
    rescore.add_argument("--report", type=expanded, metavar="DIR", help="write report.json and report.html there")

    cases = commands.add_parser("cases", help="write generated cases", description="Writes a split of generated cases.")
    cases.add_argument("--seed", type=int, metavar="N", help="same seed, same cases (default: the shipped split's)")
    cases.add_argument("--split", choices=("test", "train"), default="test", help="which phrasings (default: test)")
    cases.add_argument("--count", type=int, metavar="N", help="how many cases (default: the split as shipped)")
    cases.add_argument(
        "--families", type=int, metavar="N", help="cases of N phrasing families that other case files lack"
    )
    cases.add_argument(
        "--expecting", choices=("call", "prose"), help="with --families: what the right answer is (default: call)"
    )
    cases.add_argument("--scenario", choices=SCENARIOS, metavar="NAME", help="with --families: this scenario alone")
    cases.add_argument(
        "--beside", action="append", metavar="PATH",
        help="with --families: the case files that lack them; may repeat (default: shipped, the shipped split)",
    )  # fmt: skip
    cases.add_argument("--out", type=expanded, required=True, metavar="FILE", help="the case file to write (.jsonl)")

    add_commands(commands)

    commands.add_parser("version", help="print the version")
    return parser


def _judge(arguments: Sequence[str]) -> int:
    """pytest over the shipped suites, bound by their own settings and not by those of the folder it is run in."""
    import pytest

    from phi4bench.datasets.shipped import suites_dir

    class NamesWithinSuites:
        """pytest names files as seen from the working folder, and the suites may lie far from it."""

        @pytest.hookimpl(trylast=True)  # the reporter is made here too
        def pytest_configure(self, config: Any) -> None:
            config.cwd_relative_nodeid = lambda nodeid: nodeid
            if reporter := config.pluginmanager.get_plugin("terminalreporter"):
                reporter.startpath = config.rootpath

    suites = suites_dir()
    own = ["-c", str(suites / "judge.ini"), "--rootdir", str(suites), "-p", "no:cacheprovider"]
    own += [
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]  # phi4bench was imported before pytest, and asserts nothing
    return int(pytest.main([*own, str(suites), *arguments], plugins=[NamesWithinSuites()]))


def _rescore(place: Path, targets: Sequence[str], report: Path | None) -> int:
    from phi4bench.report.terminal import summary, where
    from phi4bench.report.writing import now, write_reports
    from phi4bench.rescoring import rescore
    from phi4bench.verdicts import worst_exit

    results = rescore(place, targets)
    for judgement, conclusion in results:
        _print([*summary(judgement, conclusion), ("", "")])
    if report is not None:
        written = write_reports(report, results, results[0][0].targets, now(), promotions=False)
        _print(where(written))
    codes = [conclusion.exit_code for _, conclusion in results]
    return worst_exit(code if code is not None else 0 for code in codes)


def _cases(options: argparse.Namespace) -> int:
    from phi4bench.errors import UsageError
    from phi4bench.generating import SHIPPED_SEED, write_families, write_generated

    if options.families is None and (options.expecting or options.scenario or options.beside):
        raise UsageError("--expecting, --scenario and --beside say which families", "give --families N too")
    if options.families is not None:
        if options.count is not None or options.split == "train":
            raise UsageError("--families draws from the test split, as many cases as they hold", "leave the other out")
        seed, beside = 1 if options.seed is None else options.seed, options.beside or ["shipped"]
        expecting = options.expecting or ("prose" if options.scenario == "irrelevant" else "call")
        count, families, written = write_families(
            options.out, options.families, seed, expecting, options.scenario, beside
        )
        what = f"{counted(count, 'case')} of {counted(families, 'new family', 'new families')}"
    else:
        seed = SHIPPED_SEED if options.seed is None else options.seed
        count, written = write_generated(options.out, options.split, options.count, seed)
        what = counted(count, "case")
    done = f"{what} written to {options.out}" if written else f"{options.out} is finished; nothing to do"
    sys.stdout.write(f"{done}\n")
    return 0


def _print(lines: Sequence[tuple[str, str]]) -> None:
    """Lines with their styles, where the output is a terminal and wants them, as pytest sees it."""
    codes = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}
    live = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for text, style in lines:
        marks = ";".join(codes[name] for name in style.split())
        sys.stdout.write(f"\x1b[{marks}m{text}\x1b[0m\n" if live and marks else f"{text}\n")
