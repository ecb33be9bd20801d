"""How often a gate passes what it should not: artifacts simulated exactly at the edge, judged by the real gate.

    python -m benchmarks.calibration --trials 20000

Right and wrong of a family's cases are beta-binomial (Dirichlet-multinomial where two artifacts are compared): the
family draws its own rate, with the correlation `icc` between any two of its cases. At the edge a gate should pass with
a chance of at most alpha; up to a point more is accepted, and a cell beyond that is marked MISS, or `MISS?` where
so few trials could show it by chance.
`early` and `early2` (pairs) are early rejection: what is exactly at its target, looked at after every family, may ever
be refuted with a chance of at most alpha; `early*` watches all gates of guide at once, as a run does. The last table
says how soon artifacts below their targets are rejected, and what the full set would have said of them.
The share simulated has an interval of its own (Wilson, 95%). `plain` is the same gate without families: what a
textbook interval over cases would have passed. Then `benchmarks.power`: how often a gate passes at the number of cases
that `phi4bench plan` gave, and what it says on too few families. `benchmarks.simulation` draws and judges them all.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.commands import at_least_one, from_zero
from benchmarks.early import print_early
from benchmarks.power import print_power
from benchmarks.simulation import decide_pairs, decide_rates
from phi4bench.stats import Interval, normal_quantile, wilson

ALPHA = 0.05
ACCEPTED = ALPHA + 0.01
CORRELATIONS = (0.0, 0.1, 0.2)
RATES = (0.5, 0.9, 0.95, 0.97, 0.99)
MARGINS = (0.01, 0.02, 0.03)
FLIPS = (0.03, 0.05, 0.10)

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """`families` families whose sizes go round through `sizes`."""

    families: int
    sizes: tuple[int, ...]

    @property
    def all_sizes(self) -> Counts:
        return np.resize(np.array(self.sizes), self.families)

    def __str__(self) -> str:
        sizes = str(self.sizes[0]) if len(self.sizes) == 1 else f"{min(self.sizes)}-{max(self.sizes)}"
        return f"{self.families} x {sizes}"


DESIGNS = (Design(360, (2,)), Design(600, (2,)), Design(100, (4,)), Design(360, (1, 2, 3, 4)))


@dataclass(frozen=True)
class Cell:
    """One setting: of `trials` artifacts at the edge, how many passed, failed, and passed the plain way."""

    gate: str
    design: Design
    icc: float
    setting: str
    trials: int
    passed: int
    failed: int
    passed_plain: int

    @property
    def share(self) -> float:
        return self.passed / self.trials

    @property
    def interval(self) -> Interval:
        return wilson(self.passed, self.trials, normal_quantile(0.975))

    @property
    def misses(self) -> bool:
        return self.share > ACCEPTED


def rate_cell(design: Design, icc: float, rate: float, trials: int, rng: np.random.Generator) -> Cell:
    """Artifacts whose true rate is the target's floor."""
    found = decide_rates(design.all_sizes, rate, icc, rate, ALPHA, trials, rng)
    return Cell("rate", design, icc, f"at {100 * rate:g}%", trials, found.passed, found.failed, found.plain)


def paired_cell(design: Design, icc: float, margin: float, flips: float, trials: int, rng: np.random.Generator) -> Cell:
    """Artifacts whose true loss is the margin, with `flips` of all cases changing one way or the other."""
    lost, gained = (flips + margin) / 2, (flips - margin) / 2
    found = decide_pairs(design.all_sizes, lost, gained, icc, margin, ALPHA, trials, rng)
    setting = f"margin {100 * margin:g}, flips {100 * flips:g}%"
    return Cell("paired", design, icc, setting, trials, found.passed, found.failed, found.plain)


def cells(trials: int, seed: int, designs: Sequence[Design] = DESIGNS, gate: str = "all") -> Iterator[Cell]:
    """Every setting, each with its own stream of random numbers, so that one can be repeated alone."""
    for number, (design, icc) in enumerate(itertools.product(designs, CORRELATIONS)):
        if gate in ("all", "rate"):
            for rate in RATES:
                yield rate_cell(design, icc, rate, trials, np.random.default_rng([seed, number, round(1000 * rate)]))
        if gate in ("all", "paired"):
            for margin, flips in itertools.product(MARGINS, FLIPS):
                if flips >= margin:
                    stream = [seed, number, round(1000 * margin), round(1000 * flips)]
                    yield paired_cell(design, icc, margin, flips, trials, np.random.default_rng(stream))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a cell misses."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--trials", type=at_least_one, default=2000, help="artifacts simulated in each cell (default: 2000)"
    )
    parser.add_argument("--seed", type=from_zero, default=1, help="(default: 1)")
    parser.add_argument(
        "--gate", choices=("all", "rate", "paired", "power", "early"), default="all", help="(default: all)"
    )
    options = parser.parse_args(arguments)
    print(f"alpha {ALPHA:g}, accepted up to {ACCEPTED:g}, {options.trials} trials a cell, seed {options.seed}")
    head = f"{'gate':7}{'families':12}{'icc':>4}  {'the truth':24}{'false pass':>11}  {'95% interval':14}"
    print(f"{head}{'false fail':>11}{'plain':>8}")
    started, missed, count = time.perf_counter(), 0, 0
    for cell in cells(options.trials, options.seed, gate=options.gate):
        missed, count = missed + cell.misses, count + 1
        low, high = 100 * cell.interval.low, 100 * cell.interval.high
        fail, plain = 100 * cell.failed / cell.trials, 100 * cell.passed_plain / cell.trials
        mark = ("  MISS" if cell.interval.low > ACCEPTED else "  MISS?") if cell.misses else ""
        print(
            f"{cell.gate:7}{cell.design!s:12}{cell.icc:4.1f}  {cell.setting:24}{100 * cell.share:10.2f}%"
            f"  {low:5.2f} to {high:5.2f}{fail:10.2f}%{plain:7.2f}%{mark}",
            flush=True,
        )
    if options.gate in ("all", "power"):
        further = print_power(options.trials, options.seed, ALPHA)
        missed, count = missed + further[0], count + further[1]
    if options.gate in ("all", "early"):
        designs = [(str(design), design.all_sizes) for design in DESIGNS]
        early = print_early(options.trials, options.seed, designs, CORRELATIONS, RATES, MARGINS, FLIPS)
        missed, count = missed + early[0], count + early[1]
    print(f"{missed} of {count} cells miss; {time.perf_counter() - started:.0f} s")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
