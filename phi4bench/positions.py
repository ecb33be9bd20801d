"""What a model sees at one token of a reference answer: plain words, which backends make and fidelity compares."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """Some tokens at one position, by their natural log-probabilities.

    `rest`: of all other tokens together, -inf where there is nothing else. `lowest`: of the unlikeliest of them.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    rest: float = -math.inf
    lowest: float = 0.0


@dataclass(frozen=True)
class Position:
    """One token of a reference answer as a model sees it. `top1`: the token that it would have chosen."""

    token: int
    logprob: float
    top1: int
    head: Head
