"""Carries out a plan: each artifact, and its baseline where a gate needs one, is run in a child and then judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.backends import Decoding
from phi4bench.calls import Json
from phi4bench.counting import counted, each_once
from phi4bench.datasets import sample
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.machine import load_average
from phi4bench.printable import printable, wrapped
from phi4bench.run.early import Early, uncompared
from phi4bench.run.facts import asked_facts, card, generation_facts, parameters, sizes, versions
from phi4bench.run.generation import Generation, Settings, generate, stored
from phi4bench.run.judgement import REGRESSION, Judgement
from phi4bench.run.judging import assess
from phi4bench.run.measuring import Stopwatch
from phi4bench.run.options import RunOptions
from phi4bench.run.plan import Plan, Subject
from phi4bench.run.process import Ahead
from phi4bench.run.progress import Progress
from phi4bench.run.prompting import render
from phi4bench.run.repeating import repeat
from phi4bench.run.rereading import reread
from phi4bench.run.scoring import measure
from phi4bench.run.scratch import scratch_folder
from phi4bench.run.sequential import Lookout
from phi4bench.run.telling import devices_apart, header, made_line, run_by_line
from phi4bench.run.timed_cases import Wanted
from phi4bench.runfile import SavedRun
from phi4bench.targets import FIDELITY_GATES, SIZE_GATE, TIMED_GATES
from phi4bench.transcripts import Completion

SLO_SECONDS = 60.0
"""The most that each measurement of speed takes,"""
SLO_SECONDS_IN_PASSING = 6.0
"""and where the run is about other things."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Fault:
    """An artifact that could not be judged, and why, in one line. `usage`: what was given is at fault, not the run."""

    artifact_id: str
    line: str
    usage: bool


@dataclass
class Judge:
    """The runs of one plan; a baseline that several artifacts share is run once. `clock` counts seconds.

    `ahead`: where the process of the first artifact may wait.
    """

    plan: Plan
    machine: Mapping[str, Json]
    say: Say
    progress: Progress
    clock: Callable[[], float] = time.monotonic
    ahead: Ahead = field(default_factory=Ahead)
    _done: dict[str, SavedRun] = field(default_factory=dict)

    def __post_init__(self) -> None:
        limit = self.plan.options.time_limit_s
        self.deadline = None if limit is None else self.clock() + limit
        self.load = load_average()

    def judge(self, subject: Subject, gates: Collection[str]) -> Judgement | Fault:
        """What the completions of `subject` are worth. A harness fault ends this artifact and no other."""
        closely = any(name in FIDELITY_GATES for name in gates)
        paired = closely or any(name.startswith(REGRESSION) for name in gates)
        try:
            timed = any(name in TIMED_GATES for name in gates)
            needed = any(name not in TIMED_GATES for name in gates)
            early = Early.open(self.plan, subject, gates, self._stored_baseline(subject, paired)) if needed else None
            lookout = early.over_candidate() if early else None
            run = self._run(subject.artifact, asked_facts(subject, self.plan), needed, lookout)
            baseline = None
            if early is not None and early.leave(run):
                run, baseline = self._stopped(run, subject, early)
            elif subject.baseline is not None and paired:
                run, baseline = self._compared(run, subject.baseline, early, gates)
            over = early is not None and early.over
            if baseline is not None and subject.baseline is not None and closely and not over:
                run = run.with_facts(fidelity=self._fidelity(subject.artifact, subject.baseline))
            if early is not None and early.line:
                self._tell(early.line)
            if needed and not over:
                run = self._run_otherwise(run, subject.artifact)
            if SIZE_GATE in gates:
                run = run.with_facts(size=sizes(subject))
            if timed and not over:
                run = run.with_facts(slo=self._slo(subject, gates))
            return assess(run, baseline, self.plan.targets)
        except Phi4benchError as error:
            return Fault(subject.artifact.id, printable(str(error)), isinstance(error, UsageError))

    def _run(
        self, artifact: Artifact, facts: Mapping[str, Any], needed: bool = True, lookout: Lookout | None = None
    ) -> SavedRun:
        """`needed`: whether any gate asks for completions; without, none is made. `lookout`: may see enough early."""
        key = f"{artifact.sha256} {artifact.dialect.digest()}"
        if key not in self._done or facts.get("role") == "candidate":
            plan = self.plan
            items = render(artifact, plan.dataset.cases, plan.system_prompt, plan.options.decode)
            for line in header(artifact, plan, items[0].prompt, facts.get("role") == "baseline"):
                self.say(line)
            made = Generation((None,) * len(items))
            if needed:
                with self._settings() as settings:
                    made = generate(artifact, items, settings, self.progress, self.deadline, lookout, self.ahead.take)
                self._tell(made_line(made))
                for line in (*([run_by_line(made.runtime)] if made.runtime else []), *made.notes):
                    self._tell(line)
            self.ahead.close()  # what is timed is alone on the machine
            run = self._saved(artifact, made, facts, needed)
            if not needed or (lookout and made.missing):
                return run
            self._done[key] = run
        return self._done[key]

    def _saved(self, artifact: Artifact, made: Generation, facts: Mapping[str, Any], needed: bool = True) -> SavedRun:
        plan, options = self.plan, self.plan.options
        decoding = Decoding(options.max_new_tokens, options.decode)
        return SavedRun(
            artifact=card(artifact),
            dialect=artifact.dialect,
            dataset=plan.dataset,
            completions=made.completions,
            decoding={**asdict(decoding), "system_prompt": plan.system_prompt},
            machine=self.machine,
            versions=versions(self.machine),
            facts={
                **facts,
                "stopped": _why_stopped(options) if made.missing else "",
                "kept": options.cache,
                "needed": needed,
                "generation": generation_facts(made),
            },
        )

    def _stopped(self, run: SavedRun, subject: Subject, early: Early) -> tuple[SavedRun, SavedRun | None]:
        """The candidate as far as it was looked at, and its baseline as far as that was stored and compared."""
        run, before = early.stopped(run)
        if subject.baseline is None or not before:
            return run, None
        completions = tuple(map(before.get, run.dataset.ids))
        return run, self._saved(subject.baseline, Generation(completions), {"role": "baseline"})

    def _compared(
        self, run: SavedRun, baseline: Artifact, early: Early | None, gates: Collection[str]
    ) -> tuple[SavedRun, SavedRun | None]:
        """The candidate with its baseline, which is run unless there is nothing left to decide."""
        if early is not None and early.spares_baseline(run, gates):
            return uncompared(run, baseline, "failed"), None
        lookout = early.over_baseline(run) if early else None
        before = self._run(baseline, {"role": "baseline"}, True, lookout)
        run = run.with_facts(baseline=before.artifact["id"])
        note = devices_apart(run, before)
        if note:
            self._tell(note)
            made = run.facts["generation"]
            run = run.with_facts(generation={**made, "notes": [*made["notes"], note]})
        return (early.ended(run) if early is not None and early.over else run), before

    def _stored_baseline(self, subject: Subject, paired: bool) -> Mapping[str, Completion]:
        """What the cache holds of it already; it is asked only where that may spare something."""
        plan = self.plan
        if subject.baseline is None or not paired or not plan.options.sequential or not plan.options.cache:
            return {}
        with self._settings() as settings:
            items = render(subject.baseline, plan.dataset.cases, plan.system_prompt, plan.options.decode)
            return stored(subject.baseline, items, settings)

    def _run_otherwise(self, run: SavedRun, artifact: Artifact) -> SavedRun:
        """Cases run again in other ways, where options ask for that."""
        options = self.plan.options
        if options.decode != "free":
            run = replace(run, free=self._free(artifact))
        if options.determinism is not None:
            run = run.with_facts(determinism=self._determinism(artifact, run, options.determinism))
        if options.accuracy_level_oracle is not None:
            run = run.with_facts(accuracy_level=self._at_level_zero(artifact, options.accuracy_level_oracle))
        return run

    def _free(self, artifact: Artifact) -> Sequence[Completion | None]:
        """The same cases without a mask, for the reports to show beside; no gate reads them."""
        items = render(artifact, self.plan.dataset.cases, self.plan.system_prompt)
        with self._settings() as settings:
            free = replace(settings, decoding=replace(settings.decoding, mode="free"))
            made = generate(artifact, items, free, self.progress, self.deadline)
        self._tell("free beside   " + made_line(made).removeprefix("completions").strip())
        return made.completions

    def _determinism(self, artifact: Artifact, run: SavedRun, count: int) -> dict[str, Any]:
        plan, options = self.plan, self.plan.options
        cases = sample(plan.judged, count, options.seed)
        asked = {case.id for case in cases}
        answers = zip(run.dataset.ids, run.completions, strict=True)
        judged = {case_id: made for case_id, made in answers if made is not None and case_id in asked}
        with self._settings() as settings:
            found = repeat(
                artifact, cases, judged, plan.system_prompt, settings, options.report_dir, self.progress, self.deadline
            )
        self._tell(f"determinism   {found['missing'] or f'{len(cases):,} cases, run again in 4 ways'}")
        return found

    def _at_level_zero(self, artifact: Artifact, count: int) -> dict[str, Any]:
        plan, options = self.plan, self.plan.options
        cases = sample(plan.judged, count, options.seed)
        with self._settings() as settings:
            found = reread(
                artifact, cases, plan.system_prompt, settings, options.report_dir, self.progress, self.deadline
            )
        self._tell(f"accuracy level  {found['missing'] or f'{len(cases):,} cases read again at level 0'}")
        return found

    def _fidelity(self, artifact: Artifact, baseline: Artifact) -> dict[str, Any]:
        plan, seed, alpha = self.plan, self.plan.options.seed, self.plan.targets.alpha
        with self._settings() as settings:
            found = measure(
                artifact,
                baseline,
                plan.judged,
                plan.system_prompt,
                settings,
                self.progress,
                seed,
                alpha,
                self.deadline,
            )
        self._tell(f"fidelity      {found.get('missing') or 'over ' + counted(found['cases'], 'reference answer')}")
        return found

    def _slo(self, subject: Subject, gates: Collection[str]) -> dict[str, Any]:
        plan, options = self.plan, self.plan.options
        asked = any(gate.name in TIMED_GATES for gate in plan.targets.gates)
        alone = all(name in TIMED_GATES for name in gates)
        seconds = options.slo_seconds or (SLO_SECONDS if asked or alone else SLO_SECONDS_IN_PASSING)
        with self._settings() as settings:
            stopwatch = Stopwatch(
                subject,
                plan.dataset.cases,
                plan.system_prompt,
                settings,
                self.progress,
                Wanted(options.slo_calls, options.slo_pairs, options.slo_rate, seconds),
                options.seed,
                self.deadline,
                asked,
                self.load,
            )
            found = stopwatch.measure(gates)
        of_loads = (f"{load['name']}: {note}" for load in found.get("loads", ()) for note in load["notes"])
        of_baseline = (f"{found['baseline']}: {note}" for note in found.get("baseline_notes", ()))
        for note in (*found.get("notes", ()), *of_loads, *of_baseline):
            self._tell(f"speed         {note}")
        for how in each_once(found.get("crashed", ())):
            self._tell(f"speed         it broke while it was timed: {how}")
        return {**found, "parameters": parameters(subject)}

    def _tell(self, text: str) -> None:
        for line in wrapped(text, first="  "):
            self.say(line)

    @contextmanager
    def _settings(self) -> Iterator[Settings]:
        options = self.plan.options
        if options.cache:
            yield Settings.of(options, self.machine)
            return
        with scratch_folder(options.report_dir, "generations") as folder:
            yield Settings.of(options, self.machine, folder)


def _why_stopped(options: RunOptions) -> str:
    return f"the time limit of {options.time_limit_s:g} s was reached" if options.time_limit_s is not None else ""
