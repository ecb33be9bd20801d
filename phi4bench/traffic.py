"""Requests as they come to a server: from clients that wait for their answers, or at times of their own. Runs no model.

Closed loop: each of so many clients sends its next request the moment it has its answer. Open loop: requests come at
given times whether or not the last ones are answered, as they do from people who know nothing of each other; then
what waits is counted as part of the latency (which a closed loop hides: it sends less when the server is slow).
"""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phi4bench.errors import BackendError

MOST_WAIT_S = 0.02
"""A lane without work looks again after this."""


@dataclass(frozen=True)
class Served:
    """One request's times on the traffic's clock, in seconds since it began."""

    index: int
    arrived_s: float
    finished_s: float


class Traffic:
    """Hands requests 0..`count`-1 to whichever thread asks, none before it has arrived; none after `seconds`.

    Its time begins when it is first asked: until then a backend makes ready, and no caller waits for that.
    `arrivals_s`: when each comes (open loop); `None`: `clients` of them are under way at any time (closed loop).
    """

    def __init__(
        self,
        count: int,
        clock: Callable[[], float],
        *,
        seconds: float,
        clients: int = 1,
        arrivals_s: Sequence[float] | None = None,
    ) -> None:
        self._count, self._clock, self._seconds = count, clock, seconds
        self._arrivals = arrivals_s
        self._free = deque([0.0] * clients)  # since when each waiting client has its answer
        self._changed = threading.Condition()
        self._next = 0
        self._again: deque[int] = deque()  # handed out once, and dropped by a backend that lacked the memory
        self._held = False
        self._arrived: dict[int, float] = {}
        self._began: float | None = None
        self._latest = 0.0
        self.served: list[Served] = []
        self.stopped_s: float | None = None
        """When the last request was handed out or the time was over; then the rest is only finished."""

    @property
    def left(self) -> bool:
        """Whether any further request will be handed out."""
        with self._changed:
            return not self._held and (bool(self._again) or self._more())

    @property
    def left_waiting(self) -> int:
        """Requests that had come by themselves when it stopped, and were never handed out."""
        if self._arrivals is None or self.stopped_s is None:
            return 0
        return bisect_right(self._arrivals, self.stopped_s) - self._next

    def take(self) -> int | None:
        """The next request, if it is there by now."""
        with self._changed:
            now = self._now()
            if self._held:
                return None
            if self._again:
                return self._again.popleft()
            if not self._more() or (due := self._due()) is None or due > now:
                return None
            index = self._next
            self._arrived[index] = due if self._arrivals is not None else self._free.popleft()
            self._next += 1
            if self._next == self._count:
                self.stopped_s = now
            return index

    def done(self, index: int) -> None:
        """Its answer is there: its client is free again."""
        with self._changed:
            now = self._now()
            self._free.append(now)
            self.served.append(Served(index, self._arrived.pop(index), now))
            self._changed.notify_all()

    def hold(self) -> None:
        """Nothing is handed out until `put_back`: a lane has failed, and the others end with what they have."""
        with self._changed:
            self._held = True
            self._changed.notify_all()

    def put_back(self) -> None:
        """Whatever is under way is handed out again, even once the time is over; its wait goes on."""
        with self._changed:
            self._held = False
            self._again = deque(sorted(self._arrived))

    def wait(self) -> None:
        """Sleep a little, until a request may have come."""
        with self._changed:
            if self._held or not self._more():
                return
            due = self._due()
            wait = MOST_WAIT_S if due is None else min(MOST_WAIT_S, due - self._now())
            if wait > 0:
                self._changed.wait(wait)

    def idle_until_s(self) -> float | None:
        """When the next request comes, for a clock that has to be told; `None` where that is not known."""
        with self._changed:
            return self._due()

    def _due(self) -> float | None:
        if self._arrivals is not None:
            return self._arrivals[self._next]
        return self._free[0] if self._free else None

    def _more(self) -> bool:
        if self.stopped_s is None and self._now() >= self._seconds:
            self.stopped_s = self._now()
        return self.stopped_s is None

    def _now(self) -> float:
        if self._began is None:
            self._began = self._clock()
        now = self._clock() - self._began
        if now < self._latest:
            moved = now - self._latest
            raise BackendError(f"the clock moved by {moved:g} s, but should only go forward", "run it again")
        self._latest = now
        return now


def poisson(rate: float, count: int, seed: int) -> list[float]:
    """Times of `count` arrivals that know nothing of each other, `rate` a second on average."""
    rng = random.Random(f"arrivals {seed}")  # noqa: S311 - no secret
    times, now = [], 0.0
    for _ in range(count):
        now += rng.expovariate(rate)
        times.append(now)
    return times
