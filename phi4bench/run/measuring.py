"""Measures how fast an artifact is and what it takes, each artifact in a child of its own. Judges nothing.

What comes out is JSON that is stored with the run, so that its gates can be judged again without the machine.
"""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.calls import Json
from phi4bench.cases import Case
from phi4bench.datasets.sampling import sample
from phi4bench.errors import BackendError
from phi4bench.printable import printable
from phi4bench.run.generation import Settings
from phi4bench.run.jobs import Setup, prompt_to_json
from phi4bench.run.progress import Progress
from phi4bench.run.timed_child import TimedChild
from phi4bench.targets import LATENCY_GATES, SLO_GATES

WARM_UP = 10
"""Calls before the first that is timed: caches fill, threads start, clocks of the processor rise."""


@dataclass(frozen=True)
class Wanted:
    """How much is to be timed: calls one after the other, and the seconds that each measurement may take."""

    calls: int = 300
    seconds: float = 60.0


@dataclass(frozen=True)
class Stopwatch:
    """One artifact's measurements, as far as its gates ask for them."""

    artifact: Artifact
    cases: Sequence[Case]
    system_prompt: str | None
    settings: Settings
    progress: Progress
    wanted: Wanted
    seed: int = 0
    deadline: float | None = None

    def measure(self, gates: Collection[str]) -> dict[str, Any]:
        """The facts that `slo.slo_from_json` reads; `missing`: what could not be measured, with the reason."""
        facts: dict[str, Any] = {"missing": {}, "load": _load(), "calls_from": len(self._calling)}
        why = self._why_not()
        if why:
            return {**facts, "missing": dict.fromkeys(sorted(set(gates) & set(SLO_GATES)), why)}
        try:
            with TimedChild(self._setup, self.deadline) as child:
                if set(gates) & {*LATENCY_GATES, "slo.memory_gb", "slo.gpu_memory_gb"}:
                    facts |= self._latency(child)
        except BackendError as error:
            facts["missing"] |= {name: printable(str(error), 300) for name in gates if name in SLO_GATES}
        return facts

    @property
    def _setup(self) -> Setup:
        return Setup(self.artifact, self.settings.decoding, self.settings.threads, None)

    @property
    def _calling(self) -> list[Case]:
        """A call's latency is asked for: cases where prose is wanted have none."""
        return [case for case in self.cases if case.expected.calls]

    def _why_not(self) -> str:
        if self.artifact.format == "fake" and not (self.artifact.path / "pace.json").is_file():
            return f"{self.artifact.id} is a fake without a pace"
        return "" if self._calling else "no case expects a call"

    def _latency(self, child: TimedChild) -> dict[str, Any]:
        opened = child.ask("open", batch=1)
        prompts = self._prompts(self.wanted.calls)
        self.progress.start(f"{self.artifact.id} latency", len(prompts), 0)
        self.progress.update(0)
        found = child.ask(
            "latency", self.progress.update, prompts=prompts, seconds=self.wanted.seconds, warm_up=WARM_UP
        )
        self.progress.update(len(found["calls"]))
        self.progress.finish()
        return {
            "device": device_of(opened["identity"]),
            "runtime": opened["identity"],
            "latency": {
                "calls": found["calls"],
                "warm_up": min(WARM_UP, len(prompts)),
                "wanted": len(prompts),
                "seconds": self.wanted.seconds,
            },
            "memory": {"peak_rss_bytes": found["peak"]},
        }

    def _prompts(self, count: int) -> list[Any]:
        """So many prompts of cases that expect a call: a stratified sample, begun again where it is shorter."""
        chosen = list(sample(self._calling, min(count, len(self._calling)), self.seed))
        random.Random(self.seed).shuffle(chosen)  # noqa: S311 - so that a run cut short has calls of every kind
        rendered = [
            prompt_to_json(self.artifact.dialect.render(case.question(), self.system_prompt)) for case in chosen
        ]
        return [rendered[at % len(rendered)] for at in range(count)]


def device_of(runtime: Mapping[str, Json]) -> str:
    """`gpu` or `cpu`, by what a backend says of itself."""
    where = str(runtime.get("provider") or runtime.get("device") or "cpu")
    return "cpu" if where in ("cpu", "CPUExecutionProvider") else "gpu"


def _load() -> float | None:
    """How many processes wanted a core over the last minute, before anything was timed."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None
