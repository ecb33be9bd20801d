"""`export --adapter`: a LoRA adapter beside its base's ONNX file, not merged into it. Needs onnx, torch and PEFT.

The base graph gets two more inputs a layer, A and B, that are empty by default: the file alone is the base. Their
values are an .onnx_adapter file, which onnxruntime's `LoraAdapter` and onnxruntime-genai's `Adapters` load.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.alone import BUILD, alone_in
from trainers.base import copy_tokenizer, drafted, manifest_of, open_base, read_json_file
from trainers.merge import adapter_of, adapter_sha256, base_of, check_base

ADAPTER = "adapter.onnx_adapter"
PLACES = {
    "self_attn.qkv_proj": ("attn/qkv_proj",),
    "self_attn.q_proj": ("attn/q_proj", "attn/qkv_proj"),
    "self_attn.k_proj": ("attn/k_proj", "attn/qkv_proj"),
    "self_attn.v_proj": ("attn/v_proj", "attn/qkv_proj"),
    "self_attn.o_proj": ("attn/o_proj",),
    "mlp.gate_proj": ("mlp/gate_proj", "mlp/gate_up_proj"),
    "mlp.up_proj": ("mlp/up_proj", "mlp/gate_up_proj"),
    "mlp.down_proj": ("mlp/down_proj",),
}
"""A layer of the model, and the products of the builder's graph that it may have become: its own, or a joint one."""
JOINT = {
    "attn/qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "mlp/gate_up_proj": ("mlp.gate_proj", "mlp.up_proj"),
}
SPLIT = {"mlp.gate_up_proj": ("mlp/gate_proj", "mlp/up_proj")}
"""A layer that the builder takes apart, in equal shares of its outputs."""


@dataclass(frozen=True)
class Lora:
    """What is added to one product x W: x A B. `a`: (inputs, rank); `b`: (rank, outputs), scaling in it."""

    a: np.ndarray
    b: np.ndarray

    def beside(self, other: Lora) -> Lora:
        return Lora(np.concatenate([self.a, other.a], 1), np.concatenate([self.b, other.b], 0))


def export_adapter(
    run: Path,
    precisions: Sequence[str],
    out: Path | None,
    prompts: Callable[[Path], Sequence[Sequence[int]]],
    base: str | None = None,
    block_size: int = 32,
    accuracy_level: int = 4,
) -> list[Path]:
    """`out/with-adapter/PRECISION`, each made of the plain `out/base/PRECISION`; results go to their `export.json`.

    `base`: `None` for the one that the adapter names. Raises `UsageError` where the adapter is another base's.
    """
    from trainers.export import SETTINGS, Source, export, finish, is_finished, recipe_of

    adapter = adapter_of(run)
    digest = adapter_sha256(adapter)
    check_kind(adapter)
    found = open_base(base or base_of(adapter))
    check_base(adapter, found, digest)
    out = out or adapter.parent
    plain = export(found.spec, precisions, out / "base", prompts, block_size, accuracy_level)
    recipe = {
        "command": "python -m trainers export --adapter",
        "source": found.spec,
        **recipe_of(found),
        "adapter_sha256": digest,
        "adapter": dict(manifest_of(adapter).recipe),
    }
    source = Source(found, recipe, adapter)
    made, loras = [], None
    with alone_in(out / "with-adapter", BUILD):
        for folder in plain:
            target = out / "with-adapter" / folder.name
            made.append(target)
            settings = {name: value for name, value in manifest_of(folder).recipe.items() if name in SETTINGS}
            if is_finished(target, recipe, settings):
                continue
            loras = lora_of(found.folder, adapter) if loras is None else loras
            with drafted(target) as draft:
                write_with_adapter(folder, draft, loras)
                copy_tokenizer(adapter if (adapter / "tokenizer.json").is_file() else folder, draft)
                finish(source, draft, target, folder.name, prompts(found.folder), {"adapter": ADAPTER}, settings)
    return made


def check_kind(adapter: Path) -> None:
    """`UsageError` for an adapter that is more than products of A and B, or has another base than it names: PiSSA and
    its like take a part out of the base's weights when PEFT loads them."""
    config = read_json_file(adapter / "adapter_config.json")
    more = [
        f"{name}={printable(str(config[name]), 60)}"
        for name, plain in (
            ("peft_type", ("LORA",)), ("use_dora", (None, False)), ("bias", (None, "none")),
            ("modules_to_save", (None, [])), ("trainable_token_indices", (None, [])), ("lora_bias", (None, False)),
            ("init_lora_weights", (None, True, False, "gaussian", "eva", "orthogonal")), ("use_qalora", (None, False)),
            ("alora_invocation_tokens", (None, [])), ("layer_replication", (None, [])),
        ) if config.get(name) not in plain
    ]  # fmt: skip
    if more:
        raise UsageError(
            f"'{printable(str(adapter), 200)}' has {', '.join(more)}, which an ONNX adapter cannot carry",
            "merge it into its base, and export that",
        )


def lora_of(base: Path, adapter: Path) -> Mapping[str, tuple[Lora, int]]:
    """By the names of the layers, as `3.mlp.down_proj`: what is added, and the layer's outputs. All that the joint
    products are made of is there, empty where it has no adapter."""
    import torch
    from peft.tuners.lora import LoraLayer

    from trainers.weights import load_whole, with_adapter

    adapted = with_adapter(load_whole(base, dtype=torch.float32), adapter, base)
    found: dict[str, tuple[Lora, int]] = {}
    for name, module in adapted.named_modules():
        layer = name.partition(".layers.")[2]
        if isinstance(module, LoraLayer):
            if layer.partition(".")[2] not in (*PLACES, *SPLIT):
                raise UsageError(f"the adapter changes {printable(name, 120)}, which has no place in the ONNX file",
                                 "merge it into its base, and export that")  # fmt: skip
            a = module.lora_A["default"].weight.detach().numpy().T
            b = module.lora_B["default"].weight.detach().numpy().T * np.float32(module.scaling["default"])
            found[layer] = (Lora(np.ascontiguousarray(a), np.ascontiguousarray(b)), b.shape[1])
        elif isinstance(module, torch.nn.Linear) and layer.partition(".")[2] in PLACES and layer not in found:
            nothing = Lora(
                np.zeros((module.in_features, 0), np.float32), np.zeros((0, module.out_features), np.float32)
            )
            found[layer] = (nothing, module.out_features)
    return found


def write_with_adapter(plain: Path, target: Path, loras: Mapping[str, tuple[Lora, int]]) -> None:
    """`target`: the plain file with inputs for the adapter, its weights, and the adapter's file."""
    import onnx
    import onnxruntime

    model = onnx.load(plain / "model.onnx", load_external_data=False)
    values = insert(model, loras)
    target.mkdir(parents=True)
    (target / "model.onnx").write_bytes(model.SerializeToString())
    for path in plain.iterdir():
        if path.name.startswith("model.onnx."):
            link(path, target / path.name)
        elif path.name not in ("model.onnx", "phi4bench.json"):
            shutil.copy(path, target / path.name)
    file = onnxruntime.AdapterFormat()
    file.set_adapter_version(1)
    file.set_model_version(1)
    file.set_parameters({name: onnxruntime.OrtValue.ortvalue_from_numpy(value) for name, value in values.items()})
    file.export_adapter(str(target / ADAPTER))


def link(source: Path, target: Path) -> None:
    """The same weights under another name, or a copy where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def insert(model: Any, loras: Mapping[str, tuple[Lora, int]]) -> dict[str, np.ndarray]:
    """Add the products to the graph; returns the values of their inputs, by name."""
    products = {
        name.removeprefix("/model/layers.").replace("/", ".", 1).removesuffix("/MatMul/output_0"): node
        for node in model.graph.node for name in node.output[:1] if name.endswith("_proj/MatMul/output_0")
    }  # fmt: skip
    wanted = placed(loras, {name.partition(".")[2] for name in products})
    values: dict[str, np.ndarray] = {}
    for place, lora in wanted.items():
        names = [f"model.layers.{place.replace('/', '.')}.lora_{letter}.weight" for letter in "AB"]
        values |= dict(zip(names, (np.ascontiguousarray(lora.a), np.ascontiguousarray(lora.b)), strict=True))
        _add(model.graph, products[place], names, lora)
    return values


def placed(loras: Mapping[str, tuple[Lora, int]], there: set[str]) -> dict[str, Lora]:
    """By products of the graph, as `3.mlp/down_proj`. `there`: what products a layer of the graph has."""
    found: dict[str, Lora] = {}
    for layer, (lora, outputs) in loras.items():
        number, _, kind = layer.partition(".")
        parts = SPLIT.get(kind, ())
        if not lora.a.shape[1]:
            continue
        if parts and set(parts) <= there:
            shares = np.split(lora.b, len(parts), axis=1)
            new = {f"{number}.{part}": Lora(lora.a, share) for part, share in zip(parts, shares, strict=True)}
        else:
            options = PLACES.get(kind, (kind.replace(".", "/"),))
            place = next((one for one in options if one in there), None)
            if place is None:
                raise UsageError(f"the adapter changes {layer}, but the ONNX file has only {', '.join(sorted(there))}",
                                 "merge the adapter into its base, and export that")  # fmt: skip
            if place in JOINT and kind in JOINT[place]:
                widths = [loras[f"{number}.{one}"][1] for one in JOINT[place]]
                before = sum(widths[: JOINT[place].index(kind)])
                wide = np.zeros((lora.b.shape[0], sum(widths)), np.float32)
                wide[:, before : before + outputs] = lora.b
                lora = Lora(lora.a, wide)
            new = {f"{number}.{place}": lora}
        for place, one in new.items():
            found[place] = found[place].beside(one) if place in found else one
    return found


def _add(graph: Any, node: Any, names: Sequence[str], lora: Lora) -> None:
    """y = x W becomes y = x W + x A B, with A and B as inputs that are empty where nothing is given."""
    from onnx import TensorProto, helper

    y = node.output[0]
    base, root = f"{y}/base", y.removesuffix("/MatMul/output_0")
    node.output[0] = base
    inner, added = f"{root}/lora_A/output_0", f"{root}/lora_B/output_0"
    nodes = [
        helper.make_node("MatMul", [node.input[0], names[0]], [inner], f"{root}/lora_A/MatMul"),
        helper.make_node("MatMul", [inner, names[1]], [added], f"{root}/lora_B/MatMul"),
        helper.make_node("Add", [base, added], [y], f"{root}/lora/Add"),
    ]
    at = next(index for index, one in enumerate(graph.node) if one is node or one.output[0] == base) + 1
    for offset, new in enumerate(nodes):
        graph.node.insert(at + offset, new)
    rank = f"{names[0]}_rank"
    for name, dims, empty in (
        (names[0], [lora.a.shape[0], rank], [lora.a.shape[0], 0]),
        (names[1], [rank, lora.b.shape[1]], [0, lora.b.shape[1]]),
    ):
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, empty, b"", raw=True))
