"""Cases with their right answers, and scores drawn by a seed: what benchmarks of our own code need. Runs no model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from phi4bench.cases import Case
from phi4bench.datasets import load_cases
from phi4bench.dialects import Dialect
from phi4bench.levels import Level, Score
from phi4bench.transcripts import Completion

CASES_A_FAMILY = 3


def right_answers(dialect: Dialect, count: int) -> list[tuple[Case, Completion]]:
    """Shipped cases, taken evenly out of the whole split: every scenario is among them."""
    cases = load_cases(None).cases
    chosen = cases[:: max(1, len(cases) // count)][:count]
    return [(case, Completion(dialect.render_calls(case.expected.calls) or "Which file?")) for case in chosen]


def drawn_scores(count: int, seed: int) -> list[Score]:
    """Nine of ten right; a fifth of the cases expect no call. The same cases whatever the seed."""
    draw = random.Random(seed)
    return [_drawn(number, number % 5 != 0, draw) for number in range(count)]


def _drawn(number: int, expects_call: bool, draw: random.Random) -> Score:
    right = draw.random() < 0.9
    blank = Score(f"case-{number}", "single", f"family-{number // CASES_A_FAMILY}", (), expects_call, Level.NOTHING)
    if not expects_call:
        return replace(blank, scenario="irrelevant", abstained=right)
    level = Level.RIGHT_PARAMETERS if right else draw.choice(_MISSED)
    tools = ("grep", "read", "bash")[number % 3 :][:1]
    return replace(blank, tools=tools, level=level, arguments_right=2 * right, arguments_total=2)


_MISSED: Sequence[Level] = (Level.NOTHING, Level.DETECTED, Level.PARSED, Level.RIGHT_TOOL)
