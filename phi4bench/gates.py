"""Gates: rates over scores, each with its interval, held against its target. Pure: no files, no models, no clock.

Promotion is an intersection of gates: it needs every one to PASS. An artifact that should not be promoted misses at
least one target, and that one gate passes with a chance of at most alpha; so does the intersection, without any
correction for their number. What it costs is power: an artifact just good enough everywhere has to be lucky
everywhere at once. (Source: Berger, Multiparameter hypothesis testing, Technometrics 24, 1982: intersection-union
tests.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from phi4bench.counting import counted
from phi4bench.errors import UsageError
from phi4bench.levels import LEVELS, Level, Score
from phi4bench.stats import (
    Interval,
    Tally,
    count_flips,
    even_groups,
    mcnemar_p,
    more_groups_for_floor,
    more_groups_for_margin,
    paired_interval,
    proportion_interval,
    tally,
)
from phi4bench.targets import LEVEL_GATES, SCORE_GATES, Target, Targets

LEAST_GROUPS = 40
"""Below it the spread between groups is too poorly known for any outcome but INCONCLUSIVE,"""
LEAST_EVEN_GROUPS = 25
"""and below this as `even_groups` counts; 40 of one to four cases each count as 33, and hold (docs/calibration.md)."""

Counted = tuple[int, int] | None
"""What a score adds to a gate: (right, of how many), or `None` where the gate does not concern it."""


class Outcome(StrEnum):
    PASS = "PASS"  # noqa: S105 (an outcome, not a password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class GateResult:
    """A rate and how it stands to its target.

    `rate` and `interval` are `None` of nothing. `target` and `outcome` are `None` where a rate is only measured.
    `groups`: how many groups of cases it stands on. `more_groups`: of an INCONCLUSIVE gate, how many more would let
    it pass at 80% power if the rate seen is the true one; `None` where none would. `reason`: of the outcome, in a line.
    """

    name: str
    passed: int
    total: int
    rate: float | None
    interval: Interval | None
    target: float | None = None
    outcome: Outcome | None = None
    groups: int = 0
    more_groups: int | None = None
    reason: str = ""

    @property
    def required(self) -> bool:
        return self.target is not None


@dataclass(frozen=True)
class RegressionResult:
    """The same cases by two artifacts. `difference`: the candidate's rate less the baseline's, and its `interval`.

    `lost` cases were right in the baseline alone, `gained` ones in the candidate alone. The gate passes where a loss of
    `margin` or more is ruled out. `mcnemar_p` takes the cases for independent, and decides nothing. `even_groups`: as
    how many of one size the groups count.
    The other fields are those of `GateResult`.
    """

    name: str
    total: int
    both: int
    lost: int
    gained: int
    neither: int
    difference: float | None
    interval: Interval | None
    mcnemar_p: float
    margin: float | None = None
    outcome: Outcome | None = None
    groups: int = 0
    more_groups: int | None = None
    reason: str = ""
    even_groups: float = 0.0

    @property
    def target(self) -> float | None:
        return None if self.margin is None else -self.margin

    @property
    def required(self) -> bool:
        return self.margin is not None


def judge_levels(scores: Sequence[Score], targets: Targets, precision: str = "") -> dict[str, GateResult]:
    """Every rate that scores yield: the levels and abstention always, the others where there is anything to count.

    Beside the gates that targets may name: each level's rate given the one below it (`tool_given_parsing`). The cases
    of the structured track have levels of their own (`structured.parsing`), and count in no other rate of calls.
    """
    results: dict[str, GateResult] = {}
    for name, count in _COUNTERS.items():
        counts = tally((one.group, *counted) for one in scores if (counted := count(one)) is not None)
        target = targets.gate(name)
        figure = target.figure(precision) if target else None
        if counts.total or figure is not None or name in LEVEL_GATES or name == "abstention":
            results[name] = _judge_rate(name, counts, figure, targets.alpha)
    return results


def counts_towards(gate: str, score: Score) -> Counted:
    """What a score adds to a gate, by the gate's name in targets; of `regression.tool`, what it adds to `tool`."""
    return _COUNTERS[gate.removeprefix("regression.")](score)


def judge_regression(
    candidate: Sequence[Score], baseline: Sequence[Score], targets: Targets, precision: str
) -> dict[str, RegressionResult]:
    """The levels and abstention of two artifacts over the same cases, under their names in targets (`regression.tool`).

    `UsageError` where the cases are not the same ones. A precision that no margin concerns (`fp32`) is measured only.
    """
    before, after = ({score.case_id: score for score in scores} for scores in (baseline, candidate))
    if before.keys() != after.keys() or not after:
        odd = sorted(before.keys() ^ after.keys())
        raise UsageError(
            f"baseline={len(before)} cases and candidate={len(after)} cases, but should be the same ones"
            + (f" [{odd[0]} is in only one of them]" if odd else " and at least one"),
            "judge both with the same --cases",
        )
    results: dict[str, RegressionResult] = {}
    for level in (*LEVEL_GATES, "abstention"):
        count, name = _COUNTERS[level], f"regression.{level}"
        triples = []
        for case_id, score in after.items():
            now, then = count(score), count(before[case_id])
            if now is not None and then is not None:
                triples.append((score.group, then[0] > 0, now[0] > 0))
        target = targets.gate(name)
        results[name] = _judge_pairs(name, triples, target.figure(precision) if target else None, targets.alpha)
    return results


def per_tool(scores: Sequence[Score], alpha: float = 0.05) -> dict[str, dict[str, GateResult]]:
    """The four levels for each tool, by name; a case counts for every tool that it expects."""
    tools = sorted({tool for score in scores for tool in score.tools})
    return {tool: _levels_of([score for score in scores if tool in score.tools], alpha) for tool in tools}


def per_scenario(scores: Sequence[Score], alpha: float = 0.05) -> dict[str, dict[str, GateResult]]:
    """The four levels and abstention for each scenario; what a scenario has no case for is left out."""
    results: dict[str, dict[str, GateResult]] = {}
    for scenario in dict.fromkeys(score.scenario for score in scores):
        own = [score for score in scores if score.scenario == scenario]
        results[scenario] = _levels_of(own, alpha)
        counts = tally((one.group, *counted) for one in own if (counted := _abstention(one)) is not None)
        if counts.total:
            results[scenario]["abstention"] = _judge_rate("abstention", counts, None, alpha)
    return results


def too_few(groups: int, even: float) -> str:
    """Why so many groups, which count as `even` of one size, decide nothing; empty where they may."""
    shown = f"{counted(groups, 'family', 'families')} of cases"
    if groups < LEAST_GROUPS:
        return f"{shown}, but should be at least {LEAST_GROUPS}"
    if even < LEAST_EVEN_GROUPS:
        uneven = f"count as {int(even)} of one size, so uneven are they"
        return f"{shown} {uneven}, but should count as at least {LEAST_EVEN_GROUPS}"
    return ""


def unmeasured(target: Target, figure: float, reason: str) -> GateResult:
    """A required gate that nothing measured."""
    return GateResult(target.name, 0, 0, None, None, figure, Outcome.INCONCLUSIVE, reason=reason)


def _levels_of(scores: Iterable[Score], alpha: float) -> dict[str, GateResult]:
    own = [score for score in scores if score.expects_call]
    if not own:
        return {}
    return {
        name: _judge_rate(name, tally((score.group, int(score.level >= level), 1) for score in own), None, alpha)
        for name, level in LEVELS.items()
    }


def _judge_rate(name: str, counts: Tally, floor: float | None, alpha: float) -> GateResult:
    rate = counts.rate if counts.total else None
    interval = proportion_interval(counts, alpha) if counts.total else None
    outcome, more, reason = None, None, ""
    if floor is not None:
        outcome, reason = _outcome(
            interval, floor, counts.sizes, f"at most {{high}}%, but should be at least {100 * floor:g}%"
        )
        if outcome is Outcome.INCONCLUSIVE and counts.total:
            more = _at_least(more_groups_for_floor(counts, floor, alpha), counts.sizes)
            reason += _advice(more, "the rate seen is not above the target")
    return GateResult(name, counts.passed, counts.total, rate, interval, floor, outcome, counts.groups, more, reason)


def _judge_pairs(
    name: str, cases: Sequence[tuple[str, bool, bool]], margin: float | None, alpha: float
) -> RegressionResult:
    flips = count_flips(cases)
    groups, lost, gained = len(flips.sizes), sum(flips.lost), sum(flips.gained)
    both = sum(then and now for _, then, now in cases)
    interval = paired_interval(flips, alpha) if cases else None
    outcome, more, reason = None, None, ""
    if margin is not None:
        outcome, reason = _outcome(
            interval,
            -margin,
            flips.sizes,
            f"loses at least {{low}} points, but should lose under {100 * margin:g}",
            unit=" points",
        )
        if outcome is Outcome.INCONCLUSIVE and cases:
            more = _at_least(more_groups_for_margin(flips, margin, alpha), flips.sizes)
            reason += _advice(more, "the loss seen is not below the margin")
    return RegressionResult(
        name, len(cases), both, lost, gained, len(cases) - both - lost - gained,
        flips.difference if cases else None, interval, mcnemar_p(flips), margin, outcome, groups, more,
        reason, even_groups(flips.sizes),
    )  # fmt: skip


def _outcome(
    interval: Interval | None, edge: float, sizes: Sequence[int], missed: str, unit: str = "%"
) -> tuple[Outcome, str]:
    """PASS above the edge, FAIL below it, INCONCLUSIVE astride it, and (whatever it shows) on too few groups.

    `missed`: what a FAIL means, with `{high}` for the upper end in percent and `{low}` for the loss that it is.
    """
    if interval is None:
        return Outcome.INCONCLUSIVE, "there are no cases of this kind"
    if few := too_few(len(sizes), even_groups(sizes)):
        return Outcome.INCONCLUSIVE, few
    if interval.low >= edge:
        return Outcome.PASS, ""
    if interval.high < edge:
        return Outcome.FAIL, missed.format(high=f"{100 * interval.high:.1f}", low=f"{-100 * interval.high:.1f}")
    low, high = 100 * interval.low, 100 * interval.high
    return Outcome.INCONCLUSIVE, f"the interval {low:.1f} to {high:.1f}{unit} lies astride {100 * edge:g}{unit}"


def _at_least(more: int | None, sizes: Sequence[int]) -> int | None:
    """Enough to decide, and enough to be judged at all."""
    if more is None:
        return None
    enough = max(LEAST_GROUPS, math.ceil(len(sizes) * LEAST_EVEN_GROUPS / even_groups(sizes)))
    return max(more, enough - len(sizes), 1)


def _advice(more: int | None, why_none: str) -> str:
    if more is None:
        return f"; no number of further families would let it pass: {why_none}"
    families = counted(more, "more family", "more families")
    return f"; about {families} of cases would let it pass (80% power, were the rates seen the true ones)"


def _at_level(level: Level) -> Callable[[Score], Counted]:
    return lambda score: (int(score.level >= level), 1) if score.expects_call else None


def _given(level: Level) -> Callable[[Score], Counted]:
    return lambda score: (int(score.level >= level), 1) if score.expects_call and score.level >= level - 1 else None


def _in_scenario(scenario: str, level: Level) -> Callable[[Score], Counted]:
    def count(score: Score) -> Counted:
        return (int(score.level >= level), 1) if score.expects_call and score.scenario == scenario else None

    return count


def _structured(level: Level) -> Callable[[Score], Counted]:
    return lambda score: (int(score.level >= level), 1) if score.structured else None


def _abstention(score: Score) -> Counted:
    return None if score.expects_call or score.structured else (int(score.abstained), 1)


_COUNTERS: Mapping[str, Callable[[Score], Counted]] = {
    **{name: _at_level(level) for name, level in LEVELS.items()},
    "abstention": _abstention,
    "parsing_given_detection": _given(Level.PARSED),
    "tool_given_parsing": _given(Level.RIGHT_TOOL),
    "parameter_given_tool": _given(Level.RIGHT_PARAMETERS),
    "argument_accuracy": lambda score: (score.arguments_right, score.arguments_total) if score.expects_call else None,
    "schema_validity": lambda score: None if score.structured else (score.schema_valid, score.schema_total),
    # Selection is about the tool; the turns after the first, and a retry, have to be right as a whole.
    "selection": _in_scenario("selection", Level.RIGHT_TOOL),
    "multi_turn": _in_scenario("multi_turn", Level.RIGHT_PARAMETERS),
    "error_recovery": _in_scenario("missing_info", Level.RIGHT_PARAMETERS),
    **{f"structured.{name}": _structured(level) for name, level in LEVELS.items()},
}
assert set(SCORE_GATES) <= set(_COUNTERS)
