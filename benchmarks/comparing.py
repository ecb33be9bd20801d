"""Whether a benchmark moved beyond noise: a rank test, and a least factor. Pure: no files, no clock.

A process deals its rounds out to blocks in turn, so that each block has rounds of the whole time that it took. Several
processes are pooled block by block: a block's figure is the fastest round of all over the fastest stretch of the
reference work that stood beside its rounds. What else the machine does can only add to either (Chen and Revels, Robust
benchmarking in noisy environments, arXiv:1608.04295), and what slows the machine as a whole slows both. Two sets of
blocks are compared by the exact rank-sum test (Mann and Whitney, Annals of Mathematical Statistics 18, 1947) and by the
median of all ratios between them (Hodges and Lehmann, ibid. 34, 1963).

Neighbours on a core come and go within a tenth of a second, and while they are there all takes half as long again. So
a figure is as good as the chance that some round of each block was alone: few rounds tell little, and what begins a
history, what is soon over and what is in doubt is measured in several processes (`again`). Blocks of one run still
share what was so all the time. So significance alone raises no alarm: the ratio must also reach a factor, and be larger
than the last runs differ among themselves. And the fastest of several is faster than the only one: where a run has one
process alone, the middle of the others' stands beside it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

BLOCKS = 10
"""Of a process; ten against ten can be told at p = 1 / 184,756."""
FACTOR = 1.08
"""The least that counts as a change, either way,"""
BUSY_FACTOR = 1.12
"""and on a busy machine, whose caches others use too: the CPU time of the same code scattered by some 3% there."""
ALPHA = 0.01
"""The chance of one false alarm in a run, shared out among its benchmarks (Bonferroni), were blocks independent."""
LAST_RUNS = 5
"""So many earlier runs are compared with; what moved is news until most of them have moved too."""
SPREADS = 3.0
"""A change must be this many standard deviations of the last runs' medians, where there are three or more."""
BUSY_SHARE = 0.10
"""Of the machine's cores: other work up to this leaves wall time worth comparing."""
_FACTORS = {3: 2.205, 4: 2.018, 5: 1.804}
"""A standard deviation over the median absolute deviation that is to be expected of so many values."""


class Outcome(StrEnum):
    NEW = "new"
    SAME = "same"
    FASTER = "faster"
    SLOWER = "SLOWER"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Blocks:
    """What one run measured of one benchmark on one clock: seconds a call, and seconds a piece of reference work.

    `BLOCKS` of each process, one process after another.
    """

    work_s: tuple[float, ...]
    reference_s: tuple[float, ...]

    @property
    def pooled(self) -> Blocks:
        """The fastest of all processes, block by block."""
        return self._across(min)

    @property
    def middle(self) -> Blocks:
        """The median over all processes, block by block."""
        return self._across(statistics.median)

    def _across(self, choose: Callable[[Sequence[float]], float]) -> Blocks:
        work_s, reference_s = (
            tuple(choose(times[block::BLOCKS]) for block in range(BLOCKS)) for times in (self.work_s, self.reference_s)
        )
        return Blocks(work_s, reference_s)

    @property
    def processes(self) -> int:
        return len(self.work_s) // BLOCKS

    @property
    def figures(self) -> tuple[float, ...]:
        """One for each block."""
        return tuple(work / piece for work, piece in zip(self.work_s, self.reference_s, strict=True))

    def __add__(self, other: Blocks) -> Blocks:
        return Blocks(self.work_s + other.work_s, self.reference_s + other.reference_s)


@dataclass(frozen=True)
class Sample:
    """One benchmark in one run.

    `artifact`: sha256 of the one that ran, or empty. `reference`: which work stood between the rounds. `cores`: how
    many it used at once. `work`: how much it did (cases, tokens). `cpu`: as `wall`, but only the time that cores spent
    on it. `others`, `idle`: shares of the machine's cores while it ran.
    """

    name: str
    artifact: str
    reference: str
    cores: int
    work: tuple[tuple[str, int], ...]
    wall: Blocks
    cpu: Blocks
    others: float
    idle: float

    @property
    def busy(self) -> bool:
        """Whether it had to wait for cores: other work took more than a little, and more than was left over."""
        return self.others > BUSY_SHARE and self.others > self.idle

    @property
    def subject(self) -> tuple[str, str, str]:
        """What must agree for two samples to be of one history."""
        return self.name, self.artifact, self.reference

    @property
    def processes(self) -> int:
        return self.wall.processes

    def with_process(self, other: Sample) -> Sample:
        """With the blocks of another process; as it is where that did other work, or one of the two was held up."""
        if (other.subject, other.work, other.busy) != (self.subject, self.work, self.busy):
            return self
        return replace(
            self,
            wall=self.wall + other.wall,
            cpu=self.cpu + other.cpu,
            others=max(self.others, other.others),
            idle=min(self.idle, other.idle),
        )


@dataclass(frozen=True)
class Change:
    """How a benchmark stands to its last runs. Figures are `None` where there is nothing to compare with.

    `before_s`, `now_s`: seconds a call, as measured. `ratio`: now over before, both in units of the reference work.
    `needed`: the ratio (or one over it) that counts as a change. `machine`: the reference work's time, now over before.
    """

    sample: Sample
    outcome: Outcome
    now_s: float
    before_s: float | None = None
    ratio: float | None = None
    needed: float | None = None
    machine: float | None = None
    runs: int = 0
    reason: str = ""


def compare(now: Sample, history: Sequence[Sample], comparisons: int = 1) -> Change:
    """`history`: samples of the same machine, oldest first. `comparisons`: how many the run makes."""
    before = [one for one in history if one.subject == now.subject]
    now_s = statistics.median(now.wall.pooled.work_s)
    if not before:
        return Change(now, Outcome.NEW, now_s)
    if before[-1].work != now.work:
        reason = f"other work than the last time: {_told(now)}, not {_told(before[-1])}"
        return Change(now, Outcome.NEW, now_s, reason=reason)
    last = [one for one in before if one.work == now.work][-LAST_RUNS:]
    quiet = [one for one in last if not one.busy]
    if not now.busy and quiet:
        return _compare([one.wall for one in quiet], now.wall, now, ALPHA / comparisons)
    busy = now if now.busy else last[-1]
    took = f"other work took {busy.others:.0%} of the cores {'now' if now.busy else 'then'}"
    if now.cores > 1:
        before_s = statistics.median(second for one in last for second in one.wall.pooled.work_s)
        return Change(now, Outcome.UNCLEAR, now_s, before_s, runs=len(last), reason=took)
    reason = f"{took}: CPU time compared"
    return _compare([one.cpu for one in last], now.cpu, now, ALPHA / comparisons, BUSY_FACTOR, reason)


def in_doubt(change: Change) -> bool:
    """Whether it is worth another process: more than half the way to what counts, by the ratio's logarithm.

    However far beyond: single processes of the same code were seen to differ by a factor of two, in one bad minute of a
    shared machine.
    """
    return (
        change.ratio is not None
        and change.needed is not None
        and abs(math.log(change.ratio)) > math.log(change.needed) / 2
    )


def _compare(
    before: Sequence[Blocks], now: Blocks, sample: Sample, alpha: float, factor: float = FACTOR, reason: str = ""
) -> Change:
    alone = min(one.processes for one in (now, *before)) == 1
    before, now = [_together(one, alone) for one in before], _together(now, alone)
    then, here = np.log([figure for one in before for figure in one.figures]), np.log(now.figures)
    ratio = math.exp(float(np.median(here[:, None] - then[None, :])))
    needed = max(factor, math.exp(SPREADS * _spread([np.median(np.log(one.figures)) for one in before])))
    outcome = Outcome.SAME
    if not 1 / needed < ratio < needed:
        from scipy.stats import mannwhitneyu  # a second to import, for what hardly ever is asked

        slower = ratio > 1
        test = mannwhitneyu(here, then, alternative="greater" if slower else "less", method="exact")
        outcome = (Outcome.SLOWER if slower else Outcome.FASTER) if test.pvalue < alpha / 2 else Outcome.UNCLEAR
        if outcome is Outcome.UNCLEAR:
            reason = "; ".join(filter(None, [reason, f"its rounds scatter too much to tell (p = {test.pvalue:.2g})"]))
    elif not 1 / factor < ratio < factor:
        reason = "; ".join(filter(None, [reason, f"the last runs differ as much: {needed:.2f} would be news"]))
    return Change(
        sample,
        outcome,
        statistics.median(now.work_s),
        statistics.median(second for one in before for second in one.work_s),
        ratio,
        needed,
        statistics.median(now.reference_s) / statistics.median(piece for one in before for piece in one.reference_s),
        len(before),
        reason,
    )


def _together(blocks: Blocks, alone: bool) -> Blocks:
    return blocks.middle if alone else blocks.pooled


def _spread(medians: Sequence[float]) -> float:
    """Standard deviation by the median absolute deviation, which one odd run does not move; 0 of fewer than three.

    1.4826 times it is right for many; of so few that is too small by up to a third.
    Source: Hayes, Finite-sample bias-correction factors for the median absolute deviation, Communications in
    Statistics: Simulation and Computation 43, 2014.
    """
    if len(medians) < 3:
        return 0.0
    middle = statistics.median(medians)
    return _FACTORS[len(medians)] * statistics.median(abs(one - middle) for one in medians)


def _told(sample: Sample) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sample.work) or "nothing counted"
