"""The graph of a Phi-3 decoder of any shape, node for node as onnxruntime-genai's builder writes it for the CPU.

Needs onnx; no torch. Weights are not in it: `Drawn` draws each at random when it is asked for, the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from onnx import TensorProto, helper

from phi4bench.errors import UsageError
from trainers.rewriting import Graph

HEAD, TABLE = "lm_head.MatMul.weight", "model.embed_tokens.weight"
SPREAD = 0.02
"""Standard deviation of the weights; that of Phi-3's initializer."""
_EPSILON = float(np.float32(1e-5))
_MASK = "/model/attn_mask_reformat/attn_mask_subgraph"
_OPSETS = (("", 22), ("com.microsoft", 1))


@dataclass(frozen=True)
class Shape:
    """`tied`: one table is the embeddings' and the head's. `rotary`: share of a head that is rotated."""

    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool
    context: int = 4096
    rotary: float = 1.0
    theta: float = 10_000.0

    def __post_init__(self) -> None:
        for name in ("hidden", "ffn", "layers", "heads", "kv_heads", "vocabulary", "context"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}={getattr(self, name)}, but should be at least 1")
        if self.hidden % self.heads or self.head_size % 16:
            raise UsageError(f"hidden={self.hidden}, but should be {self.heads} heads of a multiple of 16")
        if self.rotated % 16:
            raise UsageError(f"rotary={self.rotary:g}, but should leave a multiple of 16 numbers a head")
        if self.heads % self.kv_heads:
            raise UsageError(f"kv_heads={self.kv_heads}, but should divide the {self.heads} heads")

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    @property
    def rotated(self) -> int:
        """Numbers of a head that are rotated."""
        return int(self.head_size * self.rotary)

    @property
    def parameters(self) -> int:
        qkv = self.hidden * (self.heads + 2 * self.kv_heads) * self.head_size
        layer = qkv + self.hidden * self.hidden + 3 * self.hidden * self.ffn + 2 * self.hidden
        return self.layers * layer + self.hidden + (1 if self.tied else 2) * self.vocabulary * self.hidden


class Drawn(Graph):
    """A decoder's graph whose weights are drawn from `seed` and their own name, one at a time."""

    def __init__(self, shape: Shape, seed: int, own_table: bool = False) -> None:
        """`own_table`: the embeddings lie apart, even where they are the head's."""
        self.shape, self.seed = shape, seed
        super().__init__(decoder(shape, own_table or not shape.tied), Path())

    def array(self, name: str) -> np.ndarray:
        dims = tuple(self.tensors[name].dims)
        if name in ("cos_cache", "sin_cache"):
            return self._rotation(np.cos if name == "cos_cache" else np.sin)
        if "norm" in name:
            return np.ones(dims, np.float32)
        if name == TABLE and self.shape.tied:
            return np.ascontiguousarray(self.array(HEAD).T)
        drawn = np.random.default_rng([self.seed, crc32(name.encode())]).standard_normal(dims, np.float32)
        drawn *= SPREAD
        return drawn

    def _rotation(self, of: Any) -> np.ndarray:
        """(context, half of what is rotated). Source: J. Su and others, RoFormer (2021), arXiv:2104.09864, eq. 15."""
        every = np.arange(0, self.shape.rotated, 2) / self.shape.rotated
        angles = np.arange(self.shape.context)[:, None] / self.shape.theta**every
        return np.asarray(of(angles), np.float32)


class _Nodes:
    """The nodes so far, and the weights that they read."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}

    def add(self, operator: str, name: str, inputs: list[str], outputs: list[str] | None = None, **told: Any) -> str:
        """Appends one; returns its first output."""
        outputs = outputs or [f"{name}/output_0"]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, **told))
        return outputs[0]

    def weight(self, name: str, *dims: int) -> str:
        self.weights.setdefault(name, TensorProto(name=name, dims=dims, data_type=TensorProto.FLOAT))
        return name

    def constant(self, shown: str, value: Any) -> str:
        tensor = helper.make_tensor(
            f"/model/constants/INT64/{shown}", TensorProto.INT64, np.shape(value), np.ravel(value)
        )
        return self.add("Constant", f"/model/constant_nodes/INT64/{shown}", [], [tensor.name], value=tensor)

    def matmul(self, name: str, x: str, weight: str, dims: tuple[int, int], outputs: list[str] | None = None) -> str:
        return self.add("MatMul", f"{name}/MatMul", [x, self.weight(weight, *dims)], outputs)


def decoder(shape: Shape, own_table: bool) -> Any:
    """The model without weights: each initializer has a name and a shape alone."""
    net = _Nodes()
    lengths = _lengths(net)
    if own_table:
        rows = net.weight(TABLE, shape.vocabulary, shape.hidden)
    else:
        head = net.weight(HEAD, shape.hidden, shape.vocabulary)
        rows = net.add("Transpose", "/model/embed_tokens/Transpose", [head], perm=[1, 0])
    stream = net.add("Gather", "/model/embed_tokens/Gather", [rows, "input_ids"])
    branch = ""
    for layer in range(shape.layers):
        at = f"layers.{layer}"
        x, stream = _normalized(net, shape, f"{at}/input_layernorm", stream, branch)
        branch = _attention(net, shape, at, layer, x, lengths)
        x, stream = _normalized(net, shape, f"{at}/post_attention_layernorm", stream, branch)
        branch = _mlp(net, shape, at, x)
    x, _ = _normalized(net, shape, f"layers.{shape.layers}/final_norm_layernorm", stream, branch, last=True)
    net.matmul("/lm_head", x, HEAD, (shape.hidden, shape.vocabulary), ["logits"])
    inputs, outputs = _ends(shape)
    graph = helper.make_graph(net.nodes, "main_graph", inputs, outputs, list(net.weights.values()))
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="phi4bench")


def _lengths(net: _Nodes) -> tuple[str, str]:
    """How many tokens each row has, less one, and how many the longest has."""
    one, first = net.constant("[1]", [1]), "1"
    summed = net.add("ReduceSum", f"{_MASK}/ReduceSum", ["attention_mask", one], keepdims=0)
    less = net.add("Sub", f"{_MASK}/Sub", [summed, one])
    each = net.add("Cast", f"{_MASK}/Sub/Cast", [less], to=TensorProto.INT32)
    whole = net.add("Shape", f"{_MASK}/Shape", ["attention_mask"])
    longest = net.add("Gather", f"{_MASK}/Gather", [whole, net.constant(first, 1)], axis=0)
    return each, net.add("Cast", f"{_MASK}/Gather/Cast", [longest], to=TensorProto.INT32)


def _normalized(net: _Nodes, shape: Shape, at: str, stream: str, branch: str, last: bool = False) -> tuple[str, str]:
    """The stream with the branch added to it, normalized, and the sum itself."""
    weight = net.weight(f"model.{at.replace('/', '.')}.weight", shape.hidden)
    first = f"/model/{at}/output_0"
    if not branch:
        told = {"axis": -1, "epsilon": _EPSILON, "stash_type": 1}
        return net.add(
            "SimplifiedLayerNormalization", f"/model/{at}/LayerNorm", [stream, weight], [first], **told
        ), stream
    outputs = [first] if last else [first, "", "", f"/model/{at}/output_3"]
    net.add(
        "SkipSimplifiedLayerNormalization", f"/model/{at}/SkipLayerNorm", [stream, branch, weight], outputs,
        domain="com.microsoft", epsilon=_EPSILON,
    )  # fmt: skip
    return first, outputs[-1]


def _attention(net: _Nodes, shape: Shape, at: str, layer: int, x: str, lengths: tuple[str, str]) -> str:
    width = (shape.heads + 2 * shape.kv_heads) * shape.head_size
    weight = f"model.{at}.attn"
    qkv = net.matmul(f"/model/{at}/attn/qkv_proj", x, f"{weight}.qkv_proj.MatMul.weight", (shape.hidden, width))
    past = [f"past_key_values.{layer}.{kind}" for kind in ("key", "value")]
    caches = [net.weight(name, shape.context, shape.rotated // 2) for name in ("cos_cache", "sin_cache")]
    name = f"/model/{at}/attn/GroupQueryAttention"
    mixed = net.add(
        "GroupQueryAttention", name, [qkv, "", "", *past, *lengths, *caches, "", "", ""],
        [f"{name}/output_0", f"present.{layer}.key", f"present.{layer}.value"], domain="com.microsoft",
        num_heads=shape.heads, kv_num_heads=shape.kv_heads, scale=float(np.float32(shape.head_size**-0.5)),
        local_window_size=-1, softcap=0.0, do_rotary=1, rotary_interleaved=0,
    )  # fmt: skip
    return net.matmul(f"/model/{at}/attn/o_proj", mixed, f"{weight}.o_proj.MatMul.weight", (shape.hidden, shape.hidden))


def _mlp(net: _Nodes, shape: Shape, at: str, x: str) -> str:
    def linear(name: str, x: str, dims: tuple[int, int]) -> str:
        return net.matmul(f"/model/{at}/mlp/{name}", x, f"model.{at}.mlp.{name}.MatMul.weight", dims)

    gate = linear("gate_proj", x, (shape.hidden, shape.ffn))
    up = linear("up_proj", x, (shape.hidden, shape.ffn))
    open_ = net.add("Sigmoid", f"/model/{at}/mlp/act_fn/Sigmoid", [gate])
    silu = net.add("Mul", f"/model/{at}/mlp/act_fn/Mul", [gate, open_])
    both = net.add("Mul", f"/model/{at}/mlp/Mul", [silu, up])
    return linear("down_proj", both, (shape.ffn, shape.hidden))


def _ends(shape: Shape) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs of the graph."""
    tokens = ["batch_size", "sequence_length"]

    def cache(name: str, length: str) -> Any:
        return _value(name, TensorProto.FLOAT, ["batch_size", shape.kv_heads, length, "kv_cache_dim"])

    def caches(name: str, length: str) -> list[Any]:
        layers = range(shape.layers)
        return [cache(f"{name}.{layer}.{kind}", length) for kind in ("key", "value") for layer in layers]

    inputs = [
        _value("input_ids", TensorProto.INT64, tokens),
        _value("attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"]),
        *caches("past_key_values", "past_sequence_length"),
    ]
    logits = _value("logits", TensorProto.FLOAT, [*tokens, shape.vocabulary])
    return inputs, [logits, *caches("present", "total_sequence_length")]


def _value(name: str, kind: int, dims: list[Any]) -> Any:
    return helper.make_tensor_value_info(name, kind, dims)
