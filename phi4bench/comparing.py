"""The A/B rule: what follows from two runs over the same cases. Pure: the runs have been scored.

Ship where every metric chosen improves significantly, by at least the stated minimum, and nothing regresses
significantly. Roll back on a significant regression of any critical metric. Else iterate.

Significant: the cluster-robust Tango interval leaves zero out, each end at one-sided alpha, on at least as many
families as any gate needs. Shipping asks for every chosen metric at once (an intersection), so it needs no correction
for their number. Rolling back asks for one regression among the critical metrics: were nothing different, it comes
about by chance with at most alpha for each of them, which errs towards what is known to work.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from phi4bench.errors import UsageError
from phi4bench.gates import RegressionResult, judge_regression, too_few
from phi4bench.levels import Score
from phi4bench.targets import PAIRED_GATES, Targets

METRICS = PAIRED_GATES
_ROUNDING = 1e-9


class Decision(StrEnum):
    ship = "ship"
    roll_back = "roll back"
    iterate = "iterate"


EXIT_CODES: Mapping[Decision, int] = {Decision.ship: 0, Decision.roll_back: 1, Decision.iterate: 10}


@dataclass(frozen=True)
class Comparison:
    """B against A. `results`: each metric that any case concerns. `reasons`: of the decision, a line each."""

    results: Mapping[str, RegressionResult]
    decision: Decision
    reasons: tuple[str, ...]


def compare(
    a: Sequence[Score],
    b: Sequence[Score],
    minimum: float,
    metrics: Collection[str],
    critical: Collection[str] = METRICS,
    alpha: float = 0.05,
) -> Comparison:
    """Judge B against A over the same cases. `minimum`: a fraction. UsageError for a metric that no case concerns."""
    nothing = Targets((), (), (), alpha, promotes=False, sha256s=())
    paired = judge_regression(b, a, nothing, "")
    results = {name: paired[f"regression.{name}"] for name in METRICS if paired[f"regression.{name}"].total}
    for name in metrics:
        if name not in results:
            raise UsageError(f"--metric={name}, but no case of these runs concerns it", f"one of {', '.join(results)}")
    return Comparison(results, *decide(results, minimum, metrics, critical))


def decide(
    results: Mapping[str, RegressionResult], minimum: float, metrics: Collection[str], critical: Collection[str]
) -> tuple[Decision, tuple[str, ...]]:
    """The decision and its reasons."""
    regressed = [name for name, result in results.items() if _is_loss(result)]
    fatal = [name for name in regressed if name in critical]
    if fatal:
        return Decision.roll_back, tuple(f"{name} regresses significantly" for name in fatal)
    lacking = [reason for name in metrics if (reason := _lacking(name, results[name], minimum))]
    lacking += [f"{name} regresses significantly, though it is not critical" for name in regressed]
    if lacking:
        return Decision.iterate, tuple(lacking)
    return Decision.ship, tuple(
        f"{name} improves significantly, by at least {100 * minimum:g} points" for name in metrics
    )


def rate_of_a(result: RegressionResult) -> float:
    return (result.both + result.lost) / result.total


def rate_of_b(result: RegressionResult) -> float:
    return (result.both + result.gained) / result.total


def nothing_to_tell(result: RegressionResult) -> str:
    """Why no difference can be seen, whatever there is; empty where one can."""
    if result.lost or result.gained:
        return ""
    if result.both == result.total:
        return "both runs are right in every case"
    if result.neither == result.total:
        return "both runs are wrong in every case"
    return "both runs are right in the very same cases"


def _too_few(result: RegressionResult) -> str:
    return too_few(result.groups, result.even_groups)


def _is_loss(result: RegressionResult) -> bool:
    return result.interval is not None and not _too_few(result) and result.interval.high < 0.0


def _lacking(name: str, result: RegressionResult, minimum: float) -> str:
    """What one metric lacks to be shipped; empty where it lacks nothing."""
    room, seen = 1.0 - rate_of_a(result), result.difference or 0.0
    if room < minimum - _ROUNDING:
        return (
            f"{name}: A is right in {100 * rate_of_a(result):.1f}% of the cases, which leaves {100 * room:.1f} points:"
            f" no B can improve by the minimum of {100 * minimum:g}"
        )
    if result.total == 1:
        return f"{name}: a single case cannot tell two runs apart"
    if few := _too_few(result):
        return f"{name}: {few} to tell"
    if seen < minimum - _ROUNDING:
        return f"{name}: {nothing_to_tell(result) or f'{100 * seen:+.1f} points'}; the minimum is {100 * minimum:g}"
    if result.interval is None or result.interval.low <= 0.0:
        return f"{name}: {100 * seen:+.1f} points, but not significantly so"
    return ""
