"""Jobs on their way to rows: portions that come one after the other, and which job is next. Knows no runtime.

A lane that is free takes the next job from whichever portion it is in, so that no row waits for the last of a portion.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from phi4bench.backends.job import Job


class Coming:
    """Portions of jobs, each made when it is first looked at; whoever asks holds a lock, or is alone."""

    def __init__(self, portions: Iterable[Sequence[Job]]) -> None:
        self._portions = iter(portions)
        self._next: Sequence[Job] = ()
        self._fault: Exception | None = None

    def peek(self) -> Sequence[Job]:
        """The next portion that is not empty; an empty one where there is none, or where one could not be made."""
        try:
            while not self._next and self._fault is None:
                self._next = next(self._portions)
        except StopIteration:
            self._portions = iter(())
        except Exception as fault:  # raised by `take`: those that are in flight are finished first
            self._fault = fault
        return self._next

    def take(self) -> Sequence[Job]:
        """The same, to be run. Raises what its making raised."""
        taken, self._next = self.peek(), ()
        if not taken and self._fault is not None:
            raise self._fault
        return taken

    def take_if(self, fits: Callable[[Sequence[Job]], bool]) -> Sequence[Job]:
        """The same, or an empty one where it does not fit or could not be made: then it waits for `take`."""
        return self.take() if (further := self.peek()) and fits(further) else ()


class Handout:
    """Gives each job once, to lanes in several threads. `more`: asked where none is left, for those that go on in the
    same rows.

    `left`: by index, those that are not done, handed out or not.
    """

    def __init__(self, jobs: Sequence[Job], more: Callable[[], Sequence[Job]] = tuple) -> None:
        self._waiting, self._lock = deque(jobs), threading.Lock()
        self._more: Callable[[], Sequence[Job]] | None = more
        self.left = {job.index: job for job in jobs}

    def take(self) -> Job | None:
        with self._lock:
            if not self._waiting and self._more is not None:
                further = self._more()
                self._waiting.extend(further)
                self.left.update((job.index, job) for job in further)
                if not further:  # it would be asked at each step of the rows that are left
                    self._more = None
            return self._waiting.popleft() if self._waiting else None

    def done(self, index: int) -> None:
        del self.left[index]

    def begin_again(self) -> None:
        """Whatever is not done is given once more; no lane may be at work."""
        self._waiting = deque(self.left.values())
