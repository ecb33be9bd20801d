"""Runs a decoder file with a KV cache (what onnxruntime-genai's model builder writes) greedily in onnxruntime.

Knows prompts, threads and memory; the file is `session`'s, the cache `kv`'s, the order of tokens `lane`'s.

Small models gain most from lanes: threads that each decode a few rows on one core, over one set of weights. Large
ones stream their weights from memory at every step, so all cores work on one step of many rows. Off the CPU there is
one lane.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.backends.answering import Answering, Done, Work
from phi4bench.backends.device_cache import kept_bytes
from phi4bench.backends.device_rows import rows_in_place
from phi4bench.backends.genai_config import read_model_config
from phi4bench.backends.handout import Coming, Handout
from phi4bench.backends.job import Job
from phi4bench.backends.kv import GrowingRow, PrefixStore, Rows
from phi4bench.backends.longrope import SwitchingRow, table_switch
from phi4bench.backends.lora import read_adapter
from phi4bench.backends.memory import FREE_SHARE, ROWS_ON_A_DEVICE, NextJob, fewer_note, with_fewer_rows
from phi4bench.backends.parallel import side_by_side
from phi4bench.backends.prefixes import by_commonness, most_distinct
from phi4bench.backends.probe import TOGETHER, CacheMode, open_probed
from phi4bench.backends.providers import BEST, PROVIDERS, Provider, candidates, given
from phi4bench.backends.reader import PromptReader, Tokenizer
from phi4bench.backends.reasons import one_line
from phi4bench.backends.rowmemory import LEAST_MAPPED_BYTES, Layout, can_map, most_mapped_rows
from phi4bench.backends.session import (
    Decoder,
    Spin,
    installed_providers,
    instruction_set,
    left_note,
    onnxruntime,
    open_decoder,
)
from phi4bench.backends.windows import with_windows
from phi4bench.calls import Json
from phi4bench.errors import BackendError, Phi4benchError, UsageError
from phi4bench.machine import free_memory_bytes
from phi4bench.nvidia import device_name, free_bytes

SMALL_MODEL_BYTES = 64 << 20
"""Weights that several lanes read at once without waiting for memory."""

ROWS_PER_LANE = 32
ROWS_OF_A_LARGE_MODEL = 16
KV_BYTES = 2 << 30
"""Rows are fewer where the caches of all would be larger than `FREE_SHARE` of what is free, or on the CPU than this."""
MOST_LANES = 8
"""More lanes than this wait for the interpreter more than they decode."""

PREFIXES = 4
"""Prefixes that are kept for the next cases where rows have copies,"""
PREFIXES_BESIDE = 1
"""and where they are mapped: rows keep theirs, and these are large."""
COMMON = 16
"""Cases that begin alike from which on their prefix is common: sharing its memory is worth a run of their own."""

LONG_TOKENS = 4096
"""A case that may grow beyond this runs alone: its cache is large. A model with two rotary tables (longrope), which a
step takes for all of its rows, has a limit of its own where it changes them, if that is lower."""


@dataclass(frozen=True)
class Plan:
    """How cores and rows are laid out: `lanes` × `rows` cases at once, each lane on `intra_op` threads."""

    lanes: int
    rows: int
    intra_op: int


@dataclass(frozen=True)
class Room:
    """Which `rows` fit a lane, beside so many `prefixes` that are kept for those to come; `mapped`: see `Mapped`."""

    rows: int
    prefixes: int = PREFIXES
    mapped: bool = False


def plan(threads: int, batch: int | None, weight_bytes: int, provider: str = "cpu") -> Plan:
    """`batch`: cases at once in all; 1: one at a time with all threads on it, as latency is measured.

    `None`: what gives the most cases a second. `provider`: by its short name; any but the CPU runs a session for one
    thread at a time. DirectML allows no more, the others do not say, and a device is one, however many threads wait.

    Source: https://onnxruntime.ai/docs/execution-providers/DirectML-ExecutionProvider.html
    """
    if batch == 1:
        return Plan(1, 1, threads)
    if provider != "cpu":
        return Plan(1, batch or ROWS_ON_A_DEVICE, threads)
    if weight_bytes > SMALL_MODEL_BYTES:
        return Plan(1, batch or ROWS_OF_A_LARGE_MODEL, threads)
    lanes = min(threads, MOST_LANES, batch or threads)
    return Plan(lanes, -(-batch // lanes) if batch else ROWS_PER_LANE, 1)


def waiting(batch: int | None, provider: str) -> Spin:
    """How threads that share a step wait for work. Off the CPU they have little of it, and the device none of them."""
    if batch == 1:
        return "long"
    return "briefly" if provider == "cpu" else "no"


class OnnxBackend(Answering):
    """A loaded artifact. `weight_bytes`: of its files, external data included.

    `adapter`: an .onnx_adapter file with values for inputs that the model file leaves empty.
    `prune`: what only the last position of a prompt needs is computed for that alone, not as the file would have it,
    and on the CPU onnxruntime hoards no memory.
    """

    def __init__(
        self,
        model_file: Path,
        tokenizer: Tokenizer,
        *,
        name: str,
        weight_bytes: int,
        adapter: Path | None = None,
        threads: int | None = None,
        provider: Provider = BEST,
        batch: int | None = None,
        spin: Spin | None = None,
        prune: bool = True,
    ) -> None:
        super().__init__(name, tokenizer, threads, batch)
        if spin is not None and spin not in get_args(Spin):
            raise UsageError(f"spin={spin!r}, but should be one of {', '.join(get_args(Spin))}, or None")
        self._config = read_model_config(model_file.parent / "genai_config.json")
        # A cache that grows is made whole at each step, of memory that is kept from the last one.
        hoards = not prune or _takes_positions(model_file)

        def load(one: Provider, reuse_memory: bool) -> Decoder:
            decoder = open_decoder(
                model_file,
                self._config.head_size,
                intra_op=plan(self._threads, batch, weight_bytes, one.name).intra_op,
                spin=spin or waiting(batch, one.name),
                provider=one,
                reuse_memory=reuse_memory,
                prune=prune,
                hoard=hoards or one.name != "cpu",
            )
            file = read_onnx(model_file)  # one that loads can be read
            known = replace(decoder, table_switch=table_switch(file), adapter=read_adapter(adapter, decoder))
            return with_windows(known, file)

        self._decoder: Decoder | None
        self._cache: CacheMode
        self._decoder, self._cache, self._provider = self._first_usable(model_file, provider, load)
        self._plan = plan(self._threads, batch, weight_bytes, self._provider.name)
        self._switch, self._pruned = self._decoder.table_switch, self._decoder.pruned
        self._device = "" if self._decoder.device == "cpu" else device_name(self._decoder.device_id)
        self._long = min(LONG_TOKENS, self._switch or LONG_TOKENS)
        if self._cache not in TOGETHER:
            self._plan = replace(self._plan, rows=1)
        self._weight_bytes = weight_bytes
        self._reader = PromptReader(name, tokenizer, self._config.context, self._config.eos, self._decoder.vocabulary)

    def _first_usable(
        self, model_file: Path, asked: Provider, load: Callable[[Provider, bool], Decoder]
    ) -> tuple[Decoder, CacheMode, Provider]:
        """Opened by the first provider that runs it; those before it are in the notes with their reasons."""
        *better, last = candidates(asked, installed_providers())
        for name in better:
            one = replace(asked, name=name)
            try:
                decoder, cache = open_probed(model_file, partial(load, one))
            except Phi4benchError as error:
                reason = error.what.removeprefix(f"{model_file}: ")
            else:
                if not decoder.left:
                    return decoder, cache, one
                reason = left_note(name, decoder.left, decoder.cache[0].dtype)
                del decoder, cache
                gc.collect()  # before the next one loads the same weights: see `close`
            self.notes.append(f"--provider {asked.name}: {name} was tried and left: {reason}")
        one = replace(asked, name=last)
        decoder, cache = open_probed(model_file, partial(load, one))
        if decoder.left:
            self.notes.append(left_note(last, decoder.left, decoder.cache[0].dtype))
        return decoder, cache, one

    def identity(self) -> dict[str, Json]:
        ort = onnxruntime()
        return {
            "runtime": "onnxruntime",
            "version": ort.__version__,
            "provider": PROVIDERS[self._provider.name],
            "provider_options": given(self._provider.name, self._provider.options),
            "graph_optimization": self._provider.graph_optimization,
            "threads": self._threads,
            **asdict(self._plan),
            "cache": self._cache,
            **({self._pruned: "of the last position alone"} if self._pruned else {}),
            "prefix": "not shared" if self._cache == "growing, prompts whole" else "computed apart from the rest",
            "long_tokens": self._long,
            **({"read_again_beyond": self._switch} if self._switch else {}),
            "cache_bytes": KV_BYTES if self._decoder is None or self._decoder.device == "cpu" else "what is free",
            "machine": instruction_set(),
            **({"device": self._device} if self._device else {}),
        }

    def close(self) -> None:
        self._decoder = None
        gc.collect()  # sessions sit in reference cycles of their bindings; the weights should go now

    def _run_all(self, coming: Coming, work: Work[Done]) -> Iterator[tuple[int, Done]]:
        while jobs := coming.take():
            short = [job for job in jobs if len(job.ids) + job.cap <= self._long]
            long = [job for job in jobs if len(job.ids) + job.cap > self._long]
            if short and self._maps(short):
                for some in by_commonness(short, COMMON):
                    yield from self._run(some, self._plan, work)
            else:
                yield from self._run(short, self._plan, work, coming=None if long else coming)
            yield from self._run(long, replace(self._plan, lanes=1, rows=1), work)

    def _run_as_they_come(
        self, jobs: Sequence[Job], work: Work[Done], again: Callable[[], None]
    ) -> Iterator[tuple[int, Done]]:
        yield from self._run(jobs, self._plan, work, again)

    def _run(
        self,
        jobs: Sequence[Job],
        plan: Plan,
        work: Work[Done],
        again: Callable[[], None] = lambda: None,
        coming: Coming | None = None,
    ) -> Iterator[tuple[int, Done]]:
        """`coming`: portions that go on in the same rows as far as they fit."""
        if not jobs:
            return
        # By the layout and not by the jobs that are left, so that no answer depends on how many those are.
        together = 2 if self._cache == "in place, rows in pairs" and plan.rows > 1 else 1
        tokens = max(len(job.ids) + job.cap for job in jobs)
        count = len(jobs)
        if coming is not None and count < plan.lanes * plan.rows and coming.peek():
            count = plan.lanes * plan.rows  # what comes is not known yet, and empty rows cost nothing
        plan = replace(plan, lanes=min(plan.lanes, count))
        if self._switch and tokens > self._switch:
            plan = replace(plan, rows=1)
        wanted = min(plan.rows, -(-count // plan.lanes))
        room = self._room(jobs, tokens, plan.lanes, wanted)
        plan = replace(plan, rows=min(wanted, room.rows))
        if self._asked and room.rows < wanted:
            self._note(fewer_note(plan.lanes * plan.rows, self._asked))

        def fits(further: Sequence[Job]) -> bool:
            """In rows as they are, unless such as they need would be twice as many."""
            need = max(len(job.ids) + job.cap for job in further)
            if need > tokens or self._maps(further):
                return False
            return min(wanted, self._room(further, need, plan.lanes, wanted).rows) < 2 * plan.rows

        def run(next_job: NextJob, lanes: int, rows: int) -> Iterator[tuple[int, Done]]:
            self.at_once = lanes * rows
            prefixes: PrefixStore[Any] = PrefixStore(room.prefixes)
            made = [self._rows(rows, tokens, prefixes, together, room.mapped) for _ in range(lanes)]
            running = [work(one, rows, next_job) for one in made]
            yield from running[0] if lanes == 1 else side_by_side(running)

        handout = Handout(jobs, partial(coming.take_if, fits) if coming else tuple)
        try:
            yield from with_fewer_rows(handout, plan.lanes, plan.rows, run, self.notes.append, again, self._name)
        except Phi4benchError:
            raise
        except Exception as error:  # onnxruntime's exceptions share no base class but this one
            raise BackendError(
                f"{self._name}: onnxruntime failed while running it ({type(error).__name__}: {one_line(error)})",
                "see whether the file runs with one case (--limit 1), and export it again if it does not",
            ) from error

    def _cache_bytes(self) -> int:
        """What the caches of all rows may take together: most of what is free, on a device beside the weights."""
        assert self._decoder is not None
        if self._decoder.device == "cpu":
            left = free_memory_bytes()
            return KV_BYTES if left is None else min(KV_BYTES, int(FREE_SHARE * left))
        free = free_bytes(self._decoder.device_id)
        room = KV_BYTES if free is None else int(FREE_SHARE * (free + kept_bytes(self._decoder)))
        limit = dict(self._provider.options).get("gpu_mem_limit", "")
        return min(room, max(0, int(limit) - self._weight_bytes)) if limit.isdecimal() else room

    def _room(self, jobs: Sequence[Job], tokens: int, lanes: int, wanted: int) -> Room:
        """Rows of at most so many tokens in each lane, up to `wanted` where they are mapped."""
        total, token = self._cache_bytes(), self._token_bytes()
        copied = Room(max(1, total // (lanes * tokens * token)))
        if not self._maps(jobs):
            return copied
        assert self._decoder is not None
        own = max(len(job.ids) - job.shared + job.cap for job in jobs) * token
        prefix = max(job.shared for job in jobs) * token
        distinct = most_distinct(jobs, len(jobs))
        layouts = [Layout(c.heads, c.head_size, c.dtype) for c in self._decoder.cache]
        for rows in range(min(wanted, most_mapped_rows(layouts) // lanes), copied.rows, -1):
            # Twice as many neighbours as rows: one that is slower than the others still holds what they began with.
            alive = min(distinct, PREFIXES_BESIDE + most_distinct(jobs, 2 * lanes * rows))
            if lanes * rows * own + alive * prefix <= total:
                return Room(rows, PREFIXES_BESIDE, mapped=True)
        return copied

    def _token_bytes(self) -> int:
        """Of the cache, for each token of a row."""
        assert self._decoder is not None
        return sum(c.heads * c.head_size * np.dtype(c.dtype).itemsize for c in self._decoder.cache)

    def _maps(self, jobs: Sequence[Job]) -> bool:
        """Whether the prefixes of these are mapped into rows: some are large, and all lie in main memory."""
        assert self._decoder is not None
        in_place = self._cache in (*TOGETHER, "in place, one row") and self._decoder.device == "cpu"
        head = min(c.head_size * np.dtype(c.dtype).itemsize for c in self._decoder.cache)
        return in_place and can_map() and max(job.shared for job in jobs) * head >= LEAST_MAPPED_BYTES

    def _rows(self, rows: int, tokens: int, prefixes: PrefixStore[Any], together: int, mapped: bool) -> Rows:
        assert self._decoder is not None
        made: Rows
        if self._cache in ("growing", "growing, prompts whole"):
            made = GrowingRow(self._decoder, prefixes, whole=self._cache != "growing")
        else:
            made = rows_in_place(self._decoder, rows, tokens, prefixes, together, mapped)
        return SwitchingRow(made, self._switch) if self._switch and tokens > self._switch else made


def _takes_positions(model_file: Path) -> bool:
    """Of a file that cannot be read no; what loads it tells why."""
    with suppress(OSError, ValueError, IndexError, RecursionError):
        return "position_ids" in read_onnx(model_file).inputs
    return False
