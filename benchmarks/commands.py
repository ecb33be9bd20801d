"""What the commands of `benchmarks/` have in common: counts, and faults that are told in a line. Measures nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from phi4bench.errors import Phi4benchError
from phi4bench.printable import printable


def at_least_one(text: str) -> int:
    """argparse's `type` of rounds, threads and cases."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{printable(text, 60)!r}, but should be at least 1")
    return number


@contextmanager
def told(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Ends the command with exit code 4 and one line where a path, a name or an artifact is amiss."""
    try:
        yield
    except Phi4benchError as error:
        parser.exit(4, f"{printable(str(error))}\n")
