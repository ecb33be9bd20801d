"""What memory a child has taken, as the kernel tells it: its own alone, shared pages once, freed blocks given back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from phi4bench.backends.rowmemory import can_map


def test_a_worker_reports_its_own_peak_memory_and_not_its_parents() -> None:
    code = "from phi4bench.run.peak import peak_rss_bytes; print(peak_rss_bytes())"
    ballast = bytearray(os.urandom(1)) * (300 * 2**20)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(ballast) > 2 * int(done.stdout)


@pytest.mark.skipif(not can_map(), reason="prefixes are mapped on 64-bit Linux alone")
def test_memory_that_lies_in_many_rows_is_counted_once() -> None:
    code = """
import gc
import numpy as np
from phi4bench.backends.rowmemory import Layout, Mapped
from phi4bench.run.peak import Peak
peak = Peak()
rows = Mapped([Layout(4, 64, np.float32)] * 4, 12, 4096)
for array in rows.arrays:
    array[0] = 1
kept = rows.keep(0, 4096)  # 16 MiB
for row in range(12):
    rows.put(row, kept)
assert sum(array.sum(dtype=np.float64) for array in rows.arrays) == 12 * 4 * 4 * 64 * 4096
print(peak.bytes())
del array, rows, kept
gc.collect()
print(peak.bytes())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    held, afterwards = map(int, done.stdout.split())
    base = held - (16 << 20)
    assert 10 << 20 < base < 100 << 20, "the rows would be 192 MiB, were each counted"
    assert afterwards < held


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc is told what to do where it is glibc's")
def test_memory_that_was_used_before_is_not_written_for_zeros_that_nothing_reaches() -> None:
    code = """
from phi4bench.run.worker import keep_little
import numpy as np
keep_little()
def resident():
    return int(open("/proc/self/statm").read().split()[1])
before, between = resident(), []
for _ in range(2):
    used = []
    for _ in range(20):
        used.append(np.ones(2 << 20, np.uint8))
        between.append(np.ones(200_000, np.uint8))
    del used
zeros = [np.zeros(2 << 20, np.uint8) for _ in range(20)]
print((resident() - before) * 4096)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20 << 20
