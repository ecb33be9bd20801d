"""What the benchmarks of generation ask of an artifact: one seeded, stratified sample, rendered in its dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from time import perf_counter

from phi4bench.artifacts import Artifact
from phi4bench.backends import Backend, Decoding, open_backend
from phi4bench.datasets import load_cases, sample
from phi4bench.prompts import Prompt
from phi4bench.transcripts import Completion

NEW_TOKENS = 48
"""Enough for a call; a model that does not end is cut there."""
RENEW_S = 0.25
"""Small models alone lie in memory so that it matters where, and large ones take long to load."""


def prompts(artifact: Artifact, count: int) -> list[Prompt]:
    calling = [case for case in load_cases(None).cases if case.expected.calls]
    return [artifact.dialect.render(case.question()) for case in sample(calling, count)]


def answer(backend: Backend, asked: Sequence[Prompt]) -> list[Completion]:
    """In the order of the prompts."""
    made = dict(backend.generate(asked, Decoding(NEW_TOKENS)))
    return [made[i] for i in range(len(asked))]


def tokens(made: Sequence[Completion]) -> int:
    return sum(len(one.token_ids) for one in made)


class Renewed:
    """A backend that `renew` opens again and warms with `asked`, where opening it took no longer than `RENEW_S`."""

    def __init__(self, artifact: Artifact, asked: Sequence[Prompt], threads: int, batch: int | None) -> None:
        self._open = lambda: open_backend(artifact, threads=threads, batch=batch, spin="no")
        self._asked = asked
        began = perf_counter()
        self._backend = self._open()
        self._small = perf_counter() - began <= RENEW_S
        self.answer()

    def answer(self) -> list[Completion]:
        return answer(self._backend, self._asked)

    def renew(self) -> None:
        if self._small:
            self.close()
            self._backend = self._open()
            self.answer()

    def close(self) -> None:
        self._backend.close()


@contextmanager
def opened(artifact: Artifact, threads: int, batch: int | None) -> Iterator[Backend]:
    """Without threads that wait busily: what they burn would be told as work."""
    with closing(open_backend(artifact, threads=threads, batch=batch, spin="no")) as backend:  # type: ignore[type-var]
        yield backend
