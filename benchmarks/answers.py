"""What the benchmarks of generation ask of an artifact: one seeded, stratified sample, rendered in its dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from phi4bench.artifacts import Artifact
from phi4bench.backends import Backend, Decoding, open_backend
from phi4bench.datasets import load_cases, sample
from phi4bench.prompts import Prompt
from phi4bench.transcripts import Completion

NEW_TOKENS = 48
"""Enough for a call; a model that does not end is cut there."""


def prompts(artifact: Artifact, count: int) -> list[Prompt]:
    calling = [case for case in load_cases(None).cases if case.expected.calls]
    return [artifact.dialect.render(case.question()) for case in sample(calling, count)]


def answer(backend: Backend, asked: Sequence[Prompt]) -> list[Completion]:
    """In the order of the prompts."""
    made = dict(backend.generate(asked, Decoding(NEW_TOKENS)))
    return [made[i] for i in range(len(asked))]


def tokens(made: Sequence[Completion]) -> int:
    return sum(len(one.token_ids) for one in made)


@contextmanager
def opened(artifact: Artifact, threads: int, batch: int | None) -> Iterator[Backend]:
    """Without threads that wait busily: what they burn would be told as work."""
    with closing(open_backend(artifact, threads=threads, batch=batch, spin="no")) as backend:  # type: ignore[type-var]
        yield backend
