"""Makes the test split that is shipped: the exact mix, few cases a family, all tools alike. Pure and deterministic."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from phi4bench.cases import Case, Scenario
from phi4bench.phrasing import missing_info, stream
from phi4bench.phrasing.requests import TOOLS
from phi4bench.phrasing.talk import Example
from phi4bench.tools import Tool

TOOLSET = "claude_code"
COUNTS: dict[str, int] = {
    "single": 384, "selection": 256, "multi_turn": 320, "parallel": 192, "asking": 64, "retrying": 64,
    "irrelevant": 250,
}  # fmt: skip
LARGEST_FAMILY = 2
TOOL_LISTS = 12


def shipped_split(seed: int, tools: Sequence[Tool]) -> list[Case]:
    """1,280 cases at the mix, 1,216 of which expect a call, and 250 irrelevant ones.

    In one selection case of six the tools are an inline list: a shuffled part of `tools`, one of 12. Each case has
    randomness of its own, so that a phrase more or less moves few others.
    """
    rng = _random(seed, "tools", 0)
    lists = [_part(rng, tools) for _ in range(TOOL_LISTS)]
    families: Counter[str] = Counter()
    used: Counter[str] = Counter()
    seen: set[str] = set()
    numbers: Counter[str] = Counter()
    cases: list[Case] = []
    for kind, count in COUNTS.items():
        for index in range(count):
            rng = _random(seed, kind, index)
            while True:
                made = _draw(rng, kind, tools, index)
                prompt = repr([(m.role, m.content, m.calls) for m in made.case.messages])
                if families[made.case.group] < LARGEST_FAMILY and prompt not in seen and _balanced(made, used, kind):
                    break
            families[made.case.group] += 1
            seen.add(prompt)
            used.update(call.name for call in made.case.expected.calls)
            cases.append(_numbered(rng, made.case, kind, numbers, lists))
    return cases


def _random(seed: int, kind: str, index: int) -> random.Random:
    return random.Random(f"phi4bench test split {seed} {kind} {index}")  # noqa: S311  (no secrets here)


def _draw(rng: random.Random, kind: str, tools: Sequence[Tool], index: int) -> Example:
    if kind == "asking":
        return missing_info.asking(rng, "test", tools)
    if kind == "retrying":
        return missing_info.retrying(rng, "test", tools)
    if kind in ("single", "selection"):
        scenario: Scenario = "single" if kind == "single" else "selection"
        return stream.one_request(rng, "test", tools, scenario, TOOLS[index % len(TOOLS)])
    return stream.example(rng, "test", tools, kind)  # type: ignore[arg-type]


def _balanced(made: Example, used: Counter[str], kind: str) -> bool:
    """Whether the case's tools are not already ahead of the rarest."""
    if kind not in ("multi_turn", "parallel", "retrying"):
        return True
    least = min(used[tool] for tool in TOOLS)
    return all(used[call.name] <= least + 12 for call in made.case.expected.calls)


def _numbered(
    rng: random.Random, case: Case, kind: str, numbers: Counter[str], lists: Sequence[tuple[Tool, ...]]
) -> Case:
    """`case` with its id, such as `read-0001`, and its tools by name or, now and then, as a list of its own."""
    word = case.expected.calls[0].name if case.scenario in ("single", "selection") else kind.replace("_", "-")
    numbers[word] += 1
    identity = f"{word}-{numbers[word]:04}"
    if case.scenario == "selection" and rng.random() < 1 / 6:
        needed = case.expected.calls[0].name
        fitting = [part for part in lists if any(tool.name == needed for tool in part)]
        return replace(case, id=identity, tools=rng.choice(fitting))
    return replace(case, id=identity, toolset=TOOLSET)


def _part(rng: random.Random, tools: Sequence[Tool]) -> tuple[Tool, ...]:
    return tuple(rng.sample(list(tools), rng.randint(3, len(tools))))
