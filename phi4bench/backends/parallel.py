"""Several iterators at work at once, each in a thread of its own. Knows nothing of what they make.

Threads are enough: onnxruntime lets go of the interpreter while it computes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def side_by_side(lanes: Sequence[Iterator[Item]]) -> Iterator[Item]:
    """Run each iterator in a thread of its own and yield what any of them yields.

    The first exception ends all. It is raised once everything is yielded that the others had made by then: they may
    have told of it elsewhere.
    """
    results: queue.SimpleQueue[Item | BaseException | None] = queue.SimpleQueue()  # None: a lane is through
    stopping = threading.Event()

    def run(lane: Iterator[Item]) -> None:
        try:
            for item in lane:
                results.put(item)
                if stopping.is_set():
                    break
            results.put(None)
        except BaseException as error:  # raised again in the caller's thread
            results.put(error)

    threads: list[threading.Thread] = []
    failure: BaseException | None = None
    for lane in lanes:
        thread = threading.Thread(target=run, args=(lane,), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # there is no memory for its stack
            failure = error
            stopping.set()
            break
        threads.append(thread)
    running = len(threads)
    try:
        while running:
            item = results.get()
            if isinstance(item, BaseException):
                failure = failure or item
                stopping.set()
            if item is None or isinstance(item, BaseException):
                running -= 1
            else:
                yield item
        if failure is not None:
            raise failure
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
