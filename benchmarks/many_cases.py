"""What many cases cost: `python -m benchmarks.many_cases`. Collecting the suites, and the memory of a whole run.

Case files come out of the request grammar (`phi4bench cases`), each the beginning of the largest one, and each with the
case whose prompt is the longest of all: rows are as long as that one needs. Collection is the whole
`pytest suites/ --collect-only`. Memory is the peak of each of the two processes of `pytest suites/accuracy` on the
shipped int8 nano: the one that judges, and the child that holds the weights and generates.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import at_least_one
from benchmarks.evaluator import process
from benchmarks.readme import put_section
from phi4bench.artifacts import open_artifact
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.datasets import load_cases
from phi4bench.generating import write_generated
from phi4bench.machine import describe
from phi4bench.run.jobs import MOST_AT_A_TIME

COUNTS = (1500, 5000, 10_000, 20_000)
WANTED_S = 2.0
WANTED_UP_TO = 10_000
"""Cases that are to be collected in that time."""
WANTED_MIB = 0.5
"""For a further 1,000 cases, from the row before: up to there memory counts as not growing."""
SEED = 4
MODEL = "fixtures/models/nano-int8"
JUDGING = """
import sys, pytest
from phi4bench.run.peak import peak_rss_bytes
code = pytest.main(sys.argv[2:])
open(sys.argv[1], "w").write(str(peak_rss_bytes()))
sys.exit(code)
"""
"""pytest, and at its end the most memory that it held."""


@dataclass(frozen=True)
class Cost:
    """Of so many cases. `collect_s`: each round; MiB: the process that judges, and the child that generates."""

    cases: int
    collect_s: tuple[float, ...]
    judging_mib: float
    child_mib: float


def measure(cases: Path, count: int, folder: Path, rounds: int) -> Cost:
    """`folder`: for reports."""
    options = ["-q", "-p", "no:cacheprovider", f"--model={MODEL}", f"--cases={cases}"]
    collecting = [sys.executable, "-m", "pytest", "suites", "--collect-only", *options]
    collected = tuple(process(collecting, dict(os.environ))[0] for _ in range(rounds))
    reports, peak = folder / "reports", folder / "peak"
    run = ["suites/accuracy", *options, "--no-cache", f"--report={reports}"]
    process([sys.executable, "-c", JUDGING, str(peak), *run], dict(os.environ))
    report = json.loads((reports / "report.json").read_text(encoding="utf-8"))
    child = report["artifacts"][0]["generation"]["peak_rss_bytes"]
    return Cost(count, collected, int(peak.read_text()) / 2**20, child / 2**20)


def longest_prompt(cases: Path) -> int:
    """Which of the file's cases has it, in tokens of `MODEL`."""
    artifact = open_artifact(MODEL)
    prompts = [artifact.dialect.render(case.question()) for case in load_cases([str(cases)]).cases]
    encoded = PromptTokenizer.from_folder(artifact.tokenizer_dir).encode_all(prompts)
    lengths = [len(ids) for ids, _ in encoded]
    return lengths.index(max(lengths))


def beginnings(largest: Path, counts: Sequence[int]) -> Iterator[tuple[int, Path]]:
    """A file beside it of each count, with the longest prompt in front."""
    lines = largest.read_text(encoding="utf-8").splitlines(keepends=True)
    lines.insert(0, lines.pop(longest_prompt(largest)))
    for count in counts:
        path = largest.with_name(f"cases-{count}.jsonl")
        path.write_text("".join(lines[:count]), encoding="utf-8")
        yield count, path


def table(costs: Sequence[Cost]) -> str:
    """A row for each number of cases; what a further thousand takes is the slope from the row before."""
    memory = ["a further 1,000", "wanted", "held"]
    head = ["cases", "collection", "wanted", "held", "what judges", *memory, "what generates", *memory]
    lines = [f"| {' | '.join(head)} |", f"| ---: |{' ---: |' * (len(head) - 1)}"]
    before: Cost | None = None
    for cost in costs:
        best = statistics.median(cost.collect_s)
        slopes = ["| |", "| |"]
        if before is not None:
            more = (cost.cases - before.cases) / 1000
            pairs = ((cost.judging_mib, before.judging_mib), (cost.child_mib, before.child_mib))
            slopes = [growth((after - earlier) / more) for after, earlier in pairs]
        asked = f"≤ {WANTED_S:g} s | {'yes' if best <= WANTED_S else 'NO'}" if cost.cases <= WANTED_UP_TO else "|"
        lines.append(
            f"| {cost.cases:,} | {best:.2f} s | {asked}"
            f" | {cost.judging_mib:,.0f} MiB | {slopes[0]} | {cost.child_mib:,.0f} MiB | {slopes[1]} |"
        )
        before = cost
    return "\n".join(lines)


def growth(mib: float) -> str:
    """Cells: what a further 1,000 cases take, beside what is wanted."""
    return f"{mib:+.2f} MiB | ≤ {WANTED_MIB:g} MiB | {'yes' if mib <= WANTED_MIB else 'NO'}"


def text_of(costs: Sequence[Cost], here: Mapping[str, object]) -> str:
    about = (
        "Collection is the whole `pytest suites/ --collect-only` with that case file, the median of its rounds. Memory"
        " is the peak of the two processes of `pytest suites/accuracy` on nano-int8; wanted: that it does not grow,"
        f" which is at most {WANTED_MIB:g} MiB for each 1,000 cases that a row has more than the one before. What"
        f" generates holds {MOST_AT_A_TIME:,} cases at once and the keys and values of those in flight, in rows as long"
        " as the longest prompt needs (each file begins with that of the largest)."
    )
    return f"{about}\n\n{table(costs)}\n\nOn {here['cores']} cores of {here['cpu']}."


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_cases", description=__doc__)
    parser.add_argument("--counts", type=at_least_one, nargs="+", default=list(COUNTS),
        help=f"cases (default: {' '.join(map(str, COUNTS))})",
    )  # fmt: skip
    parser.add_argument("--rounds", type=at_least_one, default=3, help="of collection (default: 3)")
    parser.add_argument("--no-readme", action="store_true", help="leave benchmarks/README.md alone")
    options = parser.parse_args(arguments)
    costs = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        counts = sorted(set(options.counts))
        largest = folder / "largest.jsonl"
        write_generated(largest, "test", counts[-1], SEED)
        for count, cases in beginnings(largest, counts):
            costs.append(measure(cases, count, folder, options.rounds))
            print(f"  {count:,} cases: {costs[-1].judging_mib:,.0f} and {costs[-1].child_mib:,.0f} MiB", flush=True)
    text = text_of(costs, describe())
    print(text)
    if not options.no_readme:
        put_section("many cases", f"## Many cases: `python -m benchmarks.many_cases`\n\n{text}")


if __name__ == "__main__":
    main()
