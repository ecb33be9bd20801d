"""Verdicts: from gates to promote, reject or inconclusive, the tier, and the exit code. Pure: no files, no models."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from phi4bench.gates import GateResult, Outcome, RegressionResult, unmeasured
from phi4bench.targets import Targets, Tier

Judged = GateResult | RegressionResult


class Verdict(StrEnum):
    promote = "promote"
    reject = "reject"
    inconclusive = "inconclusive"


EXIT_CODES: Mapping[Verdict, int] = {Verdict.promote: 0, Verdict.reject: 1, Verdict.inconclusive: 10}
USAGE_EXIT = 4
_WORST_FIRST = (USAGE_EXIT, 1, 10, 0)


def required_gates(
    results: Iterable[Judged],
    targets: Targets,
    precision: str = "",
    device: str = "cpu",
    no_baseline: bool = False,
    unmeasured_because: Mapping[str, str] | None = None,
    exempt: Collection[str] = (),
) -> tuple[Judged, ...]:
    """One result for each gate that the targets require of such an artifact, in their order.

    One that nobody measured is there too, as INCONCLUSIVE, with the reason given for its name in `unmeasured_because`
    where there is one. `no_baseline`: the user waived the comparison, so the regression gates are not required.
    `exempt`: gates that do not concern this very artifact, such as the size of a small one.
    """
    found = {result.name: result for result in results}
    gates: list[Judged] = []
    for target in targets.required(precision, device):
        paired = target.kind == "margin"
        if target.name in exempt or (target.needs_baseline and no_baseline):
            continue
        result = found.get(target.name)
        if result is not None and result.outcome is not None:
            gates.append(result)
            continue
        figure = target.figure(precision, device)
        if figure is None:
            needed = target.absent(precision, device)
            skipped = f"skipped: its figure is for a {needed}, and this run was on a {device}; judge on such a machine"
            gates.append(unmeasured(target, target.figures[needed], skipped))
            continue
        reason = (unmeasured_because or {}).get(target.name)
        if reason is None and paired:
            reason = f"no baseline to compare {precision} with: give --baseline, or waive it with --no-baseline"
        gates.append(unmeasured(target, -figure if paired else figure, reason or "no suite of this run measured it"))
    return tuple(gates)


def verdict(required: Iterable[Judged], targets: Targets) -> Verdict:
    """Promote where every one of the `required_gates` passes, reject where one fails, otherwise inconclusive.

    Targets that do not promote (`smoke`) are inconclusive at best.
    """
    outcomes = {gate.outcome for gate in required}
    if Outcome.FAIL in outcomes:
        return Verdict.reject
    return Verdict.promote if outcomes == {Outcome.PASS} and targets.promotes else Verdict.inconclusive


def tier(results: Mapping[str, GateResult], targets: Targets) -> Tier | None:
    """The best tier whose every rate is exceeded by the rate seen.

    `None` where the targets have no tiers, or a level that a tier asks for was not measured.
    """
    for candidate in targets.tiers:
        rates = {level: results[level].rate if level in results else None for level in candidate.above}
        if None in rates.values():
            return None
        if all((rates[level] or 0.0) > above for level, above in candidate.above.items()):
            return candidate
    return None


def advice(outcome: Verdict, reached: Tier | None) -> str:
    """What to do next, in a clause; empty unless the artifact is promoted."""
    return reached.advice if outcome is Verdict.promote and reached is not None else ""


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Of a run over several artifacts: that of the worst."""
    return worst_exit([EXIT_CODES[one] for one in verdicts])


def worst_exit(codes: Iterable[int]) -> int:
    """4 (usage: nothing was judged as asked) over 1 (reject) over 10 (inconclusive) over 0 (promote).

    A rejection is a finding, and no further cases undo it, so it outweighs a lack of evidence elsewhere. Any other
    code (pytest's 2, 3, 5, a signal) is outside the contract and outweighs them all; 4 where there is none at all.
    """
    seen = set(codes)
    foreign = seen - set(_WORST_FIRST)
    if foreign:
        return max(foreign)
    return next((code for code in _WORST_FIRST if code in seen), USAGE_EXIT)
