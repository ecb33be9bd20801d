"""The likeliest token: what numpy's argmax says, however the logits lie, and whatever they hold."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from kit import ROOT

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.backends import Decoding, open_backend
from phi4bench.backends.device_rows import Chooser, LogitsOnDevice
from phi4bench.backends.graphs import with_last_position_alone
from phi4bench.backends.likeliest import first_highest, likeliest, likeliest_and_margin, row_of
from phi4bench.backends.padded_rows import TorchLogits
from phi4bench.backends.session import onnxruntime, open_decoder
from phi4bench.datasets import load_cases

MODELS = ROOT / "fixtures" / "models"
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


# A head for the last position alone


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_a_pruned_head_gives_the_same_tokens(precision: str) -> None:
    artifact = open_artifact(str(MODELS / f"nano-{precision}"))
    prompts = [artifact.dialect.render(case.question()) for case in load_cases(None).cases[::50]]
    found = []
    for prune in (True, False):
        backend: Any = open_backend(artifact, threads=1, prune=prune)
        assert backend._decoder.last_logits_only == prune
        assert ("head" in backend.identity()) == prune
        done = dict(backend.generate(prompts, Decoding(64)))
        found.append([done[index].token_ids for index in range(len(prompts))])
    assert found[0] == found[1]


def test_what_is_pruned_already_or_holds_no_head_stays_as_it_is(tmp_path: Path) -> None:
    file = (MODELS / "nano-int8" / "model.onnx").read_bytes()
    pruned = with_last_position_alone(file)
    assert pruned is not None
    assert with_last_position_alone(pruned) is None
    assert with_last_position_alone(file[:1000]) is None
    assert with_last_position_alone(b"") is None
    assert with_last_position_alone(file.replace(b"logits", b"logitz")) is None
    (tmp_path / "model.onnx").write_bytes(file)
    assert "logits" in read_onnx(tmp_path / "model.onnx").outputs, "the file that is judged is not touched"


def test_a_graph_that_cannot_be_pruned_is_run_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from phi4bench.backends import session
    from phi4bench.backends.providers import Provider

    monkeypatch.setattr(session, "with_last_position_alone", lambda _: b"no model")
    decoder = open_decoder(
        MODELS / "nano-int8" / "model.onnx", 64, intra_op=1, spin=False, provider=Provider("cpu"), prune=True
    )
    assert not decoder.pruned
    assert not decoder.last_logits_only


def test_weights_behind_links_as_in_the_hugging_face_cache_are_read(tmp_path: Path) -> None:
    """Newer versions of onnxruntime follow such links beside a file, in no folder that they are told of."""
    from phi4bench.backends.providers import Provider

    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for name in ("model.onnx", "model.onnx.data"):
        shutil.copy(MODELS / "nano-int8" / name, blobs)
        (snapshot / name).symlink_to(Path("..", "..", "blobs", name))
    decoder = open_decoder(
        snapshot / "model.onnx", 64, intra_op=1, spin=False, provider=Provider("cpu"), prune=True
    )  # fmt: skip
    assert len(decoder.cache) == 8, "four layers' keys and values"


def test_infinity_is_no_margin() -> None:
    row = np.array([1.0, -math.inf, 0.5], np.float32)
    assert likeliest_and_margin(row, 1) == (0, True, -math.inf)
