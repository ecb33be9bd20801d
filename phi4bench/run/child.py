"""Runs one artifact in a child process and follows it: progress, the time limit, Ctrl-C, every way in which it can end.

Knows nothing of cases or scores; what the child made is in the store.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi4bench.calls import Json
from phi4bench.counting import counted
from phi4bench.errors import ArtifactError, BackendError
from phi4bench.printable import printable
from phi4bench.run.jobs import Item, Setup, items_to_lines
from phi4bench.run.process import WorkerProcess, events, likely, send, send_lines, signal_name
from phi4bench.run.progress import Progress


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while generating; `str()` says what is stored and how to go on."""


@dataclass(frozen=True)
class Ran:
    """What a child did. `complete`: it made everything; else the time was up. `peak_rss_bytes` is the child's own.

    `notes`: what its backend has to say of how it ran.
    """

    done: int
    complete: bool
    seconds: float
    peak_rss_bytes: int
    runtime: dict[str, Json]
    notes: tuple[str, ...] = ()


def run_child(
    setup: Setup,
    choose: Callable[[Mapping[str, Json]], Sequence[Item]],
    total: int,
    progress: Progress,
    deadline: float | None = None,
    keeps: bool = True,
    clock: Callable[[], float] = time.monotonic,
    start: Callable[[], WorkerProcess] = WorkerProcess,
    order: Mapping[str, Json] | None = None,
    enough: Callable[[Item], bool] | None = None,
    stored: Callable[[Mapping[str, Json]], int] | None = None,
) -> Ran:
    """Open the artifact, `choose` what to generate once its runtime's identity is known, and generate that.

    `total`: completions wanted in all, those stored already included. `deadline` is a reading of `clock`.
    `keeps`: what is made stays in the store after this run. `start`: gives the process that does it, which is told an
    `order` besides the `setup`. `enough`: asked after each item that is done, whether to stop there.
    `stored`: how many of the `total` lie in the store; a child that is stopped may have stored more than it told.
    Raises ArtifactError where the artifact cannot be opened, BackendError where it stops working, Interrupted.
    """
    name = setup.artifact.id
    ran = _Run(name, total, keeps)
    began = clock()
    with start() as child:
        process = child.process
        try:
            send(process, {**(order or {}), "setup": setup.to_json(), "parent": os.getpid()})
            for event in events(process):
                match event.get("event"):
                    case "ready":
                        ran.begin(event["identity"], choose(event["identity"]))
                        progress.start(name, total, total - len(ran.items))
                        threading.Thread(
                            target=send_lines, args=(process, items_to_lines(ran.items)), daemon=True
                        ).start()  # so that a child that reads slowly cannot stop the clock
                        began = clock()
                    case "done":
                        ran.did(event["index"])
                        if enough is not None and enough(ran.items[event["index"]]):
                            progress.update(ran.done)
                            return ran.result(clock() - began)
                    case "note":
                        ran.notes.append(printable(event["text"], 400))
                    case "error":
                        raise ran.told(event)
                ran.peak = max(ran.peak, event.get("peak", 0))
                if ran.runtime:
                    progress.update(ran.done)
                if event.get("event") == "end" and ran.complete:
                    return ran.result(clock() - began)  # whatever comes of giving the runtime back, all is stored
                if deadline is not None and clock() >= deadline:
                    return ran.result(clock() - began)
            process.wait()
            raise ran.died(process.returncode, child.last_words)
        except KeyboardInterrupt:
            process.kill()
            process.wait()
            raise ran.interrupted(stored) from None
        finally:
            progress.finish()
            process.kill()


class _Run:
    """How far one child has come, and what to say of its end."""

    def __init__(self, name: str, total: int, keeps: bool) -> None:
        self.name, self.total = name, total
        self.keeps = keeps
        self.resume = "run the same command to go on from there" if keeps else "run it with a cache to be able to go on"
        self.runtime: dict[str, Json] = {}
        self.items: Sequence[Item] = ()
        self.done = 0
        self._left = bytearray()  # of each item, 1 until it is done
        self.peak = 0
        self.notes: list[str] = []

    def begin(self, runtime: dict[str, Json], items: Sequence[Item]) -> None:
        self.runtime, self.items, self._left = runtime, items, bytearray(b"\1" * len(items))

    def did(self, index: int) -> None:
        self.done += self._left[index]
        self._left[index] = 0

    @property
    def complete(self) -> bool:
        return bool(self.runtime) and self.done == len(self.items)

    def result(self, seconds: float) -> Ran:
        return Ran(self.done, self.complete, seconds, self.peak, self.runtime, tuple(self.notes))

    def interrupted(self, stored: Callable[[Mapping[str, Json]], int] | None) -> Interrupted:
        if not self.runtime:  # by which what is stored is found
            return Interrupted(f"interrupted while {self.name} was loaded; run the same command again")
        told = self.total - len(self.items) + self.done
        there = stored(self.runtime) if stored else told
        of = f"of {counted(self.total, 'completion')} of {self.name}"
        if not there:
            return Interrupted(f"interrupted before the first {of}; run the same command to begin again")
        kept = f"stored {there:,} {of}" if self.keeps else f"made {there:,} {of}, and kept none (--no-cache)"
        return Interrupted(f"interrupted: {kept}; {self.resume}")

    def told(self, event: Mapping[str, Any]) -> BackendError | ArtifactError:
        """The error that the child tells of itself, with the case where it knows it."""
        case = f" [case {self.items[event['index']].case_id!r}]" if event["index"] is not None else ""
        what = event["what"] if self.name in event["what"] else f"{self.name}: {event['what']}"
        return (ArtifactError if event["usage"] else BackendError)(printable(what + case), printable(event["hint"]))

    def died(self, code: int, last_words: str) -> BackendError:
        """The child ended without a word: by which signal, and at which case."""
        waiting = self._left.find(1)
        where = f"after {self.done:,} of {counted(len(self.items), 'case')}" if self.runtime else "while it was loaded"
        case_id = self.items[waiting].case_id if waiting >= 0 else ""
        near = f", at or near case {printable(case_id, 100)!r}" if case_id else ""
        ended = signal_name(-code) if code < 0 else ""
        how = f"was ended by {ended}" if ended else f"stopped with exit status {code}"
        return BackendError(
            f"{self.name}: the process that ran it {how} {where}{near}{last_words}", likely(code) + self.resume
        )
