"""One case as rows take it: token ids, and where its answer ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from phi4bench.backends.likeliest import Array
from phi4bench.prompts import Grammar


@dataclass(frozen=True)
class Job:
    """One prompt as token ids (int64). `cap`: new tokens at most, at least 1. `opener`: the call opener's id.

    `stop_texts`: looked for in the text, for a chat template whose stops are no single tokens.
    `forced`: an answer to be read instead of made, its end of turn included. `grammar`: what masks its logits.
    """

    index: int
    ids: Array
    shared: int
    cap: int
    stop_ids: frozenset[int]
    stop_texts: tuple[str, ...] = ()
    opener: int | None = None
    forced: tuple[int, ...] = ()
    grammar: Grammar | None = None
