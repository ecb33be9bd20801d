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
_TYPES = {
    1: "fp32", 2: "uint8", 3: "int8", 10: "fp16", 16: "bf16", 17: "fp8", 18: "fp8", 19: "fp8", 20: "fp8",
    21: "uint4", 22: "int4", 23: "fp4",
}  # fmt: skip
"""TensorProto.DataType, those that weights come in."""
_INT64 = 7
_LONGEST_VARINT = 10
"""Bytes of a 64-bit integer in protobuf, at most."""
_MOST_ELEMENTS = 2**63 - 1
_BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "uint8": 8, "int8": 8, "fp8": 8, "uint4": 4, "int4": 4, "fp4": 4}
NARROW = {kind: bits for kind, bits in _BITS.items() if bits <= 8}
PACKED = ("MatMulNBits", "GatherBlockQuantized", "MatMulBnb4", "QMoE")
"""Operators whose weights are packed in 4 bits unless an attribute says otherwise."""
CONSTANT = "value"
"""The attribute of a Constant that holds its tensor."""
_DATA = (4, 5, 6, 7, 9, 10, 11)
"""TensorProto's fields that hold the numbers themselves."""


@dataclass(frozen=True)
class Tensor:
    """One initializer: how many numbers of what type, and the bytes that they take.

    `place`: (file, offset) of numbers that lie beside the model; `None` of those inside it.
    """

    name: str
    kind: str
    elements: int
    bytes: int
    place: tuple[str, int] | None = None


@dataclass(frozen=True)
class Node:
    """One operation. `whole`: its attributes that are integers."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    whole: Mapping[str, int]


@dataclass(frozen=True)
class OnnxFile:
    """One model file.

    `inputs`, `outputs`: names to their shapes, `None` where a dimension is free. `operators`: how often each occurs.
    `bits`: how often each `bits` of MatMulNBits and its kin occurs. `elements`: weights by type, in elements.
    `external`: file name to the bytes that it must at least hold. `opsets`: 0 for a file cut off after its graph.
    `tensors`, `nodes`: those of the graph and of its subgraphs, in file order. `constants`: by their names, the values
    of the Constant nodes and the initializers that hold a single int64.
    """

    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: Mapping[str, tuple[int | None, ...]]
    operators: Mapping[str, int]
    bits: Mapping[int, int]
    elements: Mapping[str, int]
    external: Mapping[str, int]
    opsets: int
    producer: str = ""
    tensors: tuple[Tensor, ...] = ()
    nodes: tuple[Node, ...] = ()
    constants: Mapping[str, int] = field(default_factory=dict)

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
    tensors: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, int] = field(default_factory=dict)


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
        found.inputs, found.outputs, found.operators, found.bits, found.elements, found.external, opsets, producer,
        tuple(found.tensors), tuple(found.nodes), found.constants,
    )  # fmt: skip


def _graph(data: memoryview, found: _Found, depth: int) -> None:
    if depth > _DEEPEST:
        raise WireError("graphs are nested too deeply")
    for number, value in fields(data):
        if number == 1:  # GraphProto.node
            _node(message(value), found, depth)
        elif number == 5:  # initializer
            found.tensors.append(tensor := _tensor(message(value), found))
            if (single := _single(message(value))) is not None:
                found.constants[tensor.name] = single
        elif number == 15:  # sparse_initializer: values and indices are tensors
            for inner, part in fields(message(value)):
                if inner in (1, 2):
                    found.tensors.append(_tensor(message(part), found))
        elif number in (11, 12) and depth == 0:  # input, output
            name, shape = _value_info(message(value))
            (found.inputs if number == 11 else found.outputs)[name] = shape


def _function(data: memoryview, found: _Found) -> None:
    for number, value in fields(data):
        if number == 7:  # FunctionProto.node
            _node(message(value), found, depth=1)


def _node(data: memoryview, found: _Found, depth: int) -> None:
    operator = label = ""
    inputs, outputs, whole = list[str](), list[str](), dict[str, int]()
    for number, value in fields(data):
        if number == 1:  # NodeProto.input
            inputs.append(text(value))
        elif number == 2:  # output
            outputs.append(text(value))
        elif number == 3:
            label = text(value)
        elif number == 4:  # op_type
            operator = text(value)
        elif number == 5:  # attribute
            name, integer = _attribute(message(value), found, depth)
            if integer is not None:
                whole[name] = integer
    found.operators[operator] += 1
    if operator in PACKED or "bits" in whole:
        found.bits[whole.get("bits") or whole.get("expert_weight_bits") or 4] += 1
    if operator == "Constant" and CONSTANT in whole and outputs:
        found.constants[outputs[0]] = whole.pop(CONSTANT)
    found.nodes.append(Node(operator, label, tuple(inputs), tuple(outputs), whole))


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
            whole = _single(message(value)) if number == 5 else None
        elif number in (6, 11):  # g, graphs
            _graph(message(value), found, depth + 1)
    return name, whole


def _tensor(data: memoryview, found: _Found) -> Tensor:
    name, kind, elements, inside, entries, outside = "", 0, 1, 0, dict[str, str](), False
    for number, value in fields(data):
        if number == 1:  # dims
            elements = _times(elements, value)
        elif number == 2 and isinstance(value, int):  # data_type
            kind = value
        elif number == 8:
            name = text(value)
        elif number in _DATA and not isinstance(value, int):
            inside += len(value)
        elif number == 13:  # external_data: StringStringEntryProto
            entry = {inner: text(part) for inner, part in fields(message(value)) if inner in (1, 2)}
            entries[entry.get(1, "")] = entry.get(2, "")
        elif number == 14:  # data_location
            outside = value == 1
    type_name = _TYPES.get(kind, "other")
    found.elements[type_name] += elements
    if not outside:
        return Tensor(name, type_name, elements, inside)
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or 0)
    except ValueError:
        raise WireError("the offset or length of external data is no number") from None
    location = entries.get("location", "")
    found.external[location] = max(found.external.get(location, 0), offset + length)
    # A writer may leave the length out: then the numbers take what their type does.
    return Tensor(name, type_name, elements, length or -(-elements * _BITS.get(type_name, 0) // 8), (location, offset))


def _times(size: int, dimensions: int | memoryview) -> int:
    """`WireError` above what any memory holds: a hundred thousand dimensions would take a minute."""
    for dimension in packed(dimensions):
        size *= dimension
        if size > _MOST_ELEMENTS:
            raise WireError("a tensor has more numbers than any memory holds")
    return size


def _single(data: memoryview) -> int | None:
    """The value of a tensor that holds one int64; `None` for any other."""
    kind, size, values = 0, 1, list[int]()
    for number, value in fields(data):
        if number == 1:
            size = _times(size, value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 7:  # int64_data
            if not isinstance(value, int) and len(value) > _LONGEST_VARINT:
                return None  # several, and there may be millions
            values += packed(value)
        elif number == 9 and not isinstance(value, int):  # raw_data
            values += [int.from_bytes(value, "little", signed=True)] if len(value) == 8 else []
    return values[0] if (kind, size, len(values)) == (_INT64, 1, 1) else None


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
