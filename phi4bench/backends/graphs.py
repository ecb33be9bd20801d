"""ONNX as we write it, without the `onnx` package: nodes, tensors, and a graph for the likeliest tokens on a device.

Field numbers are those of onnx/onnx.proto (ONNX 1.19, IR version 11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from phi4bench.artifacts.protobuf import entry

FLOAT, UINT8, INT8, INT64, FLOAT16 = 1, 2, 3, 7, 10
"""TensorProto.DataType."""
_KINDS = {np.float32: FLOAT, np.float16: FLOAT16, np.int64: INT64, np.int8: INT8, np.uint8: UINT8}
_OPSET = 11
"""The last in which onnxruntime's CUDA has all of these operators with `axes` as an attribute."""


def highest_graph(dtype: type[np.generic], most: int) -> bytes:
    """A model from `logits` (rows, vocabulary) and `watched` (1,) to `values` and `tokens` (rows, most), the highest
    ones, best first; `spoiled` (rows,), NaN where anything is not finite, else 0; and `seen` (rows, 1).
    """
    kind, row = _KINDS[dtype], ["rows"]
    nodes = [
        node_bytes("TopK", ["logits", "most"], ["values", "tokens"], {"axis": 1, "largest": 1, "sorted": 1}),
        node_bytes("Mul", ["logits", "zero"], ["zeros"]),
        node_bytes("ReduceSum", ["zeros"], ["spoiled"], {"axes": [1], "keepdims": 0}),
        node_bytes("Gather", ["logits", "watched"], ["seen"], {"axis": 1}),
    ]
    constants = [tensor_bytes("most", np.array([most], np.int64)), tensor_bytes("zero", np.zeros(1, dtype))]
    ends = [_value("logits", kind, ["rows", "vocabulary"]), _value("watched", INT64, [1])]
    results = [
        _value("values", kind, [*row, most]), _value("tokens", INT64, [*row, most]), _value("spoiled", kind, row),
        _value("seen", kind, [*row, 1]),
    ]  # fmt: skip
    return _model("highest", nodes, constants, ends, results)


def zeros_graph(dtype: type[np.generic]) -> bytes:
    """A model from `shape` (4,) to `zeros` of that shape."""
    node = node_bytes("ConstantOfShape", ["shape"], ["zeros"])
    node += entry(5, entry(1, "value") + entry(5, tensor_bytes("", np.zeros(1, dtype))) + entry(20, 4))
    zeros = _value("zeros", _KINDS[dtype], ["rows", "heads", "tokens", "size"])
    return _model("zeros", [node], [], [_value("shape", INT64, [4])], [zeros])


def _model(
    name: str, nodes: Sequence[bytes], constants: Sequence[bytes], ends: Sequence[bytes], results: Sequence[bytes]
) -> bytes:
    graph = b"".join(
        [
            *(entry(1, node) for node in nodes),
            entry(2, name),
            *(entry(5, tensor) for tensor in constants),
            *(entry(11, value) for value in ends),
            *(entry(12, value) for value in results),
        ]
    )
    return entry(1, 7) + entry(7, graph) + entry(8, entry(2, _OPSET))


def node_bytes(
    operator: str,
    inputs: Sequence[str | bytes],
    outputs: Sequence[str | bytes],
    told: Mapping[str, int | list[int]] = {},
    among: str = "",
) -> bytes:
    """A NodeProto. `among`: what sets its name apart from those of its kind, since no two nodes may have one name."""
    made = b"".join([*(entry(1, name) for name in inputs), *(entry(2, name) for name in outputs)])
    made += entry(3, f"phi4bench.{operator}{among}") + entry(4, operator)
    for name, value in told.items():
        kind, field, whole = (7, 8, value) if isinstance(value, list) else (2, 3, [value])
        made += entry(5, entry(1, name) + b"".join(entry(field, one) for one in whole) + entry(20, kind))
    return made


def tensor_bytes(name: str, array: np.ndarray) -> bytes:
    """A TensorProto."""
    dimensions = b"".join(entry(1, size) for size in array.shape)
    return dimensions + entry(2, _KINDS[array.dtype.type]) + entry(8, name) + entry(9, array.tobytes())


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(entry(1, entry(1, one) if isinstance(one, int) else entry(2, one)) for one in shape)
    return entry(1, name) + entry(2, entry(1, entry(1, kind) + entry(2, sizes)))
