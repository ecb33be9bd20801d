"""An ONNX decoder that computes what follows its last attention for the last position alone; no `onnx` package.

Of a prompt only the last position's logits are looked at. Up to the last layer's attention every position counts, as a
key and a value; behind it the output projection, the MLP and the head treat each by itself. Of a model of n layers that
is most of an n-th of what a prompt costs, and of a large vocabulary a little more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from phi4bench.artifacts.protobuf import WireError, entry, fields, message, spans
from phi4bench.backends.graphs import node_bytes, tensor_bytes

_PRODUCTS = ("MatMul", "MatMulNBits")
_EACH_BY_ITSELF = {
    *_PRODUCTS,
    *("SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization", "Sigmoid", "QuickGelu", "Mul", "Add", "Cast"),
}
"""Operators that treat each position by itself, whatever the others hold."""
_STATES = {"GroupQueryAttention": (0,), "SkipSimplifiedLayerNormalization": (0, 3)}
"""Operators with those of their outputs that are (batch, positions, width)."""


class Pruned(NamedTuple):
    """A model file's bytes, and what of it is computed for the last position alone."""

    model: bytes
    what: Literal["head", "last_layer"]


@dataclass(frozen=True)
class _Node:
    """`inputs`: each name, and where in the file it stands. `inner`: what its subgraphs read, from wherever."""

    operator: str
    inputs: tuple[tuple[str, int, int], ...]
    outputs: tuple[str, ...]
    inner: frozenset[str]


@dataclass(frozen=True)
class _Graph:
    """`constants`: values that no prompt changes. `given`, `results`: the graph's own inputs and outputs."""

    nodes: tuple[_Node, ...]
    constants: frozenset[str]
    given: frozenset[str]
    results: frozenset[str]

    def names(self) -> set[str]:
        of_nodes = {name for node in self.nodes for name in (*(one for one, *_ in node.inputs), *node.outputs)}
        return (
            of_nodes | self.constants | self.given | self.results | {one for node in self.nodes for one in node.inner}
        )


def with_last_position_alone(model: bytes) -> Pruned | None:
    """The model with its last layer behind the attention, or at least its head, computed for the last position alone.

    `None` where no head is found. Each value that is cut is renamed where it is read, to a name as long, and made by a
    Gather that stands behind the graph: of a message that comes twice the fields are joined.
    Source: protobuf.dev, "Encoding", "Last One Wins".
    """
    data = memoryview(model)
    try:
        # A graph (7), and no functions (25): those may have any operator's name.
        (place,) = [(start, end) for number, start, end in spans(data, 0, len(data)) if number in (7, 25)]
        graph = _graph(data, *place)
    except (WireError, ValueError, IndexError, RecursionError):
        return None
    heads = [at for at, node in enumerate(graph.nodes) if _is_head(node)]
    if len(heads) != 1:
        return None
    layer = _needed_at_the_end_alone(graph, heads[0])
    cut = _cut(graph, layer)
    if len(layer) > 1 and cut.keys() <= _states(graph):
        return _renamed(model, cut, graph.names(), "last_layer")
    first, *_ = graph.nodes[heads[0]].inputs
    return _renamed(model, {first[0]: [first[1:]]}, graph.names(), "head")


def _is_head(node: _Node) -> bool:
    return node.outputs[:1] == ("logits",) and node.operator in _PRODUCTS and bool(node.inputs)


def _needed_at_the_end_alone(graph: _Graph, head: int) -> frozenset[int]:
    """The head, and each node that treats positions by themselves and is read by such nodes alone."""
    if not _by_itself(graph.nodes[head], graph):
        return frozenset({head})
    readers: dict[str, set[int]] = {}
    for at, node in enumerate(graph.nodes):
        for name in (*(one for one, *_ in node.inputs), *node.inner):
            readers.setdefault(name, set()).add(at)
    found = {head}
    for at in reversed(range(head)):  # a node stands behind all that it reads
        node = graph.nodes[at]
        read_by = set[int]().union(*(readers.get(name, ()) for name in node.outputs if name))
        if read_by and read_by <= found and graph.results.isdisjoint(node.outputs) and _by_itself(node, graph):
            found.add(at)
    return frozenset(found)


def _by_itself(node: _Node, graph: _Graph) -> bool:
    """A product does so where its second factor is a weight, of the file or of an adapter."""
    weights = {name for name, *_ in node.inputs[1:]}
    return node.operator in _EACH_BY_ITSELF and (node.operator not in _PRODUCTS or weights <= graph.constants | {""})


def _cut(graph: _Graph, layer: Collection[int]) -> dict[str, list[tuple[int, int]]]:
    """What `layer` reads of the rest and a prompt decides, and where it stands in the file."""
    made = {name for at in layer for name in graph.nodes[at].outputs}
    found: dict[str, list[tuple[int, int]]] = {}
    for at in sorted(layer):
        for name, start, end in graph.nodes[at].inputs:
            if name and name not in made and name not in graph.constants:
                found.setdefault(name, []).append((start, end))
    return found


def _states(graph: _Graph) -> set[str]:
    """The values of which it is known that their second dimension is the position."""
    return {
        node.outputs[place]
        for node in graph.nodes
        for place in _STATES.get(node.operator, ())
        if place < len(node.outputs)
    }


def _renamed(
    model: bytes, cut: Mapping[str, Sequence[tuple[int, int]]], names: set[str], what: Literal["head", "last_layer"]
) -> Pruned | None:
    places, gathers = list[tuple[int, int, bytes]](), b""
    for number, found in enumerate(cut.values()):
        name = model[slice(*found[0])]
        other = _as_long(name, names)
        if other is None:
            return None
        names.add(_name(memoryview(other)))
        places += [(start, end, other) for start, end in found]
        gathers += entry(1, node_bytes("Gather", [name, "phi4bench.last"], [other], {"axis": 1}, f".{number}"))
    pieces, before = list[bytes](), 0
    for start, end, other in sorted(places):
        pieces += [model[before:start], other]
        before = end
    last = entry(5, tensor_bytes("phi4bench.last", np.array([-1], np.int64)))
    return Pruned(b"".join([*pieces, model[before:], entry(7, gathers + last)]), what)


def _as_long(name: bytes, names: Collection[str]) -> bytes | None:
    """A name as long that nothing has; it may be no text."""
    tried = (name[:-1] + bytes([last]) for last in range(33, 127))
    return next((one for one in tried if _name(memoryview(one)) not in names), None)


def _name(value: int | memoryview) -> str:
    """Of other bytes always another one, be they text or not."""
    return bytes(message(value)).decode("utf-8", "surrogateescape")


def _graph(data: memoryview, start: int, end: int) -> _Graph:
    nodes = list[_Node]()
    named: dict[int, set[str]] = {5: set(), 11: set(), 12: set()}  # initializers, inputs, outputs
    for number, first, last in spans(data, start, end):
        if number == 1:
            nodes.append(_node(data, first, last))
        elif number in named:
            name_field = 8 if number == 5 else 1
            named[number] |= {_name(value) for field, value in fields(data[first:last]) if field == name_field}
    constants = set(named[5])
    for node in nodes:
        inputs = {name for name, *_ in node.inputs}
        if not node.inner and inputs <= constants and (inputs or node.operator == "Constant"):
            constants.update(node.outputs)
    return _Graph(tuple(nodes), frozenset(constants), frozenset(named[11]), frozenset(named[12]))


def _node(data: memoryview, start: int, end: int) -> _Node:
    inputs, outputs, operator, inner = list[tuple[str, int, int]](), list[str](), "", set[str]()
    for number, first, last in spans(data, start, end):
        if number == 1:
            inputs.append((_name(data[first:last]), first, last))
        elif number == 2:
            outputs.append(_name(data[first:last]))
        elif number == 4:
            operator = _name(data[first:last])
        elif number == 5:
            inner.update(_inner(data[first:last]))
    return _Node(operator, tuple(inputs), tuple(outputs), frozenset(inner))


def _inner(attribute: memoryview) -> Iterator[str]:
    """The inputs of all nodes in an attribute's graphs."""
    for graph in (message(value) for field, value in fields(attribute) if field in (6, 11)):
        for node in (message(value) for field, value in fields(graph) if field == 1):
            for field, value in fields(node):
                if field == 1:
                    yield _name(value)
                elif field == 5:
                    yield from _inner(message(value))
