"""Greedy decoding of many cases over a few rows: who enters, who stops, what is measured. Knows no runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from phi4bench.backends.base import NotFiniteError
from phi4bench.backends.job import Job
from phi4bench.backends.kv import Rows
from phi4bench.backends.likeliest import likeliest, likeliest_and_margin, row_of
from phi4bench.backends.masks import Mask
from phi4bench.prompts import Grammar
from phi4bench.traffic import Traffic
from phi4bench.transcripts import Completion, Finish

TIME_DIGITS = 4
"""Decimals of milliseconds that are kept of a time,"""
LOGIT_DIGITS = 6
"""and of a difference of logits: more are noise, and half of what a short answer takes in memory and store."""


OpenMask = Callable[[Grammar, frozenset[int]], Mask]
"""A mask at the start of a completion that the tokens given may end."""


@dataclass
class _Active:
    job: Job
    started: float
    first_ms: float
    margin: float | None
    mask: Mask | None
    tokens: list[int] = field(default_factory=list)
    at_ms: list[float] = field(default_factory=list)


def decode_jobs(
    rows: Rows,
    capacity: int,
    next_job: Callable[[], Job | None],
    decode: Callable[[list[int]], str],
    name: str,
    open_mask: OpenMask | None = None,
) -> Iterator[tuple[int, Completion]]:
    """Run jobs until there are none, `capacity` at a time; a row that finishes makes room for the next at once.

    `first_token_ms` is the reading of the prompt, during which the other rows wait. `token_ms` is the time between
    this row's tokens as a caller would see it: the steps are shared by all rows, and the reading of prompts that enter
    meanwhile is inside. With capacity 1 both are the case's alone. Raises `NotFiniteError`; `name`: of the artifact.
    `open_mask`: of jobs that have a grammar; what it costs is in the times.
    """
    active: list[_Active] = []

    def enter(slot: int, job: Job) -> tuple[int, Completion] | None:
        """Read the prompt and take its first token; a completion where that token ends it (the slot stays free)."""
        started = perf_counter()
        logits = rows.enter(slot, job.ids, job.shared)
        token, finite, margin = likeliest_and_margin(logits, job.opener)
        if not finite:
            raise _not_finite(job, name, 0)
        mask = open_mask(job.grammar, job.stop_ids) if open_mask and job.grammar else None
        if mask is not None:
            token = mask.choose(lambda: row_of(logits, 0), token)
        first_ms = (perf_counter() - started) * 1e3
        row = _Active(job, started, first_ms, margin, mask, [token], [first_ms])
        active[slot : slot + 1] = [row]
        return _finished(row, decode)

    def fill(slot: int) -> Iterator[tuple[int, Completion]]:
        """Put jobs into `slot` until one stays there, or free it when none is left."""
        while (job := next_job()) is not None:
            done = enter(slot, job)
            if done is None:
                return
            yield done
        if slot < len(active):
            rows.leave(slot)
            last = active.pop()
            if slot < len(active):
                active[slot] = last

    while True:
        while len(active) < capacity:
            before = len(active)
            yield from fill(before)
            if len(active) == before:
                break
        if not active:
            return
        logits = rows.step([row.tokens[-1] for row in active])
        tokens, finite = likeliest(logits)
        now = perf_counter()
        for slot in reversed(range(len(active))):  # from the end: the last row takes a freed slot, and is done by then
            row, token = active[slot], tokens[slot]
            if not finite[slot]:
                raise _not_finite(row.job, name, len(row.tokens))
            if row.mask is not None:
                token, now = row.mask.choose(partial(row_of, logits, slot), token), perf_counter()
            row.tokens.append(token)
            row.at_ms.append((now - row.started) * 1e3)
            if token not in row.job.stop_ids and len(row.tokens) < row.job.cap and not row.job.stop_texts:
                continue  # as `_finished` would find, for a part of the time: nearly all tokens are so
            done = _finished(row, decode)
            if done is not None:
                yield done
                yield from fill(slot)


def serve_jobs(
    rows: Rows,
    capacity: int,
    jobs: Mapping[int, Job],
    traffic: Traffic,
    decode: Callable[[list[int]], str],
    name: str,
    open_mask: OpenMask | None = None,
) -> Iterator[tuple[int, Completion]]:
    """`decode_jobs` over requests that are not all there yet. `jobs`: by the traffic's index."""

    def next_job() -> Job | None:
        index = traffic.take()
        return None if index is None else jobs[index]

    try:
        while traffic.left:
            for index, completion in decode_jobs(rows, capacity, next_job, decode, name, open_mask):
                traffic.done(index)
                yield index, completion
            traffic.wait()
    except Exception:  # whatever it was: other lanes would wait for clients whose answers never come
        traffic.hold()
        raise


def _not_finite(job: Job, name: str, position: int) -> NotFiniteError:
    return NotFiniteError(
        job.index,
        f"{name}: the logits of new token {position + 1} are not finite (NaN or infinite)",
        "the export or the quantization is broken: compare its logits with the parent's",
    )


def _ended_by_text(tokens: list[int], stops: Sequence[str], decode: Callable[[list[int]], str]) -> bool:
    """Whether the last of them end a stop text, of which each has a byte at least; the one before keeps its space."""
    longest = max(len(stop.encode()) for stop in stops)
    text = decode(tokens[-longest - 1 :])
    return any(stop in text for stop in stops)


def _finished(row: _Active, decode: Callable[[list[int]], str]) -> tuple[int, Completion] | None:
    now = perf_counter()
    job, tokens = row.job, row.tokens
    finish: Finish = "stop"
    if tokens[-1] in job.stop_ids:
        text = decode(tokens[:-1])
    elif job.stop_texts and _ended_by_text(tokens, job.stop_texts, decode):
        text = decode(tokens)
        text = text[: min(at for stop in job.stop_texts if (at := text.find(stop)) >= 0)]
    elif len(tokens) >= job.cap:
        finish, text = "length", decode(tokens)
    else:
        return None
    further = len(tokens) - 1
    spent = (now - row.started) * 1e3
    return job.index, Completion(
        text=text,
        token_ids=tuple(tokens),
        finish=finish,
        first_token_ms=round(row.first_ms, TIME_DIGITS),
        token_ms=round((spent - row.first_ms) / further, TIME_DIGITS) if further else None,
        margin=None if row.margin is None else round(row.margin, LOGIT_DIGITS),
        prompt_tokens=len(job.ids),
        token_at_ms=tuple(row.at_ms),
    )
