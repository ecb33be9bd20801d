"""From completions to a judgement: scores, gates, and what may be concluded from them. Runs nothing, writes nothing.

A stored run and a fresh one take the same way, so that scoring again gives the same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from phi4bench.cases import Case
from phi4bench.counting import counted
from phi4bench.datasets.packing import pack_cases
from phi4bench.errors import StoreError
from phi4bench.fidelity import Decision, Fidelity, fidelity_from_json, fragile, judge_fidelity
from phi4bench.gates import (
    GateResult,
    Outcome,
    RegressionResult,
    judge_levels,
    judge_regression,
    per_scenario,
    per_tool,
)
from phi4bench.levels import Level, Score, score
from phi4bench.measured import Slo, slo_from_json
from phi4bench.rejection import Rejection, Stop, Watch, family_order
from phi4bench.run.answered import Answered
from phi4bench.run.besides import Beside, besides
from phi4bench.run.repeating import stability_from_json
from phi4bench.run.rereading import flips_from_json
from phi4bench.runfile import SavedRun
from phi4bench.runtime_flips import RuntimeFlips
from phi4bench.sizes import Size, exempt, judge_size, size_from_json
from phi4bench.slo import exempt_speedups, judge_slo
from phi4bench.stability import Stability, discounted
from phi4bench.stats import Interval
from phi4bench.targets import FIDELITY_GATES, PAIRED_GATES, SCORE_GATES, SIZE_GATE, TIMED_GATES, Targets, Tier
from phi4bench.transcripts import Completion
from phi4bench.verdicts import EXIT_CODES, Judged, Verdict, advice, required_gates, tier, verdict
from phi4bench.xfails import KnownFailures, found_failures, stored_xfails

Read = TypeVar("Read")
REGRESSION = "regression."
KNOWN_FAILURES = "known_failures"
SUITE_GATES = (
    *SCORE_GATES, *(REGRESSION + name for name in PAIRED_GATES), *FIDELITY_GATES, SIZE_GATE, KNOWN_FAILURES,
    *TIMED_GATES,
)  # fmt: skip
"""The gates that suites judge: all that targets may name, and that no known failure passes."""
CRASHED_EXIT = 3
"""A run that broke (a crash, NaN logits): no verdict, so neither 0 nor 1."""


@dataclass(frozen=True)
class Judgement:
    """One artifact, judged. `scores` are those of the cases that have a completion, in the cases' order, without the
    families that are `known` to fail. A case whose calls are not stable counts as wrong in them.

    `gates`: every rate by name, and `regression` every paired comparison, both with outcomes where there are targets.
    `incomplete`: why no gate may be decided; empty where every completion is there. `rejection`: of an artifact that
    was rejected early, where and why; its gates are then the only ones decided.
    """

    run: SavedRun
    baseline: SavedRun | None
    targets: Targets
    scores: tuple[Score, ...]
    baseline_scores: tuple[Score, ...]
    gates: Mapping[str, GateResult]
    regression: Mapping[str, RegressionResult]
    incomplete: str = ""
    known: KnownFailures | None = None
    stability: Stability | None = None
    rejection: Rejection | None = None

    @property
    def id(self) -> str:
        return str(self.run.artifact["id"])

    @property
    def precision(self) -> str:
        return str(self.run.artifact["precision"])

    @property
    def waived(self) -> bool:
        """Whether the user gave up the comparison with a baseline."""
        return bool(self.run.facts.get("no_baseline_given"))

    @property
    def untrained(self) -> str:
        """Why nothing here may be promoted, where weights were drawn and not trained; else empty."""
        named = [one.artifact["id"] for one in (self.run, self.baseline) if one and one.artifact.get("random_weights")]
        if not named:
            return ""
        return f"{' and '.join(named)}: random weights (a shape); speed and memory are real, accuracy is not"

    @cached_property
    def required(self) -> tuple[Judged, ...]:
        """Each required gate, those that nothing measured too."""
        reason = str(self.run.facts.get("baseline_missing") or "")
        why = {gate.name: f"no baseline: {reason}" for gate in self.targets.gates if reason and gate.kind == "margin"}
        missing = self.fidelity_missing or reason
        why |= {name: f"fidelity was not measured: {missing}" for name in FIDELITY_GATES if missing}
        unsized = self.size_missing or reason
        why |= {SIZE_GATE: f"its size was not compared: {unsized}"} if unsized else {}
        results: list[Judged] = [*self.gates.values(), *self.regression.values(), *self.fidelity_gates.values()]
        results += [*self.size_gates.values(), *self.slo_gates.values()]
        untimed = self.slo.missing if self.slo else {}
        if self.rejection is not None:
            untimed = dict.fromkeys(TIMED_GATES, f"{self.id} was rejected early")
        why |= {name: f"it was not measured: {reason}" for name, reason in untimed.items()}
        gates = required_gates(results, self.targets, self.precision, self.device, self.waived, why, self.exempt)
        skipped = self._stored("gates_skipped")
        return tuple(_undecided(gate, skipped[gate.name], None) if gate.name in skipped else gate for gate in gates)

    @cached_property
    def fidelity(self) -> Fidelity | None:
        """How closely reference answers are followed beside the baseline; `None` where it was not measured."""
        data = self._stored("fidelity")
        return _read_back("fidelity", fidelity_from_json, data) if data and "missing" not in data else None

    @property
    def fidelity_missing(self) -> str:
        """Why fidelity could not be measured; empty where it was, or where nobody asked."""
        return str(self._stored("fidelity").get("missing", ""))

    @cached_property
    def fidelity_gates(self) -> Mapping[str, GateResult]:
        return judge_fidelity(self.fidelity, self.targets, self.precision) if self.fidelity else {}

    @cached_property
    def size(self) -> Size | None:
        """What its parts take, beside the baseline's; `None` where nobody asked, or nothing could be read."""
        data = self._stored("size")
        return _read_back("size", size_from_json, data) if data and "missing" not in data else None

    @property
    def size_missing(self) -> str:
        """Why no size could be read; empty where it was, or where nobody asked."""
        return str(self._stored("size").get("missing", ""))

    @cached_property
    def size_gates(self) -> Mapping[str, GateResult]:
        return judge_size(self.size, self.targets, self.precision) if self.size else {}

    @property
    def exempt(self) -> frozenset[str]:
        """Gates that targets name and that do not concern this very artifact."""
        return exempt(self.size, self.targets) | exempt_speedups(self.slo, self.targets)

    @cached_property
    def slo(self) -> Slo | None:
        """How fast it is and what it takes; `None` where nobody asked."""
        data = self._stored("slo")
        return _read_back("slo", slo_from_json, data) if data else None

    @cached_property
    def slo_gates(self) -> Mapping[str, GateResult]:
        return judge_slo(self.slo, self.targets, self.precision) if self.slo else {}

    def _stored(self, name: str) -> Mapping[str, Any]:
        """What was measured under a name, as JSON; empty where nothing was."""
        return _read_back(name, dict, self.run.facts.get(name) or {})

    @property
    def device(self) -> str:
        """`gpu` or `cpu`: where it was timed."""
        return self.slo.device if self.slo else "cpu"

    @cached_property
    def beside(self) -> tuple[Beside, ...]:
        """Rates of the same cases got in another way, which no gate reads."""
        return besides(self.run, self.targets, self.known.groups if self.known else ())

    @cached_property
    def fragile(self) -> tuple[Decision, ...]:
        """Cases that call, or hold back, as the baseline does, but by a margin near zero."""
        called = {one.case_id: one.level > Level.NOTHING for one in self.scores}
        before = {one.case_id: one.level > Level.NOTHING for one in self.baseline_scores}
        return tuple(
            fragile(
                Decision(
                    case_id,
                    self.answered[case_id][1].margin,
                    self.baseline_answered[case_id][1].margin,
                    called[case_id] == before[case_id],
                )
                for case_id in called
                if case_id in before
            )
        )

    @cached_property
    def runtime_flips(self) -> RuntimeFlips | None:
        """What accuracy level 0 changes; `None` where nobody asked, or where nothing was run."""
        data = self.run.facts.get("accuracy_level")
        if not data:
            return None
        own, parent = _completions(self.run), _completions(self.baseline) if self.baseline else None
        return flips_from_json(data, self.run.dataset.cases, own, parent, self.run.dialect)

    @property
    def stability_missing(self) -> str:
        """Why the determinism checks that were asked for are not complete; empty where they are, or nobody asked."""
        return str((self.run.facts.get("determinism") or {}).get("missing", ""))

    @cached_property
    def tools(self) -> Mapping[str, Mapping[str, GateResult]]:
        return per_tool(self.scores, self.targets.alpha)

    @cached_property
    def scenarios(self) -> Mapping[str, Mapping[str, GateResult]]:
        return per_scenario(self.scores, self.targets.alpha)

    @property
    def tier(self) -> Tier | None:
        return tier(self.gates, self.targets)

    @cached_property
    def answered(self) -> Mapping[str, tuple[Case, Completion]]:
        return Answered(self.run)

    @cached_property
    def baseline_answered(self) -> Mapping[str, tuple[Case, Completion]]:
        return Answered(self.baseline) if self.baseline else {}

    def result(self, name: str) -> Judged | None:
        """What is known of a gate; `None` for one that does not concern this artifact."""
        measured: dict[str, Judged] = {**self.gates, **self.regression, **self.fidelity_gates, **self.size_gates}
        return {**measured, **self.slo_gates, **{gate.name: gate for gate in self.required}}.get(name)


@dataclass(frozen=True)
class Conclusion:
    """What follows for one artifact. No verdict where gates that the targets name were `not_run`."""

    verdict: Verdict | None
    not_run: tuple[str, ...]
    advice: str

    @property
    def exit_code(self) -> int | None:
        """`None` for a partial run, whose exit code is an ordinary one."""
        return None if self.verdict is None else EXIT_CODES[self.verdict]


def assess(run: SavedRun, baseline: SavedRun | None, targets: Targets) -> Judgement:
    """Score and judge. Where completions are missing no gate is decided: what is there is no fair sample.

    The one exception is a run that was stopped for an early rejection, which is found again in its completions.
    """
    scores = score_run(run)
    stability = _stability(run)
    if stability:
        scores = discounted(scores, stability)
    known = _known_failures(run, scores)
    cases: Sequence[Case] = run.dataset.cases
    if known:
        cases = pack_cases(case for case in cases if case.group not in known.groups)
    if baseline is not None:
        baseline = _as_far_as_compared(baseline, run, cases)
    before = score_run(baseline) if baseline else ()
    if known:
        scores, before = (tuple(one for one in some if one.group not in known.groups) for some in (scores, before))
    precision = str(run.artifact["precision"])
    gates = judge_levels(scores, targets, precision)
    regression: dict[str, RegressionResult] = {}
    if baseline is not None:
        shared = {one.case_id for one in scores} & {one.case_id for one in before}
        pairs = [[one for one in some if one.case_id in shared] for some in (scores, before)]
        if shared:
            regression = judge_regression(pairs[0], pairs[1], targets, precision)
    incomplete = _incomplete(run, run)
    unpaired = incomplete or (_incomplete(baseline, run) if baseline else "")
    rejection = _rejection(run, cases, scores, before, targets) if incomplete or unpaired else None
    if incomplete:
        gates = {name: _undecided(gate, incomplete, rejection) for name, gate in gates.items()}
    if unpaired:
        regression = {name: _undecided(gate, unpaired, rejection) for name, gate in regression.items()}
    return Judgement(run, baseline, targets, scores, before, gates, regression, incomplete, known, stability, rejection)


def only_groups(run: SavedRun, groups: Collection[str]) -> SavedRun:
    """The run with the completions of some groups alone: others, made or stored before, were not looked at."""
    kept, pairs = set(groups), zip(run.dataset.cases, run.completions, strict=True)
    return replace(run, completions=tuple(made if case.group in kept else None for case, made in pairs))


def _as_far_as_compared(baseline: SavedRun, run: SavedRun, cases: Sequence[Case]) -> SavedRun:
    """A baseline that several share may have gone on where one of them was rejected."""
    stop = Stop.from_json(run.facts.get("stopped_early"))
    if stop is None:
        return baseline
    return only_groups(baseline, family_order(cases, stop.gates, stop.seed)[: stop.pairs])


def _rejection(
    run: SavedRun, cases: Sequence[Case], scores: Sequence[Score], before: Sequence[Score], targets: Targets
) -> Rejection | None:
    """The one for which a run was stopped, by these targets; `None` where they would not have stopped it."""
    stop = Stop.from_json(run.facts.get("stopped_early"))
    if stop is None:
        return None
    watch = Watch(cases, targets, str(run.artifact["precision"]), stop.gates, stop.seed)
    if not run.missing:
        watch.leave_rates()
    for one in before:
        watch.add(one, baseline=True)
    for one in scores:
        watch.add(one)
    return watch.rejection


def score_run(run: SavedRun) -> tuple[Score, ...]:
    pairs = zip(run.dataset.cases, run.completions, strict=True)
    return tuple(score(case, completion, run.dialect) for case, completion in pairs if completion is not None)


def conclude(judgement: Judgement, ran: Collection[str]) -> Conclusion:
    """The verdict over the gates that tests `ran`; none where a gate that the targets name was left out.

    A known failure that passes now is a reject, whatever the gates say; determinism checks that were asked for and cut
    short leave the verdict open, and so do weights that nobody trained.
    """
    not_run = tuple(gate.name for gate in judgement.targets.gates if gate.name not in ran)
    if not_run:
        return Conclusion(None, not_run, "")
    decided = verdict(
        judgement.required, judgement.targets, judgement.precision, judgement.device, judgement.waived, judgement.exempt
    )
    if judgement.known and judgement.known.stale:
        decided = Verdict.reject
    if (judgement.stability_missing or judgement.untrained) and decided is Verdict.promote:
        decided = Verdict.inconclusive
    return Conclusion(decided, (), advice(decided, judgement.tier))


def _read_back(name: str, read: Callable[[Any], Read], data: Any) -> Read:
    """What is stored, read; `StoreError` where it is not what a run stores: transcripts come from anywhere."""
    try:
        return read(data)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StoreError(f"the {name} stored with the run cannot be read", "run it again") from None


def _completions(run: SavedRun) -> dict[str, Completion]:
    return {name: made for name, made in zip(run.dataset.ids, run.completions, strict=True) if made is not None}


def _stability(run: SavedRun) -> Stability | None:
    stored = run.facts.get("determinism")
    if not stored:
        return None
    return stability_from_json(stored, {case.id: case for case in run.dataset.cases}, run.dialect)


def _known_failures(run: SavedRun, scores: Sequence[Score]) -> KnownFailures | None:
    stored = run.facts.get("xfails")
    if not stored:
        return None
    groups = run.dataset.groups
    xfails, sizes = stored_xfails(stored, run.dataset.cases)
    return found_failures(xfails, sizes, scores, groups)


def _incomplete(run: SavedRun, candidate: SavedRun) -> str:
    missing = run.missing
    if not missing:
        return ""
    if run.facts.get("needed") is False:
        return "no completion was made: none of the gates that were run asks for any"
    if candidate.facts.get("stopped_early"):
        return (
            f"{missing:,} of {len(run.completions):,} cases were not looked at, for {candidate.artifact['id']} was"
            " rejected early (without --sequential all are)"
        )
    return (
        f"{run.artifact['id']} lacks {missing:,} of {counted(len(run.completions), 'completion')}:"
        f" {run.facts.get('stopped') or 'the run was stopped'}; run the same command to go on from there"
    )


def _undecided(gate: Any, reason: str, rejection: Rejection | None) -> Any:
    """The same figures, and no outcome but INCONCLUSIVE, or a FAIL that was certain early.

    An interval that was made for one look does not hold where looking decided the end: in its place comes the bound
    that holds at all looks, of the gates that have one.
    """
    if rejection is not None:
        least = -1.0 if gate.name.startswith(REGRESSION) else 0.0
        upper = rejection.upper.get(gate.name)
        gate = replace(gate, interval=None if upper is None else Interval(least, upper))
        if rejection.gate(gate.name):
            return replace(gate, outcome=Outcome.FAIL, more_groups=None, reason=rejection.line)
    if gate.outcome is None:
        return gate
    return replace(gate, outcome=Outcome.INCONCLUSIVE, more_groups=None, reason=reason)
