"""Out of memory: told apart from other faults, and answered with fewer rows until it fits. Knows no runtime.

What was yielded stays; cases that were in flight are run again from their prompts, so that nothing is lost.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from phi4bench.backends.base import CaseError
from phi4bench.backends.handout import Handout
from phi4bench.backends.job import Job
from phi4bench.backends.reasons import unmet
from phi4bench.counting import counted

Done = TypeVar("Done")
NextJob = Callable[[], Job | None]

ROWS_ON_A_DEVICE = 64
FREE_SHARE = 0.8
"""Rows are fewer where their caches would take more than this share of the free memory; the rest is for what the layers
hold in between."""

SIGNS = re.compile(
    r"out of memory|failed to allocate memory|bad[_ ]alloc|can't allocate memory|not enough memory"
    r"|cannot allocate memory|available memory of \d+ is smaller than requested|failed to find a free memory block"
    r"|STATUS_\w*ALLOC(?:ATION)?_FAILED|resource allocation failed"
    r"|CUDNN_STATUS_INTERNAL_ERROR .*expr=cudnnCreate|can't start new thread",
    re.IGNORECASE,
)
"""How runtimes say it that have no exception of its own for it: onnxruntime's arena (`Failed to allocate memory for
requested buffer`, `Available memory of ... is smaller than requested`), its `bad_alloc`, CUDA, cuBLAS, torch, cuDNN,
which on a full H100 had but an internal error to tell when it began, and Python for a lane's thread."""


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or bool(SIGNS.search(str(error)))


def fewer_note(rows: int, asked: int) -> str:
    """What to say where a batch that was asked for is run in fewer rows from the start."""
    return f"{counted(rows, 'case')} at once and not {asked:,}: the caches of more do not fit the memory"


def halved(lanes: int, rows: int) -> tuple[int, int]:
    """Fewer cases at once: rows first, whose caches are what grows."""
    return (lanes, rows // 2) if rows > 1 else (lanes // 2, 1)


def with_fewer_rows(
    jobs: Handout,
    lanes: int,
    rows: int,
    run: Callable[[NextJob, int, int], Iterator[tuple[int, Done]]],
    tell: Callable[[str], None],
    again: Callable[[], None],
    name: str,
) -> Iterator[tuple[int, Done]]:
    """What `run(jobs.take, lanes, rows)` yields, and where it runs out of memory, the rest with half as many at once.

    `tell`: is told each time. `again`: is called before the rest is run. `name`: of the artifact. Raises `CaseError`,
    which names the case, where one alone does not fit.
    """
    while jobs.left:
        try:
            for index, done in run(jobs.take, lanes, rows):
                jobs.done(index)
                yield index, done
            return
        except Exception as error:  # runtimes' exceptions share no base class but this one
            if not is_out_of_memory(error):
                raise
            if lanes * rows == 1:
                case = next(iter(jobs.left.values()))
                raise CaseError(
                    case.index,
                    f"{name}: out of memory with one case at once, of {len(case.ids):,} tokens and up to {case.cap:,}"
                    f" new ones ({unmet(error)})",
                    "give it more memory, a lower --max-new-tokens, or leave the case out",
                ) from error
        # Only here is what the exception held let go: the frames with the rows' caches.
        before = lanes * rows
        lanes, rows = halved(lanes, rows)
        gc.collect()
        jobs.begin_again()
        again()
        tell(f"out of memory with {before:,} cases at once: went on with {lanes * rows:,}")
