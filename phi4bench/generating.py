"""Case files out of the request grammar: a seed, a split and a number in, distinct cases with ids out.

The number is of cases, or of phrasing families that other case files lack: what an undecided gate needs. The grammar
compiles for a second when it is imported, so only what draws from it imports it: reports read a figure from here.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from phi4bench.cases import Case, Scenario
from phi4bench.datasets import case_to_json, fixtures_dir, load_cases
from phi4bench.datasets.casefile import check_replaceable, save_lines
from phi4bench.datasets.toolsets import read_toolset
from phi4bench.errors import UsageError
from phi4bench.nearby import expanded
from phi4bench.printable import printable
from phi4bench.tools import Tool

TOOLSET = "claude_code"
SHIPPED_SEED = 20261121
"""The seed of `fixtures/cases/test.jsonl`."""
MOST_TRIES = 50
"""Draws for one new case, after which the grammar is taken to be exhausted."""
PATIENCE = 2000
"""Draws in a row without a new family, after which it is taken to hold no more."""
MOST_FAMILIES = {"call": 8000, "prose": 590, "selection": 2900, "multi_turn": 2600, "missing_info": 590}
"""Families of the grammar that the shipped split lacks, by what is expected or by scenario (with a call expected).

Rounded down from what 80,000 draws found; some further ones are rarer still.
"""
LARGEST_FAMILY = 2
"""Cases of one new family at most: more of them would tell little."""

_PROSE: tuple[Scenario, ...] = ("irrelevant", "missing_info")
"""Scenarios in which the right answer may be prose."""
_ANSWERS = {"call": "a call", "prose": "prose"}


def write_generated(
    path: Path, split: Literal["test", "train"], count: int | None, seed: int = SHIPPED_SEED
) -> tuple[int, bool]:
    """Write cases to `path`; returns how many, and whether they were not there already. UsageError.

    `count`: `None` for the split as it is shipped.
    """
    tools = read_toolset(fixtures_dir() / "tools" / f"{TOOLSET}.json")
    if count is None and split == "train":
        raise UsageError("--split=train has no shipped size", "say how many cases with --count")
    if count is not None and count < 1:
        raise UsageError(f"--count={count}, but should be at least 1")
    from phi4bench.phrasing import shipped_split

    cases = shipped_split(seed, tools) if count is None else draw_cases(split, count, seed, tools)
    return len(cases), _save(path, cases)


def write_families(
    path: Path, wanted: int, seed: int, expecting: str, scenario: Scenario | None, beside: Sequence[str]
) -> tuple[int, int, bool]:
    """Write cases of `wanted` families that the case files `beside` lack; returns how many of both, and whether they
    were not there already. UsageError.
    """
    if wanted < 1:
        raise UsageError(f"--families={wanted}, but should be at least 1")
    if scenario and (scenario == "irrelevant" if expecting == "call" else scenario not in _PROSE):
        raise UsageError(f"no case of --scenario {scenario} expects {_ANSWERS[expecting]}", "leave --expecting out")
    held = MOST_FAMILIES.get(scenario or expecting, MOST_FAMILIES[expecting])
    if wanted > 2 * held:  # so rare are the last ones that the search would take many minutes
        raise UsageError(
            f"--families={wanted}, but the grammar holds some {held:,} of the kind",
            "ask for fewer, and bring case files of your own for the rest",
        )
    check_replaceable(path)
    if path.resolve() in {expanded(one).resolve() for one in beside}:
        raise UsageError(
            f"--out={printable(str(path), 200)!r} is one of the files that they lie beside", "name another file"
        )
    known = {case.group for case in load_cases(beside).cases}
    tools = read_toolset(fixtures_dir() / "tools" / f"{TOOLSET}.json")
    cases = draw_families(wanted, seed, tools, known, expecting, scenario)
    families = len({case.group for case in cases})
    if families < wanted:
        raise UsageError(
            f"--families={wanted}, but the grammar gives only {families} that are not in {' '.join(beside)}",
            f"ask for {families}, and bring case files of your own for the rest" if families else "bring case files",
        )
    return len(cases), families, _save(path, cases)


def _save(path: Path, cases: Sequence[Case]) -> bool:
    try:
        return save_lines(path, map(case_to_json, cases))
    except OSError as error:
        raise UsageError(f"--out={printable(str(path), 200)!r} cannot be written ({error.strerror})") from None


def draw_families(
    wanted: int,
    seed: int,
    tools: Sequence[Tool],
    known: Collection[str],
    expecting: str = "call",
    scenario: Scenario | None = None,
) -> list[Case]:
    """Test cases of `wanted` families that are not `known`, of one kind, at the grammar's own mix; fewer if it ends.

    `expecting`: whether a `call` is the right answer, or `prose`. `scenario`: that one alone; `None`: all of the kind.
    """
    from phi4bench.phrasing import example
    from phi4bench.phrasing.stream import MIX

    rng = random.Random(f"phi4bench families {expecting} {scenario} {seed}")  # noqa: S311  (no secrets here)
    kinds = [
        kind for kind, share in MIX for _ in range(share)
        if kind == scenario or (scenario is None and (kind != "irrelevant" if expecting == "call" else kind in _PROSE))
    ]  # fmt: skip
    sizes: Counter[str] = Counter()
    seen: set[str] = set()
    cases: list[Case] = []
    since = 0
    while len(sizes) < wanted and since < PATIENCE:
        since += 1
        case = example(rng, "test", tools, rng.choice(kinds)).case
        asked = repr([(message.role, message.content, message.calls) for message in case.messages])
        wrong_kind = case.expects_call is not (expecting == "call")
        if wrong_kind or case.group in known or sizes.get(case.group, 0) >= LARGEST_FAMILY or asked in seen:
            continue
        since = since if case.group in sizes else 0
        seen.add(asked)
        sizes[case.group] += 1
        whole = [tool.name for tool in case.tools] == [tool.name for tool in tools]
        number = f"{scenario or expecting}-{seed}-{len(cases) + 1:06}".replace("_", "-")
        cases.append(replace(case, id=f"more-{number}", toolset=TOOLSET if whole else ""))
    return cases


def draw_cases(split: Literal["test", "train"], count: int, seed: int, tools: Sequence[Tool]) -> list[Case]:
    """`count` distinct cases at the grammar's own mix of scenarios."""
    from phi4bench.phrasing import example

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
