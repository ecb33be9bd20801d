"""Small ONNX graphs that we write, without the `onnx` package: the likeliest tokens on a device, and a head pruned.

Field numbers are those of onnx/onnx.proto (ONNX 1.19, IR version 11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from phi4bench.artifacts.protobuf import WireError, entry, fields, spans, text

FLOAT, INT64, FLOAT16 = 1, 7, 10
"""TensorProto.DataType."""
_KINDS = {np.float32: FLOAT, np.float16: FLOAT16, np.int64: INT64}
_HEADS = ("MatMul", "MatMulNBits")
_OPSET = 11
"""The last in which onnxruntime's CUDA has all of these operators with `axes` as an attribute."""


def highest_graph(dtype: type[np.generic], most: int) -> bytes:
    """A model from `logits` (rows, vocabulary) and `watched` (1,) to `values` and `tokens` (rows, most), the highest
    ones, best first; `spoiled` (rows,), NaN where anything is not finite, else 0; and `seen` (rows, 1).
    """
    kind, row = _KINDS[dtype], ["rows"]
    nodes = [
        _node("TopK", ["logits", "most"], ["values", "tokens"], {"axis": 1, "largest": 1, "sorted": 1}),
        _node("Mul", ["logits", "zero"], ["zeros"]),
        _node("ReduceSum", ["zeros"], ["spoiled"], {"axes": [1], "keepdims": 0}),
        _node("Gather", ["logits", "watched"], ["seen"], {"axis": 1}),
    ]
    constants = [_tensor("most", np.array([most], np.int64)), _tensor("zero", np.zeros(1, dtype))]
    ends = [_value("logits", kind, ["rows", "vocabulary"]), _value("watched", INT64, [1])]
    results = [
        _value("values", kind, [*row, most]), _value("tokens", INT64, [*row, most]), _value("spoiled", kind, row),
        _value("seen", kind, [*row, 1]),
    ]  # fmt: skip
    graph = b"".join(
        [
            *(entry(1, node) for node in nodes),
            entry(2, "highest"),
            *(entry(5, tensor) for tensor in constants),
            *(entry(11, value) for value in ends),
            *(entry(12, value) for value in results),
        ]
    )
    return entry(1, 7) + entry(7, graph) + entry(8, entry(2, _OPSET))


def with_last_position_alone(model: bytes) -> bytes | None:
    """The model with its head applied to the last position alone; `None` where its head is not found.

    The head's input is renamed in place, to a name as long, and made by a Gather that stands behind the graph: of a
    message that comes twice the fields are joined. Source: protobuf.dev, "Encoding", "Last One Wins".
    """
    data = memoryview(model)
    try:
        (graph,) = [(start, end) for number, start, end in spans(data, 0, len(data)) if number == 7]
        names, heads = set[str](), list[tuple[int, int]]()
        for number, start, end in spans(data, *graph):
            if number == 1:
                inputs = [(first, last) for field, first, last in spans(data, start, end) if field == 1]
                told = [(field, text(value)) for field, value in fields(data[start:end]) if field in (1, 2, 4)]
                names |= {name for field, name in told if field != 4}
                if (2, "logits") in told and any((4, operator) in told for operator in _HEADS):
                    heads.append(inputs[0])
            elif number in (5, 11, 12):
                names |= {text(value) for field, value in fields(data[start:end]) if field == (8 if number == 5 else 1)}
    except (WireError, ValueError, IndexError):
        return None
    if len(heads) != 1:
        return None
    start, end = heads[0]
    name = bytes(data[start:end])
    other = next((name[:-1] + bytes([last]) for last in range(33, 127) if _unused(name[:-1], last, names)), None)
    if other is None:
        return None
    added = entry(1, _node("Gather", [name, "phi4bench.last"], [other], {"axis": 1}))
    added += entry(5, _tensor("phi4bench.last", np.array([-1], np.int64)))
    return model[:start] + other + model[end:] + entry(7, added)


def _unused(beginning: bytes, last: int, names: set[str]) -> bool:
    return (beginning + bytes([last])).decode("utf-8", "replace") not in names


def _node(
    operator: str,
    inputs: Sequence[str | bytes],
    outputs: Sequence[str | bytes],
    told: Mapping[str, int | list[int]] = {},
) -> bytes:
    made = b"".join([*(entry(1, name) for name in inputs), *(entry(2, name) for name in outputs)])
    made += entry(3, f"phi4bench.{operator}") + entry(4, operator)
    for name, value in told.items():
        kind, field, whole = (7, 8, value) if isinstance(value, list) else (2, 3, [value])
        made += entry(5, entry(1, name) + b"".join(entry(field, one) for one in whole) + entry(20, kind))
    return made


def _tensor(name: str, array: np.ndarray) -> bytes:
    dimensions = b"".join(entry(1, size) for size in array.shape)
    return dimensions + entry(2, _KINDS[array.dtype.type]) + entry(8, name) + entry(9, array.tobytes())


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(entry(1, entry(1, one) if isinstance(one, int) else entry(2, one)) for one in shape)
    return entry(1, name) + entry(2, entry(1, entry(1, kind) + entry(2, sizes)))
