"""Measures how fast an artifact is and what it takes, each artifact in a child of its own. Judges nothing.

What comes out is JSON that is stored with the run, so that its gates can be judged again without the machine.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.backends.providers import AUTO
from phi4bench.cases import Case
from phi4bench.counting import counted
from phi4bench.datasets.sampling import sample
from phi4bench.errors import ArtifactError, BackendError, CrashError, Phi4benchError
from phi4bench.levels import Level, score
from phi4bench.loads import JUDGED
from phi4bench.printable import printable
from phi4bench.run.generation import Settings, render
from phi4bench.run.jobs import Setup, prompt_to_json
from phi4bench.run.plan import Subject
from phi4bench.run.progress import Progress
from phi4bench.run.timed_child import TimedChild
from phi4bench.targets import LATENCY_GATES, SPEEDUP_GATES, THROUGHPUT_GATES, TIMED_GATES
from phi4bench.timing import device_of
from phi4bench.transcripts import Completion, Finish

WARM_UP = 10
"""Calls before the first that is timed: caches fill, threads start, clocks of the processor rise."""
WARM_UP_SHARE = 0.25
"""Of a measurement's time, the most that they take; one is made at the least."""

BATCHES = (1, 4, 8)
"""Calls that the runtime works on at once."""
CLIENTS = (1, 5, 10, 20)
"""Callers that each wait for an answer, of a runtime set up for the most cases a second."""
OPEN_SHARES = (0.5, 0.8)
"""Of what the most clients were served: how much traffic comes by itself."""
PAUSE_S = 0.1
"""Before each turn of two that take turns: a runtime's threads wait busily for more work for some time."""


@dataclass(frozen=True)
class Wanted:
    """How much is to be timed: calls one by one, pairs of calls, and the seconds that each measurement may take."""

    calls: int = 300
    pairs: int = 100
    rate: float | None = None
    seconds: float = 60.0


@dataclass(frozen=True)
class Stopwatch:
    """One artifact's measurements, as far as its gates ask for them.

    `required`: whether targets name any of them; then a crash ends them all, and else it is noted.
    """

    subject: Subject
    cases: Sequence[Case]
    system_prompt: str | None
    settings: Settings
    progress: Progress
    wanted: Wanted
    seed: int = 0
    deadline: float | None = None
    required: bool = False

    def measure(self, gates: Collection[str]) -> dict[str, Any]:
        """The facts that `slo.slo_from_json` reads; `missing`: what could not be measured, with the reason.

        A part that fails takes no other with it.
        """
        facts: dict[str, Any] = {"missing": {}, "load": _load(), "calls_from": len(self._calling)}
        why = self._why_not(self.artifact)
        if why:
            return {**facts, "missing": dict.fromkeys(sorted(set(gates) & set(TIMED_GATES)), why)}
        with TimedChild(self._setup(self.artifact), self.deadline) as child:
            parts: list[tuple[Sequence[str], Callable[[TimedChild], dict[str, Any]]]] = [
                ((*LATENCY_GATES, "slo.memory_gb", "slo.gpu_memory_gb"), self._latency),
                (SPEEDUP_GATES, self._speedup),
                (THROUGHPUT_GATES, self._loads),
            ]
            for names, part in parts:
                asked = [name for name in names if name in gates]
                try:
                    facts |= part(child) if asked else {}
                except (BackendError, ArtifactError) as error:
                    if self._ends_all(error):
                        raise
                    facts["missing"] |= dict.fromkeys(asked, printable(str(error), 300))
            if why := facts.get("failed_loads", {}).get(JUDGED):
                facts["missing"] |= dict.fromkeys(sorted(set(gates) & set(THROUGHPUT_GATES)), why)
            of_loads = [f"{load['name']}: {note}" for load in facts.get("loads", ()) for note in load["notes"]]
            facts |= {"notes": [*child.notes, *of_loads], "crashed": list(child.crashes)}
        return facts

    def _ends_all(self, error: BackendError | ArtifactError) -> bool:
        """Whether it is more than a figure left open: what was asked for by name cannot be had, or the run broke."""
        if isinstance(error, ArtifactError):
            return self.settings.provider.name != AUTO
        return self.required and isinstance(error, CrashError)

    @property
    def artifact(self) -> Artifact:
        return self.subject.artifact

    def _setup(self, artifact: Artifact) -> Setup:
        return replace(self.settings, cache_dir=None, batch=None).setup(artifact)

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
        warm = self._warm_up(child, self.artifact, prompts, WARM_UP_SHARE)
        self.progress.start(f"{self.artifact.id} latency", len(prompts), 0)
        self.progress.update(0)
        left = max(0.0, self.wanted.seconds - warm["seconds"])
        found = child.ask("latency", self.progress.update, prompts=prompts, seconds=left)
        self.progress.update(len(found["calls"]))
        self.progress.finish()
        return {
            "device": device_of(opened["identity"]),
            "runtime": opened["identity"],
            "latency": {
                "calls": found["calls"],
                "prompts": _different(prompts[: len(found["calls"])]),
                "warm_up": warm["done"],
                "wanted": len(prompts),
                "seconds": self.wanted.seconds,
            },
            "memory": {
                "peak_rss_bytes": found["peak"],
                **_of_gpu(found),
            },
        }

    def _warm_up(self, child: TimedChild, artifact: Artifact, prompts: Sequence[Any], share: float) -> dict[str, Any]:
        """Its calls are no figures; the bar that tells of them is written over by the next one."""
        some = prompts[:WARM_UP]
        self.progress.start(f"{artifact.id} warm-up", len(some), 0)
        self.progress.update(0)
        return child.ask("warm_up", self.progress.update, prompts=some, seconds=share * self.wanted.seconds)

    def _speedup(self, child: TimedChild) -> dict[str, Any]:
        """Both answer the same prompts, in turns of one call: A B, B A, A B, ..."""
        baseline = self.subject.baseline
        if baseline is None:
            raise BackendError(f"there is no baseline: {self.subject.no_baseline}")
        if why := self._why_not(baseline):
            raise BackendError(why)
        with TimedChild(self._setup(baseline), self.deadline) as other:
            try:
                return self._pairs(child, other, baseline)
            except CrashError as error:
                if not other.crashes:
                    raise
                raise _untimed(baseline, error) from None

    def _pairs(self, child: TimedChild, other: TimedChild, baseline: Artifact) -> dict[str, Any]:
        pairs: list[list[Any]] = []
        prompts = self._prompts(self.wanted.pairs)
        opened = [child.ask("open", batch=1)["identity"], _open_baseline(other, baseline)["identity"]]
        here, there = map(device_of, opened)
        if here != there:
            raise BackendError(
                f"{self.artifact.id} ran on the {here}, {baseline.id} on the {there}: a ratio would tell of those",
                "give the --provider that both can be run by",
            )
        until = time.monotonic() + self.wanted.seconds
        for one, artifact in ((child, self.artifact), (other, baseline)):
            self._warm_up(one, artifact, prompts, WARM_UP_SHARE / 2)
        self.progress.start(f"{self.artifact.id} against {baseline.id}", len(prompts), 0)
        for prompt in prompts:
            turns = (child, other) if len(pairs) % 2 == 0 else (other, child)
            took = {one: self._turn(one, prompt) for one in turns}
            pairs.append([*took[child], *took[other]])
            self.progress.update(len(pairs))
            if time.monotonic() >= until:
                break
        self.progress.finish()
        notes = list(other.notes)
        return {
            "pairs": pairs,
            "pairs_wanted": len(prompts),
            "pair_prompts": _different(prompts[: len(pairs)]),
            "baseline": baseline.id,
            "baseline_notes": notes,
            "device": device_of(opened[0]),
            "runtime": opened[0],
        }

    def _loads(self, child: TimedChild) -> dict[str, Any]:
        """Closed loops of growing size, and open ones at shares of what the largest of them served.

        Each that cannot be served is told by name with the reason, and the others go on. The first error of all where
        none can be.
        """
        served = Served(child)
        for size in BATCHES:
            self._serve(served, f"batch {size}", size, size)
        for clients in CLIENTS:
            self._serve(served, counted(clients, "client"), None, clients)
        if self.wanted.rate:
            self._serve(served, f"open {self.wanted.rate:.3g}/s", None, 0, self.wanted.rate)
        largest = counted(CLIENTS[-1], "client")
        most = next((load for load in served.loads if load["name"] == largest), {"calls": ()})
        span = max((call[1] for call in most["calls"]), default=0.0)
        for share in OPEN_SHARES if not self.wanted.rate else ():
            name = f"open, {100 * share:.0f}%"
            if span:
                self._serve(served, name, None, 0, share * len(most["calls"]) / span)
            else:
                served.failed[name] = f"what {largest} are served is not known"
        if served.first_error and not served.loads:
            raise served.first_error
        runtime = served.runtime
        return {
            "loads": served.loads,
            "failed_loads": served.failed,
            "device": device_of(runtime),
            "load_runtime": runtime,
        }

    def _serve(self, served: Served, name: str, batch: int | None, clients: int, rate: float | None = None) -> None:
        try:
            served.loads.append(self._load(served.child, name, served.open(batch), clients, rate))
        except (BackendError, ArtifactError) as error:
            if self._ends_all(error):
                raise
            served.fail(name, error)

    def _load(
        self, child: TimedChild, name: str, opened: Mapping[str, Any], clients: int, rate: float | None = None
    ) -> dict[str, Any]:
        count = max(self.wanted.calls, 10 * clients)
        cases, prompts = self._chosen(count), self._prompts(count)
        self.progress.start(f"{self.artifact.id} {name}", count, 0)
        self.progress.update(0)
        found = child.ask(
            "load",
            self.progress.update,
            prompts=prompts,
            seconds=self.wanted.seconds / 4,  # there are nine of them
            clients=clients,
            rate=rate,
            seed=self.seed,
        )
        self.progress.update(len(found["calls"]))
        self.progress.finish()
        identity = opened["identity"]
        set_up = identity.get("lanes", 1) * identity["rows"] if "rows" in identity else None
        return {
            "name": name,
            "clients": clients,
            "rate": rate,
            "rows": found["rows"] or set_up,
            "stopped_s": found["stopped_s"],
            **_of_gpu(found),
            "wanted": count,
            "notes": found["notes"],
            "prompts": _different(prompts[call[0]] for call in found["calls"]),
            "calls": [
                [arrived, finished, tokens, self._is_right(cases[index], text, how)]
                for index, arrived, finished, tokens, text, how in found["calls"]
            ],
        }

    def _is_right(self, case: Case, text: str, how: Finish) -> bool:
        made = Completion(text, finish=how)
        return score(case, made, self.artifact.dialect).level >= Level.RIGHT_PARAMETERS

    def _turn(self, child: TimedChild, prompt: Any) -> tuple[float, float | None]:
        """One call, alone on the machine: (whole, each token after the first), in ms."""
        if self.artifact.format != "fake":
            time.sleep(PAUSE_S)
        [[total, _, token, *_]] = child.ask("latency", prompts=[prompt], seconds=self.wanted.seconds)["calls"]
        return total, token

    def _prompts(self, count: int) -> list[Any]:
        """What is sent for `_chosen`, as JSON."""
        items = render(self.artifact, self._chosen(count), self.system_prompt, self.settings.decoding.mode)
        return [prompt_to_json(item.prompt) for item in items]

    def _chosen(self, count: int) -> list[Case]:
        """So many cases that expect a call: a stratified sample, begun again where it is shorter."""
        chosen = list(sample(self._calling, min(count, len(self._calling)), self.seed))
        random.Random(self.seed).shuffle(chosen)  # noqa: S311 - so that a run cut short has calls of every kind
        return [chosen[at % len(chosen)] for at in range(count)]


@dataclass
class Served:
    """The loads of one child so far, and of which `batch` it is open. `failed`: by load, why it was not served."""

    child: TimedChild
    loads: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)
    first_error: BackendError | ArtifactError | None = None
    _opened: dict[int | None, dict[str, Any] | BackendError | ArtifactError] = field(default_factory=dict)

    def open(self, batch: int | None) -> Mapping[str, Any]:
        """As it is, or afresh after an error. What could not be opened once is not tried again."""
        opened = self._opened.get(batch)
        if opened is None:
            self._opened = {one: found for one, found in self._opened.items() if isinstance(found, Exception)}
            try:
                opened = self.child.ask("open", batch=batch)
            except (BackendError, ArtifactError) as error:
                opened = error
            self._opened[batch] = opened
        if isinstance(opened, Exception):
            raise opened
        self.runtime = opened["identity"]
        return opened

    def fail(self, name: str, error: BackendError | ArtifactError) -> None:
        """The child has ended with it."""
        self.failed[name] = printable(str(error), 300)
        self.first_error = self.first_error or error
        self._opened = {batch: found for batch, found in self._opened.items() if isinstance(found, Exception)}


def _open_baseline(child: TimedChild, baseline: Artifact) -> dict[str, Any]:
    """One call at a time. BackendError where it cannot be opened: that is no fault of the artifact that is judged."""
    try:
        return child.ask("open", batch=1)
    except ArtifactError as error:
        raise _untimed(baseline, error) from None


def _untimed(baseline: Artifact, error: Phi4benchError) -> BackendError:
    return BackendError(f"the baseline {baseline.id} cannot be timed: {error.what}", error.hint)


def _of_gpu(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("gpu_bytes", "gpu_by_all", "gpu_utilisation")}


def _different(prompts: Iterable[Any]) -> int:
    """How many of them are not alike. `prompts`: as JSON."""
    return len({json.dumps(prompt) for prompt in prompts})


def _load() -> float | None:
    """How many processes wanted a core over the last minute, before anything was timed."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None
