"""What one pytest run of the benchmarks measures: its artifacts, its samples, and how they stand to the history.

Everything that a user can get wrong is known before the first round, in `error`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.again import is_again, measured_again
from benchmarks.changes import duration
from benchmarks.comparing import BLOCKS, Change, Outcome, Sample, compare, in_doubt
from benchmarks.history import DEFAULT_FOLDER, History, Machine, Run
from benchmarks.reference import piece_named, renewal
from benchmarks.rounds import SECONDS, Between, Neighbours, blocks, cpu_s, fastest_s, lay_out, slowed
from phi4bench import machine
from phi4bench.artifacts import Artifact, open_artifact, unique_ids
from phi4bench.counting import counted
from phi4bench.datasets import fixtures_dir
from phi4bench.errors import BackendError, Phi4benchError, UsageError
from phi4bench.nearby import expanded
from phi4bench.printable import printable
from phi4bench.report.writing import now
from phi4bench.revision import suite_revision
from phi4bench.run.options import BENCHMARK_OPTIONS, refuse_empty

SHIPPED_MODEL = "nano-int8"
BRIEF_S = 10.0
"""What is measured within so long is measured in further processes, after all others: a shared machine has bad moments
of some seconds, in which a slowdown of 15% was told as a gain of 3%."""
BRIEF_PROCESSES = 3
"""Of what is soon measured;"""
MOST_PROCESSES = 8
"""at most, of a benchmark that is in doubt;"""
SURE_PROCESSES = 5
"""and of one that by then is news."""
FIRST_PROCESSES = 5
"""Of what begins a history, which every later run stands beside."""


@dataclass(frozen=True)
class Settings:
    """As given on the command line. `history`: `None` where nothing is compared or kept."""

    models: tuple[str, ...]
    history: Path | None
    fail_on_slower: bool
    planted: float
    root: Path = Path()
    called_from: Path = Path()

    @property
    def again(self) -> list[str]:
        """What a further process is told besides its benchmarks."""
        return [*(f"--model={one}" for one in self.models), f"--plant-slowdown={self.planted}"]


def settings_from(get: Callable[[str], Any], root: Path, called_from: Path) -> Settings:
    """`get` maps a name of `BENCHMARK_OPTIONS` to its text. `UsageError` for one that means nothing."""
    refuse_empty(get, BENCHMARK_OPTIONS)
    planted = get("plant_slowdown") or "0"
    try:
        share = float(planted)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 10:
        raise UsageError(f"--plant-slowdown={planted!r}, but should be a share, as 0.15")
    folder = called_from / expanded(get("history")) if get("history") else root / DEFAULT_FOLDER
    models = tuple(get("model") or (str(fixtures_dir() / "models" / SHIPPED_MODEL / "model.onnx"),))
    return Settings(
        models, None if get("no_history") else folder, bool(get("fail_on_slower")), share, root, called_from
    )


class Recording:
    """The state of one run. `slower`: whether a benchmark became slower, once `finish` has compared them.

    `interrupted`: Ctrl-C came while a further process measured. `nodes`: pytest's name of each benchmark, by ours.
    `took_s`: how long each was measured.
    `tell`: takes a line of what goes on after the rounds.
    """

    def __init__(self, settings: Settings, tell: Callable[[str], None] = lambda line: None) -> None:
        self.settings = settings
        self._tell = tell
        self.artifacts: dict[str, Artifact] = {}
        self.error = ""
        self.interrupted = False
        self.samples: dict[str, Sample] = {}
        self.nodes: dict[str, str] = {}
        self.took_s: dict[str, float] = {}
        self.changes: list[Change] = []
        self.notes: list[str] = []
        self._history: History | None = None
        try:
            opened = unique_ids([open_artifact(spec) for spec in settings.models])
            self.artifacts = {one.id: one for one in opened}
            self.machine = Machine.of(machine.describe())
            if settings.history is not None:
                self._history = History.open(settings.history, self.machine)
        except Phi4benchError as error:
            self.error = printable(str(error))

    @property
    def slower(self) -> bool:
        return any(change.outcome is Outcome.SLOWER for change in self.changes)

    def compare(self) -> list[Change]:
        """Each benchmark beside its last runs, in further processes while in doubt; nothing with `--no-history`."""
        if self._history is not None and not self.changes:
            self.changes = first = self._compared(self._history)
            brief = {one.sample.name for one in first if one.ratio and self.took_s.get(one.sample.name, 1e9) <= BRIEF_S}
            doubted: set[str] = set()
            for process in range(2, MOST_PROCESSES + 1):
                asked = {one.sample.name for one in self.changes if in_doubt(one) and not _sure(one)}
                doubted |= asked
                soon = brief - asked if process <= BRIEF_PROCESSES else set()
                why = "in doubt or soon measured" if asked and soon else "soon measured" if soon else "in doubt"
                why += f", measured in process {process} of up to {MOST_PROCESSES if asked else BRIEF_PROCESSES}"
                if not self._measure_again([name for name in self.samples if name in asked | soon], why):
                    break
                self.changes = self._compared(self._history)
            self.changes = [
                _with_first(now, then) if now.sample.name in doubted and now.sample.processes > 1 else now
                for now, then in zip(self.changes, first, strict=True)
            ]
            if not is_again():
                self.changes = [_alone(one) if one.sample.processes == 1 else one for one in self.changes]
        return self.changes

    def _compared(self, history: History) -> list[Change]:
        past = history.samples
        return [compare(one, past, len(self.samples)) for one in self.samples.values()]

    def _measure_again(self, names: Sequence[str], why: str) -> set[str]:
        """In one more process, whose blocks are added to the samples; which of `names` it measured."""
        nodes = [str(self.settings.root / self.nodes[name]) for name in names if name in self.nodes]
        if not nodes or self.interrupted or is_again():
            return set()
        self._tell(f"{counted(len(nodes), 'benchmark')} {why}")
        try:
            found = measured_again(nodes, self.settings.called_from, self.settings.again)
        except Phi4benchError as error:
            self.notes.append(str(error))
            return set()
        except KeyboardInterrupt:  # pytest, which is through with its tests, would break over it
            self.interrupted = True
            return set()
        for name in names:
            if name in found:
                self.samples[name] = self.samples[name].with_process(found[name])
        return {name for name in names if name in found}

    def finish(self, whole: bool) -> None:
        """Compares what was measured, and keeps it. `whole`: every benchmark came to its end."""
        if self._history is None or not self.compare():
            return
        self.notes += self._history.others()
        if self._history.runs:
            self.notes += changed_since(self._history.runs[-1], self.run)
        if self.settings.planted and not is_again():
            self.notes.append(f"every call was slowed by {self.settings.planted:.0%}: nothing was kept")
        elif not whole:
            self.notes.append("not every benchmark came to its end: nothing was kept")
        else:
            new = [one.sample.name for one in self.changes if one.outcome is Outcome.NEW]
            for process in range(2, FIRST_PROCESSES + 1):
                if not self._measure_again(new, f"new, measured in process {process} of {FIRST_PROCESSES}"):
                    break
            if self.interrupted:
                self.notes.append("interrupted: nothing was kept")
            else:
                self._keep(self._history)

    @property
    def run(self) -> Run:
        revision = suite_revision()["sha256"][:12]
        return Run(now(), revision, self.machine.software, tuple(self.samples.values()))

    def _keep(self, history: History) -> None:
        try:
            history.keep(self.run)
            self.notes.append(f"kept as the {ordinal(len(history.runs))} run of this machine: {history.path}")
        except UsageError as error:
            self.notes.append(f"not kept: {error}")


def _sure(change: Change) -> bool:
    return change.outcome in (Outcome.SLOWER, Outcome.FASTER) and change.sample.processes >= SURE_PROCESSES


def _alone(change: Change) -> Change:
    """What one process alone says is no news, where none that was like it could be measured beside it."""
    if change.outcome not in (Outcome.SLOWER, Outcome.FASTER):
        return change
    reason = "; ".join(filter(None, [change.reason, "no further process could be measured like it"]))
    return replace(change, outcome=Outcome.UNCLEAR, reason=reason)


def _with_first(change: Change, first: Change) -> Change:
    """Says what the first process alone would have said."""
    told = f"{first.ratio:.2f} in the first of {change.sample.processes} processes"
    return replace(change, reason="; ".join(filter(None, [change.reason, told])))


def changed_since(last: Run, run: Run) -> list[str]:
    """A line of what is other software now, phi4bench's own included; none where all is the same."""
    before, here = ({"phi4bench": one.revision, **one.software} for one in (last, run))
    changed = [
        f"{name} {before.get(name, 'none')}, now {here.get(name, 'none')}"
        for name in sorted({*before, *here})
        if before.get(name) != here.get(name)
    ]
    return [printable(f"since the last run: {'; '.join(changed)}", 300)] if changed else []


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


class Timed:
    """Times an action in a benchmark's rounds, with reference work between them, and records what it took."""

    def __init__(self, benchmark: Any, name: str, recording: Recording) -> None:
        self._benchmark, self._name, self._recording = benchmark, name, recording

    def __call__(
        self,
        action: Callable[[], Any],
        *,
        reference: str = "interpreter",
        cores: int = 1,
        artifact: Artifact | None = None,
        seconds: float = SECONDS,
        wanted_s: float | None = None,
        renew: Callable[[], object] | None = None,
        **work: int,
    ) -> Any:
        """What the last call of `action` returned. `work`: what one call does, as `cases=80`.

        `renew`: makes anew, some thirty times or more, what a process else has once, and what is slower or faster by
        where it comes to lie in memory.

        `reference`: `interpreter`, `arrays` or `process`, whichever is nearest to what the action does. `cores`: how
        many it uses at once. `wanted_s`: told where a call takes longer.
        """
        full_name, piece = piece_named(reference, cores)
        renewals = [] if renew is None else [renew]
        if renewals:
            full_name += ", renewed"
        if self._benchmark.disabled:
            return self._benchmark.pedantic(action)
        action(), piece()  # warm: what is made once and kept is no call's own time
        if self._recording.settings.planted:
            action = slowed(action, self._recording.settings.planted)
        clock = time.perf_counter
        layout = lay_out(fastest_s(action, clock), fastest_s(piece, clock), seconds)
        neighbours, began = Neighbours(), clock()
        between = Between(piece, layout.pieces, clock, cpu_s, layout.rounds_a_place, [renewal(piece), *renewals])
        count = layout.rounds * BLOCKS
        result = self._benchmark.pedantic(action, rounds=count, iterations=layout.calls, teardown=between)
        others, idle = neighbours.shares()
        self._recording.took_s[self._name] = clock() - began
        wall_s = list(self._benchmark.stats.stats.data)
        cpu = [second / layout.calls for second in between.work_cpu_s[:count]]
        if min(*wall_s, *cpu) <= 0:
            raise BackendError(f"{self._name}: a round took no time, so that the clock cannot be right", "run it again")
        sample = Sample(
            self._name,
            artifact.sha256 if artifact else "",
            full_name,
            cores,
            tuple(work.items()),
            blocks(wall_s, between.reference_s[: count + 1]),
            blocks(cpu, between.reference_cpu_s[: count + 1]),
            others,
            idle,
        )
        self._recording.samples[self._name] = sample
        if wanted_s is not None and min(sample.wall.work_s) > wanted_s:
            took = duration(min(sample.wall.work_s))
            self._recording.notes.append(f"{self._name}: {took} a call, but wanted are at most {wanted_s:g} s")
        self._benchmark.extra_info |= {
            **work,
            "artifact": artifact.sha256 if artifact else None,
            "machine": self._recording.machine.key,
            "calls_per_round": layout.calls,
            "reference": full_name,
            "reference_s": min(sample.wall.reference_s),
            "others": round(others, 3),
        }
        return result
