"""An fp32 decoder file with its matrices replaced by matrices of few bits, one at a time. Needs onnx; no torch.

The weights stay on disk: what is in memory is the graph and the one matrix that is being quantized.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.matrices import Packed

DATA = "model.onnx.data"
INLINE = 1024
"""Bytes up to which a tensor stays in the graph."""
PAGE = 4096
"""Large tensors begin on a page, so that they can be mapped into memory."""


@dataclass(frozen=True)
class Matrix:
    """A linear layer of the graph. `name`: the node's. `head`: it makes the logits."""

    name: str
    weight: str
    shape: tuple[int, int]
    head: bool


@dataclass
class Graph:
    """A decoder's graph without its weights. `folder`: where those lie."""

    model: Any
    folder: Path
    tensors: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tensors = {tensor.name: tensor for tensor in self.model.graph.initializer}

    def array(self, name: str) -> np.ndarray:
        """A weight, mapped from its file where it has one."""
        tensor = self.tensors[name]
        told = {entry.key: entry.value for entry in tensor.external_data}
        if not told:
            return numpy_helper.to_array(tensor)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        path = self.folder / told["location"]
        return np.memmap(path, dtype, "r", int(told.get("offset", 0)), tuple(tensor.dims))

    def matrices(self) -> list[Matrix]:
        """Every MatMul by a constant matrix, in the graph's order."""
        found = []
        for node in self.model.graph.node:
            tensor = self.tensors.get(node.input[1]) if node.op_type == "MatMul" else None
            if tensor is not None and len(tensor.dims) == 2:
                shape = (int(tensor.dims[0]), int(tensor.dims[1]))
                found.append(Matrix(node.name, tensor.name, shape, "logits" in node.output))
        return found

    def table(self) -> Matrix | None:
        """What `input_ids` are looked up in, as (width, vocabulary), by the Gather's name; `None` where it is tied."""
        for node in self.model.graph.node:
            if node.op_type == "Gather" and node.input[1] == "input_ids" and node.input[0] in self.tensors:
                rows, width = self.tensors[node.input[0]].dims
                return Matrix(node.name, node.input[0], (int(width), int(rows)), False)
        return None


def open_graph(model_file: Path) -> Graph:
    """Raises `UsageError` where the file is no fp32 decoder with matrices to quantize."""
    shown = printable(str(model_file), 200)
    try:
        graph = Graph(onnx.load(model_file, load_external_data=False), model_file.parent)
    except Exception as error:  # protobuf's own classes
        raise UsageError(f"'{shown}' is no ONNX model ({printable(str(error), 120)})") from None
    given = sorted({one.name for one in graph.model.graph.input} & set(graph.tensors))
    if given:
        what = f"'{shown}' takes weights of an adapter as inputs ({printable(given[0], 120)})"
        raise UsageError(what, "quantize its base, or name --precision with export --adapter")
    matrices = graph.matrices()
    if not matrices:
        raise UsageError(f"'{shown}' has no matrix to quantize", "name the fp32 folder that export made")
    kinds = {graph.tensors[one.weight].data_type for one in matrices}
    if kinds != {TensorProto.FLOAT}:
        raise UsageError(f"'{shown}' does not hold fp32 weights", "quantize the fp32 export, not what was made from it")
    return graph


def rewrite(
    graph: Graph,
    target: Path,
    pack: Callable[[Matrix, np.ndarray], Packed | None],
    embeddings: bool,
    accuracy_level: int,
) -> Iterator[tuple[Matrix, Packed]]:
    """Write `target/model.onnx`, yielding each matrix as it is replaced. `pack`: `None` leaves a matrix as it is.

    `embeddings`: the table is quantized too; where it is the head's matrix (tied), it shares its bytes.
    """
    nodes: list[Any] = []
    tied = _tied_table(graph)
    table = graph.table()
    shared: Packed | None = None  # of all that is written, the one that is read again: the rest is let go
    target.mkdir(parents=True, exist_ok=True)
    with (target / DATA).open("wb") as data:
        writer = Writer(data)
        by_name = {matrix.name: matrix for matrix in graph.matrices()}
        for node in graph.model.graph.node:
            matrix = by_name.get(node.name)
            made = pack(matrix, graph.array(matrix.weight)) if matrix else None
            if matrix is None or made is None:
                nodes.append(node)
                continue
            if tied is not None and matrix.weight == tied.weight:
                shared = made
            nodes.append(_matmul(node, matrix, made, accuracy_level, writer))
            yield matrix, made
        if embeddings and tied is not None and shared is not None and _fit_for_table(shared):
            nodes = _gather_tied(nodes, tied, shared, writer)
        elif embeddings and table is not None:
            made = pack(table, np.ascontiguousarray(graph.array(table.weight).T))
            if _fit_for_table(made):
                assert made is not None
                nodes = [_gather(node, table, made, writer) if node.name == table.name else node for node in nodes]
                yield table, made
        nodes = _used(nodes, [one.name for one in graph.model.graph.output])
        read = {name for node in nodes for name in node.input}
        for tensor in graph.model.graph.initializer:
            if tensor.name in read:
                writer.add(tensor.name, graph.array(tensor.name))
        out = onnx.ModelProto()
        out.CopyFrom(graph.model)
        del out.graph.node[:]
        del out.graph.initializer[:]
        out.graph.node.extend(nodes)
        out.graph.initializer.extend(writer.tensors)
    if not any(opset.domain == "com.microsoft" for opset in out.opset_import):
        out.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    (target / "model.onnx").write_bytes(out.SerializeToString())


class Writer:
    """Tensors to a file of external data, small ones into the graph."""

    def __init__(self, data: IO[bytes]) -> None:
        self.data, self.tensors = data, []

    def add(self, name: str, array: np.ndarray) -> str:
        tensor = TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
        if array.nbytes <= INLINE:
            tensor.raw_data = np.ascontiguousarray(array).tobytes()
        else:
            unit = PAGE if array.nbytes >= 64 * PAGE else 64
            self.data.seek(-self.data.tell() % unit, 1)
            start = self.data.tell()
            np.ascontiguousarray(array).tofile(self.data)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", DATA), ("offset", start), ("length", array.nbytes)):
                tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)
        return name


def _matmul(node: Any, matrix: Matrix, made: Packed, accuracy_level: int, writer: Writer) -> Any:
    inputs = [node.input[0], writer.add(f"{matrix.weight}_Q{made.bits}", made.values)]
    inputs.append(writer.add(f"{matrix.weight}_scales", made.scales))
    if made.zero_points is not None:
        inputs.append(writer.add(f"{matrix.weight}_zero_points", made.zero_points))
    shape: Mapping[str, int] = {"K": matrix.shape[0], "N": matrix.shape[1], "bits": made.bits}
    level = {"accuracy_level": accuracy_level} if accuracy_level else {}
    return helper.make_node(
        "MatMulNBits", inputs, list(node.output), name=f"{node.name}_Q{made.bits}", domain="com.microsoft",
        block_size=made.block_size, **shape, **level,
    )  # fmt: skip


def _tied_table(graph: Graph) -> Matrix | None:
    """The head's matrix, where the embedding is its transpose."""
    made = {output: node for node in graph.model.graph.node for output in node.output}
    heads = {matrix.weight: matrix for matrix in graph.matrices() if matrix.head}
    for node in graph.model.graph.node:
        if node.op_type == "Gather" and node.input[1] == "input_ids" and node.input[0] in made:
            source = made[node.input[0]]
            if source.op_type == "Transpose" and source.input[0] in heads:
                return heads[source.input[0]]
    return None


def _fit_for_table(made: Packed | None) -> bool:
    """GatherBlockQuantized wants whole blocks and integer zero points."""
    return (
        made is not None
        and made.rows % made.block_size == 0
        and (made.zero_points is None or made.zero_points.dtype == np.uint8)
    )


def _gather_tied(nodes: list[Any], tied: Matrix, made: Packed, writer: Writer) -> list[Any]:
    """The embedding reads the head's packed bytes, in another shape."""
    flat = [len(made.values), made.values[0].size]
    shape = writer.add("embed_tokens.shape", np.array(flat, np.int64))
    reshape = helper.make_node(
        "Reshape", [f"{tied.weight}_Q{made.bits}", shape], ["embed_tokens.values"], name="/model/embed_tokens/Reshape"
    )
    zero = [f"{tied.weight}_zero_points"] if made.zero_points is not None else []
    out = []
    for node in nodes:
        if node.op_type == "Gather" and node.input[1] == "input_ids":
            scales = f"{tied.weight}_scales"
            out += [reshape, _gather_node(node, ["embed_tokens.values", "input_ids", scales, *zero], made)]
        else:
            out.append(node)
    return out


def _gather(node: Any, matrix: Matrix, made: Packed, writer: Writer) -> Any:
    values = made.values.reshape(len(made.values), -1)
    inputs = [writer.add(f"{matrix.weight}_Q{made.bits}", values), "input_ids"]
    inputs.append(writer.add(f"{matrix.weight}_scales", made.scales))
    if made.zero_points is not None:
        inputs.append(writer.add(f"{matrix.weight}_zero_points", made.zero_points))
    return _gather_node(node, inputs, made)


def _gather_node(node: Any, inputs: list[str], made: Packed) -> Any:
    return helper.make_node(
        "GatherBlockQuantized", inputs, list(node.output), name=f"{node.name}BlockQuantized", domain="com.microsoft",
        bits=made.bits, block_size=made.block_size, gather_axis=0, quantize_axis=1,
    )  # fmt: skip


def _used(nodes: list[Any], outputs: list[str]) -> list[Any]:
    """The nodes that some output needs, in their order."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    return kept[::-1]
