"""Tries on a loaded decoder whether its cache may be written in place and its rows stepped together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from phi4bench.backends.kv import Array, GrowingRow, PrefixStore, Rows, SharedRows
from phi4bench.backends.session import Decoder, one_line
from phi4bench.errors import ArtifactError

CacheMode = Literal["in place, rows together", "in place, one row", "growing", "growing, prompts whole"]


def open_probed(model_file: Path, open_with: Callable[[bool], Decoder]) -> tuple[Decoder, CacheMode]:
    """Open a decoder that runs. `open_with(reuse_memory)` loads it; without reuse where it cannot run otherwise.

    That is so for the model builder's half-precision files for CPU: they declare their repeated values as long as the
    new tokens, though they are as long as the past too. Raises `ArtifactError` where it runs neither way.
    """
    for reuse_memory in (True, False):
        decoder = open_with(reuse_memory)
        try:
            return decoder, probe(decoder)
        except Exception as error:  # onnxruntime's exceptions share no base class but this one
            reason = one_line(error)
    raise ArtifactError(
        f"{model_file}: onnxruntime loads it, but cannot read four tokens and add two ({reason})",
        "export it again; it should be a decoder with a KV cache",
    )


def probe(decoder: Decoder) -> CacheMode:
    """The fastest mode in which this file, on this machine, gives what the plainest one gives.

    In place must agree up to rounding: attention that does not update it in place reads other keys altogether. Rows
    together must agree with one row to the last bit, so that no case's answer depends on its neighbours in a batch.
    """
    first, second = (np.arange(start, start + 6, dtype=np.int64) % decoder.vocabulary for start in (3, 11))
    first = first[:4]
    plainest = _logits(GrowingRow(decoder, PrefixStore(), whole=True), [first])

    def agrees(make_rows: Callable[[], Rows]) -> bool:
        try:
            logits = _logits(make_rows(), [first])
        except Exception:  # onnxruntime refuses shapes and buffers; its exceptions share no base class but this one
            return False
        return np.allclose(logits, plainest, rtol=1e-2, atol=1e-2 * _scale(plainest), equal_nan=True)

    if decoder.in_place_possible and agrees(lambda: SharedRows(decoder, 1, 16, PrefixStore())):
        alone = _logits(SharedRows(decoder, 1, 16, PrefixStore()), [first])
        together = _logits(SharedRows(decoder, 2, 16, PrefixStore()), [first, second])
        return "in place, rows together" if np.array_equal(together, alone, equal_nan=True) else "in place, one row"
    return "growing" if agrees(lambda: GrowingRow(decoder, PrefixStore())) else "growing, prompts whole"


def _logits(rows: Rows, prompts: list[Array]) -> Array:
    """Logits (3, vocabulary) of the first prompt's row: at its end, and after each of two tokens."""
    seen: list[Any] = []
    for slot, ids in enumerate(prompts):
        logits = rows.enter(slot, ids, 2)
        seen += [logits.copy()] if slot == 0 else []
    token = int(prompts[0][-1])
    seen += [rows.step([token] * len(prompts))[0].copy() for _ in range(2)]
    return np.stack(seen)


def _scale(logits: Array) -> float:
    finite = np.abs(logits[np.isfinite(logits)])
    return float(finite.max()) if finite.size else 1.0
