"""The result of one planted artifact, kept as JSON, and the table of all. Runs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.planted.damage import Damage
from benchmarks.planted.truth import GATES, Loss

SHORT = {"detection": "detect", "parsing": "parse", "tool": "tool", "parameter": "param", "abstention": "abstain"}


@dataclass(frozen=True)
class Judged:
    """What the regression gate said of one level. `points`: the loss that it saw; `low` and `high`: of that loss."""

    points: float
    low: float
    high: float
    margin: float
    outcome: str


@dataclass(frozen=True)
class Result:
    """One artifact. `truth` is empty until it is known, and `gate` until the gate has judged.

    `marks`: of the truth cases so far. `difference`: of an equivalent, in logits from what it was made from.
    """

    damage: Damage
    marks: str = ""
    truth: Mapping[str, Loss] = field(default_factory=dict)
    gate: Mapping[str, Judged] = field(default_factory=dict)
    verdict: str = ""
    difference: float | None = None

    @property
    def equivalent(self) -> bool:
        return self.damage.kind == "equivalent"

    @property
    def outcome(self) -> str:
        """Of the regression gate as a whole: it passes where each level does."""
        outcomes = {judged.outcome for judged in self.gate.values()}
        return next((one for one in ("FAIL", "INCONCLUSIVE", "PASS") if one in outcomes), "")

    def worst(self) -> str:
        """The level whose true loss is the furthest above its margin, in standard errors' favour."""
        return max(self.truth, key=lambda gate: self.truth[gate].points - 2 * self.truth[gate].error)


def read(path: Path) -> Result | None:
    """`None` where there is no whole result."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    data["damage"] = Damage(**data["damage"])
    data["truth"] = {gate: Loss(**loss) for gate, loss in data["truth"].items()}
    data["gate"] = {gate: Judged(**judged) for gate, judged in data["gate"].items()}
    return Result(**data)


def write(path: Path, result: Result) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(asdict(result)) + "\n", encoding="utf-8")
    draft.replace(path)


def table(results: Sequence[Result]) -> Iterator[str]:
    """Points are percent; a loss is the parent's rate less the artifact's."""
    told = "the gate on its own cases, at the level that is worst in truth"
    yield f"{'':46}  {'true loss in points ± s.e.':>54}   {told}"
    heads = " ".join(f"{SHORT[gate]:>10}" for gate in GATES)
    judged = f"{'level':8}{'loss':>5} {'interval':>13}  {'outcome':13} all five"
    yield f"{'damage':37} {'strength':>8}  {heads}   {judged}"
    shown = [one for one in results if one.gate]
    for result in sorted(shown, key=lambda one: (one.equivalent, one.damage.kind, _depth(one))):
        yield _row(result)


def _depth(result: Result) -> float:
    return max((loss.points for loss in result.truth.values()), default=0.0)


def _row(result: Result) -> str:
    damage = result.damage
    strength = "" if result.equivalent else f"{damage.strength:.3f}"
    cells = " ".join(f"{_loss(result.truth.get(gate)):>10}" for gate in GATES)
    level = result.worst() if result.truth else max(result.gate, key=lambda gate: result.gate[gate].points)
    judged = result.gate[level]
    interval = f"{100 * judged.low:.1f} to {100 * judged.high:.1f}"
    name = f"{damage.kind} {damage.site}" + (f" seed {damage.seed}" if damage.kind in ("noise", "equivalent") else "")
    return (
        f"{name:37} {strength:>8}  {cells}   {SHORT[level]:8}{round(100 * judged.points, 1) + 0.0:5.1f} {interval:>13}"
        f"  {judged.outcome:13} {result.outcome}"
    )


def _loss(loss: Loss | None) -> str:
    return "?" if loss is None else f"{100 * loss.points:.1f}±{100 * loss.error:.1f}"


def totals(results: Sequence[Result], wanted: int, equivalents: int, beyond: float) -> Iterator[str]:
    """What the proof comes down to, and what is missing of it. `beyond`: the excess over the margin, as a fraction."""
    planted = [one for one in results if not one.equivalent and one.gate and one.truth]
    alike = [one for one in results if one.equivalent and one.gate]
    passed = sum(one.outcome == "PASS" for one in planted)
    level_passed = sum(one.gate[one.worst()].outcome == "PASS" for one in planted)
    failed = sum(one.outcome == "FAIL" for one in planted)
    yield (
        f"damaged by {100 * beyond:g} points more than the margin, or worse: {passed} of {len(planted)} passed"
        f" (wanted: 0 of {wanted}); {failed} failed, {len(planted) - failed - passed} inconclusive"
    )
    yield f"  the gate of the worst level alone: {level_passed} of {len(planted)} passed"
    if planted:
        excess = sorted(100 * (one.truth[one.worst()].points - one.gate[one.worst()].margin) for one in planted)
        within = sum(one <= 10 for one in excess)
        yield f"  true loss beyond the margin: {excess[0]:.1f} to {excess[-1]:.1f} points, {within} of them at most 10"
    good = sum(one.outcome == "PASS" for one in alike)
    known = sum(bool(one.truth) for one in alike)
    furthest = max((one.difference or 0.0 for one in alike), default=0.0)
    yield f"equivalent: {good} of {len(alike)} passed (wanted: {equivalents} of {equivalents})"
    yield f"  of {known} the truth is known, too"
    if alike:
        yield f"  logits differ by at most {furthest:.0e} from what they were made from"
    if len(planted) < wanted or len(alike) < equivalents:
        yield f"UNFINISHED: {wanted - len(planted)} damaged and {equivalents - len(alike)} equivalent ones are missing"
