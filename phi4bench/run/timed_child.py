"""A child process that times what it is told to, command by command, so that two can take turns. Knows no figures.

One that ends with an error takes nothing with it: the next command begins a fresh one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from phi4bench.errors import ArtifactError, BackendError, CrashError
from phi4bench.printable import printable
from phi4bench.run.child import Interrupted
from phi4bench.run.jobs import Setup
from phi4bench.run.process import WorkerProcess, events, likely, send, signal_name

WORKER = "phi4bench.run.timing_worker"


class TimedChild:
    """One artifact in a process of its own, which begins with the first command and is gone after the `with` block."""

    def __init__(
        self, setup: Setup, deadline: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._setup, self._deadline, self._clock = setup, deadline, clock
        self._name = setup.artifact.id
        self.notes: list[str] = []
        """What its backend had to say of how it was opened and ran, each once; of a load, in that load's result."""
        self.crashes: list[str] = []
        """How it broke, each time that it did."""
        self._child: WorkerProcess | None = None
        self._events: Iterator[dict[str, Any]] = iter(())

    def __enter__(self) -> TimedChild:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(
        self,
        do: str,
        tell: Callable[[int], None] = lambda done: None,
        calls: list[Any] | None = None,
        **what: Any,
    ) -> dict[str, Any]:
        """Have the child carry out one command; its result, and the `notes` that came with it. After an error nothing
        is open, and the next command has to be `open`. `tell`: how many calls are done, now and then. `calls`: a list
        that those which are told one by one are put into, so that they are there after an error too.

        Raises ArtifactError where the artifact cannot be opened, CrashError where it breaks, BackendError where it
        stops working otherwise or the run's time is up, Interrupted.
        """
        if self._deadline is not None and self._clock() >= self._deadline:
            raise self._late()
        told = [] if calls is None else calls
        try:
            return self._answer(self._child or self._begin(), {"do": do, **what}, tell, told)
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted while {self._name} was timed; timings are not kept") from None
        except (BackendError, ArtifactError) as error:
            self._end()  # also where it is in the middle of a command, whose answer nobody waits for
            if isinstance(error, CrashError):
                self.crashes.append(printable(str(error), 300))
            raise

    def _answer(
        self, child: WorkerProcess, command: dict[str, Any], tell: Callable[[int], None], calls: list[Any]
    ) -> dict[str, Any]:
        send(child.process, command)
        notes, done = list[str](), 0
        for event in self._events:
            match event.get("event"):
                case "result":
                    return {"calls": calls, **event, "notes": notes}
                case "note":
                    notes.append(note := printable(event["text"], 400))
                    if command["do"] != "load" and note not in self.notes:
                        self.notes.append(note)
                case "timed":
                    done = event["done"]
                    calls += event.get("calls", ())
                case "error":
                    raise self._told(event)
            tell(done)
            if self._deadline is not None and self._clock() >= self._deadline:
                raise self._late()
        raise self._died(child)

    def _begin(self) -> WorkerProcess:
        self._child = child = WorkerProcess(WORKER)
        send(child.process, {"setup": self._setup.to_json(), "parent": os.getpid()})
        self._events = events(child.process)
        return child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _late(self) -> BackendError:
        return BackendError(f"{self._name}: the time limit was reached before its speed was measured")

    def _told(self, event: dict[str, Any]) -> BackendError | ArtifactError:
        what = event["what"] if self._name in event["what"] else f"{self._name}: {event['what']}"
        kind = ArtifactError if event["usage"] else CrashError if event.get("broken") else BackendError
        return kind(printable(what), printable(event["hint"]))

    def _died(self, child: WorkerProcess) -> BackendError:
        code = child.process.wait()
        how = f"was ended by {signal_name(-code)}" if code < 0 else f"stopped with exit status {code}"
        kind = CrashError if code < 0 else BackendError
        return kind(f"{self._name}: the process that timed it {how}{child.last_words}", likely(code) + "run it again")


def of_gpu(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of a result, what it tells of the GPU's memory and work."""
    return {name: found[name] for name in ("gpu_bytes", "gpu_by_all", "gpu_utilisation")}
