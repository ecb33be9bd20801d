"""What every backend that sees logits does alike: completions, requests as they come, scores. Knows no runtime.

How jobs are laid out over rows, and what a row is, are the runtime's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from phi4bench.backends.base import Decoding, Reference
from phi4bench.backends.forced import force_jobs
from phi4bench.backends.handout import Coming
from phi4bench.backends.job import Job
from phi4bench.backends.kv import Rows
from phi4bench.backends.lane import OpenMask, decode_jobs, serve_jobs
from phi4bench.backends.masks import Masks
from phi4bench.backends.reader import PromptReader, Tokenizer
from phi4bench.errors import UsageError
from phi4bench.machine import usable_cores
from phi4bench.positions import Position
from phi4bench.prompts import Prompt
from phi4bench.traffic import Traffic
from phi4bench.transcripts import Completion

Done = TypeVar("Done")
Work = Callable[[Rows, int, Callable[[], Job | None]], Iterator[tuple[int, Done]]]
"""What is done over rows, so many at once, with the jobs that are handed out."""


class Answering(ABC):
    """`name` stands for the artifact in errors. `threads`, `batch`: as `open_backend` takes them.

    `notes`: what people should know of how it was opened and run, each a line. `at_once`: how many cases it worked on
    at once when it last did: fewer than it is set up for where memory was short.
    """

    _reader: PromptReader

    def __init__(self, name: str, tokenizer: Tokenizer, threads: int | None, batch: int | None) -> None:
        for option, value in (("threads", threads), ("batch", batch)):
            if value is not None and value < 1:
                raise UsageError(f"{option}={value}, but should be at least 1")
        self._name, self._tokenizer, self._asked = name, tokenizer, batch
        self._threads = threads or usable_cores()
        self._masks: Masks | None = None
        self.notes: list[str] = []
        self.at_once = 0

    @abstractmethod
    def _run_all(self, coming: Coming, work: Work[Done]) -> Iterator[tuple[int, Done]]:
        """What `work` makes of each job; those of a portion that may grow too long run last of it, one at a time."""

    @abstractmethod
    def _run_as_they_come(
        self, jobs: Sequence[Job], work: Work[Done], again: Callable[[], None]
    ) -> Iterator[tuple[int, Done]]:
        """The same over all rows, whichever job comes next. `again`: called where the rest is run over fewer rows."""

    def prompt_key(self, prompt: Prompt) -> str:
        return self._reader.key(prompt)

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[tuple[int, Completion]]:
        """Cases that share a prefix run together."""
        return self.generate_all([prompts], decoding)

    def generate_all(
        self, portions: Iterable[Sequence[Prompt]], decoding: Decoding
    ) -> Iterator[tuple[int, Completion]]:
        """Within a portion, cases that share a prefix run together."""
        decode, name, mask = self._tokenizer.decode, self._name, self._open_mask(decoding)
        yield from self._run_all(
            Coming(self._jobs(portions, decoding)),
            lambda rows, n, next_job: decode_jobs(rows, n, next_job, decode, name, mask),
        )

    def _jobs(self, portions: Iterable[Sequence[Prompt]], decoding: Decoding) -> Iterator[list[Job]]:
        first = 0
        for prompts in portions:
            yield self._reader.jobs(prompts, decoding, first)
            first += len(prompts)

    def serve(
        self, prompts: Sequence[Prompt], decoding: Decoding, traffic: Traffic
    ) -> Iterator[tuple[int, Completion]]:
        """As `generate`, but each prompt only once `traffic` hands it out."""
        jobs = {job.index: job for job in sorted(self._reader.jobs(prompts, decoding), key=lambda job: job.index)}
        decode, name, mask = self._tokenizer.decode, self._name, self._open_mask(decoding)
        yield from self._run_as_they_come(
            list(jobs.values()),
            lambda rows, n, _: serve_jobs(rows, n, jobs, traffic, decode, name, mask),
            traffic.put_back,
        )

    def score(self, references: Sequence[Reference]) -> Iterator[tuple[int, tuple[Position, ...]]]:
        jobs, watched = self._reader.forced_jobs(references), [one.watch for one in references]
        yield from self._run_all(
            Coming([jobs]), lambda rows, n, next_job: force_jobs(rows, n, next_job, watched, self._name)
        )

    def text_of(self, completion: Completion, tokens: int) -> str:
        """The text of a completion's first so many tokens."""
        return self._tokenizer.decode(completion.token_ids[:tokens])

    def _note(self, text: str) -> None:
        """Once, however often it comes."""
        if text not in self.notes:
            self.notes.append(text)

    def _open_mask(self, decoding: Decoding) -> OpenMask | None:
        """From the model's masks, which are made when they are first needed."""
        if decoding.mode != "constrained":
            return None
        if self._masks is None:
            self._masks = Masks(self._name, self._tokenizer, self._reader.vocabulary)
        return self._masks.open
