"""Reference work: fixed pieces of pure work, run between the rounds, whose time tells the machine's state.

A piece is of the kind of the work that it stands beside, since what else a machine does weighs differently on its
interpreter, its memory and its kernel. A change to a piece takes another number in its name, which begins histories
anew: figures are ratios to these pieces.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

Piece = Callable[[], object]


def interpret() -> int:
    """Some 2 ms of the interpreter: small objects, a dictionary, strings."""
    counts: dict[str, int] = {}
    total = 0
    for number in range(7000):
        key = f"k{number % 997}"
        counts[key] = counts.get(key, 0) + number
        total += len(key)
    return total + len(sorted(counts.values()))


def sort() -> float:
    """Some 2 ms of one core in numpy, over 1 MB."""
    return float(np.sort(_NUMBERS)[0])


def sort_on(cores: int) -> Piece:
    """The same on several cores at once; numpy lets go of the interpreter while it sorts."""
    pool = ThreadPoolExecutor(cores, thread_name_prefix="reference")

    def piece() -> object:
        return sum(pool.map(lambda _: sort(), range(cores)))

    return piece


def start() -> int:
    """Some 90 ms: an interpreter that reads and runs compiled modules, as every command of ours does first."""
    return subprocess.run([sys.executable, "-I", "-S", "-c", f"import {_LIBRARY}"], check=True).returncode


def piece_named(name: str, cores: int) -> tuple[str, Piece]:
    """Its full name, as histories keep it, and what to run."""
    if name == "arrays" and cores > 1:
        return f"arrays/1 on {cores}", sort_on(cores)
    return f"{name}/{2 if name == 'process' else 1}", PIECES[name]


PIECES: dict[str, Piece] = {"interpreter": interpret, "arrays": sort, "process": start}
_NUMBERS = np.random.default_rng(0).standard_normal(1 << 17)
_LIBRARY = (
    "argparse, asyncio, decimal, email.message, http.client, json, logging, unittest, urllib.request, xml.dom.minidom"
)
