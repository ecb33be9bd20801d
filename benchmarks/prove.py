"""Shows what the history is worth: real timings in fresh processes, each pair of the same code, then one slowed.

    python -m benchmarks.history --prove [--repeats 20] [--slowdown 15]

Each repeat begins a history of its own: a first run; a second of the same code, in which nothing may have moved; and a
third whose every call is made slower by spinning, which must be found. Exit 0 where both hold.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.comparing import Outcome
from benchmarks.readme import put_section
from benchmarks.records import Machine
from phi4bench import machine

ROOT = Path(__file__).resolve().parent.parent
PROVEN = (
    "benchmarks/test_scoring.py::test_right_answers[tool_use]",
    "benchmarks/test_statistics.py::test_levels_of_300_cases",
    "benchmarks/test_startup.py::test_shipped_cases",
    "benchmarks/test_startup.py::test_process[help]",
    "benchmarks/test_generation.py::test_one_call",
)
"""One of each kind: small objects, numbers, files, processes, the runtime."""
WANTED_REPEATS = 20


@dataclass
class Tally:
    """What came of one benchmark over the repeats. Ratios of the same code, and of the slowed one."""

    same: list[float] = field(default_factory=list)
    slowed: list[float] = field(default_factory=list)
    alarms: int = 0
    caught: int = 0
    unclear: int = 0


@dataclass(frozen=True)
class Proof:
    """What a pytest process found: outcome, ratio and reason of each benchmark, and the most that other work took."""

    changes: dict[str, tuple[Outcome, float | None, str]]
    others: float


def run(folder: Path, *options: str) -> Proof:
    """One pytest process over what is proven; stops with its output where it fails."""
    written = folder / "changes.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-only", "--benchmark-quiet"]
    command += [*PROVEN, f"--history={folder}", f"--benchmark-json={written}", *options]
    environment = os.environ | {"PYTHONHASHSEED": "0"}  # as tox.ini has it for benchmarks
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found = json.loads(written.read_text())
    changes = {name: (Outcome(one["outcome"]), one["ratio"], one["reason"]) for name, one in found["changes"].items()}
    return Proof(changes, max(one["extra_info"]["others"] for one in found["benchmarks"]))


def prove(repeats: int, share: float, readme: bool) -> int:
    """Prints what came of it, and with `readme` puts it into `benchmarks/README.md`; the exit code."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    others = []
    for number in range(1, repeats + 1):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            first, second, slow = run(folder), run(folder), run(folder, f"--plant-slowdown={share}")
            others += [first.others, second.others, slow.others]
            wrong = []
            for name, (outcome, ratio, reason) in second.changes.items():
                tally = tallies[name]
                tally.same.append(ratio or 0.0)
                tally.alarms += outcome in (Outcome.SLOWER, Outcome.FASTER)
                tally.unclear += outcome is Outcome.UNCLEAR
                if outcome is not Outcome.SAME:
                    wrong.append(f"  the same code: {name} {ratio or 0:.3f} {outcome} ({reason})")
            for name, (outcome, ratio, reason) in slow.changes.items():
                tallies[name].slowed.append(ratio or 0.0)
                tallies[name].caught += outcome is Outcome.SLOWER
                if outcome is not Outcome.SLOWER:
                    wrong.append(f"  slowed: {name} {ratio or 0:.3f} {outcome} ({reason})")
        alarms, caught = (sum(getattr(one, what) for one in tallies.values()) for what in ("alarms", "caught"))
        total = number * len(tallies)
        so_far = f"{number}/{repeats}: {alarms} false alarms, {caught}/{total} caught"
        print("\n".join([so_far, *wrong]), file=sys.stderr, flush=True)
    lines = table(tallies, repeats, share)
    held = all(one.alarms == 0 and one.caught == repeats for one in tallies.values())
    lines += verdict(held, repeats)
    took = f"{min(others):.0%} to {max(others):.0%}"
    about = f"{Machine.of(machine.describe())}; other work took {took} of the cores at the worst of each run."
    print("\n".join([*lines, about]))
    if readme:
        text = "\n".join(["```text", *lines, "```", about])
        put_section("history", f"## Is that noise? `python -m benchmarks.history --prove`\n\n{text}")
    return 0 if held else 1


def verdict(held: bool, repeats: int) -> list[str]:
    enough = "yes" if repeats >= WANTED_REPEATS else "NO"
    return [
        f"none alarmed and all caught: {'yes' if held else 'NO'}",
        f"repeats: {repeats}, wanted {WANTED_REPEATS}: {enough}",
    ]


def table(tallies: dict[str, Tally], repeats: int, share: float) -> list[str]:
    width = max(map(len, tallies))
    lines = [
        f"{'':{width}} {'two runs of the same code':>33}   {f'slowed by {share:.0%}':>24}",
        f"{'benchmark':{width}} {'alarms':>9} {'unclear':>9} {'ratios':>13}   {'caught':>9} {'ratios':>13}",
    ]
    lines += [
        f"{name:{width}} {f'{one.alarms}/{repeats}':>9} {f'{one.unclear}/{repeats}':>9} {_span(one.same):>13}"
        f"   {f'{one.caught}/{repeats}':>9} {_span(one.slowed):>13}"
        for name, one in tallies.items()
    ]
    return lines


def _span(ratios: list[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"
