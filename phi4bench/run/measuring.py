"""Measures how fast an artifact is and what it takes, each artifact in a child of its own. Judges nothing.

What comes out is JSON that is stored with the run, so that its gates can be judged again without the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.backends.providers import AUTO
from phi4bench.cases import Case
from phi4bench.datasets.packing import pack_cases
from phi4bench.errors import ArtifactError, BackendError, CrashError, Phi4benchError
from phi4bench.printable import printable
from phi4bench.run.generation import Settings
from phi4bench.run.jobs import Setup
from phi4bench.run.plan import Subject
from phi4bench.run.progress import Progress
from phi4bench.run.timed_cases import TimedCases, Wanted, different
from phi4bench.run.timed_child import TimedChild, of_gpu
from phi4bench.run.under_load import UnderLoad
from phi4bench.targets import DISK_GATE, LATENCY_GATES, MEMORY_GATES, SPEEDUP_GATES, THROUGHPUT_GATES, TIMED_GATES
from phi4bench.timing import device_of

WARM_UP = 10
"""Calls before the first that is timed: caches fill, threads start, clocks of the processor rise."""
WARM_UP_SHARE = 0.25
"""Of a measurement's time, the most that they take; one is made at the least."""

PAUSE_S = 0.1
"""Before each turn of two that take turns: a runtime's threads wait busily for more work for some time."""


@dataclass(frozen=True)
class Stopwatch:
    """One artifact's measurements, as far as its gates ask for them.

    `required`: whether targets name any of them; then a crash ends them all, and else it is noted. `load`: how many
    processes wanted a core before the run began, whose own work is not other work.
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
    load: float | None = None

    def measure(self, gates: Collection[str]) -> dict[str, Any]:
        """The facts that `measured.slo_from_json` reads; `missing`: what could not be measured, with the reason.

        A part that fails takes no other with it, and leaves the calls or pairs that it had.
        """
        facts: dict[str, Any] = {"missing": {}, "load": self.load, "calls_from": len(self._calling)}
        facts |= self._on_disk() if DISK_GATE in gates else {}
        why = self._why_not(self.artifact)
        if why:
            untimed = sorted(set(gates) & set(TIMED_GATES) - {DISK_GATE})
            return {**facts, "missing": facts["missing"] | dict.fromkeys(untimed, why)}
        with TimedChild(self._setup(self.artifact), self.deadline) as child:
            parts: list[tuple[Sequence[str], Callable[[TimedChild], dict[str, Any]]]] = [
                ((*LATENCY_GATES, *MEMORY_GATES), self._latency),
                (SPEEDUP_GATES, self._speedup),
                (THROUGHPUT_GATES, UnderLoad(self._asked, self.progress, self.wanted, self._ends_all).measure),
            ]
            for names, part in parts:
                asked = [name for name in names if name in gates]
                try:
                    found = part(child) if asked else {}
                except (BackendError, ArtifactError) as error:
                    if self._ends_all(error):
                        raise
                    found = {"missing": dict.fromkeys(asked, printable(str(error), 300))}
                finally:
                    self.progress.finish()
                missing = {name: why for name, why in found.pop("missing", {}).items() if name in asked}
                facts |= {**found, "missing": facts["missing"] | missing}
            facts |= {"notes": list(child.notes), "crashed": list(child.crashes)}
        return facts

    def _on_disk(self) -> dict[str, Any]:
        if self.artifact.format == "fake":
            return {"missing": {DISK_GATE: f"{self.artifact.id} is a fake and has no weights"}}
        return {"disk_bytes": self.artifact.bytes}

    def _ends_all(self, error: BackendError | ArtifactError) -> bool:
        """Whether it is more than a figure left open: what was asked for by name cannot be had, or the run broke."""
        if isinstance(error, ArtifactError):
            return self.settings.provider.name != AUTO
        return self.required and isinstance(error, CrashError)

    @property
    def artifact(self) -> Artifact:
        return self.subject.artifact

    def _setup(self, artifact: Artifact) -> Setup:
        made = replace(self.settings, cache_dir=None, batch=None).setup(artifact)
        return replace(made, prune=False)  # the file as it is

    @cached_property
    def _calling(self) -> Sequence[Case]:
        """A call's latency is asked for: cases where prose is wanted have none."""
        return pack_cases(case for case in self.cases if case.expected.calls)

    @property
    def _asked(self) -> TimedCases:
        return TimedCases(self.artifact, self._calling, self.system_prompt, self.settings.decoding.mode, self.seed)

    def _why_not(self, artifact: Artifact) -> str:
        if artifact.format == "fake" and not (artifact.path / "pace.json").is_file():
            return f"{artifact.id} is a fake without a pace"
        return "" if self._calling else "no case expects a call"

    def _latency(self, child: TimedChild) -> dict[str, Any]:
        opened = child.ask("open", batch=1)
        prompts = self._asked.prompts(self.wanted.calls)
        warm = self._warm_up(child, self.artifact, prompts, WARM_UP_SHARE)
        self.progress.start(f"{self.artifact.id} latency", len(prompts), 0)
        self.progress.update(0)
        left = max(0.0, self.wanted.seconds - warm["seconds"])
        found, calls, stopped = dict[str, Any](), list[Any](), ""
        try:
            found = child.ask("latency", self.progress.update, calls, prompts=prompts, seconds=left)
        except BackendError as error:
            stopped = self._why_stopped(error, calls)
        self.progress.update(len(calls))
        return {
            "device": device_of(opened["identity"]),
            "runtime": opened["identity"],
            "latency": {
                "calls": calls,
                "prompts": different(prompts[: len(calls)]),
                "warm_up": warm["done"],
                "wanted": len(prompts),
                "seconds": self.wanted.seconds,
                "stopped": stopped,
            },
            "memory": {"peak_rss_bytes": found["peak"], **of_gpu(found)} if found else None,
            "missing": {} if found else dict.fromkeys(MEMORY_GATES, stopped),
        }

    def _why_stopped(self, error: BackendError, made: Sequence[Any]) -> str:
        """The error in words, where what was `made` before it is to be kept; else it is raised again."""
        if not made or self._ends_all(error):
            raise error
        return printable(str(error), 300)

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
                raise _whose(error, other, baseline) from None

    def _pairs(self, child: TimedChild, other: TimedChild, baseline: Artifact) -> dict[str, Any]:
        pairs, stopped = list[list[Any]](), ""
        prompts = self._asked.prompts(self.wanted.pairs)
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
        try:
            for prompt in prompts:
                turns = (child, other) if len(pairs) % 2 == 0 else (other, child)
                took = {one: self._turn(one, prompt) for one in turns}
                pairs.append([*took[child], *took[other]])
                self.progress.update(len(pairs))
                if time.monotonic() >= until:
                    break
        except BackendError as error:
            stopped = self._why_stopped(_whose(error, other, baseline), pairs)
        return {
            "pairs": pairs,
            "pairs_stopped": stopped,
            "pairs_wanted": len(prompts),
            "pair_prompts": different(prompts[: len(pairs)]),
            "baseline": baseline.id,
            "baseline_notes": list(other.notes),
            "device": device_of(opened[0]),
            "runtime": opened[0],
        }

    def _turn(self, child: TimedChild, prompt: Any) -> tuple[float, float | None]:
        """One call, alone on the machine: (whole, each token after the first), in ms."""
        if self.artifact.format != "fake":
            time.sleep(PAUSE_S)
        [[total, _, token, *_]] = child.ask("latency", prompts=[prompt], seconds=self.wanted.seconds)["calls"]
        return total, token


def _open_baseline(child: TimedChild, baseline: Artifact) -> dict[str, Any]:
    """One call at a time. BackendError where it cannot be opened: that is no fault of the artifact that is judged."""
    try:
        return child.ask("open", batch=1)
    except ArtifactError as error:
        raise _untimed(baseline, error) from None


def _whose(error: BackendError, other: TimedChild, baseline: Artifact) -> BackendError:
    """The error as it stands, or where it is `other` that broke, one that tells of a baseline which cannot be timed."""
    return _untimed(baseline, error) if isinstance(error, CrashError) and other.crashes else error


def _untimed(baseline: Artifact, error: Phi4benchError) -> BackendError:
    return BackendError(f"the baseline {baseline.id} cannot be timed: {error.what}", error.hint)
