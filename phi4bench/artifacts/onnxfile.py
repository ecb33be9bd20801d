"""What an ONNX file says about itself: inputs, operators, quantization, external data. Reads no weights.

The light path has no `onnx` package; the field numbers are those of onnx/onnx.proto (ONNX 1.19, IR version 11).
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from phi4bench.artifacts.protobuf import WireError, fields, message, packed, text

_DEEPEST = 16
_TYPES = {1: "fp32", 2: "uint8", 3: "int8", 10: "fp16", 16: "bf16", 21: "uint4", 22: "int4"}
"""TensorProto.DataType, those that weights come in."""


@dataclass(frozen=True)
class OnnxFile:
    """One model file.

    `inputs`, `outputs`: names to their shapes, `None` where a dimension is free. `operators`: how often each occurs.
    `bits`: how often each `bits` of MatMulNBits and its kin occurs. `elements`: weights by type, in elements.
    `external`: file name to the bytes that it must at least hold. `opsets`: 0 for a file cut off after its graph.
    """

    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: Mapping[str, tuple[int | None, ...]]
    operators: Mapping[str, int]
    bits: Mapping[int, int]
    elements: Mapping[str, int]
    external: Mapping[str, int]
    opsets: int
    producer: str = ""

    @property
    def logits_size(self) -> int | None:
        """Size of the vocabulary that the model scores; `None` where the graph leaves it open."""
        shape = self.outputs.get("logits", ())
        return shape[-1] if shape else None


@dataclass
class _Found:
    """What has been seen so far, over the graph and its subgraphs."""

    inputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    operators: Counter[str] = field(default_factory=Counter)
    bits: Counter[int] = field(default_factory=Counter)
    elements: Counter[str] = field(default_factory=Counter)
    external: dict[str, int] = field(default_factory=dict)


def read_onnx(path: Path) -> OnnxFile:
    """Reads the structure of `path` through a memory map; `WireError` where it is truncated or no ONNX model."""
    if path.stat().st_size == 0:
        raise WireError("the file is empty")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return _model(memoryview(mapped))  # the map goes when the last view of it does


def _model(data: memoryview) -> OnnxFile:
    found, graphs, opsets, producer = _Found(), 0, 0, ""
    for number, value in fields(data):
        if number == 7:  # ModelProto.graph
            graphs += 1
            _graph(message(value), found, depth=0)
        elif number == 8:  # opset_import
            opsets += 1
        elif number == 2:  # producer_name
            producer = text(value)[:100]
        elif number == 25:  # functions
            _function(message(value), found)
    if graphs != 1:
        raise WireError("it holds no graph" if graphs == 0 else f"it holds {graphs} graphs")
    if opsets == 0:
        raise WireError("it ends before its list of operator sets")
    return OnnxFile(
        found.inputs, found.outputs, found.operators, found.bits, found.elements, found.external, opsets, producer
    )


def _graph(data: memoryview, found: _Found, depth: int) -> None:
    if depth > _DEEPEST:
        raise WireError("graphs are nested too deeply")
    for number, value in fields(data):
        if number == 1:  # GraphProto.node
            _node(message(value), found, depth)
        elif number == 5:  # initializer
            _tensor(message(value), found)
        elif number == 15:  # sparse_initializer: values and indices are tensors
            for inner, part in fields(message(value)):
                if inner in (1, 2):
                    _tensor(message(part), found)
        elif number in (11, 12) and depth == 0:  # input, output
            name, shape = _value_info(message(value))
            (found.inputs if number == 11 else found.outputs)[name] = shape


def _function(data: memoryview, found: _Found) -> None:
    for number, value in fields(data):
        if number == 7:  # FunctionProto.node
            _node(message(value), found, depth=1)


def _node(data: memoryview, found: _Found, depth: int) -> None:
    operator, bits = "", None
    for number, value in fields(data):
        if number == 4:  # NodeProto.op_type
            operator = text(value)
        elif number == 5:  # attribute
            name, whole = _attribute(message(value), found, depth)
            if name == "bits":
                bits = whole
    found.operators[operator] += 1
    if bits is not None:
        found.bits[bits] += 1


def _attribute(data: memoryview, found: _Found, depth: int) -> tuple[str, int | None]:
    """The attribute's name and, if it is one integer, its value; tensors and graphs in it are walked."""
    name, whole = "", None
    for number, value in fields(data):
        if number == 1:
            name = text(value)
        elif number == 3 and isinstance(value, int):
            whole = value
        elif number in (5, 10):  # t, tensors
            _tensor(message(value), found)
        elif number in (6, 11):  # g, graphs
            _graph(message(value), found, depth + 1)
    return name, whole


def _tensor(data: memoryview, found: _Found) -> None:
    kind, elements, entries, outside = 0, 1, dict[str, str](), False
    for number, value in fields(data):
        if number == 1:  # dims
            for dimension in packed(value):
                elements *= dimension
        elif number == 2 and isinstance(value, int):  # data_type
            kind = value
        elif number == 13:  # external_data: StringStringEntryProto
            entry = {inner: text(part) for inner, part in fields(message(value)) if inner in (1, 2)}
            entries[entry.get(1, "")] = entry.get(2, "")
        elif number == 14:  # data_location
            outside = value == 1
    found.elements[_TYPES.get(kind, "other")] += elements
    if outside:
        try:
            needed = int(entries.get("offset") or 0) + int(entries.get("length") or 0)
        except ValueError:
            raise WireError("the offset or length of external data is no number") from None
        location = entries.get("location", "")
        found.external[location] = max(found.external.get(location, 0), needed)


def _value_info(data: memoryview) -> tuple[str, tuple[int | None, ...]]:
    name, shape = "", list[int | None]()
    for number, value in fields(data):
        if number == 1:
            name = text(value)
        elif number == 2:  # TypeProto
            for kind, tensor in fields(message(value)):
                if kind == 1:  # tensor_type
                    for part, dimensions in fields(message(tensor)):
                        if part == 2:  # shape
                            shape = [_dimension(message(one)) for key, one in fields(message(dimensions)) if key == 1]
    return name, tuple(shape)


def _dimension(data: memoryview) -> int | None:
    for number, value in fields(data):
        if number == 1 and isinstance(value, int):
            return value
    return None
