"""An ONNX file's structure, read without the onnx package: what that package reads, and every cut is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx_folders import VOCABULARY, folder_of, onnx_model

from phi4bench.artifacts import onnxfile
from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.artifacts.protobuf import WireError, entry

onnx = pytest.importorskip("onnx", reason="builds small ONNX files: needs phi4bench[train]")


def test_every_cut_of_a_model_is_seen(tmp_path: Path) -> None:
    whole = folder_of(tmp_path / "x", onnx_model(bits=(4,)), external=False) / "model.onnx"
    data = whole.read_bytes()
    for size in range(0, len(data), 97):
        whole.write_bytes(data[:size])
        with pytest.raises(WireError):
            read_onnx(whole)


def test_the_structure_agrees_with_the_onnx_package(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", onnx_model(bits=(4, 8), inside_if=True)) / "model.onnx"
    ours, theirs = read_onnx(path), onnx.load(str(path), load_external_data=False)
    assert list(ours.inputs) == [one.name for one in theirs.graph.input]
    assert ours.outputs["logits"] == (None, None, VOCABULARY)
    assert sum(ours.operators.values()) == len(theirs.graph.node)
    assert ours.bits == {4: 1, 8: 1}
    assert ours.producer == "test"


def test_a_constant_is_told_where_it_is_one_number_and_many_are_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper, kinds = onnx.helper, onnx.TensorProto
    raw = onnx.numpy_helper.from_array(np.array([4096], np.int64))
    spelt = helper.make_tensor("", kinds.INT64, [1], [4096])
    many = helper.make_tensor("", kinds.INT64, [300], [4096] * 300)
    held = {"raw": raw, "spelt": spelt, "many": many}
    nodes = [helper.make_node("Constant", [], [name], value=tensor) for name, tensor in held.items()]
    (tmp_path / "model.onnx").write_bytes(helper.make_model(helper.make_graph(nodes, "g", [], [])).SerializeToString())
    longest = 0

    def measured(value: int | memoryview) -> Iterator[int]:
        nonlocal longest
        longest = max(longest, 0 if isinstance(value, int) else len(value))
        return packed(value)

    packed = onnxfile.packed
    monkeypatch.setattr(onnxfile, "packed", measured)
    assert onnxfile.read_onnx(tmp_path / "model.onnx").constants == {"raw": 4096, "spelt": 4096}
    assert longest <= 10


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "one-by-one"])
def test_dimensions_that_no_memory_holds_are_refused_and_not_multiplied(tmp_path: Path, packed: bool) -> None:
    size = b"\xff" * 8 + b"\x7f"  # 2**63 - 1
    dimensions = entry(1, size * 1000) if packed else (b"\x08" + size) * 1000
    (tmp_path / "model.onnx").write_bytes(entry(8, b"") + entry(7, entry(5, dimensions)))
    with pytest.raises(WireError, match="more numbers than any memory holds"):
        read_onnx(tmp_path / "model.onnx")
