"""Where the caches of rows lie in main memory, and how a beginning that many rows share gets into each of them.

Knows arrays and addresses; no tokens, no runtime. `Copied`: each row has a copy. `Mapped`: it lies in memory once and
is mapped into each row, as a program's code is into its processes. A row that writes over it gets a page of its own
there, so that both are alike to whoever reads and writes the rows. It saves most where the beginning is long: for
2,000 tokens of tools phi-4-mini keeps 500 MB, which sixteen rows would each copy.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
import os
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from phi4bench.backends.likeliest import Array

LEAST_MAPPED_BYTES = 64 << 10
"""Of one head's beginning: a smaller one is copied in no time, into large pages of memory, which maps do not have."""

HUGE_BYTES = 2 << 20
"""Of a huge page, where a page has 4 KiB."""
LEAST_HUGE_BYTES = 3 * HUGE_BYTES
CACHE_LINE = 64

MAPS_GIVEN = Path("/proc/sys/vm/max_map_count")
_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)


@dataclass(frozen=True)
class Layout:
    """Of one layer's keys or values in a row: `heads` blocks of `head_size` numbers for each token."""

    heads: int
    head_size: int
    dtype: type[np.generic]

    @property
    def token_bytes(self) -> int:
        """Of one head."""
        return self.head_size * np.dtype(self.dtype).itemsize


class RowMemory(Protocol):
    """`arrays`: of each layout one (rows, heads, tokens, head_size), written in place; none is ever replaced."""

    arrays: list[Array]

    def keep(self, row: int, tokens: int) -> Any:
        """The first tokens of a row, as `put` takes them."""

    def put(self, row: int, kept: Any) -> None:
        """Makes them the beginning of a row; what lay behind them is lost."""

    def move(self, source: int, target: int, tokens: int, kept: Any | None) -> None:
        """The first tokens of one row into another; `kept`: what both begin with, if anything."""


@dataclass(frozen=True)
class Copies:
    tokens: int
    arrays: tuple[Array, ...]


class Copied:
    """Rows in one stretch of memory, large ones in huge pages where the kernel gives them.

    These are all there soon after every row has begun, however far answers reach into it later: numpy's own arrays
    end with small pages, which are taken one by one over thousands of cases.
    """

    def __init__(self, layouts: Sequence[Layout], rows: int, tokens: int) -> None:
        shapes = [(rows, one.heads, tokens, one.head_size) for one in layouts]
        sizes = [math.prod(shape) * np.dtype(one.dtype).itemsize for shape, one in zip(shapes, layouts, strict=True)]
        starts = [0, *accumulate(-(-size // CACHE_LINE) * CACHE_LINE for size in sizes)]
        space = _zeros(starts.pop())
        self.arrays: list[Array] = [
            space[start : start + size].view(one.dtype).reshape(shape)
            for start, size, one, shape in zip(starts, sizes, layouts, shapes, strict=True)
        ]

    def keep(self, row: int, tokens: int) -> Copies:
        return _copied(self.arrays, row, tokens)

    def put(self, row: int, kept: Copies) -> None:
        _copy(kept, self.arrays, row)

    def move(self, source: int, target: int, tokens: int, kept: Copies | None) -> None:
        for array in self.arrays:
            array[target, :, :tokens] = array[source, :, :tokens]


class Mapped:
    """Rows in address space of their own, into which beginnings are mapped. Linux alone: see `can_map`.

    Each head's block of a row begins with a page, for which it may be longer than `tokens`. Memory is taken as it is
    written to. Where the kernel gives no more maps (`vm.max_map_count`) or files, rows get copies.
    """

    def __init__(self, layouts: Sequence[Layout], rows: int, tokens: int) -> None:
        self.arrays: list[Array] = [
            _reserved((rows, one.heads, whole_pages(tokens, one.token_bytes), one.head_size), one.dtype)
            for one in layouts
        ]

    def keep(self, row: int, tokens: int) -> SharedPages | Copies:
        try:
            return SharedPages([array[row, :, :tokens] for array in self.arrays])
        except OSError:
            return _copied(self.arrays, row, tokens)

    def put(self, row: int, kept: SharedPages | Copies) -> None:
        if isinstance(kept, Copies):
            _copy(kept, self.arrays, row)
            return
        at = 0
        for array in self.arrays:
            _, heads, tokens, size = array.shape
            block = tokens * size * array.itemsize
            span = _pages(kept.tokens * size * array.itemsize)
            for head in range(heads):
                address = array.ctypes.data + (row * heads + head) * block
                if not _map(address, span, kept.descriptor, at):
                    array[row, head, : kept.tokens] = kept.read(at, (kept.tokens, size), array.dtype)
                if span < block:  # or a longer beginning from before, and what was written behind it, would be kept
                    _map(address + span, block - span)
                at += span

    def move(self, source: int, target: int, tokens: int, kept: SharedPages | Copies | None) -> None:
        start = kept.tokens if kept else 0
        if kept:
            self.put(target, kept)
        for array in self.arrays:
            array[target, :, start:tokens] = array[source, :, start:tokens]


class SharedPages:
    """Copies of arrays (heads, tokens, head_size) in a file without a name, each head's from a page on.

    Its memory is given back when neither this nor a row that it was mapped into is left.
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.tokens = int(arrays[0].shape[1])
        self.descriptor = os.memfd_create("rows")
        weakref.finalize(self, os.close, self.descriptor)
        at = 0
        for array in arrays:
            for block in array:
                _write(self.descriptor, at, np.ascontiguousarray(block).data.cast("B"))
                at += _pages(block.nbytes)

    def read(self, at: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        data = np.empty(shape, dtype)
        os.preadv(self.descriptor, [data.data.cast("B")], at)
        return data


@cache
def can_map() -> bool:
    """Whether `Mapped` works here, tried once: on 64-bit Linux, unless a sandbox forbids it."""
    if sys.platform != "linux" or sys.maxsize <= 1 << 32:
        return False
    try:
        (array,) = Mapped([Layout(1, mmap.PAGESIZE, np.uint8)], 2, 1).arrays
        array[0] = 1
        kept = SharedPages([array[0]])
        return _map(array[1].ctypes.data, mmap.PAGESIZE, kept.descriptor, 0) and bool(array[1].all())
    except (OSError, AttributeError):  # a kernel or a C library without the calls
        return False


def most_mapped_rows(layouts: Sequence[Layout]) -> int:
    """Rows that take half of the maps which the kernel gives a process: threads and libraries need some too.

    A head takes two, its beginning and what is behind. Source: https://docs.kernel.org/admin-guide/sysctl/vm.html
    """
    try:
        given = int(MAPS_GIVEN.read_text())
    except (OSError, ValueError):
        given = 65530
    return given // 2 // sum(2 * one.heads for one in layouts)


def whole_pages(tokens: int, token_bytes: int) -> int:
    """At least so many tokens, and as many as end with a page."""
    step = mmap.PAGESIZE // math.gcd(mmap.PAGESIZE, token_bytes)
    return -(-tokens // step) * step


def _copied(arrays: Sequence[Array], row: int, tokens: int) -> Copies:
    return Copies(tokens, tuple(array[row, :, :tokens].copy() for array in arrays))


def _copy(kept: Copies, arrays: Sequence[Array], row: int) -> None:
    for mine, theirs in zip(arrays, kept.arrays, strict=True):
        mine[row, :, : kept.tokens] = theirs


def _pages(size: int) -> int:
    """Bytes up to the end of the last page."""
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _zeros(size: int) -> Array:
    """So many bytes; from the beginning of a huge page on, and in whole ones, where that wastes at most a third."""
    huge = HUGE_BYTES if hasattr(mmap, "MADV_HUGEPAGE") else 0
    if not huge or size < LEAST_HUGE_BYTES:
        small: Array = np.zeros(size + CACHE_LINE, np.uint8)
        before = -small.ctypes.data % CACHE_LINE
        return small[before : before + size]
    whole = -(-size // huge) * huge
    # The kernel would refuse at once what is more than all memory, and most of it may never be reached.
    space = mmap.mmap(-1, whole + huge, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    given = np.frombuffer(space, np.uint8)
    before = -given.ctypes.data % huge
    with contextlib.suppress(OSError):  # a kernel without them
        space.madvise(mmap.MADV_HUGEPAGE, before, whole)
    return given[before : before + size]


def _reserved(shape: tuple[int, ...], dtype: type[np.generic]) -> Array:
    """Zeros that take memory page by page, once they are written to; from the beginning of a page on."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    space = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    return np.frombuffer(space, dtype).reshape(shape)


def _write(descriptor: int, at: int, data: memoryview) -> None:
    while len(data):
        written = os.pwrite(descriptor, data, at)
        data, at = data[written:], at + written


def _map(address: int, size: int, descriptor: int = -1, offset: int = 0) -> bool:
    """Maps a part of a file, or without one zeros, over `address`, which must be memory of our own.

    What is written there is this place's alone. False where the kernel refuses.
    Source: mmap(2); Python's `mmap` takes no address.
    """
    access, fixed = mmap.PROT_READ | mmap.PROT_WRITE, 0x10
    kind = mmap.MAP_PRIVATE | fixed | _NO_RESERVE | (mmap.MAP_ANONYMOUS if descriptor < 0 else 0)
    return bool(_system_mmap()(address, size, access, kind, descriptor, offset) == address)


@cache
def _system_mmap() -> Any:
    call = ctypes.CDLL(None).mmap
    call.restype = ctypes.c_void_p
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
    return call
