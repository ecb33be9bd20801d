"""From prompts to jobs: token ids, the room that is left, where to stop. Knows a tokenizer; runs no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from phi4bench.backends.base import CaseError, Decoding, PromptTooLongError, Reference
from phi4bench.backends.job import Job
from phi4bench.backends.prefixes import together
from phi4bench.errors import ArtifactError, UsageError
from phi4bench.prompts import Prompt, Segment


class Tokenizer(Protocol):
    """What is needed of `PromptTokenizer`."""

    def encode_all(self, prompts: Sequence[Prompt]) -> Sequence[tuple[Sequence[int], int]]: ...

    def encode_segments(self, segments: Sequence[Segment]) -> Sequence[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def id_of(self, text: str) -> int | None: ...

    def to_json(self) -> str: ...

    def control_ids(self, markers: Sequence[str]) -> frozenset[int]: ...


class PromptReader:
    """One model's reading of prompts. `name`: of the artifact, in errors. `eos`: ids that end its turn; some
    configurations have -1 there, for none.

    `context`: tokens of prompt and answer together. `vocabulary`: width of its logits.
    """

    def __init__(self, name: str, tokenizer: Tokenizer, context: int, eos: frozenset[int], vocabulary: int) -> None:
        self._name, self._tokenizer = name, tokenizer
        self._context, self.vocabulary = context, vocabulary
        self._eos = frozenset(one for one in eos if 0 <= one < vocabulary)

    def key(self, prompt: Prompt) -> str:
        """sha256 (hex) over all of the prompt that a completion depends on."""
        ids, shared = self._encoded([prompt])[0]
        rest = json.dumps([shared, prompt.stop, prompt.call_opener], ensure_ascii=False)
        return hashlib.sha256(np.asarray(ids, "<i8").tobytes() + rest.encode()).hexdigest()

    def jobs(self, prompts: Sequence[Prompt], decoding: Decoding, first: int = 0) -> list[Job]:
        """Those that share a prefix stand together; `first`: the index of the first prompt.

        Raises `CaseError`, `ArtifactError` for another's tokenizer.
        """
        encoded = self._encoded(prompts)
        self._refuse_too_long(encoded, first)
        jobs = [
            self._job(index, prompt, one, decoding.max_new_tokens)
            for index, (prompt, one) in enumerate(zip(prompts, encoded, strict=True), first)
        ]
        if decoding.mode == "constrained":
            jobs = [self._constrained(job, prompts[job.index - first]) for job in jobs]
        return together(jobs)

    def forced_jobs(self, references: Sequence[Reference]) -> list[Job]:
        """The same for answers to be forced, each with its end of turn."""
        jobs = []
        encoded = self._encoded([reference.prompt for reference in references])
        self._refuse_too_long(encoded)
        for index, reference in enumerate(references):
            answer = list(self._tokenizer.encode_segments(reference.answer))
            job = self._job(index, reference.prompt, encoded[index], len(answer) + 1, tuple(answer))
            if job.cap <= len(answer):
                raise PromptTooLongError(
                    index,
                    f"{self._name}: a prompt of {len(job.ids)} tokens and an answer of {len(answer)}, but the model's"
                    f" context is {self._context}",
                    "leave the case out",
                )
            jobs.append(job)
        return together(jobs)

    def _constrained(self, job: Job, prompt: Prompt) -> Job:
        """The same under the prompt's grammar, which an end of turn in letters would break off anywhere."""
        assert prompt.grammar is not None, "a prompt to be decoded under a grammar comes with it"
        if not job.stop_ids:
            raise UsageError(
                f"{self._name}: its tokenizer has no token that ends a turn, which --decode constrained needs",
                "use --decode free",
            )
        return replace(job, stop_texts=(), grammar=prompt.grammar)

    def _encoded(self, prompts: Sequence[Prompt]) -> list[tuple[Sequence[int], int]]:
        """The ids of each, and how many of them are shared: at least one token is left to read."""
        return [(ids, min(shared, max(0, len(ids) - 1))) for ids, shared in self._tokenizer.encode_all(prompts)]

    def _refuse_too_long(self, encoded: Sequence[tuple[Sequence[int], int]], first: int = 0) -> None:
        """All of them at once: of another's cases there are often many, and a run ends at the first."""
        lengths = [len(ids) for ids, _ in encoded]
        longer = [index for index, length in enumerate(lengths) if length >= self._context]
        if longer:
            further = f", and {len(longer) - 1:,} further of {len(lengths):,} are too long" if len(longer) > 1 else ""
            raise PromptTooLongError(
                first + longer[0],
                f"{self._name}: a prompt of {lengths[longer[0]]} tokens, but the model's context is"
                f" {self._context}{further}",
                "offer fewer tools, shorten the conversations, or leave the cases out",
            )

    def _job(
        self,
        index: int,
        prompt: Prompt,
        encoded: tuple[Sequence[int], int],
        wanted: int,
        answer: tuple[int, ...] | None = None,
    ) -> Job:
        ids, shared = encoded
        room = self._context - len(ids)
        if not ids:
            raise CaseError(index, f"{self._name}: a prompt of no tokens", "give the dialect a chat template")
        if (highest := max((*ids, *(answer or ())))) >= self.vocabulary:
            raise ArtifactError(
                f"{self._name}: the tokenizer gives id {highest}, but there are {self.vocabulary} logits",
                "the tokenizer is another model's; copy the right tokenizer.json next to the model",
            )
        stops = [id_ for id_ in map(self._tokenizer.id_of, prompt.stop) if id_ is not None]
        ends = stops[:1] or sorted(self._eos)[:1]
        return Job(
            index=index,
            ids=np.asarray(ids, np.int64),
            shared=shared,
            cap=max(1, min(wanted, room)),
            stop_ids=self._eos | frozenset(stops),
            # A chat template lists what any model of its kind may stop at; this model has its stop token.
            stop_texts=() if stops else prompt.stop,
            opener=self._tokenizer.id_of(prompt.call_opener) if prompt.call_opener else None,
            forced=() if answer is None else (*answer, *ends),
        )
