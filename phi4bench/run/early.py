"""One artifact under `--sequential`: when its generating stops, and what is spared then. Runs nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from phi4bench.artifacts import Artifact
from phi4bench.gates import Outcome
from phi4bench.rejection import Watch, watched_gates
from phi4bench.run.judging import assess, only_groups
from phi4bench.run.plan import Plan, Subject
from phi4bench.run.sequential import Lookout
from phi4bench.runfile import SavedRun
from phi4bench.transcripts import Completion


class Early:
    """The watch over one artifact and its baseline. `before`: what is stored of the baseline, by case id."""

    def __init__(self, plan: Plan, subject: Subject, watch: Watch, before: Mapping[str, Completion]) -> None:
        self.plan, self.subject, self.watch, self.before = plan, subject, watch, before
        self._failed = False
        Lookout(watch, plan.dataset.cases, subject.artifact.dialect, baseline=True).saw_all(before.items())

    @classmethod
    def open(
        cls, plan: Plan, subject: Subject, gates: Collection[str], before: Mapping[str, Completion]
    ) -> Early | None:
        """`None` where no gate may reject early, or where another artifact is compared with this one, all of it."""
        artifact = subject.artifact
        compared = any(one.baseline is not None and one.baseline.sha256 == artifact.sha256 for one in plan.subjects)
        if not plan.options.sequential or compared:
            return None
        names = watched_gates(plan.judged, plan.targets, artifact.precision, gates, subject.baseline is not None)
        watch = Watch(plan.judged, plan.targets, artifact.precision, names, plan.options.seed)
        return cls(plan, subject, watch, before) if names else None

    @property
    def over(self) -> bool:
        """Whether nothing more has to be generated, compared or timed."""
        return self._failed or self.watch.rejection is not None

    @property
    def line(self) -> str:
        return self.watch.rejection.line if self.watch.rejection else ""

    def over_candidate(self) -> Lookout:
        return Lookout(self.watch, self.plan.dataset.cases, self.subject.artifact.dialect)

    def over_baseline(self, run: SavedRun) -> Lookout | None:
        """Over the pairs, once the candidate's `run` is done.

        `None` where there is nothing to stop: the baseline is stored already, or judged in this run too.
        """
        baseline = self.subject.baseline
        judged = baseline is not None and any(one.artifact.sha256 == baseline.sha256 for one in self.plan.subjects)
        if baseline is None or judged or len(self.before) == len(run.completions):
            return None
        lookout = self.over_candidate()  # one whose completions were all stored has not been looked at yet
        for case, completion in zip(run.dataset.cases, run.completions, strict=True):
            if completion is not None:
                lookout.saw(case.id, completion)
        return Lookout(self.watch, self.plan.dataset.cases, baseline.dialect, baseline=True)

    def leave(self, run: SavedRun) -> bool:
        """The candidate has been run: whether it is rejected early.

        Where all of it was there beforehand, it is not: then its own gates are judged by their intervals. What was made
        after enough had been seen, before the child could be stopped, decides nothing.
        """
        if not run.missing and self.watch.rejection is None:
            self.watch.leave_rates()
        return self.over

    def stopped(self, run: SavedRun) -> tuple[SavedRun, Mapping[str, Completion]]:
        """The candidate as far as it was looked at, and what of its stored baseline was compared with it."""
        run = self.ended(only_groups(run, self.watch.order[: self.watch.settled]))
        if self.watch.settled_pairs or self.subject.baseline is None:
            return run, self.before
        return uncompared(run, self.subject.baseline, "was rejected"), {}

    def ended(self, run: SavedRun) -> SavedRun:
        return run.with_facts(stopped_early=self.watch.stop.to_json())

    def spares_baseline(self, run: SavedRun, gates: Collection[str]) -> bool:
        """Whether the candidate's own gates have rejected it already, and comparing it would cost generating."""
        if len(self.before) == len(run.completions):
            return False
        required = assess(run, None, self.plan.targets).required
        self._failed = any(gate.outcome is Outcome.FAIL and gate.name in gates for gate in required)
        return self._failed


def uncompared(run: SavedRun, baseline: Artifact, how: str) -> SavedRun:
    """`how` the artifact came to its end before its baseline was run."""
    return run.with_facts(baseline_missing=f"{run.artifact['id']} {how} before {baseline.id} was run")
