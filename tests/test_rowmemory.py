"""Rows into which a beginning is mapped read as rows with copies of it, and take the memory of one."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phi4bench.backends import rowmemory
from phi4bench.backends.rowmemory import Copied, Layout, Mapped, can_map, most_mapped_rows, whole_pages

pytestmark = pytest.mark.skipif(not can_map(), reason="beginnings are mapped on 64-bit Linux alone")

LAYOUTS = (Layout(2, 64, np.float32), Layout(3, 96, np.float16), Layout(1, 8, np.uint8))
ROWS, TOKENS = 4, 90


def filled(memory: Any, row: int, tokens: int, seed: int) -> None:
    """Writes what a forward pass might, from the beginning of a row on."""
    rng = np.random.default_rng(seed)
    for array in memory.arrays:
        values = rng.integers(0, 200, (array.shape[1], tokens, array.shape[3]))
        array[row, :, :tokens] = values.astype(array.dtype)


def acted(memory: Any) -> list[bytes]:
    """A few cases' life; what lies in every row after each step of it, up to its length."""
    seen = []

    def look(*lengths: int) -> None:
        seen.extend(array[row, :, :length].tobytes() for array in memory.arrays for row, length in enumerate(lengths))

    filled(memory, 0, 70, 1)
    long = memory.keep(0, 70)
    filled(memory, 1, 33, 2)
    short = memory.keep(1, 33)
    for row in range(ROWS):
        memory.put(row, long)
    look(70, 70, 70, 70)
    filled(memory, 2, 5, 3)  # a row that fills up a pair writes over its start
    look(70, 70, 70, 70)
    memory.put(2, short)
    for array in memory.arrays:
        array[2, :, 33:40] = 7
    look(70, 70, 40, 70)
    memory.move(2, 1, 40, short)
    look(70, 40, 40, 70)
    filled(memory, 3, 90, 4)
    memory.move(3, 0, 90, None)
    look(90, 40, 40, 90)
    memory.put(3, long)
    look(90, 40, 40, 70)
    return seen


def test_mapped_rows_read_as_copied_ones() -> None:
    for mapped, copied in zip(acted(Mapped(LAYOUTS, ROWS, TOKENS)), acted(Copied(LAYOUTS, ROWS, TOKENS)), strict=True):
        assert mapped == copied


def test_where_nothing_more_can_be_mapped_rows_get_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = acted(Copied(LAYOUTS, ROWS, TOKENS))
    refused = iter(range(1000))
    real = rowmemory._map
    monkeypatch.setattr(rowmemory, "_map", lambda *where: next(refused) % 3 > 0 and real(*where))
    assert acted(Mapped(LAYOUTS, ROWS, TOKENS)) == expected
    assert next(refused) > 20


def test_where_no_file_is_to_be_had_rows_get_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(name: str) -> int:
        raise OSError(24, "Too many open files")

    expected = acted(Copied(LAYOUTS, ROWS, TOKENS))
    monkeypatch.setattr(rowmemory.os, "memfd_create", refuses)
    assert acted(Mapped(LAYOUTS, ROWS, TOKENS)) == expected
    assert not can_map.__wrapped__(), "there would be no use in it"


def test_what_a_row_writes_over_its_beginning_is_its_own() -> None:
    memory = Mapped(LAYOUTS, ROWS, TOKENS)
    filled(memory, 0, 70, 1)
    kept = memory.keep(0, 70)
    for row in range(ROWS):
        memory.put(row, kept)
    before = memory.arrays[0][1].copy()
    memory.arrays[0][0, :, :70] = -1
    assert np.array_equal(memory.arrays[0][1], before)
    memory.put(0, kept)
    assert np.array_equal(memory.arrays[0][0, :, :70], before[:, :70])


def test_rows_keep_their_beginning_when_it_is_let_go() -> None:
    memory = Mapped(LAYOUTS, ROWS, TOKENS)
    filled(memory, 0, 70, 1)
    kept = memory.keep(0, 70)
    memory.put(1, kept)
    before = memory.arrays[0][1].copy()
    del kept
    other = memory.keep(2, 70)  # of zeros, perhaps under the same number of a file
    assert np.array_equal(memory.arrays[0][1], before)
    memory.put(1, other)
    assert not memory.arrays[0][1, :, :70].any()


def test_what_is_behind_a_beginning_is_given_back() -> None:
    """Or one page of an earlier, longer beginning would keep all of its memory, for each that was ever mapped."""
    memory = Mapped(LAYOUTS, ROWS, TOKENS)
    filled(memory, 0, 90, 1)
    long, short = memory.keep(0, 90), memory.keep(0, 20)
    memory.put(1, long)
    memory.put(1, short)
    for array in memory.arrays:
        assert np.array_equal(array[1, :, :20], array[0, :, :20])
        assert not array[1, :, 20:].any()


def test_rows_leave_half_of_the_maps_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phi-3-mini has keys and values of 32 layers, 32 heads each: 2 * 32 * 32 * 2 = 4,096 maps a row."""
    layouts = [Layout(32, 96, np.float32)] * 64
    monkeypatch.setattr(rowmemory, "MAPS_GIVEN", tmp_path / "max_map_count")
    assert most_mapped_rows(layouts) == 7, "of 65,530, where the kernel does not say"
    (tmp_path / "max_map_count").write_text("262144\n")
    assert most_mapped_rows(layouts) == 32


@pytest.mark.parametrize(
    ("tokens", "token_bytes", "expected"),
    [
        pytest.param(1, 4096, 1, id="a-page-a-token"),
        pytest.param(100, 256, 112, id="sixteen-tokens-a-page"),
        pytest.param(100, 384, 128, id="head-size-96"),
        pytest.param(128, 384, 128, id="whole-already"),
    ],
)
def test_a_block_ends_with_a_page(tokens: int, token_bytes: int, expected: int) -> None:
    """By hand, for pages of 4,096 bytes: 384 = 3 * 128, so 32 tokens are the fewest that fill pages, three of them."""
    if mmap.PAGESIZE == 4096:
        assert whole_pages(tokens, token_bytes) == expected
    assert whole_pages(tokens, token_bytes) * token_bytes % mmap.PAGESIZE == 0


def held_bytes() -> int:
    """Memory that is this process's alone, and of files in memory each place once; not what forked ones share with it,
    whose share changes as they end."""
    rollup = Path("/proc/self/smaps_rollup")
    told = [line.split() for line in rollup.read_text().splitlines()] if rollup.exists() else []
    sizes = {words[0]: int(words[1]) * 1024 for words in told if words[-1] == "kB"}
    if "Pss_Shmem:" not in sizes:
        pytest.skip("this kernel does not tell what of its memory a process shares")
    return sizes["Anonymous:"] + sizes["Pss_Shmem:"]


def test_a_beginning_takes_its_memory_once_however_many_rows_hold_it() -> None:
    layouts, rows, tokens = [Layout(4, 64, np.float32)] * 4, 16, 2048
    memory = Mapped(layouts, rows, tokens)
    filled(memory, 0, tokens, 1)
    kept = memory.keep(0, tokens)
    size = sum(one.heads * one.token_bytes * tokens for one in layouts)  # 8 MiB
    before = held_bytes()
    for row in range(rows):
        memory.put(row, kept)
    for array in memory.arrays:
        assert array.sum(dtype=np.float64) > 0  # all of it is looked at
    grown = held_bytes() - before
    assert grown < 2 * size, "sixteen copies would be sixteen times as much"


LARGE = (Layout(3, 64, np.float32), Layout(2, 96, np.float16), Layout(1, 64, np.float32))
"""Of 8 rows and 2,000 tokens: 19 MB."""


@pytest.mark.parametrize("tokens", [2000, 90])
def test_rows_lie_apart_from_each_other_and_begin_with_nothing(tokens: int) -> None:
    arrays = Copied(LARGE, 8, tokens).arrays
    assert [array.shape for array in arrays] == [(8, 3, tokens, 64), (8, 2, tokens, 96), (8, 1, tokens, 64)]
    for at, array in enumerate(arrays, 1):
        assert array.ctypes.data % 64 == 0, "or kernels would read each vector from two lines of the cache"
        assert array.flags.c_contiguous
        assert not array.any()
        array[:] = at
    assert all((array == at).all() for at, array in enumerate(arrays, 1))


def flags_of(address: int) -> list[str]:
    """The kernel's flags of the mapping at an address; `hg`: it was asked for huge pages."""
    found = ""
    smaps = Path("/proc/self/smaps")
    for line in (smaps.read_text() if smaps.exists() else "").splitlines():
        place = line.split(maxsplit=1)[0]
        if not place.endswith(":"):
            start, end = (int(part, 16) for part in place.split("-"))
            found = "here" if start <= address < end else ""
        elif found and place == "VmFlags:":
            return line.split()[1:]
    return []


def test_large_rows_are_in_whole_huge_pages_up_to_their_end() -> None:
    """A small page is taken once a case reaches it, which goes on over thousands of cases."""
    arrays = Copied(LARGE, 8, 2000).arrays
    last = arrays[-1].ctypes.data + arrays[-1].nbytes - 1
    if "hg" not in flags_of(arrays[0].ctypes.data):
        pytest.skip("this kernel has no huge pages")
    assert arrays[0].ctypes.data % (2 << 20) == 0
    whole = last // (2 << 20) * (2 << 20) + (2 << 20)
    assert "hg" in flags_of(last)
    assert "hg" in flags_of(whole - 1), "the last huge page would lie half outside"


def test_large_rows_are_given_back() -> None:
    memory = Copied(LARGE, 8, 2000)
    for array in memory.arrays:
        array[:] = 1
    held = held_bytes()
    size = sum(array.nbytes for array in memory.arrays)
    del array, memory
    assert held - held_bytes() > size / 2


def test_without_huge_pages_rows_are_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = acted(Copied(LARGE, ROWS, 2000))
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    assert acted(Copied(LARGE, ROWS, 2000)) == expected
