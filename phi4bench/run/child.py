"""Runs one artifact in a child process and follows it: progress, the time limit, Ctrl-C, every way in which it can end.

Knows nothing of cases or scores; what the child made is in the store.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from phi4bench.calls import Json
from phi4bench.counting import counted
from phi4bench.errors import ArtifactError, BackendError
from phi4bench.printable import printable
from phi4bench.run.environment import child_environment
from phi4bench.run.jobs import Item, Setup, items_to_lines
from phi4bench.run.progress import Progress

TICK_S = 0.25
WORKER = "phi4bench.run.worker"
_OF_MEMORY = re.compile(r"\bmemory\b|bad_alloc")


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
    worker: str = WORKER,
    order: Mapping[str, Json] | None = None,
    enough: Callable[[Item], bool] | None = None,
    stored: Callable[[Mapping[str, Json]], int] | None = None,
) -> Ran:
    """Open the artifact, `choose` what to generate once its runtime's identity is known, and generate that.

    `total`: completions wanted in all, those stored already included. `deadline` is a reading of `clock`.
    `keeps`: what is made stays in the store after this run. `worker`: the module that does it, and what it is told
    besides the `setup` in its `order`. `enough`: asked after each item that is done, whether to stop there.
    `stored`: how many of the `total` lie in the store; a child that is stopped may have stored more than it told.
    Raises ArtifactError where the artifact cannot be opened, BackendError where it stops working, Interrupted.
    """
    name = setup.artifact.id
    ran = _Run(name, total, keeps)
    began = clock()
    with tempfile.TemporaryFile() as noise, child_process(noise, worker) as process:
        try:
            send(process, {**(order or {}), "setup": setup.to_json(), "parent": os.getpid()})
            for event in events(process):
                match event.get("event"):
                    case "ready":
                        ran.begin(event["identity"], choose(event["identity"]))
                        progress.start(name, total, total - len(ran.items))
                        threading.Thread(
                            target=_send_lines, args=(process, items_to_lines(ran.items)), daemon=True
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
                if deadline is not None and clock() >= deadline:
                    return ran.result(clock() - began)
            process.wait()
            if process.returncode or not ran.complete:
                raise ran.died(process.returncode, noise)
            return ran.result(clock() - began)
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

    def died(self, code: int, noise: IO[bytes]) -> BackendError:
        """The child ended without a word: by which signal, and at which case."""
        waiting = self._left.find(1)
        where = f"after {self.done:,} of {counted(len(self.items), 'case')}" if self.runtime else "while it was loaded"
        case_id = self.items[waiting].case_id if waiting >= 0 else ""
        near = f", at or near case {printable(case_id, 100)!r}" if case_id else ""
        ended = signal_name(-code) if code < 0 else ""
        how = f"was ended by {ended}" if ended else f"stopped with exit status {code}"
        return BackendError(
            f"{self.name}: the process that ran it {how} {where}{near}{last_words(noise)}", likely(code) + self.resume
        )


class child_process:  # noqa: N801 - a context manager, used like a function
    """The worker process; gone when the block is left, however it is left."""

    def __init__(self, noise: IO[bytes], worker: str) -> None:
        self._noise, self._worker = noise, worker

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", self._worker],  # -P: a model's folder, where we may stand, holds no modules
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env=child_environment(),
        )
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()


def events(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """The child's events as they come, an empty one each tick without any, until its output ends."""
    assert process.stdout is not None
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_drain, args=(process.stdout, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=TICK_S)
        except queue.Empty:
            yield {}
            continue
        if line is None:
            return
        yield json.loads(line)


def _drain(pipe: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    with suppress(ValueError, OSError):  # closed under us when the run is over
        for line in pipe:
            if line.endswith(b"\n"):  # a killed child may leave half a line
                lines.put(line)
    lines.put(None)


def send(process: subprocess.Popen[bytes], data: Any) -> None:
    """One line to the child. A child that has ended already says so by its exit."""
    _send_lines(process, [json.dumps(data) + "\n"])


def _send_lines(process: subprocess.Popen[bytes], lines: Iterable[str]) -> None:
    assert process.stdin is not None
    with suppress(OSError, ValueError):
        process.stdin.writelines(line.encode() for line in lines)
        process.stdin.flush()


def last_words(noise: IO[bytes]) -> str:
    """The last line that a child wrote to standard error, in brackets after a space; empty where it wrote none.

    One that speaks of memory comes before others: Rust, and so llguidance, says what it lacked, and then where.
    """
    noise.seek(0)
    lines = [line.strip() for line in noise.read()[-4000:].decode("utf-8", "replace").splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if _OF_MEMORY.search(line)), lines[-1] if lines else "")
    return f" ({printable(told, 160)})" if told else ""


def likely(code: int) -> str:
    """What most often is behind such an end of a process, with what goes before advice; empty where nobody can say."""
    return "most often the machine is out of memory; " if code < 0 and signal_name(-code) == "SIGKILL" else ""


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
