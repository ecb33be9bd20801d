"""Reference work: fixed pieces of pure work, run between the rounds, whose time tells the machine's state.

A piece is of the kind of the work that it stands beside, since what else a machine does weighs differently on its
interpreter, its memory and its kernel. A change to a piece takes another number in its name, and so does one to how
figures are made of them: that begins histories anew, as figures are ratios to these pieces.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

Piece = Callable[[], object]


def renewal(piece: Piece) -> Callable[[], object]:
    """Makes a piece anew, which else is slower or faster by where it lies; nothing to do for most."""
    return getattr(piece, "renew", lambda: None)


def interpret() -> int:
    """Some 1.3 ms of what our own code is made of: JSON, regular expressions, small objects, and a little of numpy.

    The last is since other machines' work on the core slows our code a little less than the interpreter, and sorting by
    about a third of that.
    """
    found = 0
    for number in range(12):
        tools = json.loads(json.dumps(_TOOLS))["tools"]
        found += len(_NAMED.findall(str(tools)))
        made = [_Made(number, tool["name"], tuple(tool)) for tool in tools for _ in range(6)]
        found += len(set(made)) + len(sorted(one.name for one in made))
    return found + int(np.sort(_FEW)[0])


class Weights:
    """Some 1.2 ms of one core in numpy: 5 MB of weights are read, multiplied and summed, twice, as a small model's are.

    What else a machine does moves it as it moves generation: that reads its weights at each token, from a cache that
    others share. And like a model it is slower or faster by where it lies, so it is made anew as one is.
    """

    def __init__(self, layers: int = 8) -> None:
        self._layers = layers
        self.renew()

    def __call__(self) -> float:
        layers = (*self._weights, *self._weights)
        return sum(float(np.multiply(layer, _INPUTS, out=self._products).sum()) for layer in layers)

    def renew(self) -> None:
        self._weights = _WEIGHTS.reshape(self._layers, -1, len(_INPUTS)).copy()
        self._products = np.empty_like(self._weights[0])


class WeightsOnCores:
    """The same on several cores at once, in fewer layers: numpy lets go of the interpreter within one."""

    def __init__(self, cores: int) -> None:
        self._pool = ThreadPoolExecutor(cores, thread_name_prefix="reference")
        self._each = [Weights(2) for _ in range(cores)]

    def __call__(self) -> float:
        return sum(self._pool.map(lambda one: one(), self._each))

    def renew(self) -> None:
        for one in self._each:
            one.renew()


def start() -> int:
    """Some 28 ms: an interpreter that reads and runs compiled modules, as every command of ours does first.

    No command takes less, and a longer piece is hardly ever over before other machines' work gets the core.
    """
    return subprocess.run([sys.executable, "-I", "-S", "-c", f"import {_LIBRARY}"], check=True).returncode


def piece_named(name: str, cores: int) -> tuple[str, Piece]:
    """Its full name, as histories keep it, and what to run."""
    if name == "arrays" and cores > 1:
        return f"arrays/3 on {cores}", WeightsOnCores(cores)
    return f"{name}/3", PIECES[name]


@dataclass(frozen=True)
class _Made:
    at: int
    name: str
    fields: tuple[str, ...]


_TOOLS = {
    "tools": [
        {
            "name": f"tool_{number}",
            "parameters": {name: {"type": "string", "description": "some words " * 4} for name in ("a", "b", "c")},
        }
        for number in range(8)
    ]
}
_NAMED = re.compile(r"'(name|type)':\s*'(\w+)'")
_random = np.random.default_rng(0)
_FEW = _random.standard_normal(4000)
_WEIGHTS = _random.standard_normal((1280, 1024), np.float32)
_INPUTS = _random.standard_normal(1024, np.float32)
_LIBRARY = "argparse, inspect, dataclasses"
PIECES: dict[str, Piece] = {"interpreter": interpret, "arrays": Weights(), "process": start}
