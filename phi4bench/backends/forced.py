"""Teacher forcing over a few rows: what the model thinks of each token of an answer that it is given.

The tokens are stepped one at a time, as they are in decoding, so that what is measured is the very path of generation.
Knows no runtime.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice

import numpy as np

from phi4bench.backends.base import NotFiniteError
from phi4bench.backends.job import Job
from phi4bench.backends.kv import Rows
from phi4bench.backends.likeliest import Array, row_of
from phi4bench.positions import Head, Position

HEAD_SHARE = 1 - 1e-8
"""The likeliest tokens are kept until they hold this share of the probability,"""
HEAD_TOKENS = 512
"""but no more of them than this: memory stays bounded for a flat distribution over a large vocabulary."""

Watched = Sequence[Sequence[int]]
"""For each position the ids to be looked at; empty: the likeliest ones."""


def force_jobs(
    rows: Rows, capacity: int, next_job: Callable[[], Job | None], watched: Sequence[Watched], name: str
) -> Iterator[tuple[int, tuple[Position, ...]]]:
    """(index, one `Position` for each forced token), `capacity` jobs at a time. `watched`: by the jobs' index.

    Raises `NotFiniteError`.
    """
    while group := list(islice(iter(next_job, None), capacity)):
        logits = [row_of(rows.enter(slot, job.ids, job.shared), 0).copy() for slot, job in enumerate(group)]
        found: list[list[Position]] = [[] for _ in group]
        active = list(range(len(group)))  # of each slot the job's place in the group
        for at in count():
            for slot, place in enumerate(active):
                job = group[place]
                ids = watched[job.index][at] if watched[job.index] else ()
                found[place].append(observe(logits[slot], job.forced[at], ids, job, at, name))
            for slot in reversed(range(len(active))):  # from the end: the last row takes a freed slot
                if at + 1 == len(group[active[slot]].forced):
                    rows.leave(slot)
                    last = active.pop()
                    if slot < len(active):
                        active[slot] = last
            if not active:
                break
            stepped = rows.step([group[place].forced[at] for place in active])
            logits = [row_of(stepped, slot) for slot in range(len(active))]
        yield from ((job.index, tuple(positions)) for job, positions in zip(group, found, strict=True))


def observe(logits: Array, token: int, watched: Sequence[int], job: Job, at: int, name: str) -> Position:
    """One position. The logarithms are taken in double precision."""
    wide = logits.astype(np.float64)
    top1 = int(wide.argmax())
    if not math.isfinite(wide[top1]):
        raise NotFiniteError(
            job.index,
            f"{name}: the logits at token {at + 1} of the reference answer are not finite (NaN or infinite)",
            "the export or the quantization is broken: compare its logits with the parent's",
        )
    logprobs = wide - wide[top1]
    weights = np.exp(logprobs)
    total = float(weights.sum())
    logprobs -= math.log(total)
    ids = np.asarray(watched, np.int64) if len(watched) else likeliest(logprobs)
    others = np.ones(len(logprobs), bool)
    others[ids] = False
    rest = float(weights[others].sum()) / total
    head = Head(
        ids=tuple(ids.tolist()),
        logprobs=tuple(logprobs[ids].tolist()),
        rest=math.log(rest) if rest > 0 else -math.inf,
        lowest=float(logprobs[others].min()) if rest > 0 else 0.0,
    )
    return Position(token, float(logprobs[token]), top1, head)


def likeliest(logprobs: Array) -> Array:
    """Ids of the likeliest tokens, best first: as many as hold `HEAD_SHARE` between them, at most `HEAD_TOKENS`."""
    most = min(HEAD_TOKENS, len(logprobs))
    ids = np.argpartition(-logprobs, most - 1)[:most]
    ids = ids[np.lexsort((ids, -logprobs[ids]))]
    enough = int(np.searchsorted(np.exp(logprobs[ids]).cumsum(), HEAD_SHARE)) + 1
    best: Array = ids[:enough]
    return best
