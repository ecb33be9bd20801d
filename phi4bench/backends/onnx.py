"""Runs a decoder file with a KV cache (what onnxruntime-genai's model builder writes) greedily in onnxruntime.

Knows prompts, threads and memory; the file is `session`'s, the cache `kv`'s, the order of tokens `lane`'s.

Small models gain most from lanes: threads that each decode a few rows on one core, over one set of weights. Large
ones stream their weights from memory at every step, so all cores work on one step of many rows.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.backends.base import Decoding, Reference
from phi4bench.backends.forced import force_jobs
from phi4bench.backends.genai_config import read_model_config
from phi4bench.backends.kv import GrowingRow, PrefixStore, Rows, SharedRows
from phi4bench.backends.lane import Job, OpenMask, decode_jobs, serve_jobs
from phi4bench.backends.longrope import SwitchingRow, table_switch
from phi4bench.backends.masks import Masks
from phi4bench.backends.parallel import handing_out, side_by_side
from phi4bench.backends.probe import CacheMode, open_probed
from phi4bench.backends.reader import PromptReader, Tokenizer
from phi4bench.backends.session import (
    Decoder,
    available_cores,
    instruction_set,
    one_line,
    onnxruntime,
    open_decoder,
    provider_named,
)
from phi4bench.calls import Json
from phi4bench.errors import BackendError, UsageError
from phi4bench.fidelity import Position
from phi4bench.prompts import Prompt
from phi4bench.traffic import Traffic
from phi4bench.transcripts import Completion

Done = TypeVar("Done")
Work = Callable[[Rows, int, Callable[[], Job | None]], Iterator[tuple[int, Done]]]
"""What a lane does over its rows, so many at once, with the jobs that it is handed."""

SMALL_MODEL_BYTES = 64 << 20
"""Weights that several lanes read at once without waiting for memory."""

ROWS_PER_LANE = 8
ROWS_OF_A_LARGE_MODEL = 16
KV_BYTES = 2 << 30
"""Rows are fewer where the caches of all would be larger than this."""
MOST_LANES = 8
"""More lanes than this wait for the interpreter more than they decode."""

LONG_TOKENS = 4096
"""A case that may grow beyond this runs alone: its cache is large. A model with two rotary tables (longrope), which a
step takes for all of its rows, has a limit of its own where it changes them, if that is lower."""


@dataclass(frozen=True)
class Plan:
    """How cores and rows are laid out: `lanes` × `rows` cases at once, each lane on `intra_op` threads."""

    lanes: int
    rows: int
    intra_op: int


def plan(threads: int, batch: int | None, weight_bytes: int) -> Plan:
    """`batch`: cases at once in all; 1: one at a time with all threads on it, as latency is measured.

    `None`: what gives the most cases a second.
    """
    if batch == 1:
        return Plan(1, 1, threads)
    if weight_bytes > SMALL_MODEL_BYTES:
        return Plan(1, batch or ROWS_OF_A_LARGE_MODEL, threads)
    lanes = min(threads, MOST_LANES, batch or threads)
    return Plan(lanes, -(-batch // lanes) if batch else ROWS_PER_LANE, 1)


class OnnxBackend:
    """A loaded artifact. `name` stands for it in errors; `weight_bytes`: of its files, external data included."""

    def __init__(
        self,
        model_file: Path,
        tokenizer: Tokenizer,
        *,
        name: str,
        weight_bytes: int,
        threads: int | None = None,
        provider: str = "cpu",
        batch: int | None = None,
        spin: bool | None = None,
    ) -> None:
        for option, value in (("threads", threads), ("batch", batch)):
            if value is not None and value < 1:
                raise UsageError(f"{option}={value}, but should be at least 1")
        self._name = name
        self._provider = provider_named(provider)
        self._config = read_model_config(model_file.parent / "genai_config.json")
        self._threads = threads or available_cores()
        self._plan = plan(self._threads, batch, weight_bytes)

        self._switch = table_switch(read_onnx(model_file))
        self._long = min(LONG_TOKENS, self._switch or LONG_TOKENS)

        def load(reuse_memory: bool) -> Decoder:
            decoder = open_decoder(
                model_file,
                self._config.head_size,
                intra_op=self._plan.intra_op,
                spin=batch == 1 if spin is None else spin,
                provider=self._provider,
                reuse_memory=reuse_memory,
            )
            return replace(decoder, table_switch=self._switch)

        self._decoder: Decoder | None
        self._cache: CacheMode
        self._decoder, self._cache = open_probed(model_file, load)
        if self._cache not in ("in place, rows together", "in place, rows in pairs"):
            self._plan = replace(self._plan, rows=1)
        self._tokenizer = tokenizer
        self._masks: Masks | None = None
        self._reader = PromptReader(name, tokenizer, self._config.context, self._config.eos, self._decoder.vocabulary)

    def identity(self) -> dict[str, Json]:
        ort = onnxruntime()
        return {
            "runtime": "onnxruntime",
            "version": ort.__version__,
            "provider": self._provider,
            "graph_optimization": "all",
            "threads": self._threads,
            **asdict(self._plan),
            "cache": self._cache,
            "prefix": "not shared" if self._cache == "growing, prompts whole" else "computed apart from the rest",
            "long_tokens": self._long,
            **({"read_again_beyond": self._switch} if self._switch else {}),
            "cache_bytes": KV_BYTES,
            "machine": instruction_set(),
        }

    def prompt_key(self, prompt: Prompt) -> str:
        return self._reader.key(prompt)

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[tuple[int, Completion]]:
        """Cases that share a prefix run together; those that may grow too long run last, one at a time."""
        assert self._decoder is not None, "the backend is closed"
        jobs, decode = self._reader.jobs(prompts, decoding), self._tokenizer.decode
        mask = self._open_mask() if decoding.mode == "constrained" else None
        yield from self._run_all(
            jobs, lambda rows, n, next_job: decode_jobs(rows, n, next_job, decode, self._name, mask)
        )

    def serve(
        self, prompts: Sequence[Prompt], decoding: Decoding, traffic: Traffic
    ) -> Iterator[tuple[int, Completion]]:
        """As `generate`, but each prompt only once `traffic` hands it out."""
        assert self._decoder is not None, "the backend is closed"
        jobs = {job.index: job for job in self._reader.jobs(prompts, decoding)}
        decode, name = self._tokenizer.decode, self._name
        mask = self._open_mask() if decoding.mode == "constrained" else None
        yield from self._run(
            list(jobs.values()), self._plan, lambda rows, n, _: serve_jobs(rows, n, jobs, traffic, decode, name, mask)
        )

    def score(self, references: Sequence[Reference]) -> Iterator[tuple[int, tuple[Position, ...]]]:
        assert self._decoder is not None, "the backend is closed"
        jobs, watched = self._reader.forced_jobs(references), [one.watch for one in references]
        yield from self._run_all(jobs, lambda rows, n, next_job: force_jobs(rows, n, next_job, watched, self._name))

    def _open_mask(self) -> OpenMask:
        """From the model's masks, which are made when they are first needed."""
        if self._masks is None:
            self._masks = Masks(self._name, self._tokenizer, self._reader.vocabulary)
        return self._masks.open

    def close(self) -> None:
        self._decoder = None
        gc.collect()  # sessions sit in reference cycles of their bindings; the weights should go now

    def _run_all(self, jobs: Sequence[Job], work: Work[Done]) -> Iterator[tuple[int, Done]]:
        short = [job for job in jobs if len(job.ids) + job.cap <= self._long]
        long = [job for job in jobs if len(job.ids) + job.cap > self._long]
        yield from self._run(short, self._plan, work)
        yield from self._run(long, replace(self._plan, lanes=1, rows=1), work)

    def _run(self, jobs: Sequence[Job], plan: Plan, work: Work[Done]) -> Iterator[tuple[int, Done]]:
        if not jobs:
            return
        # By the layout and not by the jobs that are left, so that no answer depends on how many those are.
        together = 2 if self._cache == "in place, rows in pairs" and plan.rows > 1 else 1
        tokens = max(len(job.ids) + job.cap for job in jobs)
        if jobs[0].forced:  # rows are stepped as long as the longest answer beside them
            tokens = max(len(job.ids) for job in jobs) + max(job.cap for job in jobs)
        plan = replace(plan, lanes=min(plan.lanes, len(jobs)))
        if self._switch and tokens > self._switch:
            plan = replace(plan, rows=1)
        affordable = KV_BYTES // (plan.lanes * tokens * self._token_bytes())
        plan = replace(plan, rows=max(1, min(plan.rows, -(-len(jobs) // plan.lanes), affordable)))
        prefixes: PrefixStore[list[Any]] = PrefixStore()
        next_job = handing_out(jobs)
        all_rows = [self._rows(plan.rows, tokens, prefixes, together) for _ in range(plan.lanes)]
        lanes = [work(rows, plan.rows, next_job) for rows in all_rows]
        try:
            yield from lanes[0] if len(lanes) == 1 else side_by_side(lanes)
        except BackendError:
            raise
        except Exception as error:  # onnxruntime's exceptions share no base class but this one
            raise BackendError(
                f"{self._name}: onnxruntime failed while running it ({type(error).__name__}: {one_line(error)})",
                "see whether the file runs with one case (--limit 1), and export it again if it does not",
            ) from error

    def _token_bytes(self) -> int:
        """Of the cache, for each token of a row."""
        assert self._decoder is not None
        return sum(c.heads * c.head_size * np.dtype(c.dtype).itemsize for c in self._decoder.cache)

    def _rows(self, rows: int, tokens: int, prefixes: PrefixStore[list[Any]], together: int) -> Rows:
        assert self._decoder is not None
        made: Rows
        if self._cache in ("growing", "growing, prompts whole"):
            made = GrowingRow(self._decoder, prefixes, whole=self._cache != "growing")
        else:
            made = SharedRows(self._decoder, rows, tokens, prefixes, together)
        return SwitchingRow(made, self._switch) if self._switch and tokens > self._switch else made
