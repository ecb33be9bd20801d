"""Shows what the history is worth: real timings in fresh processes, each pair of the same code, then one slowed.

    python -m benchmarks.history --prove [--repeats 20] [--slowdown 15]

Each repeat begins a history of its own: a first run; a second of the same code, in which nothing may have moved; and a
third whose every call is made slower by spinning, which must be found. Exit 0 where both hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.comparing import Outcome

ROOT = Path(__file__).resolve().parent.parent
PROVEN = (
    "benchmarks/test_scoring.py::test_right_answers[tool_use]",
    "benchmarks/test_statistics.py::test_levels_of_300_cases",
    "benchmarks/test_startup.py::test_shipped_cases",
    "benchmarks/test_startup.py::test_process[help]",
    "benchmarks/test_generation.py::test_one_call",
)
"""One of each kind: small objects, numbers, files, processes, the runtime."""


@dataclass
class Tally:
    """What came of one benchmark over the repeats. Ratios of the same code, and of the slowed one."""

    same: list[float] = field(default_factory=list)
    slowed: list[float] = field(default_factory=list)
    alarms: int = 0
    caught: int = 0
    unclear: int = 0


def run(folder: Path, *options: str) -> dict[str, tuple[Outcome, float | None]]:
    """Outcome and ratio of each benchmark of one pytest process; stops with its output where it fails."""
    written = folder / "changes.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-only", "--benchmark-quiet"]
    command += [*PROVEN, f"--history={folder}", f"--benchmark-json={written}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    changes = json.loads(written.read_text())["changes"]
    return {name: (Outcome(one["outcome"]), one["ratio"]) for name, one in changes.items()}


def prove(repeats: int, share: float) -> int:
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for number in range(1, repeats + 1):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            run(folder)
            for name, (outcome, ratio) in run(folder).items():
                tally = tallies[name]
                tally.same.append(ratio or 0.0)
                tally.alarms += outcome in (Outcome.SLOWER, Outcome.FASTER)
                tally.unclear += outcome is Outcome.UNCLEAR
            for name, (outcome, ratio) in run(folder, f"--plant-slowdown={share}").items():
                tallies[name].slowed.append(ratio or 0.0)
                tallies[name].caught += outcome is Outcome.SLOWER
        alarms, caught = (sum(getattr(one, what) for one in tallies.values()) for what in ("alarms", "caught"))
        total = number * len(tallies)
        print(f"{number}/{repeats}: {alarms} false alarms, {caught}/{total} caught", file=sys.stderr, flush=True)
    return show(tallies, repeats, share)


def show(tallies: dict[str, Tally], repeats: int, share: float) -> int:
    width = max(map(len, tallies))
    print(f"{'':{width}} {'two runs of the same code':>33}   {f'slowed by {share:.0%}':>24}")
    print(f"{'benchmark':{width}} {'alarms':>9} {'unclear':>9} {'ratios':>13}   {'caught':>9} {'ratios':>13}")
    for name, one in tallies.items():
        print(
            f"{name:{width}} {f'{one.alarms}/{repeats}':>9} {f'{one.unclear}/{repeats}':>9} {_span(one.same):>13}"
            f"   {f'{one.caught}/{repeats}':>9} {_span(one.slowed):>13}"
        )
    held = all(one.alarms == 0 and one.caught == repeats for one in tallies.values())
    print(f"none alarmed and all caught: {'yes' if held else 'NO'}")
    return 0 if held else 1


def _span(ratios: list[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"
