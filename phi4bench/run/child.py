"""Runs one job in a child process and follows it: progress, the time limit, Ctrl-C, and every way in which it can end.

Knows nothing of cases or scores; what the child made is in the store.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from phi4bench.calls import Json
from phi4bench.errors import ArtifactError, BackendError
from phi4bench.printable import printable
from phi4bench.run.jobs import Job
from phi4bench.run.progress import Progress

TICK_S = 0.25


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while generating; `str()` says what is stored and how to go on."""


@dataclass(frozen=True)
class Ran:
    """What a child did. `complete`: it made everything; else the time was up. `peak_rss_bytes` is the child's own."""

    done: int
    complete: bool
    seconds: float
    peak_rss_bytes: int
    identity: dict[str, Json]


def run_child(job: Job, progress: Progress, deadline: float | None, clock: Callable[[], float] = time.monotonic) -> Ran:
    """Carry out `job`. `deadline` is a reading of `clock`.

    Raises ArtifactError where the artifact cannot be opened, BackendError where it stops working, Interrupted.
    """
    began, done, peak, identity = clock(), set[int](), 0, dict[str, Json]()
    with tempfile.TemporaryFile() as noise:
        process = subprocess.Popen(
            [sys.executable, "-m", "phi4bench.run.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            env=_environment(),
        )
        try:
            for event in _events(process, job):
                if deadline is not None and clock() >= deadline:
                    return Ran(len(done), False, clock() - began, peak, identity)
                match event.get("event"):
                    case "ready":
                        identity, peak = event["identity"], event["peak"]
                        began = clock()
                    case "done":
                        done.add(event["index"])
                        peak = max(peak, event["peak"])
                    case "error":
                        raise (ArtifactError if event["usage"] else BackendError)(
                            printable(f"{job.name}: {event['what']}"), printable(event["hint"])
                        )
                if identity:
                    progress.update(len(done))
            process.wait()
            if process.returncode or len(done) < len(job.wanted):
                raise _how_it_ended(job, process.returncode, done, noise)
            return Ran(len(done), True, clock() - began, peak, identity)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted: {job.name} has {job.kept + len(done):,} of {job.total:,} completions stored; "
                f"{job.resume_hint}"
            ) from None
        finally:
            progress.finish()
            process.kill()
            process.wait()


def _events(process: subprocess.Popen[bytes], job: Job) -> Any:
    """The child's events as they come, an empty one each tick without any, until its output ends.

    The job is written and the output read by threads: neither can block the clock.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_feed, args=(process.stdin, job), daemon=True).start()
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


def _feed(pipe: IO[bytes], job: Job) -> None:
    try:
        with pipe:
            pipe.write(json.dumps(job.to_json() | {"parent": os.getpid()}).encode())
    except OSError:
        pass  # it ended before it had read its job; how is told by its exit


def _drain(pipe: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    with pipe:
        for line in pipe:
            if line.endswith(b"\n"):  # a killed child may leave half a line
                lines.put(line)
    lines.put(None)


def _environment() -> dict[str, str]:
    """Ours, less what pytest and coverage tools set for their own process; the child finds this very phi4bench."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH120, PTH100
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "PYTHONFAULTHANDLER": "", "ORT_DISABLE_TELEMETRY": "1"}


def _how_it_ended(job: Job, code: int, done: set[int], noise: IO[bytes]) -> BackendError:
    waiting = [item.case_id for index, item in enumerate(job.wanted) if index not in done]
    where = f"after {len(done):,} of {len(job.wanted):,} cases" + (f", at or near case {waiting[0]!r}" if waiting else "")
    noise.seek(0)
    words = [line.strip() for line in noise.read()[-4000:].decode("utf-8", "replace").splitlines() if line.strip()]
    said = f" ({printable(words[-1], 120)})" if words else ""
    if code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        hint = "most often the machine is out of memory; " if name == "SIGKILL" else ""
        return BackendError(
            f"{job.name}: the process that ran it was ended by {name} {where}{said}", f"{hint}{job.resume_hint}"
        )
    return BackendError(f"{job.name}: the process that ran it stopped with exit status {code} {where}{said}", job.resume_hint)
