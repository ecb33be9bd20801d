"""A worker process: how it is started, ahead of its order too, what it is told and tells, and how it ended.

Knows no artifact and no case.
"""

from __future__ import annotations

import json
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import IO, Any

from phi4bench.printable import printable
from phi4bench.run.environment import child_environment

TICK_S = 0.25
WORKER = "phi4bench.run.worker"
_OF_MEMORY = re.compile(r"\bmemory\b|bad_alloc")


class WorkerProcess:
    """Started at once, and gone when the block is left, however it is left.

    `module`: which one runs there. `formats`: of artifacts whose runtime it loads before it asks for its order.
    """

    def __init__(self, module: str = WORKER, *formats: str) -> None:
        with ExitStack() as files:
            self._noise: IO[bytes] = files.enter_context(tempfile.TemporaryFile())
            self.process = subprocess.Popen(
                # -P: a model's folder, where we may stand, holds no modules
                [sys.executable, "-P", "-m", module, *formats],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._noise,
                env=child_environment(),
            )
            files.pop_all()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self._noise):
            with suppress(OSError, ValueError):
                if file is not None:
                    file.close()

    @property
    def last_words(self) -> str:
        """See `last_words`."""
        return last_words(self._noise)


class Ahead:
    """One worker process that loads its runtime while nobody knows yet what to ask it, such as before cases are read.

    Whoever needs a process takes it. It is left behind where all that was asked for is stored, and costs no more than
    what it has loaded.
    """

    def __init__(self) -> None:
        self._waiting: WorkerProcess | None = None

    def start(self, artifact_format: str) -> None:
        self.close()
        with suppress(OSError):  # whoever needs one will say so
            self._waiting = WorkerProcess(WORKER, artifact_format)

    def take(self) -> WorkerProcess:
        """The process that waits, or a new one where none does or it has ended."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.process.poll() is None:
            return waiting
        if waiting is not None:
            waiting.close()
        return WorkerProcess()

    def close(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.close()


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
    send_lines(process, [json.dumps(data) + "\n"])


def send_lines(process: subprocess.Popen[bytes], lines: Iterable[str]) -> None:
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
