"""Tries on a loaded decoder whether its cache may be written in place and its rows stepped together."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from phi4bench.backends.kv import Array, GrowingRow, PrefixStore, Rows, SharedRows
from phi4bench.backends.session import Decoder

CacheMode = Literal["in place, rows together", "in place, one row", "growing"]


def probe(decoder: Decoder) -> CacheMode:
    """The fastest mode in which this file, on this machine, gives what the plain one gives.

    In place must agree up to rounding: attention that does not update it in place reads other keys altogether. Rows
    together must agree with one row to the last bit, so that no case's answer depends on its neighbours in a batch.
    """
    first, second = (np.arange(start, start + 6, dtype=np.int64) % decoder.vocabulary for start in (3, 11))
    first = first[:4]
    token = int(first[-1])
    plain = _logits(GrowingRow(decoder, PrefixStore()), [first], token)
    try:
        alone = _logits(SharedRows(decoder, 1, 16, PrefixStore()), [first], token)
        if not np.allclose(alone, plain, rtol=1e-2, atol=1e-2 * _scale(plain), equal_nan=True):
            return "growing"
        together = _logits(SharedRows(decoder, 2, 16, PrefixStore()), [first, second], token)
    except Exception:  # onnxruntime refuses buffers that it cannot share; its exceptions share no base class
        return "growing"
    return "in place, rows together" if np.array_equal(together, alone, equal_nan=True) else "in place, one row"


def _logits(rows: Rows, prompts: list[Array], token: int) -> Array:
    """Logits (3, vocabulary) of the first prompt's row: at its end, and after each of two tokens."""
    seen: list[Any] = []
    for slot, ids in enumerate(prompts):
        logits = rows.enter(slot, ids, 2)
        seen += [logits.copy()] if slot == 0 else []
    seen += [rows.step([token] * len(prompts))[0].copy() for _ in range(2)]
    return np.stack(seen)


def _scale(logits: Array) -> float:
    finite = np.abs(logits[np.isfinite(logits)])
    return float(finite.max()) if finite.size else 1.0
