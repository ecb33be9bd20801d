"""What do threads, lanes and rows give an artifact that answers many cases?"""

from __future__ import annotations

import pytest

from benchmarks.answers import answer, opened, prompts, tokens
from phi4bench.machine import usable_cores

CASES = 32
LAYOUTS = {
    "one-thread": (1, 1),
    "all-threads-on-one-case": (None, 1),
    "rows-4": (None, 4),
    "rows-16": (None, 16),
    "default": (None, None),
}
"""Threads and cases at once; `None`: all cores, and what the backend lays out by itself."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cases_at_once(timed, artifact, layout):
    threads, batch = LAYOUTS[layout]
    cores = threads or usable_cores()
    asked = prompts(artifact, CASES)
    with opened(artifact, cores, batch) as backend:
        count = tokens(answer(backend, asked))
        made = timed(
            lambda: answer(backend, asked),
            reference="arrays",
            cores=cores,
            artifact=artifact,
            seconds=4.0,
            cases=CASES,
            tokens=count,
        )
    assert tokens(made) == count
