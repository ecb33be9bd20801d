"""The matrices of a decoder file as onnxruntime-genai's builder writes it, fp32 or MatMulNBits: out, and in again.

Needs the `onnx` package (extra `train`). Runs no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
MODEL, DATA = "model.onnx", "model.onnx.data"
_SITE = re.compile(r"/(?:model/)?(?P<site>.+)/MatMul(?:_Q\d)?")


@dataclass(frozen=True)
class Blocks:
    """A MatMulNBits matrix. `numbers`: (out, blocks, block size) without sign; `zeros` and `scales`: (out, blocks).

    A row's last block may reach beyond `inputs`, the matrix's input channels.
    """

    numbers: Bytes
    zeros: Bytes
    scales: Floats
    bits: int
    inputs: int

    def values(self) -> Floats:
        """(in, out), as the fp32 file holds it."""
        signed = self.numbers.astype(np.float32) - self.zeros[..., None].astype(np.float32)
        return (signed * self.scales[..., None]).reshape(len(self.numbers), -1)[:, : self.inputs].T

    def with_values(self, values: Floats) -> Blocks:
        """Quantized anew where a block's values are others than before, and byte for byte as it was where not.

        Symmetric: the value of largest magnitude becomes the lowest number (of a tie the negative one), rounded as the
        builder rounds.
        """
        outputs, blocks, size = self.numbers.shape
        now, before = (np.zeros((outputs, blocks * size), np.float32) for _ in range(2))
        now[:, : self.inputs], before[:, : self.inputs] = values.T, self.values().T
        now, before = (one.reshape(outputs, blocks, size) for one in (now, before))
        changed = (now != before).any(axis=-1)
        middle = 2 ** (self.bits - 1)
        low, high = now.min(axis=-1), now.max(axis=-1)
        scales = np.where(-low >= high, low, high).astype(np.float32) / np.float32(-middle)
        inverse = np.divide(1.0, scales, out=np.zeros_like(scales), where=scales != 0)
        numbers = np.floor(now * inverse[..., None] + np.float32(middle + 0.5))
        numbers = np.clip(numbers, 0, 2 * middle - 1).astype(np.uint8)
        return replace(
            self,
            numbers=np.where(changed[..., None], numbers, self.numbers),
            zeros=np.where(changed, np.uint8(middle), self.zeros),
            scales=np.where(changed, scales, self.scales),
        )

    def reordered(self, outputs: Sequence[int] | None, inputs: Sequence[int] | None) -> Blocks:
        """The same numbers at other places. Input channels of one block have to stay together, in whatever order."""
        numbers, zeros, scales = self.numbers, self.zeros, self.scales
        if outputs is not None:
            numbers, zeros, scales = numbers[list(outputs)], zeros[list(outputs)], scales[list(outputs)]
        if inputs is not None:
            size = numbers.shape[-1]
            order = np.asarray(inputs)
            if len(order) % size:
                raise ValueError(f"{len(order)} channels, but should be whole blocks of {size}")
            whole = order.reshape(-1, size) // size
            if (whole != whole[:, :1]).any():
                raise ValueError(f"channels of one block of {size} are torn apart, which would change its scale")
            flat = numbers.reshape(len(numbers), -1)[:, order]
            numbers, zeros, scales = flat.reshape(numbers.shape), zeros[:, whole[:, 0]], scales[:, whole[:, 0]]
        return replace(self, numbers=numbers, zeros=zeros, scales=scales)


class Weights:
    """One file's matrices by site, such as `layers.2.mlp.down_proj` and `lm_head`, each as (in, out)."""

    def __init__(self, folder: Path) -> None:
        self.model = onnx.load(str(folder / MODEL))
        self._tensors = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self._nodes = {
            found["site"].replace("/", "."): node
            for node in self.model.graph.node
            if node.op_type in ("MatMul", "MatMulNBits")
            and len(node.input) > 1
            and node.input[1] in self._tensors
            and (found := _SITE.fullmatch(node.name))
        }

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(self._nodes)

    @property
    def block_size(self) -> int:
        """Input channels that share a scale; 1 in an fp32 file."""
        sizes = {_attributes(node)["block_size"] for node in self._nodes.values() if node.op_type == "MatMulNBits"}
        return max(sizes, default=1)

    def matrix(self, site: str) -> Floats:
        node = self._node(site)
        return self._blocks(node).values() if node.op_type == "MatMulNBits" else self._read(node.input[1]).copy()

    def set_matrix(self, site: str, values: Floats) -> None:
        node = self._node(site)
        if node.op_type == "MatMulNBits":
            self._set_blocks(node, self._blocks(node).with_values(values))
        else:
            self._write(node.input[1], values.astype(np.float32))

    def reorder(self, site: str, outputs: Sequence[int] | None = None, inputs: Sequence[int] | None = None) -> None:
        """Output or input channels at other places, without a number being rounded."""
        node = self._node(site)
        if node.op_type == "MatMulNBits":
            self._set_blocks(node, self._blocks(node).reordered(outputs, inputs))
            return
        values = self._read(node.input[1])
        values = values if outputs is None else values[:, list(outputs)]
        self._write(node.input[1], values if inputs is None else values[list(inputs)])

    def embedding(self) -> Floats:
        """(tokens, hidden). Where it is tied to the head's matrix, that one turned."""
        name = self._embedding_name()
        return self.matrix("lm_head").T.copy() if self._is_head(name) else self._read(name).copy()

    def set_embedding(self, values: Floats) -> None:
        name = self._embedding_name()
        if self._is_head(name):
            self.set_matrix("lm_head", values.T)
        else:
            self._write(name, values.astype(np.float32))

    def compute_exactly(self) -> None:
        """Have every quantized matrix multiplied in fp32 (accuracy level 0): activations are then not rounded."""
        for node in self._nodes.values():
            for attribute in node.attribute:
                if attribute.name == "accuracy_level":
                    attribute.i = 0

    def save(self, folder: Path) -> None:
        """`model.onnx` and `model.onnx.data` in `folder`, which must not hold them yet."""
        options = {"save_as_external_data": True, "all_tensors_to_one_file": True, "location": DATA}
        onnx.save_model(self.model, str(folder / MODEL), size_threshold=256, **options)

    def _node(self, site: str) -> onnx.NodeProto:
        if site not in self._nodes:
            raise ValueError(f"{site=}, but should be one of {', '.join(self._nodes)}")
        return self._nodes[site]

    def _is_head(self, name: str) -> bool:
        return name == self._node("lm_head").input[1]

    def _embedding_name(self) -> str:
        """The tensor that tokens are looked up in, through whatever only turns or reshapes it."""
        made_by = {output: node for node in self.model.graph.node for output in node.output}
        lookups = [node for node in self.model.graph.node if node.name.startswith("/model/embed_tokens/Gather")]
        name = lookups[0].input[0] if lookups else ""
        while name in made_by:
            name = made_by[name].input[0]
        if name not in self._tensors:
            raise ValueError("the file has no embedding table that tokens are looked up in")
        return name

    def _blocks(self, node: onnx.NodeProto) -> Blocks:
        attributes = _attributes(node)
        bits, size = attributes["bits"], attributes["block_size"]
        numbers = self._read(node.input[1])
        outputs, blocks = numbers.shape[:2]
        scales = self._read(node.input[2]).reshape(outputs, blocks)
        zeros = np.full((outputs, blocks), 2 ** (bits - 1), np.uint8)
        if len(node.input) > 3 and node.input[3]:
            packed = self._read(node.input[3]).reshape(outputs, -1)
            zeros = _unpacked(packed, bits)[:, :blocks]
        numbers = _unpacked(numbers.reshape(outputs, -1), bits).reshape(outputs, blocks, size)
        return Blocks(numbers, zeros, scales, bits, attributes["K"])

    def _set_blocks(self, node: onnx.NodeProto, blocks: Blocks) -> None:
        outputs = len(blocks.numbers)
        self._write(node.input[1], _packed(blocks.numbers.reshape(outputs, -1), blocks.bits))
        self._write(node.input[2], blocks.scales)
        if len(node.input) > 3 and node.input[3]:
            odd = blocks.zeros.shape[1] % (8 // blocks.bits)
            zeros = np.pad(blocks.zeros, ((0, 0), (0, odd)))
            self._write(node.input[3], _packed(zeros, blocks.bits))

    def _read(self, name: str) -> npt.NDArray[np.generic]:
        return numpy_helper.to_array(self._tensors[name])

    def _write(self, name: str, values: npt.NDArray[np.generic]) -> None:
        """In the shape and under the name that the tensor had."""
        tensor = self._tensors[name]
        shaped = np.ascontiguousarray(values).reshape(tuple(tensor.dims))
        tensor.CopyFrom(numpy_helper.from_array(shaped, name))


def changed_tensors(one: Path, other: Path) -> Iterator[str]:
    """Names of the tensors whose numbers differ between two files of one shape."""
    left, right = Weights(one), Weights(other)
    for name in left._tensors:
        if not np.array_equal(left._read(name), right._read(name)):
            yield name


def _attributes(node: onnx.NodeProto) -> dict[str, int]:
    return {attribute.name: attribute.i for attribute in node.attribute}


def _unpacked(packed: Bytes, bits: int) -> Bytes:
    """(rows, numbers) from (rows, bytes); of two in a byte the low half is the first."""
    if bits == 8:
        return packed
    if bits != 4:
        raise ValueError(f"{bits=}, but should be 4 or 8")
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(packed), -1)


def _packed(numbers: Bytes, bits: int) -> Bytes:
    return numbers if bits == 8 else numbers[:, 0::2] | (numbers[:, 1::2] << 4)
