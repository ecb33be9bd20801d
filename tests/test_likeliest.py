"""The likeliest token: what numpy's argmax says, however the logits lie, and whatever they hold."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.backends.device_rows import Chooser, LogitsOnDevice
from phi4bench.backends.likeliest import first_highest, likeliest, likeliest_and_margin, row_of
from phi4bench.backends.padded_rows import TorchLogits
from phi4bench.backends.session import onnxruntime

DTYPES = [np.float16, np.float32]


def hard_rows(dtype: type[np.generic]) -> np.ndarray:
    """Ties, infinities, NaN of either sign, zeros of either sign, and one row of equals."""
    rows = np.random.default_rng(5).normal(0, 3, (9, 300)).astype(dtype)
    rows[1, 250] = rows[1, 30] = rows[1].max() + 1
    rows[2, 7] = np.nan
    rows[3, 8] = -np.float32(np.nan)
    rows[4, 9] = np.inf
    rows[5, :] = -np.inf
    rows[6, :] = np.where(np.arange(300) % 2, 0.0, -0.0)
    rows[7, 4] = -np.inf
    rows[8, :] = 1
    return rows


def on_device(rows: np.ndarray) -> LogitsOnDevice:
    """The rows as a device would hold them, in main memory, with an idle place before each of them."""
    among = np.zeros((2 * len(rows), 1, rows.shape[1]), rows.dtype)
    among[1::2, 0] = rows
    decoder: Any = SimpleNamespace(device="cpu", device_id=0, vocabulary=rows.shape[1], logits_dtype=rows.dtype.type)
    value = onnxruntime().OrtValue.ortvalue_from_numpy(among)
    return LogitsOnDevice(Chooser(decoder), value, 0, len(among), list(range(1, len(among), 2)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_ties_infinities_and_nan_are_found_as_numpy_finds_them(dtype: type[np.generic]) -> None:
    rows = hard_rows(dtype)
    expected = rows.argmax(-1).tolist()
    finite = [bool(np.isfinite(row[token])) for row, token in zip(rows, expected, strict=True)]
    assert finite == [True, True, False, False, False, False, True, True, True]
    assert likeliest(rows) == (expected, finite)
    assert likeliest(on_device(rows)) == (expected, finite)


@given(arrays.arrays(np.float16, (3, 40), elements=st.floats(width=16)))
def test_halves_are_in_the_order_of_their_bits(rows: np.ndarray) -> None:
    assert first_highest(rows).tolist() == rows.argmax(-1).tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("opener", [None, 0, 30, 250, 299, 300, -1])
def test_margins_are_those_of_the_opener_over_the_best_other(dtype: type[np.generic], opener: int | None) -> None:
    for row in hard_rows(dtype)[[0, 1, 7, 8]]:
        token, finite, margin = likeliest_and_margin(row, opener)
        assert (token, finite) == (int(row.argmax()), True)
        if opener is None or not 0 <= opener < 300:
            assert margin is None
        else:
            others = np.delete(row.astype(np.float64), opener)
            assert margin == float(row[opener]) - others.max()
        assert likeliest_and_margin(on_device(row[None]), opener) == (token, finite, margin)


def test_logits_of_torch_are_told_as_numpy_finds_them() -> None:
    torch = pytest.importorskip("torch", reason="needs phi4bench[hf]")
    rows = hard_rows(np.float32)
    held = TorchLogits(torch, torch.from_numpy(rows))
    assert likeliest(held) == likeliest(rows)
    for row in rows[[0, 1, 7, 8]]:
        for opener in (None, 0, 30, 250, 300, -1):
            alone = TorchLogits(torch, torch.from_numpy(row[None]))
            assert likeliest_and_margin(alone, opener) == likeliest_and_margin(row, opener)
    assert np.array_equal(row_of(held, 2), rows[2], equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vocabulary", [2, 7, 8, 9])
def test_a_vocabulary_of_few_tokens_is_no_other(dtype: type[np.generic], vocabulary: int) -> None:
    rows = np.random.default_rng(vocabulary).integers(-1, 2, (40, vocabulary)).astype(dtype)
    assert likeliest(on_device(rows)) == likeliest(rows)
    for row in rows:
        assert likeliest_and_margin(on_device(row[None]), 1) == likeliest_and_margin(row, 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_a_prompts_positions_only_the_last_is_looked_at(dtype: type[np.generic]) -> None:
    """A file that computes logits for each position leaves them all on the device."""
    positions = np.random.default_rng(6).normal(0, 3, (5, 1, 300)).astype(dtype)
    decoder: Any = SimpleNamespace(device="cpu", device_id=0, vocabulary=300, logits_dtype=dtype)
    held = LogitsOnDevice(Chooser(decoder), onnxruntime().OrtValue.ortvalue_from_numpy(positions), 4, 1, [0])
    last = positions[4, 0]
    assert likeliest_and_margin(held, 7) == likeliest_and_margin(last, 7)
    assert np.array_equal(row_of(held, 0), last)


def test_a_row_is_fetched_from_its_place() -> None:
    rows = hard_rows(np.float32)
    held = on_device(rows)
    for at, row in enumerate(rows):
        assert np.array_equal(row_of(held, at), row, equal_nan=True)
        assert np.array_equal(row_of(rows, at), row, equal_nan=True)


def test_what_finds_them_keeps_no_threads_of_its_own() -> None:
    held = on_device(hard_rows(np.float32))
    assert held._chooser._session.get_session_options().intra_op_num_threads == 1


def test_infinity_is_no_margin() -> None:
    row = np.array([1.0, -math.inf, 0.5], np.float32)
    assert likeliest_and_margin(row, 1) == (0, True, -math.inf)
