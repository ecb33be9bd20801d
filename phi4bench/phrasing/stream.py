"""Draws examples by the mix of scenarios, and texts to copy. Pure: randomness is passed in."""

from __future__ import annotations

import random
from collections.abc import Sequence

from phi4bench.cases import Scenario
from phi4bench.phrasing import irrelevant, missing_info, multi_turn, parallel, requests, values
from phi4bench.phrasing.apart import keep_apart
from phi4bench.phrasing.engine import Pool, Split, split_of
from phi4bench.phrasing.talk import Example, talk
from phi4bench.tools import Tool

MIX: tuple[tuple[Scenario, int], ...] = (
    ("single", 30), ("selection", 20), ("multi_turn", 25), ("parallel", 15), ("missing_info", 10), ("irrelevant", 16),
)  # fmt: skip
"""Shares of the scenarios; `irrelevant` comes on top of the hundred."""
POOLS: tuple[Pool, ...] = (
    *requests.POOLS.values(), requests.SHELL_POOL, *requests.CONFUSABLE_POOLS.values(), multi_turn.POOL,
    missing_info.ASK_POOL, missing_info.RETRY_POOL, parallel.POOL, irrelevant.POOL,
)  # fmt: skip
"""All that anything is drawn from."""
keep_apart(POOLS)
_DRAWS: tuple[Scenario, ...] = tuple(scenario for scenario, share in MIX for _ in range(share))


def example(rng: random.Random, split: Split, tools: Sequence[Tool], scenario: Scenario | None = None) -> Example:
    """One example that uses families and values of `split` only; `tools` are offered as given (all six)."""
    scenario = scenario or _DRAWS[int(rng.random() * len(_DRAWS))]
    if scenario == "multi_turn":
        return multi_turn.example(rng, split, tools)
    if scenario == "parallel":
        return parallel.example(rng, split, tools)
    if scenario == "missing_info":
        return missing_info.example(rng, split, tools)
    if scenario == "irrelevant":
        return irrelevant.example(rng, split, tools)
    return one_request(rng, split, tools, scenario)


def one_request(
    rng: random.Random, split: Split, tools: Sequence[Tool], scenario: Scenario, tool: str | None = None
) -> Example:
    """One request and one call; where `scenario` is selection, words and values of other tools are about."""
    made = talk(rng, split, scenario == "selection")
    asked = requests.request(rng, split, tool or values.pick(rng, requests.TOOLS), made.draw)
    made.user(asked.text)
    return made.end(scenario, asked.family.name, tools, (asked.call,), (asked.drawn.rules,))


def echo(rng: random.Random) -> str:
    """A short text of the train split: a path, a command, a few random letters."""
    while True:
        text = values.echoed(rng)
        if text and split_of(text) == "train":
            return text
