"""Shows how far generation has come: a live bar on a terminal, a line now and then elsewhere. Judges nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Protocol, TextIO

EVERY_S = 5.0
"""Between two lines where the output is no terminal."""
FIRST_CASES = 16
"""So many cases are done before the time left is told for the first time."""
FEWEST_CELLS = 8
"""Of the bar, however long the name beside it."""


class Progress(Protocol):
    """What a run tells about its generating."""

    def start(self, name: str, total: int, cached: int) -> None: ...
    def update(self, done: int) -> None: ...
    def finish(self) -> None: ...


class Silent:
    """Tells nothing."""

    def start(self, name: str, total: int, cached: int) -> None: ...
    def update(self, done: int) -> None: ...
    def finish(self) -> None: ...


class Bar:
    """One artifact at a time, written to `stream`; `clock` counts seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.clock, self.live = stream, clock, stream.isatty()
        self.name, self.total, self.cached, self.done = "", 0, 0, 0
        self.began: float | None = None
        self.told: float | None = None

    def start(self, name: str, total: int, cached: int) -> None:
        """`total` completions are wanted of `name`, `cached` of them are there already."""
        self.name, self.total, self.cached, self.done = name, total, cached, 0
        self.began = self.told = None

    def update(self, done: int) -> None:
        """`done` new completions so far; 0 once the model is loaded, from when on the time counts."""
        now = self.clock()
        if self.began is None:
            self.began = now
        self.done = done
        if not self._wanted:
            return
        if self.live:
            if self.told is None or now - self.told >= 0.1:
                self._write("\r" + self._line(now))
                self.told = now
        elif (self.told is None and done >= min(FIRST_CASES, self._wanted)) or (
            now - (self.began if self.told is None else self.told) >= EVERY_S
        ):
            self._write(self._line(now).rstrip() + "\n")
            self.told = now

    def finish(self) -> None:
        """Ends the line, where there is one; once."""
        if self.began is not None and self.live and self._wanted:
            self._write("\r" + self._line(self.clock()) + "\n")
        self.began = None

    @property
    def _wanted(self) -> int:
        return self.total - self.cached

    def _line(self, now: float) -> str:
        seconds = now - (self.began if self.began is not None else now)
        rate = self.done / seconds if seconds > 0 else 0.0
        left = clock_time((self._wanted - self.done) / rate) if rate else "--:--"
        tail = f" {self.cached + self.done:,}/{self.total:,} cases  {rate:.1f} cases/s  {left} left"
        width = min(shutil.get_terminal_size().columns, 100) - 1
        room = max(width - len(tail) - 3, 8)
        name = self.name[: max(room - FEWEST_CELLS - 1, room // 2)]
        cells = max(room - len(name) - 1, FEWEST_CELLS)
        full = cells * (self.cached + self.done) // max(self.total, 1)
        return f"{name} [{'#' * full}{'.' * (cells - full)}]{tail}".ljust(width)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def clock_time(seconds: float) -> str:
    """`62.3` is `01:02`; from an hour on, `1:00:05`."""
    whole = round(seconds)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute:02}:{second:02}"
