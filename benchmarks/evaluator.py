"""How long the evaluator takes, and how much memory: `python -m benchmarks.evaluator [--model PATH]`.

Each row is a whole process or a whole pass over the shipped cases, the best and the median of some rounds, beside the
figure that we set ourselves for two cores. Peak memory is the largest single process of the run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import at_least_one, told
from phi4bench.artifacts import open_artifact

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """What was measured. `bound`: what we want; `more`: whether more is better."""

    name: str
    values: tuple[float, ...]
    unit: str
    bound: float
    more: bool = False

    @property
    def best(self) -> float:
        return max(self.values) if self.more else min(self.values)

    def row(self) -> str:
        sign = ">=" if self.more else "<="
        held = self.best >= self.bound if self.more else self.best <= self.bound
        middle = statistics.median(self.values)
        return (
            f"{self.name:44} {self.best:>10,.2f} {middle:>10,.2f} {self.unit:13} {sign} {self.bound:<8,g}"
            f" {'yes' if held else 'NO'}"
        )


def process(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak MiB of one process and what it waited for; stops with its output where it fails."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=ROOT)
        _, status, usage = os.wait4(child.pid, 0)
        spent = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 1, 10):
            output.seek(0)
            raise SystemExit(f"{' '.join(command)} exited {child.returncode}:\n{output.read().decode()[-2000:]}")
    return spent, usage.ru_maxrss / 1024


def runs(model: str, rounds: int) -> list[Figure]:
    """`pytest suites/accuracy` from cold (an empty cache), and again with every completion stored."""
    cold: list[float] = []
    cached: list[float] = []
    peaks: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "suites/accuracy",
                "--model",
                model,
            ]
            command += ["--cache-dir", f"{folder}/cache", "--report", f"{folder}/reports"]
            seconds, peak = process(command, dict(os.environ))
            cold.append(seconds)
            peaks.append(peak)
            cached.append(process(command, dict(os.environ))[0])
    return [
        Figure("pytest suites/accuracy, cold", tuple(cold), "s", 25),
        Figure("  its largest process", tuple(peaks), "MiB", 1024),
        Figure("pytest suites/accuracy, everything stored", tuple(cached), "s", 5),
    ]


def scoring(rounds: int) -> Figure:
    """Transcripts parsed, graded and judged a second; completions are the right answers, so every step is taken."""
    from phi4bench.datasets import load_cases
    from phi4bench.dialects import dialect_named
    from phi4bench.gates import judge_levels
    from phi4bench.levels import score
    from phi4bench.run.plan import read_targets
    from phi4bench.targets import targets_of
    from phi4bench.transcripts import Completion

    dialect = dialect_named("tool_use")
    cases = load_cases(None).cases
    answers = [Completion(dialect.render_calls(case.expected.calls) or "Which file do you mean?") for case in cases]
    targets = targets_of(read_targets(["guide"]))

    def once() -> None:
        judge_levels([score(case, answer, dialect) for case, answer in zip(cases, answers, strict=True)], targets)

    return Figure(
        "scoring alone", tuple(len(cases) / timed(once) for _ in range(3 * rounds)), "transcripts/s", 20_000, True
    )


def timed(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluator", description=__doc__)
    parser.add_argument("--model", default="fixtures/models/nano-int8/model.onnx", help="(default: nano-int8)")
    parser.add_argument("--rounds", type=at_least_one, default=3, help="(default: 3)")
    options = parser.parse_args(arguments)
    with told(parser):
        open_artifact(options.model)  # what the runs would only tell in their output
    helps = [
        process([sys.executable, "-m", "phi4bench", "--help"], dict(os.environ))[0] for _ in range(3 * options.rounds)
    ]
    figures = [
        *runs(options.model, options.rounds),
        scoring(options.rounds),
        Figure("phi4bench --help", tuple(helps), "s", 0.3),
    ]
    print(f"{'what':44} {'best':>10} {'median':>10} {'':13} {'wanted':11} held")
    for figure in figures:
        print(figure.row())


if __name__ == "__main__":
    main()
