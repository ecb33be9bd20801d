"""Runs a benchmark's rounds by pytest-benchmark, with reference work between them, and deals them out to blocks.

Rounds of work that allows it are short: of some milliseconds, since a short one is often over before other work gets
its core, so that the fastest of a block was not disturbed at all.
"""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.comparing import BLOCKS, Blocks
from benchmarks.reference import Piece
from phi4bench.timing import since

ROUND_S = 0.004
"""Calls are taken together until they take so long."""
MOST_ROUNDS = 12
"""In a block."""
SECONDS = 2.0
"""For a benchmark, reference work included;"""
FEW_ROUNDS, MOST_SECONDS = 5, 6.0
"""and for one of long calls up to so many, where it takes them to have so many rounds in a block. One is always run."""
REFERENCE_SHARE = 0.25
"""Of a long round's time, up to `REFERENCE_S`: one piece would tell little of what seconds went through."""
REFERENCE_S = 0.25
RENEWALS = 3
"""Of work that is made anew, for as many rounds as a block has: one place in memory in three is slow."""

Clock = Callable[[], float]


def cpu_s() -> float:
    """What the cores spent on this process, on all its threads and on the children that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Between:
    """What stands between two rounds: it runs the reference work, and reads the clock of the cores around it.

    `renew`: called first after each so many `rounds`.
    """

    def __init__(
        self,
        piece: Piece,
        pieces: int,
        clock: Clock,
        cpu: Clock,
        rounds: int = 1,
        renew: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._piece, self._pieces, self._clock, self._cpu = piece, pieces, clock, cpu
        self._rounds, self._renew = rounds, renew
        self.reference_s: list[float] = []
        self.reference_cpu_s: list[float] = []
        self.work_cpu_s: list[float] = []
        self._run()

    def __call__(self, *_: object, **__: object) -> None:
        """After each round. Takes what pytest-benchmark hands to a teardown, the round's arguments, and needs none."""
        self.work_cpu_s.append(self._cpu() - self._mark)
        if len(self.work_cpu_s) % self._rounds == 0:
            for renew in self._renew:
                renew()
        self._run()

    def _run(self) -> None:
        began, cpu = self._clock(), self._cpu()
        for _ in range(self._pieces):
            self._piece()
        self.reference_s.append(since(began, self._clock) / self._pieces)
        self._mark = self._cpu()
        self.reference_cpu_s.append((self._mark - cpu) / self._pieces)


@dataclass(frozen=True)
class Layout:
    """`calls` a round, `rounds` a block, and so many `pieces` of reference work between two rounds."""

    calls: int
    rounds: int
    pieces: int

    @property
    def rounds_a_place(self) -> int:
        return max(1, self.rounds // RENEWALS)


def lay_out(call_s: float, piece_s: float, seconds: float) -> Layout:
    """How to spend `seconds`, by what one call and one piece take."""
    calls = max(1, round(ROUND_S / call_s))
    round_s = calls * call_s
    between_s = min(REFERENCE_S, max(ROUND_S, REFERENCE_SHARE * round_s))
    pieces = max(1, round(between_s / piece_s))
    one_each_s = BLOCKS * (round_s + pieces * piece_s)
    rounds = max(int(seconds / one_each_s), min(FEW_ROUNDS, int(MOST_SECONDS / one_each_s)))
    return Layout(calls, min(MOST_ROUNDS, max(1, rounds)), pieces)


def fastest_s(action: Callable[[], Any], clock: Clock, times: int = 3, enough_s: float = 0.2) -> float:
    """Of a few calls; of fewer, where one alone takes long."""
    found = []
    for _ in range(times):
        began = clock()
        action()
        found.append(since(began, clock))
        if found[-1] > enough_s:
            break
    return max(min(found), 1e-9)


def blocks(work_s: Sequence[float], reference_s: Sequence[float]) -> Blocks:
    """The fastest of each block, to which rounds are dealt in turn: what the machine does for a while is in all.

    There is one piece more than there are rounds: each round stands between two.
    """
    beside = [min(pair) for pair in itertools.pairwise(reference_s)]
    return Blocks(*(tuple(min(times[block::BLOCKS]) for block in range(BLOCKS)) for times in (work_s, beside)))


class Neighbours:
    """What else the machine does from now on, as shares of all its cores."""

    def __init__(self) -> None:
        self._began, self._cpu, self._times = time.perf_counter(), cpu_s(), psutil.cpu_times()

    def shares(self) -> tuple[float, float]:
        """(other work, idle) so far."""
        now = psutil.cpu_times()
        idle, spent = (
            sum(getattr(now, name, 0.0) - getattr(self._times, name, 0.0) for name in names)
            for names in (("idle", "iowait"), ("user", "nice", "system", "irq", "softirq", "steal"))
        )
        own = cpu_s() - self._cpu
        total = max(idle + spent, 1e-9)
        return min(1.0, max(0.0, spent - own) / total), min(1.0, max(0.0, idle) / total)


def slowed(action: Callable[[], Any], share: float, clock: Clock = time.perf_counter) -> Callable[[], Any]:
    """`action` made slower by `share` of its own time, on the core that it ran on: a planted fault."""

    def run() -> Any:
        began = clock()
        result = action()
        until = began + (clock() - began) * (1 + share)
        while clock() < until:
            pass
        return result

    return run
