"""What shapes and quantizing hold in memory: a matrix at a time, and one model at a time."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from trainers import closeness, matrices
from trainers.closeness import open_source
from trainers.decoder import Shape
from trainers.matrices import quantized
from trainers.quantize import Plan, blockwise, quantize
from trainers.shape import Packing, make

pytestmark = pytest.mark.filterwarnings("ignore")  # of onnxruntime's quantizers
MANY = Shape(256, 2048, 6, 4, 2, 1024, tied=True, context=1024)
LARGEST = 4 * 256 * 2048
"""Bytes of its largest matrix; it has 18 of them."""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return make(MANY, ["fp32"], tmp_path_factory.mktemp("many"))[0]


def peak_of(action):
    """The most that Python and numpy held at a time, above what they held before."""
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def warmed_up():
    """What is imported at the first call is nobody's."""
    for bits in (4, 8):
        quantized(np.ones((32, 4), np.float32), bits, 32, True, "rtn")


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_a_shape_is_drawn_and_written_a_matrix_at_a_time(precision, tmp_path):
    warmed_up()
    peak = peak_of(lambda: make(MANY, [precision], tmp_path, Packing(block_size=32)))
    assert peak < 3 * LARGEST, "the matrix, what is packed of it, and a graph"


@pytest.mark.parametrize("bits", [8, 4])
def test_quantizing_holds_no_more_than_a_packed_matrix_and_a_piece(bits, many, tmp_path, monkeypatch):
    monkeypatch.setattr(matrices, "PIECE_BYTES", LARGEST // 16)
    warmed_up()
    source = open_source(many, samples=1)
    peak = peak_of(lambda: blockwise(source, tmp_path / "made", Plan(bits)))
    # Packed in pieces and joined, twice a quarter of the matrix and its scales; and what works on a piece.
    assert peak < 1.2 * LARGEST


def test_pieces_give_what_the_whole_matrix_gives(monkeypatch):
    matrix = np.random.default_rng(0).standard_normal((64, 50)).astype(np.float32)
    for method in ("rtn", "k-quant"):
        whole = quantized(matrix, 4, 32, False, method)
        monkeypatch.setattr(matrices, "PIECE_BYTES", 64 * 4 * 7)  # seven columns, and one at the end
        apart = quantized(matrix, 4, 32, False, method)
        monkeypatch.undo()
        for name in ("values", "scales", "zero_points"):
            assert np.array_equal(getattr(whole, name), getattr(apart, name))
        wanted = np.linalg.norm(whole.restored() - matrix) / np.linalg.norm(matrix)
        assert apart.error(matrix) == pytest.approx(wanted, rel=1e-5)


def test_models_are_compared_one_at_a_time(many, tmp_path, monkeypatch):
    loaded = []
    original = closeness.reader

    def watched(*given, **named):
        gc.collect()
        assert not any(one() for one in loaded), "another model is in memory still"
        read = original(*given, **named)
        loaded.append(weakref.ref(read))
        return read

    monkeypatch.setattr(closeness, "reader", watched)
    quantize(many, [Plan(8), Plan(4)], tmp_path, samples=2)
    assert len(loaded) == 3, "the fp32 file once, and each of what was made of it"
    gc.collect()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int4", "int8", "quantization_results.json"]


def test_a_mapped_model_says_the_same(many):
    from trainers.agreement import reader

    ids = list(range(8, 24))
    np.testing.assert_allclose(
        reader(many / "model.onnx")(ids), reader(many / "model.onnx", mapped=True)(ids), atol=1e-4
    )
