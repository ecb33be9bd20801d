"""What the runtime's arithmetic changes, apart from what quantization changes, from completions alone. Pure.

Three answers to one case: the artifact's own, its own weights multiplied at accuracy level 0 (the oracle), and its
parent's. Where the first two call otherwise, the runtime did it (a **runtime flip**): another level may be all that is
needed. Where the last two do, the weights did it (a **quantization flip**).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phi4bench.cases import Case
from phi4bench.dialects import Dialect
from phi4bench.levels import is_right, score
from phi4bench.stability import Answers, same_calls
from phi4bench.transcripts import Completion


@dataclass(frozen=True)
class Flip:
    """A case that calls otherwise `after` than `before`, and whether each is wholly right."""

    case_id: str
    before: Completion
    after: Completion
    was_right: bool
    is_right: bool


@dataclass(frozen=True)
class RuntimeFlips:
    """`nodes`: level to how many MatMulNBits nodes the artifact has of it. `cases`: answered by both.

    `runtime`: from the oracle to the artifact. `quantization`: from the parent to the oracle; `None` without a parent's
    completions, which `compared` cases have.
    """

    nodes: Mapping[int, int]
    cases: int
    runtime: tuple[Flip, ...]
    compared: int
    quantization: tuple[Flip, ...] | None


def runtime_flips(
    nodes: Mapping[int, int],
    cases: Sequence[Case],
    own: Answers,
    oracle: Answers,
    parent: Answers | None,
    dialect: Dialect,
) -> RuntimeFlips:
    """Over the cases that the oracle answered."""
    runtime = _flips(cases, oracle, own, dialect)
    quantization = None if parent is None else _flips(cases, parent, oracle, dialect)
    compared = 0 if parent is None else _shared(cases, parent, oracle)
    return RuntimeFlips(nodes, _shared(cases, oracle, own), runtime, compared, quantization)


def _shared(cases: Sequence[Case], one: Answers, other: Answers) -> int:
    return sum(case.id in one and case.id in other for case in cases)


def _flips(cases: Sequence[Case], before: Answers, after: Answers, dialect: Dialect) -> tuple[Flip, ...]:
    found = []
    for case in cases:
        if case.id in before and case.id in after:
            one, other = before[case.id], after[case.id]
            if not same_calls(case, one, other, dialect):
                rights = [is_right(score(case, made, dialect)) for made in (one, other)]
                found.append(Flip(case.id, one, other, *rights))
    return tuple(found)
