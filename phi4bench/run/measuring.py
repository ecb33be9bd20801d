"""Measures how fast an artifact is and what it takes, each artifact in a child of its own. Judges nothing.

What comes out is JSON that is stored with the run, so that its gates can be judged again without the machine.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.calls import Json
from phi4bench.cases import Case
from phi4bench.datasets.sampling import sample
from phi4bench.errors import ArtifactError, BackendError
from phi4bench.printable import printable
from phi4bench.run.generation import Settings
from phi4bench.run.jobs import Setup, prompt_to_json
from phi4bench.run.plan import Subject
from phi4bench.run.progress import Progress
from phi4bench.run.timed_child import TimedChild
from phi4bench.targets import LATENCY_GATES, SPEEDUP_GATES, TIMED_GATES

WARM_UP = 10
"""Calls before the first that is timed: caches fill, threads start, clocks of the processor rise."""


PAUSE_S = 0.1
"""Before each turn of two that take turns: a runtime's threads wait busily for more work for some time."""


@dataclass(frozen=True)
class Wanted:
    """How much is to be timed: calls one by one, pairs of calls, and the seconds that each measurement may take."""

    calls: int = 300
    pairs: int = 100
    seconds: float = 60.0


@dataclass(frozen=True)
class Stopwatch:
    """One artifact's measurements, as far as its gates ask for them."""

    subject: Subject
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
        why = self._why_not(self.artifact)
        if why:
            return {**facts, "missing": dict.fromkeys(sorted(set(gates) & set(TIMED_GATES)), why)}
        with TimedChild(self._setup(self.artifact), self.deadline) as child:
            parts: list[tuple[Sequence[str], Callable[[TimedChild], dict[str, Any]]]] = [
                ((*LATENCY_GATES, "slo.memory_gb", "slo.gpu_memory_gb"), self._latency),
                (SPEEDUP_GATES, self._speedup),
            ]
            for names, part in parts:
                asked = [name for name in names if name in gates]
                try:
                    facts |= part(child) if asked else {}
                except (BackendError, ArtifactError) as error:
                    facts["missing"] |= dict.fromkeys(asked, printable(str(error), 300))
        return facts

    @property
    def artifact(self) -> Artifact:
        return self.subject.artifact

    def _setup(self, artifact: Artifact) -> Setup:
        return Setup(artifact, self.settings.decoding, self.settings.threads, None)

    @property
    def _calling(self) -> list[Case]:
        """A call's latency is asked for: cases where prose is wanted have none."""
        return [case for case in self.cases if case.expected.calls]

    def _why_not(self, artifact: Artifact) -> str:
        if artifact.format == "fake" and not (artifact.path / "pace.json").is_file():
            return f"{artifact.id} is a fake without a pace"
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

    def _speedup(self, child: TimedChild) -> dict[str, Any]:
        """Both answer the same prompts, in turns of one call: A B, B A, A B, ..."""
        baseline = self.subject.baseline
        if baseline is None:
            raise BackendError(f"there is no baseline: {self.subject.no_baseline}")
        if why := self._why_not(baseline):
            raise BackendError(why)
        pairs: list[list[Any]] = []
        prompts = self._prompts(self.wanted.pairs)
        with TimedChild(self._setup(baseline), self.deadline) as other:
            for one in (child, other):
                one.ask("open", batch=1)
                one.ask("latency", prompts=prompts[:WARM_UP], seconds=self.wanted.seconds, warm_up=0)
            self.progress.start(f"{self.artifact.id} against {baseline.id}", len(prompts), 0)
            until = time.monotonic() + self.wanted.seconds
            for prompt in prompts:
                turns = (child, other) if len(pairs) % 2 == 0 else (other, child)
                took = {one: self._turn(one, prompt) for one in turns}
                pairs.append([*took[child], *took[other]])
                self.progress.update(len(pairs))
                if time.monotonic() >= until:
                    break
            self.progress.finish()
        return {"pairs": pairs, "baseline": baseline.id}

    def _turn(self, child: TimedChild, prompt: Any) -> tuple[float, float | None]:
        """One call, alone on the machine: (whole, each token after the first), in ms."""
        if self.artifact.format != "fake":
            time.sleep(PAUSE_S)
        [[total, _, token, *_]] = child.ask("latency", prompts=[prompt], seconds=self.wanted.seconds, warm_up=0)[
            "calls"
        ]
        return total, token

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
