"""A child process that times what it is told to, command by command, so that two can take turns. Knows no figures."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from phi4bench.errors import ArtifactError, BackendError
from phi4bench.printable import printable
from phi4bench.run.child import Interrupted, child_process, events, send, signal_name
from phi4bench.run.jobs import Setup

WORKER = "phi4bench.run.timing_worker"


class TimedChild:
    """One artifact in a process of its own, for the length of a `with` block."""

    def __init__(
        self, setup: Setup, deadline: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._setup, self._deadline, self._clock = setup, deadline, clock
        self._name = setup.artifact.id
        self.notes: list[str] = []
        """What its backend had to say of how it was opened and ran, each once."""

    def __enter__(self) -> TimedChild:
        with ExitStack() as stack:
            self._noise = stack.enter_context(tempfile.TemporaryFile())
            self._process = stack.enter_context(child_process(self._noise, WORKER))
            self._stack = stack.pop_all()
        send(self._process, {"setup": self._setup.to_json(), "parent": os.getpid()})
        self._events: Iterator[dict[str, Any]] = events(self._process)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, do: str, tell: Callable[[int], None] = lambda done: None, **what: Any) -> dict[str, Any]:
        """Have the child carry out one command; its result. `tell`: how many calls are done, as they are.

        Raises ArtifactError where the artifact cannot be opened, BackendError where it stops working or the run's time
        is up, Interrupted.
        """
        if self._deadline is not None and self._clock() >= self._deadline:
            raise self._late()
        send(self._process, {"do": do, **what})
        try:
            for event in self._events:
                match event.get("event"):
                    case "result":
                        return event
                    case "note":
                        self._note(printable(event["text"], 400))
                    case "timed":
                        tell(event["done"])
                    case "error":
                        raise self._told(event)
                if self._deadline is not None and self._clock() >= self._deadline:
                    self._process.kill()  # it is in the middle of a command, whose answer nobody waits for
                    raise self._late()
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted while {self._name} was timed; timings are not kept") from None
        raise self._died()

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _late(self) -> BackendError:
        return BackendError(f"{self._name}: the time limit was reached before its speed was measured")

    def _told(self, event: dict[str, Any]) -> BackendError | ArtifactError:
        what = event["what"] if self._name in event["what"] else f"{self._name}: {event['what']}"
        return (ArtifactError if event["usage"] else BackendError)(printable(what), printable(event["hint"]))

    def _died(self) -> BackendError:
        code = self._process.wait()
        how = f"was ended by {signal_name(-code)}" if code < 0 else f"stopped with exit status {code}"
        return BackendError(f"{self._name}: the process that timed it {how}", "run it again; or fewer at once")
