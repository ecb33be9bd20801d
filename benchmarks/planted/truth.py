"""What an artifact truly loses: it and its parent on thousands of cases that the gate does not see.

Knows cases and backends; judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, open_backend
from phi4bench.cases import Case
from phi4bench.datasets import fixtures_dir, load_cases, write_cases
from phi4bench.datasets.toolsets import read_toolset
from phi4bench.generating import TOOLSET, draw_cases
from phi4bench.levels import LEVELS, Score, score
from phi4bench.stats import count_flips

GATES = (*LEVELS, "abstention")
"""What the regression gate judges, and so what a loss is taken of."""
CHUNK = 1000
"""Cases between two savings of what was found."""


@dataclass(frozen=True)
class Loss:
    """Of one level: `points` is the parent's rate less the artifact's, `error` its standard error, as fractions.

    The error counts families and not cases, since those of one family are right and wrong together: the ratio
    estimator's (Kish, Survey Sampling, 1965), with families drawn as they come.
    """

    points: float
    error: float
    lost: int
    gained: int
    cases: int
    families: int


def unseen_cases(path: Path, count: int, seed: int, avoid: Collection[str]) -> tuple[Case, ...]:
    """`count` cases of the test split that ask nothing in `avoid`, drawn once and then read back from `path`.

    The families are the test split's, as the gate's are: they are one population. ValueError where too few are left.
    """
    if not path.exists():
        tools = read_toolset(fixtures_dir() / "tools" / f"{TOOLSET}.json")
        drawn = draw_cases("test", count + count // 4 + len(avoid) // 4, seed, tools)
        kept = [case for case in drawn if asked(case) not in avoid][:count]
        if len(kept) < count:
            raise ValueError(f"only {len(kept)} cases are left of {len(drawn)}, but {count} were wanted")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_cases(path, kept)
    return load_cases([str(path)]).cases


def asked(case: Case) -> str:
    """The conversation: two cases that differ in it are two prompts."""
    return repr([(message.role, message.content, message.calls) for message in case.messages])


def answer(
    folder: Path,
    cases: Sequence[Case],
    known: str = "",
    threads: int | None = None,
    batch: int | None = None,
    on_chunk: Callable[[str], bool] = lambda marks: True,
) -> str:
    """A mark for each case, in order; `known` ones are taken as they are. The library's backend, greedy and batched.

    `on_chunk` is told all marks so far, and stops the rest by returning false.
    """
    marks = known
    artifact = open_artifact(str(folder))
    with closing(open_backend(artifact, threads=threads, batch=batch)) as backend:
        while len(marks) < len(cases):
            some = cases[len(marks) : len(marks) + CHUNK]
            found = [""] * len(some)
            prompts = [artifact.dialect.render(case.question(), None) for case in some]
            for index, completion in backend.generate(prompts, Decoding()):
                found[index] = mark(score(some[index], completion, artifact.dialect))
            marks += "".join(found)
            if not on_chunk(marks):
                break
    return marks


def mark(scored: Score) -> str:
    """One digit: the level reached, or of a case that expects no call whether it was held back (1)."""
    return str(int(scored.level)) if scored.expects_call else str(int(scored.abstained))


def losses(cases: Sequence[Case], before: str, after: str) -> dict[str, Loss]:
    """By level, over the cases that both have a mark for; a level without a case is left out."""
    found = {}
    for gate in GATES:
        flips = [
            (case.group, _right(gate, then), _right(gate, now))
            for case, then, now in zip(cases, before, after, strict=False)
            if bool(case.expected.calls) == (gate != "abstention")
        ]
        if flips:
            found[gate] = _loss(flips)
    return found


def _right(gate: str, marked: str) -> bool:
    return int(marked) >= (1 if gate == "abstention" else LEVELS[gate])


def _loss(cases: Sequence[tuple[str, bool, bool]]) -> Loss:
    flips = count_flips(cases)
    points, families = -flips.difference, len(flips.sizes)
    residuals = [
        lost - gained - points * size for lost, gained, size in zip(flips.lost, flips.gained, flips.sizes, strict=True)
    ]
    spread = sum(one * one for one in residuals) * families / max(1, families - 1)
    error = math.sqrt(spread) / flips.total
    return Loss(points, error, sum(flips.lost), sum(flips.gained), flips.total, families)
