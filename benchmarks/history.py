"""What earlier runs of the benchmarks took: one JSON file a machine, `.benchmarks/machine-KEY.json`.

    python -m benchmarks.history [--history DIR]     # which machines and runs are there
    python -m benchmarks.history --prove             # that it raises no false alarm, and sees a slowdown of 15%

A file is written whole or not at all, and only by a run that could read it: one that is broken, or that tells of
another machine than its name does, stays as it is. Runs stand in the order in which they were kept, so that a time of
day which is set back changes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import commands
from benchmarks.comparing import Sample
from benchmarks.records import SCHEMA, Machine, Run, read, run_to_json, shown
from phi4bench.counting import counted
from phi4bench.errors import UsageError
from phi4bench.printable import printable, wrapped
from phi4bench.run.files import write_text

try:
    import fcntl
except ImportError:  # Windows: one run at a time there
    fcntl = None  # type: ignore[assignment]

DEFAULT_FOLDER = ".benchmarks"
KEPT_SAMPLES = 20
"""Of each benchmark and artifact."""
KEPT_RUNS = 500


class History:
    """The runs of this machine that are kept in a folder, oldest first."""

    def __init__(self, folder: Path, machine: Machine, runs: Sequence[Run] = ()) -> None:
        self.path = folder / f"machine-{machine.key}.json"
        self.machine = machine
        self.runs = tuple(runs)

    @classmethod
    def open(cls, folder: Path, machine: Machine) -> History:
        """`UsageError` for a file that is there and cannot be gone on with, and for a folder that cannot be made."""
        try:
            there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)
        except OSError as error:  # of a place that may not be looked into, or a name that is too long
            raise UsageError(
                f"{shown(folder)} cannot be used: {error.strerror}", "give another one with --history"
            ) from None
        if there.exists() and not there.is_dir():
            raise UsageError(f"{shown(there)} is no folder", "give another one with --history")
        if there != folder and not os.access(there, os.W_OK | os.X_OK):
            raise UsageError(f"{shown(folder)} cannot be made in {shown(there)}", "give another one with --history")
        history = cls(folder, machine)
        history.runs = history._read()
        return history

    @property
    def samples(self) -> list[Sample]:
        return [sample for run in self.runs for sample in run.samples]

    def keep(self, run: Run) -> None:
        """Adds the run to what the file holds by now, and lets go of the oldest. `UsageError` if it cannot be."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path.with_suffix(".lock")):
                self.runs = bounded([*self._read(), run])
                data = {
                    "schema": SCHEMA,
                    "machine": dict(self.machine.hardware),
                    "runs": [run_to_json(one) for one in self.runs],
                }
                write_text(self.path, json.dumps(data) + "\n")
        except OSError as error:
            raise UsageError(
                f"{shown(self.path)} cannot be written: {error.strerror}", "give another folder with --history"
            ) from None

    def others(self) -> list[str]:
        """A line for each history in the folder that is not this machine's."""
        found = []
        for path in sorted(self.path.parent.glob("machine-*.json")):
            if path != self.path:
                try:
                    found.append(f"{told(path)}: another machine, not compared")
                except UsageError as error:
                    found.append(str(error))
        return found

    def _read(self) -> tuple[Run, ...]:
        if not self.path.exists():
            return ()
        hardware, runs = read(self.path)
        if dict(self.machine.hardware) != hardware:
            raise UsageError(
                f"{shown(self.path)} tells of another machine than its name does, and is not compared with",
                "move it away, or give another folder with --history",
            )
        return runs


def bounded(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The last runs, each with those of its samples that are among the last of their kind."""
    seen: Counter[tuple[str, str, str]] = Counter()
    kept = []
    for run in reversed(runs[-KEPT_RUNS:]):
        samples = []
        for sample in run.samples:
            seen[sample.subject] += 1
            if seen[sample.subject] <= KEPT_SAMPLES:
                samples.append(sample)
        if samples:
            kept.append(Run(run.at, run.revision, run.software, tuple(samples)))
    return tuple(reversed(kept))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A lock of its own file: the history's is replaced while it is held."""
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def told(path: Path) -> str:
    """A history in a line: whose it is, how many runs, the last of them."""
    hardware, runs = read(path)
    last = f", the last on {printable(runs[-1].at[:10], 10)}" if runs else ""
    return f"{shown(path)}: {Machine(hardware, {})}, {counted(len(runs), 'run')}{last}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--history", metavar="DIR", type=Path, default=Path(DEFAULT_FOLDER), help=f"(default: {DEFAULT_FOLDER})"
    )
    parser.add_argument("--prove", action="store_true", help="run the benchmarks twice and once slowed, some 20 times")
    parser.add_argument(
        "--repeats", type=commands.at_least_one, default=20, help="of --prove (default: 20, which are wanted)"
    )
    parser.add_argument("--slowdown", type=float, default=15.0, help="of --prove, in percent (default: 15)")
    parser.add_argument("--no-readme", action="store_true", help="leave benchmarks/README.md alone after --prove")
    options = parser.parse_args(arguments)
    if options.prove:
        from benchmarks.prove import prove

        if not 0 < options.slowdown <= 1000:
            parser.error(f"--slowdown={options.slowdown:g}, but should be a percentage from more than 0 to 1000")
        with commands.told(parser):
            return prove(options.repeats, options.slowdown / 100, not options.no_readme)
    try:
        lines = [told(path) for path in sorted(options.history.glob("machine-*.json"))]
    except UsageError as error:
        parser.exit(4, f"{error}\n")
    for line in lines or [f"no history in {shown(options.history)} yet; tox run -e bench begins one"]:
        print("\n".join(wrapped(line, further="  ")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
