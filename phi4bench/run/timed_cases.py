"""What is asked while an artifact is timed: how much, and of which cases. Times nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.backends import Mode
from phi4bench.cases import Case
from phi4bench.datasets.sampling import sample
from phi4bench.run.jobs import prompt_to_json
from phi4bench.run.prompting import render


@dataclass(frozen=True)
class Wanted:
    """How much is to be timed: calls one by one, pairs of calls, and the seconds that each measurement may take."""

    calls: int = 300
    pairs: int = 100
    rate: float | None = None
    seconds: float = 60.0


@dataclass(frozen=True)
class TimedCases:
    """What one artifact is sent. `cases`: those that expect a call."""

    artifact: Artifact
    cases: Sequence[Case]
    system_prompt: str | None
    mode: Mode
    seed: int

    def prompts(self, count: int) -> list[Any]:
        """What is sent for `chosen`, as JSON."""
        items = render(self.artifact, self.chosen(count), self.system_prompt, self.mode)
        return [prompt_to_json(item.prompt) for item in items]

    def chosen(self, count: int) -> list[Case]:
        """So many cases that expect a call: a stratified sample, begun again where it is shorter."""
        chosen = list(sample(self.cases, min(count, len(self.cases)), self.seed))
        random.Random(self.seed).shuffle(chosen)  # noqa: S311 - so that a run cut short has calls of every kind
        return [chosen[at % len(chosen)] for at in range(count)]


def different(prompts: Iterable[Any]) -> int:
    """How many of them are not alike. `prompts`: as JSON."""
    return len({json.dumps(prompt) for prompt in prompts})
