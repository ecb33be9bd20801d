"""Small folders as the model builder lays them out: the structure of a decoder that no runtime would run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="builds small ONNX files: needs phi4bench[train]")

VOCABULARY = 64
DECODER_INPUTS = ("input_ids", "attention_mask", "past_key_values.0.key", "past_key_values.0.value")


def onnx_model(
    inputs: tuple[str, ...] = DECODER_INPUTS,
    outputs: tuple[str, ...] = ("logits", "present.0.key"),
    bits: tuple[int, ...] = (),
    operators: tuple[str, ...] = (),
    weights: str = "float32",
    inside_if: bool = False,
) -> object:
    """A model that no runtime would run, with the structure that matters here."""
    helper, kinds = onnx.helper, onnx.TensorProto
    floats = [helper.make_tensor_value_info(name, kinds.FLOAT, ["batch", "seq", VOCABULARY]) for name in outputs]
    nodes = [helper.make_node("MatMul", ["a", "w"], ["b"])]
    nodes += [helper.make_node("MatMulNBits", ["a"], ["b"], domain="com.microsoft", bits=n, K=8, N=8) for n in bits]
    nodes += [helper.make_node(operator, ["a"], ["b"]) for operator in operators]
    weight = onnx.numpy_helper.from_array(np.arange(4096).astype(weights), "w")
    initializers = [weight]
    if inside_if:
        branch = helper.make_graph([], "branch", [], [floats[0]], [weight])
        nodes.append(helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch))
        initializers = []
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info(name, kinds.INT64, ["batch", "seq"]) for name in inputs],
        floats,
        initializers,
    )
    return helper.make_model(graph, producer_name="test")


def tokenizer_json(size: int = 60, added: tuple[str, ...] = ()) -> str:
    vocabulary = {f"t{number}": number for number in range(size)}
    tokens = [
        {"id": size + at, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for at, text in enumerate(added)
    ]  # fmt: skip
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "t0"}
    return json.dumps({"version": "1.0", "added_tokens": tokens, "model": model})


def folder_of(
    path: Path,
    model: object | None = None,
    *,
    external: bool = True,
    tokenizer: str | None = None,
    template: str = "",
    manifest: dict[str, object] | None = None,
) -> Path:
    """A folder as the model builder lays it out."""
    path.mkdir(parents=True, exist_ok=True)
    onnx.save(
        onnx_model() if model is None else model,
        str(path / "model.onnx"),
        save_as_external_data=external,
        location="model.onnx.data",
        size_threshold=0,
    )
    (path / "genai_config.json").write_text(json.dumps({"model": {"eos_token_id": [1, 2], "vocab_size": VOCABULARY}}))
    (path / "tokenizer.json").write_text(tokenizer_json() if tokenizer is None else tokenizer)
    (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    if manifest is not None:
        (path / "phi4bench.json").write_text(json.dumps({"schema": "phi4bench.artifact/1"} | manifest))
    return path
