"""Which part of a model each tensor belongs to, by its name and by what uses it. Reads headers and no weights.

The names are those of onnxruntime-genai's model builder and of Hugging Face; what neither explains is `other`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from phi4bench.artifacts.artifact import Artifact, is_text
from phi4bench.artifacts.onnxfile import NARROW, PACKED, Node, OnnxFile, Tensor, read_onnx
from phi4bench.artifacts.protobuf import WireError
from phi4bench.artifacts.safetensors import tensors as stored_tensors
from phi4bench.errors import ArtifactError
from phi4bench.sizes import ADAPTER, EMBEDDINGS, FP32_BYTES, GRAPH, HEAD, SCALES, Part, Weighed, weighed

FLOATS = ("fp32", "fp16", "bf16", "fp64")
TABLES = "position tables"

_BY_NAME = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (SCALES, r"_(scales?|zero_points?|zp|qzeros|g_idx)$"),
        (TABLES, r"(cos|sin)_cache|rotary|inv_freq"),
        (HEAD, r"lm_head|embed_out"),
        ("norms", r"norm|\bln_\d"),  # before attention: there is a post_attention_layernorm
        (EMBEDDINGS, r"embed|\bwte\b|\bwpe\b"),
        ("MLP", r"mlp|feed_forward|ffn|expert|gate_up|(gate|up|down)_proj|\bfc\d"),
        ("attention", r"attn|attention|qkv|\b[qkvo]_proj"),
    )
)
_VIEWS = {"Transpose", "Reshape", "Cast", "Identity", "Squeeze", "Unsqueeze", "DequantizeLinear"}
"""What they give is their first input in another shape or type."""
_SCALE_INPUTS: Mapping[str, Sequence[int]] = {
    "MatMulNBits": (2, 3, 4), "GatherBlockQuantized": (2, 3), "MatMulBnb4": (2,), "DequantizeLinear": (1, 2),
    "MatMulInteger": (2, 3), "DynamicQuantizeMatMul": (2, 3), "MatMulIntegerToFloat": (2, 3, 4, 5),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
}  # fmt: skip
"""Source: the operators' pages in onnx/docs and onnxruntime's ContribOperators.md."""

Uses = Mapping[str, Sequence[tuple[Node, int]]]


def weigh(artifact: Artifact) -> Weighed:
    """Every byte of the model's files, by parts. `ArtifactError` for what has no weights, or cannot be read."""
    if artifact.format == "fake":
        raise ArtifactError(f"{artifact.id} is a fake and has no weights")
    if artifact.format == "onnx":
        parts, tied = _read_onnx(artifact.model_file)
        if artifact.adapter is not None:
            size = next(size for name, _, size in artifact.files if name == artifact.adapter.name)
            parts.append(Part(ADAPTER, size, 0, size))  # its numbers are in fp32
    else:
        parts, tied = _read_safetensors(
            [artifact.path / name for name, *_ in artifact.files if name.endswith(".safetensors")]
        )
    rest = artifact.bytes - sum(part.bytes for part in parts)
    beside = sum(size for name, _, size in artifact.files if is_text(name))
    return weighed([*parts, Part(GRAPH, rest, 0, rest)], tied, beside)


def _read_onnx(path: Path) -> tuple[list[Part], bool]:
    try:
        onnx = read_onnx(path)
    except (WireError, OSError) as error:
        raise ArtifactError(f"{path.name} cannot be read ({error})") from None
    return parts_of(onnx)


def parts_of(onnx: OnnxFile) -> tuple[list[Part], bool]:
    """Each tensor as a part, and whether one table is the embeddings' and the LM head's.

    A tensor that lies where another does is not counted again.
    """
    uses = _uses(onnx)
    seen: set[tuple[str, int]] = set()
    parts, tied = [], False
    for tensor in onnx.tensors:
        if tensor.place is not None and tensor.bytes:
            if tensor.place in seen:
                continue
            seen.add(tensor.place)
        own = uses[tensor.name]
        name = _part_name(tensor.name, own)
        parts.append(_part(name, tensor, _weights(tensor, own)))
        looks_up, multiplies = (any(word in node.operator for node, _ in own) for word in ("Gather", "MatMul"))
        tied = tied or (looks_up and multiplies and name in (EMBEDDINGS, HEAD))
    return parts, tied


def read_a_token(onnx: OnnxFile) -> tuple[int, int]:
    """Bytes of the weights that one new token reads, and how many weights it is multiplied by.

    Of a table that is looked up in, a token reads a row: it counts as nothing, and so do the position tables. Where the
    table is the LM head's too, the head reads all of it.
    """
    uses = _uses(onnx)
    read: dict[object, tuple[int, int]] = {}
    for tensor in onnx.tensors:
        own = [(node, index) for node, index in uses[tensor.name] if not _looked_up(node, index)]
        if own:
            multiplies = any("MatMul" in node.operator and index == 1 for node, index in own)
            read[tensor.place or tensor.name] = tensor.bytes, _weights(tensor, own) if multiplies else 0
    return sum(size for size, _ in read.values()), sum(weights for _, weights in read.values())


def _looked_up(node: Node, index: int) -> bool:
    """Whether a node reads single rows of this input, or only gives it another shape."""
    rows = {"Gather": (0,), "GatherBlockQuantized": (0, 2, 3), "GroupQueryAttention": (7, 8)}.get(node.operator, ())
    return index in rows or node.operator in ("Transpose", "Reshape", "Identity", "Squeeze", "Unsqueeze")


def _uses(onnx: OnnxFile) -> Uses:
    """Of each initializer, the nodes that read it or a view of it, and as which input."""
    uses: dict[str, list[tuple[Node, int]]] = {tensor.name: [] for tensor in onnx.tensors}
    source = {tensor.name: tensor.name for tensor in onnx.tensors}
    for node in onnx.nodes:
        for index, name in enumerate(node.inputs):
            if name in source:
                uses[source[name]].append((node, index))
        if node.operator in _VIEWS and node.inputs and node.inputs[0] in source:
            source.update(dict.fromkeys(node.outputs, source[node.inputs[0]]))
    return uses


def _part_name(name: str, uses: Sequence[tuple[Node, int]]) -> str:
    """By the tensor's own name, else by those of the nodes that read it."""
    if any(index in _SCALE_INPUTS.get(node.operator, ()) for node, index in uses):
        return SCALES
    for told in (name, " ".join(node.name for node, _ in uses)):
        for part, pattern in _BY_NAME:
            if pattern.search(told):
                return part
    return "other"


def _weights(tensor: Tensor, uses: Sequence[tuple[Node, int]]) -> int:
    """How many weights a tensor holds, unpacked: MatMulNBits and its kin know (K times N), others by their bits.

    Numbers of few bits are weights whatever reads them: a model whose weights were not seen would pass for a small one,
    of which no size and no speed is asked.
    """
    if tensor.kind in FLOATS:
        return tensor.elements
    for node, index in uses:
        if node.operator in PACKED and index == 1 and "K" in node.whole:
            return node.whole["K"] * node.whole.get("N", 0)
    for node, _ in uses:
        bits = node.whole.get("bits") or node.whole.get("expert_weight_bits") or (4 if node.operator in PACKED else 0)
        if bits and tensor.kind in ("uint8", "int8"):
            return tensor.elements * 8 // bits
    return tensor.elements if tensor.kind in NARROW else 0


def _part(name: str, tensor: Tensor, weights: int) -> Part:
    if name == SCALES:
        return Part(name, tensor.bytes, 0, 0)  # at 32 bits there would be none
    if name == TABLES:
        return Part(name, tensor.bytes, 0, FP32_BYTES * weights or tensor.bytes)
    return Part(name, tensor.bytes, weights, FP32_BYTES * weights or tensor.bytes)


def _read_safetensors(paths: Sequence[Path]) -> tuple[list[Part], bool]:
    parts = list(_stored_parts(paths))
    return parts, not any(part.name == HEAD for part in parts)


def _stored_parts(paths: Sequence[Path]) -> Iterator[Part]:
    for path in paths:
        for one in stored_tensors(path):
            weights = one.elements if one.kind in FLOATS else 0
            yield _part(_part_name(one.name, ()), Tensor(one.name, one.kind, one.elements, one.bytes), weights)
