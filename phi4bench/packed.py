"""Thousands of things in little memory: as compressed lines of JSON, read back where they are asked for. Pure.

A run over 10,000 cases holds each of them, and what was answered, until its reports are written. As objects they take
some ten times as much as like this.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count, islice
from typing import Any, TypeVar, overload

FEW = 2048
"""So many or fewer are kept as they are: there is little to be spared."""
TOGETHER = 128
"""Things compressed and read back at once: fewer compress worse, and among more a single one takes longer to reach."""
_LEVEL = 4
"""Of zlib: a tenth less room than its fastest, for 1.5 us; the next tenth would take another 5."""

Thing = TypeVar("Thing")


class Packed(Sequence[Thing]):
    """Things in their order, taken as they come. `write`: each as JSON; `read`: the same back, given its place.

    Reading from the first to the last takes some 10 us for each. One alone takes that and a fifth of a millisecond, but
    for those near the last one asked for.
    """

    def __init__(
        self, things: Iterable[Thing], write: Callable[[Thing], Any], read: Callable[[int, Any], Thing]
    ) -> None:
        self._read = read
        self._blocks: list[bytes] = []
        self._length = 0
        self._at_hand: tuple[int, list[bytes]] = (-1, [])
        coming = iter(things)
        while lines := [json.dumps(write(thing)) for thing in islice(coming, TOGETHER)]:
            self._blocks.append(zlib.compress("\n".join(lines).encode(), _LEVEL))
            self._length += len(lines)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Thing: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Thing, ...]: ...
    def __getitem__(self, index: int | slice) -> Thing | tuple[Thing, ...]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(self._length)))
        block, at = divmod(range(self._length)[index], TOGETHER)
        number, lines = self._at_hand  # both at once: the thread that sends prompts reads too
        if number != block:
            lines = zlib.decompress(self._blocks[block]).split(b"\n")
            self._at_hand = block, lines
        return self._read(block * TOGETHER + at, json.loads(lines[at]))

    def __iter__(self) -> Iterator[Thing]:
        for start, block in zip(range(0, self._length, TOGETHER), self._blocks, strict=True):
            lines = zlib.decompress(block).replace(b"\n", b",")  # JSON has no line feed of its own
            yield from map(self._read, count(start), json.loads(b"[%b]" % lines))

    def lines(self) -> Iterator[str]:
        """Each as the JSON that it was written as."""
        for block in self._blocks:
            yield from zlib.decompress(block).decode().split("\n")


def few(things: Iterable[Thing]) -> tuple[tuple[Thing, ...] | None, Iterable[Thing]]:
    """All of them where they are few, else `None` and all of them to be gone through, those looked at included."""
    coming = iter(things)
    first = list(islice(coming, FEW + 1))
    return (tuple(first), ()) if len(first) <= FEW else (None, chain(_let_go(first), coming))


def _let_go(things: list[Thing]) -> Iterator[Thing]:
    """Each in turn, and none of them held any longer than until the next."""
    things.reverse()
    while things:
        yield things.pop()
