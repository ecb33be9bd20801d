"""Early rejection: families in a seeded order, and after which of them a required gate is certain to fail. Pure.

Each watched gate is bet against (`stats.betting`) at a part of the targets' alpha: a third of it is divided evenly, the
rest so that gates of the artifact's own take about as many cases each. Promotion needs no such correction, for it takes
every gate at once; a rejection takes any one of them, so without it an artifact that meets all its targets would be
rejected by chance as often as the gates' errors add up to.

Nothing is ever promoted here. A gate that was not refuted by the last family is judged by its own interval, as ever.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phi4bench.cases import Case
from phi4bench.gates import LEAST_GROUPS, counts_towards, too_few
from phi4bench.levels import Level, Score
from phi4bench.stats import Bet, divided, even_groups, upper_bound
from phi4bench.targets import PAIRED_GATES, Targets

REGRESSION = "regression."
WATCHED = (*PAIRED_GATES, "selection", "multi_turn", "error_recovery", *(REGRESSION + name for name in PAIRED_GATES))
"""Gates that may reject early: those whose cases are known before any completion is."""


@dataclass(frozen=True)
class Refuted:
    """A gate that is certain to fail: its rate (or paired difference) is below `upper`, and that below `edge`."""

    gate: str
    upper: float
    edge: float

    @property
    def line(self) -> str:
        upper, edge = 100 * self.upper, 100 * self.edge
        unit, of = (" points", "") if self.gate.startswith(REGRESSION) else ("%", "%")
        return f"{self.gate}'s upper bound {_below(upper, edge)}{unit} is below {edge:g}{of}"


@dataclass(frozen=True)
class Rejection:
    """Where an artifact was rejected early. `cases` of `total` had been looked at, in so many families.

    Of each watched gate that was bet on, `alphas`: its part of alpha; `upper`: what is certain at all looks so far.
    """

    refuted: tuple[Refuted, ...]
    cases: int
    total: int
    families: int
    total_families: int
    alphas: Mapping[str, float]
    upper: Mapping[str, float]

    @property
    def line(self) -> str:
        why = ", ".join(one.line for one in self.refuted)
        return f"rejected early after {self.cases:,} of {self.total:,} cases: {why}"

    def gate(self, name: str) -> Refuted | None:
        return next((one for one in self.refuted if one.gate == name), None)


@dataclass(frozen=True)
class Stop:
    """What a run notes of an early end: enough to find the same rejection in its completions again.

    `gates`: those that were watched. `pairs`: families that were compared with the baseline.
    """

    seed: int
    gates: tuple[str, ...]
    pairs: int

    def to_json(self) -> dict[str, Any]:
        return {"seed": self.seed, "gates": list(self.gates), "pairs": self.pairs}

    @classmethod
    def from_json(cls, data: Any) -> Stop | None:
        """`None` for anything that `to_json` does not make: then the run just has completions missing."""
        if not isinstance(data, dict):
            return None
        seed, gates, pairs = data.get("seed"), data.get("gates"), data.get("pairs")
        if type(seed) is not int or type(pairs) is not int or not isinstance(gates, list):
            return None
        return cls(seed, tuple(gates), pairs) if pairs >= 0 and all(gate in WATCHED for gate in gates) else None


def family_order(cases: Sequence[Case], gates: Iterable[str], seed: int) -> tuple[str, ...]:
    """Each family once, in an order that only the cases, the gates that are watched and the seed decide.

    To every gate the families that concern it come in an order as good as any. Those of gates that share none, such as
    of calls and of abstention, take turns case by case, for one in five of all may be too few to see anything in.
    Families that concern no gate come last.
    """
    sizes: dict[str, int] = {}
    for case in cases:
        sizes[case.group] = sizes.get(case.group, 0) + 1
    pools: list[set[str]] = []
    for gate in gates:
        pool = set(_sizes(gate, cases))
        apart = [other for other in pools if not other & pool]
        pools = [*apart, pool.union(*(other for other in pools if other & pool))]
    draw = random.Random(seed)  # noqa: S311 - an order, no secret
    waiting = []
    for pool in sorted(filter(None, pools), key=min):
        waiting.append(sorted(pool, reverse=True))
        draw.shuffle(waiting[-1])
    rest = sorted(sizes.keys() - set().union(*pools))
    draw.shuffle(rest)
    order, drawn = [], [0] * len(waiting)
    while any(waiting):
        turn = min((place for place, left in enumerate(waiting) if left), key=drawn.__getitem__)
        order.append(waiting[turn].pop())
        drawn[turn] += sizes[order[-1]]
    return (*order, *rest)


def watched_gates(
    cases: Sequence[Case], targets: Targets, precision: str, judged: Collection[str], paired: bool
) -> tuple[str, ...]:
    """Which gates may reject early: required, `judged` by some test, over enough families to be decided at all.

    `paired`: there is a baseline to compare with.
    """
    found = []
    for target in targets.required(precision):
        possible = target.name in WATCHED and target.name in judged and (paired or target.kind != "margin")
        sizes = [*_sizes(target.name, cases).values()] if possible else []
        if not too_few(len(sizes), even_groups(sizes)):
            found.append(target.name)
    return tuple(found)


def alphas(alpha: float, figures: Mapping[str, float]) -> dict[str, float]:
    """Of each gate its part of alpha. `figures`: by gate; of a paired one its margin."""
    own = {name: figure for name, figure in figures.items() if not name.startswith(REGRESSION)}
    if not own:
        return {name: alpha / len(figures) for name in figures}
    even, further = alpha / 3 / len(figures), divided(2 * alpha / 3, list(own.values()))
    by_pace = dict(zip(own, further, strict=True))
    return {name: even + by_pace.get(name, 0.0) for name in figures}


@dataclass
class _Line:
    """One gate's bet, with what was settled so far. `paired`: outcomes are the candidate's less the baseline's."""

    gate: str
    paired: bool
    bet: Bet
    alpha: float
    outcomes: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def settle(self, scores: Iterable[Score], before: Mapping[str, Score]) -> None:
        """The next family, by case id in `before`. Nothing, where the gate concerns none of its cases."""
        counts = [
            (counts_towards(self.gate, one), counts_towards(self.gate, before.get(one.case_id, one))) for one in scores
        ]
        sums = [(now[0], then[0], now[1]) for now, then in counts if now is not None and then is not None]
        if sums:
            self.outcomes.append(sum(now - then if self.paired else now for now, then, _ in sums))
            self.sizes.append(sum(of for _, _, of in sums))
            self.bet.settle(self.outcomes[-1], self.sizes[-1])

    @property
    def certain(self) -> bool:
        """A gate on too few families is never decided, by this no more than by its interval."""
        return self.bet.families >= LEAST_GROUPS and self.bet.refuted(self.alpha)

    def upper(self) -> float:
        least = -1.0 if self.paired else 0.0
        return upper_bound(self.outcomes, self.sizes, self.bet.stakes, self.bet.largest, self.alpha, least)


class Watch:
    """Takes scores in any order, settles whole families in the seeded one, and stops at the first that refutes a gate.

    A family counts once all its cases have a score, and every family before it does: what happens to be finished
    first, such as short answers, would be no fair sample. `gates`: as `watched_gates` names them; one that these
    targets do not require is not bet on. With the last family nothing is left to stop.
    """

    def __init__(
        self, cases: Sequence[Case], targets: Targets, precision: str, gates: Sequence[str], seed: int
    ) -> None:
        self.gates, self.seed, self.order = tuple(gates), seed, family_order(cases, gates, seed)
        self.settled = self.settled_pairs = 0
        """Families, of the candidate's gates and of the paired ones."""
        self.rejection: Rejection | None = None
        self._groups = {case.id: case.group for case in cases}
        self._sizes = dict.fromkeys(self.order, 0)
        for case in cases:
            self._sizes[case.group] += 1
        self._scores: dict[str, dict[str, Score]] = {group: {} for group in self.order}
        self._before: dict[str, dict[str, Score]] = {group: {} for group in self.order}
        required = {target.name: target.figure(precision) for target in targets.required(precision)}
        figures = {name: figure for name in self.gates if (figure := required.get(name)) is not None}
        self._rates: list[_Line] = []
        self._pairs: list[_Line] = []
        for name, alpha in alphas(targets.alpha, figures).items():
            paired, largest = name.startswith(REGRESSION), max(_sizes(name, cases).values(), default=0)
            if largest:
                line = _Line(name, paired, Bet(-figures[name] if paired else figures[name], largest), alpha)
                (self._pairs if paired else self._rates).append(line)

    @property
    def stop(self) -> Stop:
        return Stop(self.seed, self.gates, self.settled_pairs)

    def leave_rates(self) -> None:
        """Every completion of the candidate is there: its own gates are judged by their intervals, and not here."""
        self._rates, self.rejection = [], None

    def add(self, score: Score, baseline: bool = False) -> Rejection | None:
        """One more score, of the candidate or of its baseline; the rejection, as soon as there is one.

        A case that is not watched, such as a known failure, changes nothing.
        """
        scores = self._before if baseline else self._scores
        if score.case_id in self._groups:
            scores[self._groups[score.case_id]][score.case_id] = score
        while self.rejection is None and self._advance():
            pass
        return self.rejection

    def _advance(self) -> bool:
        """Settle one more family, pairs first, so that the order in which scores come changes nothing."""
        if self._pairs and self.settled_pairs < self.settled and self._whole(self._before, self.settled_pairs):
            self.settled_pairs += 1
            self._settle(self._pairs, self.settled_pairs)
            return True
        if self._whole(self._scores, self.settled):
            self.settled += 1
            self._settle(self._rates, self.settled)
            return True
        return False

    def _settle(self, lines: Sequence[_Line], families: int) -> None:
        """The last of so many families; and a look whether that is enough."""
        group = self.order[families - 1]
        for line in lines:
            line.settle(self._scores[group].values(), self._before[group] if line.paired else {})
        if families < len(self.order) and any(line.certain for line in lines):
            self.rejection = self._rejection(families)

    def _whole(self, scores: Mapping[str, Mapping[str, Score]], place: int) -> bool:
        return place < len(self.order) and len(scores[self.order[place]]) == self._sizes[self.order[place]]

    def _rejection(self, families: int) -> Rejection:
        lines = [*self._rates, *self._pairs]
        upper = {line.gate: line.upper() for line in lines if line.sizes}
        parts = {line.gate: line.alpha for line in lines if line.sizes}
        refuted = tuple(Refuted(line.gate, upper[line.gate], line.bet.mean) for line in lines if line.certain)
        cases = sum(self._sizes[group] for group in self.order[:families])
        return Rejection(refuted, cases, len(self._groups), families, len(self.order), parts, upper)


def _sizes(gate: str, cases: Sequence[Case]) -> dict[str, int]:
    """How many cases of each family a gate concerns; families that it does not concern are left out."""
    sizes: dict[str, int] = {}
    for case in cases:
        blank = Score(
            case.id,
            case.scenario,
            case.group,
            (),
            case.expects_call,
            Level.NOTHING,
            structured=case.expected.structured,
        )
        if counts_towards(gate, blank):
            sizes[case.group] = sizes.get(case.group, 0) + 1
    return sizes


def _below(value: float, limit: float) -> str:
    """`value` with as many digits as it takes to read as less than `limit`."""
    return next((text for digits in range(1, 7) if float(text := f"{value:.{digits}f}") < limit), f"{value:g}")
