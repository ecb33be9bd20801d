"""Tries on a loaded decoder whether its cache may be written in place and its rows stepped together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from phi4bench.backends.device_rows import rows_in_place
from phi4bench.backends.kv import GrowingRow, PrefixStore, Rows
from phi4bench.backends.likeliest import Array, row_of
from phi4bench.backends.memory import is_out_of_memory
from phi4bench.backends.reasons import one_line, unmet
from phi4bench.backends.session import Decoder
from phi4bench.errors import ArtifactError, BackendError

CacheMode = Literal[
    "in place, rows together",
    "in place, rows together up to rounding",
    "in place, rows in pairs",
    "in place, one row",
    "growing",
    "growing, prompts whole",
]
TOGETHER: tuple[CacheMode, ...] = (
    "in place, rows together",
    "in place, rows together up to rounding",
    "in place, rows in pairs",
)


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
            if is_out_of_memory(error):
                raise BackendError(f"{model_file}: there is no memory to run it ({unmet(error)})") from error
            reason = one_line(error)
    raise ArtifactError(
        f"{model_file}: onnxruntime loads it, but cannot read four tokens and add two ({reason})",
        "export it again; it should be a decoder with a KV cache",
    )


def probe(decoder: Decoder) -> CacheMode:
    """The fastest mode in which this file, on this machine, gives what the plainest one gives.

    In place must agree up to rounding: attention that does not update it in place reads other keys altogether. Rows
    together must agree with one row to the last bit, so that no case's answer depends on its neighbours in a batch.
    In pairs: an even number of rows gives each what any other even number gives, and one row alone something else in
    the last bits. onnxruntime's MatMulNBits on AVX-512 is so at accuracy level 4 with blocks over 32 in int4, over 64
    in int8, where kernels for two rows share the work and another one takes the odd row. On a device, whose kernels
    differ by the number of rows anyway, they must agree up to rounding, which the mode then says.
    """
    first, *others = (np.arange(start, start + 6, dtype=np.int64) % decoder.vocabulary for start in (3, 11, 19, 27))
    first = first[:4]
    plainest = _logits(GrowingRow(decoder, PrefixStore(), whole=True), [first])

    prefixes: PrefixStore[Any] = PrefixStore()

    def last_of(count: int, together: int = 1) -> Array:
        kept = prefixes if decoder.device == "cpu" else PrefixStore[Any]()  # each beginning is read once
        rows = rows_in_place(decoder, count, 16, kept, together)
        return _logits(rows, [*others[: count - 1], first])

    alone = _tried(lambda: last_of(1)) if decoder.in_place_possible else None
    if alone is not None and _close(alone, plainest):
        if all(np.array_equal(last_of(count), alone, equal_nan=True) for count in (2, 3)):
            return "in place, rows together"
        if decoder.device != "cpu":
            close = all(_close(last_of(count), alone) for count in (2, 3))
            return "in place, rows together up to rounding" if close else "in place, one row"
        pair = last_of(1, together=2)
        several = (last_of(count, together=2) for count in (2, 3, 4))
        same = all(np.array_equal(some, pair, equal_nan=True) for some in several)
        return "in place, rows in pairs" if same else "in place, one row"
    growing = _tried(lambda: _logits(GrowingRow(decoder, PrefixStore()), [first]))
    return "growing" if growing is not None and _close(growing, plainest) else "growing, prompts whole"


def _tried(run: Callable[[], Array]) -> Array | None:
    """What `run` gives; `None` where onnxruntime refuses its shapes or buffers, which want of memory is not."""
    try:
        return run()
    except Exception as error:  # onnxruntime's exceptions share no base class but this one
        if is_out_of_memory(error):
            raise
        return None


def _logits(rows: Rows, prompts: list[Array]) -> Array:
    """Logits (3, vocabulary) of the last prompt's row: at its end, and after each of two tokens.

    Those differ, so that rows which step the first one again are found out.
    """
    for slot, ids in enumerate(prompts):
        entered = row_of(rows.enter(slot, ids, 2), 0).copy()
    last, tokens = len(prompts) - 1, [int(token) for token in prompts[-1][:2]]
    return np.stack([entered, *(row_of(rows.step([token] * len(prompts)), last).copy() for token in tokens)])


def _close(logits: Array, others: Array) -> bool:
    return np.allclose(logits, others, rtol=1e-2, atol=1e-2 * _scale(others), equal_nan=True)


def _scale(logits: Array) -> float:
    finite = np.abs(logits[np.isfinite(logits)])
    return float(finite.max()) if finite.size else 1.0
