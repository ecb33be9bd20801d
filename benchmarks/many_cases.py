"""What many cases cost: `python -m benchmarks.many_cases`. Collecting the suites, and the memory of a whole run.

Case files come out of the request grammar (`phi4bench cases`). Collection is the whole `pytest suites/ --collect-only`.
Memory is the largest process of `pytest suites/accuracy`, with a fake model that is always right, so that what is
measured is ours; the child that generates is told apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import at_least_one
from benchmarks.evaluator import process
from benchmarks.readme import put_section
from phi4bench.generating import write_generated
from phi4bench.machine import describe

COUNTS = (1500, 5000, 10_000)
WANTED_S = 2.0
SEED = 4
MODEL = "fixtures/models/nano-int8"


@dataclass(frozen=True)
class Cost:
    """Of so many cases. `collect_s`: each round; MiB: the largest process of a run, and the child that generates."""

    cases: int
    collect_s: tuple[float, ...]
    largest_mib: float
    child_mib: float


def measure(cases: Path, count: int, folder: Path, rounds: int) -> Cost:
    """`folder`: for reports and for the fake model."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    collecting = [*pytest, "suites", "--collect-only", f"--model={MODEL}", f"--cases={cases}"]
    collected = tuple(process(collecting, dict(os.environ))[0] for _ in range(rounds))
    reports = folder / "reports"
    running = [*pytest, "suites/accuracy", f"--model={always_right(folder, cases)}", f"--cases={cases}"]
    _, largest = process([*running, "--no-cache", f"--report={reports}"], dict(os.environ))
    report = json.loads((reports / "report.json").read_text(encoding="utf-8"))
    return Cost(count, collected, largest, report["artifacts"][0]["generation"]["peak_rss_bytes"] / 2**20)


def always_right(folder: Path, cases: Path) -> Path:
    """A fake model whose answers are the case file's."""
    fake = folder / "always-right"
    fake.mkdir(exist_ok=True)
    (fake / "answers.jsonl").write_bytes(cases.read_bytes())
    manifest = {"schema": "phi4bench.artifact/1", "format": "fake", "behaviour": "always_right"}
    (fake / "phi4bench.json").write_text(json.dumps({**manifest, "answers": "answers.jsonl"}), encoding="utf-8")
    return fake


def table(costs: Sequence[Cost]) -> str:
    """A row for each number of cases; what a further thousand takes is the slope from the row before."""
    lines = ["| cases | collection | wanted | held | largest process | a further 1,000 | the child | a further 1,000 |"]
    lines.append(f"| ---: |{' ---: |' * 7}")
    before: Cost | None = None
    for cost in costs:
        best = statistics.median(cost.collect_s)
        slopes = ["", ""]
        if before is not None:
            more = (cost.cases - before.cases) / 1000
            pairs = ((cost.largest_mib, before.largest_mib), (cost.child_mib, before.child_mib))
            slopes = [f"{(after - earlier) / more:+.1f} MiB" for after, earlier in pairs]
        lines.append(
            f"| {cost.cases:,} | {best:.2f} s | ≤ {WANTED_S:g} s | {'yes' if best <= WANTED_S else 'NO'}"
            f" | {cost.largest_mib:,.0f} MiB | {slopes[0]} | {cost.child_mib:,.0f} MiB | {slopes[1]} |"
        )
        before = cost
    return "\n".join(lines)


def text_of(costs: Sequence[Cost], here: Mapping[str, object]) -> str:
    about = (
        "Collection is the whole `pytest suites/ --collect-only` with that case file, the median of its rounds. Memory"
        " is the peak of `pytest suites/accuracy` with a fake model, so that no weights are in it."
    )
    return f"{about}\n\n{table(costs)}\n\nOn {here['cores']} cores of {here['cpu']}."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_cases", description=__doc__)
    parser.add_argument("--counts", type=at_least_one, nargs="+", default=list(COUNTS))
    parser.add_argument("--rounds", type=at_least_one, default=3, help="of collection")
    parser.add_argument("--no-readme", action="store_true", help="leave benchmarks/README.md alone")
    options = parser.parse_args()
    costs = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for count in sorted(options.counts):
            cases = folder / f"cases-{count}.jsonl"
            write_generated(cases, "test", count, SEED)
            costs.append(measure(cases, count, folder, options.rounds))
            print(f"  {count:,} cases: {costs[-1].largest_mib:,.0f} MiB", flush=True)
    text = text_of(costs, describe())
    print(text)
    if not options.no_readme:
        put_section("many cases", f"## Many cases: `python -m benchmarks.many_cases`\n\n{text}")


if __name__ == "__main__":
    main()
