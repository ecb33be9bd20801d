"""The accuracy level of an ONNX file's MatMulNBits nodes: what it is, and a copy of the file with each at level 0.

At level 0 (unset) activations are multiplied as they are; at level 4, the builder's choice for CPU, the runtime may
round them to int8 first. Source: onnxruntime, docs/ContribOperators.md, com.microsoft.MatMulNBits.

The level is one number in the file, and level 0 is written over it in as many bytes: nothing else moves, and weights
beside the model are found where they were. No `onnx` package is needed.
"""

from __future__ import annotations

import mmap
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from phi4bench.artifacts.protobuf import WireError, spans, text, varint

OPERATOR, ATTRIBUTE = "MatMulNBits", "accuracy_level"
_DEEPEST = 16

Span = tuple[int, int]


@dataclass(frozen=True)
class Levels:
    """`nodes`: level to the MatMulNBits nodes that have it, those that leave it out (0) included.

    `places`: where in the file a level above 0 is written.
    """

    nodes: Mapping[int, int]
    places: tuple[Span, ...]


def read_levels(path: Path) -> Levels:
    """Of every MatMulNBits node, those in subgraphs and functions too; `WireError` where it is no ONNX model."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = memoryview(mapped)  # the map goes when the last view of it does
    nodes: Counter[int] = Counter()
    places: list[Span] = []
    for level, own in _nodes(data):
        nodes[level] += 1
        places += own
    return Levels(nodes, tuple(places))


def write_at_level_zero(source: Path, target: Path) -> None:
    """Copy the model file, weights beside it not included, with every MatMulNBits node at level 0."""
    places = read_levels(source).places
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        for start, end in places:
            file.seek(start)
            file.write(b"\x80" * (end - start - 1) + b"\x00")  # zero as an integer of the same length


def _nodes(data: memoryview) -> Iterator[tuple[int, list[Span]]]:
    """(level, places to overwrite) of each MatMulNBits node."""
    for number, start, end in spans(data, 0, len(data)):
        if number == 7:  # ModelProto.graph
            yield from _of_graph(data, (start, end), 0)
        elif number == 25:  # functions
            for inner, first, last in spans(data, start, end):
                if inner == 7:  # FunctionProto.node
                    yield from _of_node(data, (first, last), 1)


def _of_graph(data: memoryview, graph: Span, depth: int) -> Iterator[tuple[int, list[Span]]]:
    if depth > _DEEPEST:
        raise WireError("graphs are nested too deeply")
    for number, start, end in spans(data, *graph):
        if number == 1:  # GraphProto.node
            yield from _of_node(data, (start, end), depth)


def _of_node(data: memoryview, node: Span, depth: int) -> Iterator[tuple[int, list[Span]]]:
    operator, level, places = "", 0, list[Span]()
    for number, start, end in spans(data, *node):
        if number == 4:  # NodeProto.op_type
            operator = text(data[start:end])
        elif number == 5:  # attribute
            name, integers, graphs = _attribute(data, (start, end))
            for graph in graphs:
                yield from _of_graph(data, graph, depth + 1)
            if name == ATTRIBUTE:
                for place in integers:
                    level = varint(data, place[0])[0]
                    places += [place] if level else []
    if operator == OPERATOR:
        yield level, places


def _attribute(data: memoryview, attribute: Span) -> tuple[str, list[Span], list[Span]]:
    """The attribute's name, where its integer stands, and its graphs."""
    name, integers, graphs = "", list[Span](), list[Span]()
    for number, start, end in spans(data, *attribute):
        if number == 1:
            name = text(data[start:end])
        elif number == 3:  # i
            integers.append((start, end))
        elif number in (6, 11):  # g, graphs
            graphs.append((start, end))
    return name, integers, graphs
