"""Case files out of the request grammar: a seed, a split and a number in, distinct cases with ids out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from phi4bench.cases import Case
from phi4bench.datasets import fixtures_dir, write_cases
from phi4bench.datasets.toolsets import read_toolset
from phi4bench.errors import UsageError
from phi4bench.phrasing import example, shipped_split
from phi4bench.printable import printable
from phi4bench.tools import Tool

TOOLSET = "claude_code"
SHIPPED_SEED = 20261121
"""The seed of `fixtures/cases/test.jsonl`."""
MOST_TRIES = 50
"""Draws for one new case, after which the grammar is taken to be exhausted."""


def write_generated(path: Path, split: Literal["test", "train"], count: int | None, seed: int = SHIPPED_SEED) -> int:
    """Write cases to `path`; returns how many. `count`: `None` for the split as it is shipped. UsageError."""
    tools = read_toolset(fixtures_dir() / "tools" / f"{TOOLSET}.json")
    if count is None and split == "train":
        raise UsageError("--split=train has no shipped size", "say how many cases with --count")
    if count is not None and count < 1:
        raise UsageError(f"--count={count}, but should be at least 1")
    cases = shipped_split(seed, tools) if count is None else draw_cases(split, count, seed, tools)
    try:
        write_cases(path, cases)
    except OSError as error:
        raise UsageError(f"--out={printable(str(path), 200)!r} cannot be written ({error.strerror})") from None
    return len(cases)


def draw_cases(split: Literal["test", "train"], count: int, seed: int, tools: Sequence[Tool]) -> list[Case]:
    """`count` distinct cases at the grammar's own mix of scenarios."""
    rng = random.Random(f"phi4bench cases {split} {seed}")  # noqa: S311  (no secrets here)
    seen: set[str] = set()
    cases: list[Case] = []
    for _ in range(count * MOST_TRIES):
        if len(cases) == count:
            break
        case = example(rng, split, tools).case
        asked = repr([(message.role, message.content, message.calls) for message in case.messages])
        if asked not in seen:
            seen.add(asked)
            whole = [tool.name for tool in case.tools] == [tool.name for tool in tools]
            cases.append(replace(case, id=f"{split}-{len(cases) + 1:06}", toolset=TOOLSET if whole else ""))
    if len(cases) < count:
        raise UsageError(f"--count={count}, but the grammar gave only {len(cases)} distinct cases")
    return cases
