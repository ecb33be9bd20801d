"""From completions to a judgement: scores, gates, and what may be concluded from them. Runs nothing, writes nothing.

A stored run and a fresh one take the same way, so that scoring again gives the same figures.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from phi4bench.cases import Case
from phi4bench.counting import counted
from phi4bench.datasets.packing import pack_cases
from phi4bench.gates import RegressionResult, judge_levels, judge_regression
from phi4bench.levels import Score, score
from phi4bench.rejection import Rejection, Stop, Watch, family_order
from phi4bench.run.judgement import REGRESSION, Judgement, undecided
from phi4bench.run.repeating import stability_from_json
from phi4bench.runfile import SavedRun
from phi4bench.stability import Stability, discounted
from phi4bench.targets import FIDELITY_GATES, PAIRED_GATES, SCORE_GATES, SIZE_GATE, TIMED_GATES, Targets
from phi4bench.verdicts import EXIT_CODES, Verdict, advice, verdict
from phi4bench.xfails import KnownFailures, found_failures, stored_xfails

KNOWN_FAILURES = "known_failures"
SUITE_GATES = (
    *SCORE_GATES, *(REGRESSION + name for name in PAIRED_GATES), *FIDELITY_GATES, SIZE_GATE, KNOWN_FAILURES,
    *TIMED_GATES,
)  # fmt: skip
"""The gates that suites judge: all that targets may name, and that no known failure passes."""
CRASHED_EXIT = 3
"""A run that broke (a crash, NaN logits): no verdict, so neither 0 nor 1."""


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
    stability = stability_of(run)
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
        gates = {name: undecided(gate, incomplete, rejection) for name, gate in gates.items()}
    if unpaired:
        regression = {name: undecided(gate, unpaired, rejection) for name, gate in regression.items()}
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
    decided = verdict(judgement.required, judgement.targets)
    if judgement.known and judgement.known.stale:
        decided = Verdict.reject
    if (judgement.stability_missing or judgement.untrained) and decided is Verdict.promote:
        decided = Verdict.inconclusive
    return Conclusion(decided, (), advice(decided, judgement.tier))


def stability_of(run: SavedRun) -> Stability | None:
    """What its determinism checks found; `None` where there were none. StoreError for what cannot be read."""
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
    kept = run.facts.get("kept") is not False
    return (
        f"{run.artifact['id']} lacks {missing:,} of {counted(len(run.completions), 'completion')}:"
        f" {run.facts.get('stopped') or 'the run was stopped'};"
        f" {'run the same command' if kept else 'run it with a cache to be able'} to go on from there"
    )
