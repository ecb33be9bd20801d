"""What an artifact serves under load: closed loops of growing size, and open ones. Measures, and judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from phi4bench.cases import Case
from phi4bench.counting import counted
from phi4bench.errors import ArtifactError, BackendError
from phi4bench.levels import Level, score
from phi4bench.loads import BATCH, JUDGED
from phi4bench.printable import printable
from phi4bench.run.progress import Progress
from phi4bench.run.timed_cases import TimedCases, Wanted, different
from phi4bench.run.timed_child import TimedChild, of_gpu
from phi4bench.targets import THROUGHPUT_GATES
from phi4bench.timing import device_of
from phi4bench.transcripts import Completion, Finish

BATCHES = (1, 4, 8)
"""Calls that the runtime works on at once."""
CLIENTS = (1, 5, 10, 20)
"""Callers that each wait for an answer, of a runtime set up for the most cases a second."""
OPEN_SHARES = (0.5, 0.8)
"""Of what the most clients were served: how much traffic comes by itself."""


@dataclass(frozen=True)
class UnderLoad:
    """One artifact's loads. `ends_all`: whether an error is more than one load that could not be served."""

    asked: TimedCases
    progress: Progress
    wanted: Wanted
    ends_all: Callable[[BackendError | ArtifactError], bool]

    def measure(self, child: TimedChild) -> dict[str, Any]:
        """Closed loops of growing size, and open ones at shares of what the largest of them served.

        Each that cannot be served is told by name with the reason, and the others go on; `missing`: gates on one of
        those. The first error of all where none can be.
        """
        served = Served(child)
        for size in BATCHES:
            self._serve(served, f"{BATCH}{size}", size, size)
        for clients in CLIENTS:
            self._serve(served, counted(clients, "client"), None, clients)
        if self.wanted.rate:
            rate = self.wanted.rate
            shown = f"{rate:,.0f}" if 1000 <= rate < 1e6 else f"{rate:.3g}"
            self._serve(served, f"open {shown}/s", None, 0, rate)
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
        why = served.failed.get(JUDGED)
        return {
            "loads": served.loads,
            "failed_loads": served.failed,
            "missing": dict.fromkeys(THROUGHPUT_GATES, why) if why else {},
            "device": device_of(served.runtime),
            "load_runtime": served.runtime,
        }

    def _serve(self, served: Served, name: str, batch: int | None, clients: int, rate: float | None = None) -> None:
        try:
            served.loads.append(self._load(served.child, name, served.open(batch), clients, rate))
        except (BackendError, ArtifactError) as error:
            if self.ends_all(error):
                raise
            served.fail(name, error)

    def _load(
        self, child: TimedChild, name: str, opened: Mapping[str, Any], clients: int, rate: float | None = None
    ) -> dict[str, Any]:
        count = max(self.wanted.calls, 10 * clients)
        cases, prompts = self.asked.chosen(count), self.asked.prompts(count)
        self.progress.start(f"{self.asked.artifact.id} {name}", count, 0)
        self.progress.update(0)
        found = child.ask(
            "load",
            self.progress.update,
            prompts=prompts,
            seconds=self.wanted.seconds / 4,  # there are nine of them
            clients=clients,
            rate=rate,
            seed=self.asked.seed,
        )
        self.progress.update(len(found["calls"]))
        self.progress.finish()
        notes = list(found["notes"])
        if found["waiting"]:
            more = counted(found["waiting"], "more call")
            notes.append(f"{more} had come when its time was over, which no figure tells of")
        identity = opened["identity"]
        set_up = identity.get("lanes", 1) * identity["rows"] if "rows" in identity else None
        return {
            "name": name,
            "clients": clients,
            "rate": rate,
            "rows": found["rows"] or set_up,
            "stopped_s": found["stopped_s"],
            "peak_rss_bytes": found["peak"],
            **of_gpu(found),
            "wanted": count,
            "notes": notes,
            "prompts": different(prompts[call[0]] for call in found["calls"]),
            "calls": [
                [arrived, finished, tokens, self._is_right(cases[index], text, how)]
                for index, arrived, finished, tokens, text, how in found["calls"]
            ],
        }

    def _is_right(self, case: Case, text: str, how: Finish) -> bool:
        made = Completion(text, finish=how)
        return score(case, made, self.asked.artifact.dialect).level >= Level.RIGHT_PARAMETERS


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
