"""How often `--sequential` rejects what meets its targets, and how soon it rejects what does not: simulated artifacts.

Part of `benchmarks.calibration`'s table. Artifacts exactly at the edge are looked at after every family; the share that
is ever refuted may be alpha at most. Many are computed at once here, and the first of each cell are settled by the
real `Bet` too, which has to agree. How soon is measured by the real `Watch` over the cases of the shipped split, with
what a run makes in vain on the way counted in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from phi4bench.cases import Case
from phi4bench.datasets import load_cases
from phi4bench.gates import Outcome, judge_levels
from phi4bench.levels import Level, Score
from phi4bench.rejection import Watch, alphas
from phi4bench.run.jobs import portions
from phi4bench.run.plan import read_targets
from phi4bench.stats import Bet, Interval, Stakes, normal_quantile, wilson
from phi4bench.targets import PAIRED_GATES, targets_of

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

ALPHA = 0.05
SEEDS = 50
MOST_SHARE = 0.15
"""Of the cases: an artifact 10 points under target should be rejected within it (median over `SEEDS`)."""
AT_ONCE = 250
CHECKED = 3
EDGE = (0.97, 0.95, 0.95, 0.90, 0.90)
"""What `guide` asks: detection, parsing, tool, parameter, abstention."""


@dataclass(frozen=True)
class AtEdge:
    """One setting: of `trials` artifacts at the edge, how many were ever refuted."""

    gate: str
    families: str
    icc: float
    setting: str
    trials: int
    refuted: int

    @property
    def share(self) -> float:
        return self.refuted / self.trials

    @property
    def interval(self) -> Interval:
        return wilson(self.refuted, self.trials, normal_quantile(0.975))

    @property
    def misses(self) -> bool:
        return self.share > ALPHA


@dataclass(frozen=True)
class Soon:
    """One artifact over `SEEDS` seeds: the share of cases that were generated, and what the full set would have said.

    `full`: outcomes of the gates that rejected, at the full set. `claimed`: the median has to be within `MOST_SHARE`.
    """

    artifact: str
    gates: int
    icc: float
    shares: tuple[float, ...]
    full: tuple[str, ...]
    claimed: bool

    @property
    def median(self) -> float:
        return median(self.shares)

    @property
    def misses(self) -> bool:
        return self.claimed and self.median > MOST_SHARE


def ever_refuted(outcomes: Counts, sizes: Counts, mean: float, alpha: float) -> npt.NDArray[np.bool_]:
    """Of each row of families, whether a bet ever refutes `mean`. Families of size zero do not concern the gate."""
    largest, threshold = int(sizes.max()), -np.log(alpha)
    span = 2 * largest + 1
    size, outcome = np.divmod(np.arange(span * (largest + 1)), span)
    gain = np.maximum(mean * size - (outcome - largest), (mean - 1.0) * largest) / ((1.0 - mean) * largest)
    stakes = Stakes.against(mean, largest)
    growth = np.stack([np.log1p(part * gain) for part in stakes.parts], axis=1)
    logs = np.log(stakes.capital) + np.cumsum(growth[sizes * span + outcomes + largest], axis=1)
    top = logs.max(axis=2)
    most = top.max(axis=1)
    near = np.flatnonzero(
        most + np.log(len(stakes.parts)) >= threshold
    )  # the sum of six is at most six times the largest
    most[near] = (top[near] + np.log(np.exp(logs[near] - top[near, :, None]).sum(axis=2))).max(axis=1)
    found: npt.NDArray[np.bool_] = most >= threshold
    for row in range(min(CHECKED, len(outcomes))):
        bet = Bet(mean, largest)
        for outcome, size in zip(
            outcomes[row].tolist(), np.broadcast_to(sizes, outcomes.shape)[row].tolist(), strict=True
        ):
            if size:
                bet.settle(outcome, size)
        if bet.refuted(alpha) != found[row] and abs(most[row] - threshold) > 1e-9:
            raise AssertionError(f"the bet and its many-at-once form disagree: {bet.most} and {np.exp(most[row])}")
    return found


def in_portions(trials: int) -> Iterator[int]:
    for start in range(0, trials, AT_ONCE):
        yield min(AT_ONCE, trials - start)


def drawn(sizes: Counts, rates: Sequence[float], icc: float, rows: int, rng: np.random.Generator) -> Counts:
    """How many cases of each family fall into each kind, (rows, families, kinds); families draw their own rates."""
    wanted = np.array(rates)
    own = np.broadcast_to(wanted, (rows, len(sizes), len(wanted)))
    if icc:
        own = rng.gamma(np.maximum(wanted * (1 / icc - 1), 1e-9), size=own.shape) + 1e-300
        own = own / own.sum(axis=2, keepdims=True)
    return rng.multinomial(np.broadcast_to(sizes, own.shape[:2]), own)


def one_gate(sizes: Counts, families: str, icc: float, rate: float, trials: int, seed: Sequence[int]) -> AtEdge:
    """Artifacts whose true rate is the target; this gate alone is watched, at all of alpha."""
    rng = np.random.default_rng(seed)
    refuted = 0
    for rows in in_portions(trials):
        right = drawn(sizes, (rate, 1 - rate), icc, rows, rng)[:, :, 0]
        refuted += int(ever_refuted(right, sizes, rate, ALPHA).sum())
    return AtEdge("early", families, icc, f"at {100 * rate:g}%", trials, refuted)


def one_pair(
    sizes: Counts, families: str, icc: float, margin: float, flips: float, trials: int, seed: Sequence[int]
) -> AtEdge:
    """Artifacts whose true loss is the margin, with `flips` of all cases changing one way or the other."""
    rng = np.random.default_rng(seed)
    rates, refuted = ((flips + margin) / 2, (flips - margin) / 2, 1 - flips), 0
    for rows in in_portions(trials):
        kinds = drawn(sizes, rates, icc, rows, rng)
        refuted += int(ever_refuted(kinds[:, :, 1] - kinds[:, :, 0], sizes, -margin, ALPHA).sum())
    return AtEdge("early2", families, icc, f"margin {100 * margin:g}, flips {100 * flips:g}%", trials, refuted)


def all_gates(icc: float, trials: int, seed: int) -> AtEdge:
    """Artifacts that are exactly at guide's target in all five gates, over the families of the shipped split."""
    rng = np.random.default_rng([seed, 99, round(10 * icc)])
    cases, refuted = load_cases().cases, 0
    alpha = tuple(alphas(ALPHA, dict(zip(PAIRED_GATES, EDGE, strict=True))).values())
    calling, other = (_family_sizes([case for case in cases if case.expects_call is calls]) for calls in (True, False))
    for rows in in_portions(trials):
        kinds = drawn(calling, _kinds(EDGE[:4]), icc, rows, rng)
        found = np.zeros(rows, bool)
        for level in range(1, 5):
            found |= ever_refuted(kinds[:, :, level:].sum(axis=2), calling, EDGE[level - 1], alpha[level - 1])
        right = drawn(other, (EDGE[4], 1 - EDGE[4]), icc, rows, rng)[:, :, 0]
        refuted += int((found | ever_refuted(right, other, EDGE[4], alpha[4])).sum())
    return AtEdge("early*", f"{len(calling) + len(other)} x 1-2", icc, "all 5 gates at target", trials, refuted)


ARTIFACTS: tuple[tuple[str, tuple[float, ...], bool], ...] = (
    ("every gate 10 points under", (0.87, 0.85, 0.85, 0.80, 0.80), True),
    ("tool 10 points under", (0.99, 0.98, 0.85, 0.82, 0.95), True),
    ("parameter 10 points under", (0.99, 0.98, 0.97, 0.80, 0.95), True),
    ("abstention 10 points under", (0.99, 0.98, 0.97, 0.93, 0.80), True),
    ("every gate 5 points under", (0.92, 0.90, 0.90, 0.85, 0.85), False),
)
"""(name, true rates, whether the claim is about it)"""


def soon(name: str, rates: Sequence[float], claimed: bool, gates: Sequence[str], icc: float, seed: int) -> Soon:
    """The shipped cases, answered by chance; `gates` are watched, and no baseline is there to look at."""
    cases, targets = load_cases().cases, targets_of(read_targets(["guide"]))
    precision = "int8" if len(gates) > len(PAIRED_GATES) else ""
    shares, full = [], []
    for number in range(SEEDS):
        rng = np.random.default_rng([seed, number, round(10 * icc), len(gates), round(1000 * rates[2])])
        watch = Watch(cases, targets, precision, gates, seed=number)
        scores = _scores(cases, rates, icc, rng)
        for group in watch.order:
            for score in scores[group]:
                watch.add(score)
            if watch.rejection is not None:
                break
        found = watch.rejection
        ends = (start + len(some) for start, some in portions(cases, in_order=True))
        shares.append(next(end for end in ends if end >= found.cases) / len(cases) if found else 1.0)
        if found:
            results = judge_levels([score for some in scores.values() for score in some], targets, precision)
            full += [str(results[one.gate].outcome) for one in found.refuted]
    return Soon(name, len(gates), icc, tuple(shares), tuple(full), claimed)


def false_cells(
    trials: int, seed: int, designs: Sequence[tuple[str, Counts]], correlations: Sequence[float],
    rates: Sequence[float], margins: Sequence[float], flips: Sequence[float],
) -> Iterator[AtEdge]:  # fmt: skip
    """Every setting, each with its own stream of random numbers."""
    for number, ((families, sizes), icc) in enumerate(itertools.product(designs, correlations)):
        for rate in rates:
            yield one_gate(sizes, families, icc, rate, trials, [seed, 3, number, round(1000 * rate)])
        for margin, flip in itertools.product(margins, flips):
            if flip >= margin:
                stream = [seed, 4, number, round(1000 * margin), round(1000 * flip)]
                yield one_pair(sizes, families, icc, margin, flip, trials, stream)
    for icc in correlations:
        yield all_gates(icc, trials, seed)


def soon_cells(seed: int, correlations: Sequence[float] = (0.0, 0.2)) -> Iterator[Soon]:
    own = PAIRED_GATES
    for name, rates, claimed in ARTIFACTS:
        for gates, icc in itertools.product((own, (*own, *(f"regression.{gate}" for gate in own))), correlations):
            yield soon(name, rates, claimed, gates, icc, seed)


def print_early(
    trials: int, seed: int, designs: Sequence[tuple[str, Counts]], correlations: Sequence[float],
    rates: Sequence[float], margins: Sequence[float], flips: Sequence[float],
) -> tuple[int, int]:  # fmt: skip
    """Both tables; returns (cells that miss, cells)."""
    missed = count = 0
    print("\nearly rejection of what is at its target, looked at after every family: at most alpha")
    print(f"{'gate':7}{'families':12}{'icc':>4}  {'the truth':24}{'rejected':>11}  95% interval")
    for edge in false_cells(trials, seed, designs, correlations, rates, margins, flips):
        missed, count = missed + edge.misses, count + 1
        low, high = 100 * edge.interval.low, 100 * edge.interval.high
        mark = ("  MISS" if edge.interval.low > ALPHA else "  MISS?") if edge.misses else ""
        print(
            f"{edge.gate:7}{edge.families:12}{edge.icc:4.1f}  {edge.setting:24}{100 * edge.share:10.2f}%"
            f"  {low:5.2f} to {high:5.2f}{mark}",
            flush=True,
        )
    print(f"\nearly rejection of what is below: the share of cases generated ({SEEDS} seeds), and what the gates that")
    print(f"rejected say at the full set; 10 points under, the median should be at most {100 * MOST_SHARE:g}%")
    print(f"{'artifact':28}{'gates':>6}{'icc':>5}{'median':>9}{'most':>8}{'FAIL':>8}{'INCONCLUSIVE':>14}{'PASS':>6}")
    for cell in soon_cells(seed):
        missed, count = missed + cell.misses, count + 1
        passed, failed = (cell.full.count(outcome) for outcome in (Outcome.PASS, Outcome.FAIL))
        print(
            f"{cell.artifact:28}{cell.gates:6}{cell.icc:5.1f}{100 * cell.median:8.1f}%{100 * max(cell.shares):7.1f}%"
            f"{failed:8}{len(cell.full) - passed - failed:14}{passed:6}{'  MISS' if cell.misses else ''}",
            flush=True,
        )
    return missed, count


def _family_sizes(cases: Sequence[Case]) -> Counts:
    return np.unique([case.group for case in cases], return_counts=True)[1]


def _kinds(rates: Sequence[float]) -> tuple[float, ...]:
    """The share of cases that stop at each level, from the rates of those that reach it."""
    reached = (1.0, *rates, 0.0)
    return tuple(max(0.0, one - other) for one, other in itertools.pairwise(reached))


def _scores(
    cases: Sequence[Case], rates: Sequence[float], icc: float, rng: np.random.Generator
) -> dict[str, list[Score]]:
    """A score for each case, by family; cases of a family are as alike as `icc` says."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    sizes = np.array([len(members) for members in groups.values()])
    levels = drawn(sizes, _kinds(rates[:4]), icc, 1, rng)[0]
    held = drawn(sizes, (1 - rates[4], rates[4]), icc, 1, rng)[0]
    scores: dict[str, list[Score]] = {}
    for place, (group, members) in enumerate(groups.items()):
        stopped, abstained = (
            rng.permutation(np.repeat(np.arange(len(some)), some)).tolist() for some in (levels[place], held[place])
        )
        scores[group] = [
            Score(one.id, one.scenario, group, (), True, Level(level))
            if one.expects_call
            else Score(one.id, one.scenario, group, (), False, Level.NOTHING, abstained=bool(right))
            for one, level, right in zip(members, stopped, abstained, strict=True)
        ]
    return scores
