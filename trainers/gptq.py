"""Checkpoints of few bits in GPTQ's packing: what AutoRound and GPTQ tools save. Needs torch.

The builder writes their integers into the ONNX file as they are. What they stand for in fp32 is unpacked here, by the
format's own rule, to compare with. Source of the packing: AutoGPTQ's QuantLinear (`qweight`: 32 / bits values of one
output in an int32, along the inputs; `qzeros`: likewise along the outputs, one less than the zero point).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.artifacts.hashing import file_sha256
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import copy_tokenizer, manifest_of, read_json_file, write_json, write_manifest

METHODS = ("gptq", "auto-round", "auto_round", "intel/auto-round")
PARTS = ("qweight", "qzeros", "scales", "g_idx")


@dataclass(frozen=True)
class Checkpoint:
    """A folder that the export can keep. `weights`: its files. `group`: inputs that share a scale (-1: all).

    `recipe`: what is written down of it, `source_sha256` above all.
    """

    folder: Path
    weights: tuple[Path, ...]
    bits: int
    group: int
    recipe: Mapping[str, Any]


def is_gptq(folder: Path) -> bool:
    """Whether the folder holds such a checkpoint, of whatever settings."""
    path = folder / "config.json"
    told = read_json_file(path).get("quantization_config") if path.is_file() else None
    return isinstance(told, dict) and told.get("quant_method") in METHODS


def open_gptq(folder: Path, precisions: Sequence[str]) -> Checkpoint:
    """Its settings and files, and no weight read yet. Raises `UsageError` for what the export cannot keep."""
    told = dict(read_json_file(folder / "config.json")["quantization_config"])
    shown = printable(str(folder), 200)
    bits, group = check_settings(told, shown)
    others = sorted(set(precisions) - {"fp32", f"int{bits}"})
    if others:
        raise UsageError(
            f"'{shown}' has matrices of {bits} bits, but {' and '.join(others)} was asked for",
            f"use --precision int{bits}, or fp32 for what they stand for",
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UsageError(f"'{shown}' holds no safetensors", "pickled weights are refused: save it again as safetensors")
    if not (folder / "tokenizer.json").is_file():
        raise UsageError(f"'{shown}' has no tokenizer.json", "copy the model's own")
    listing = [file_sha256(path) for path in (*weights, folder / "config.json")]
    digest = hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    recipe = {"source_sha256": digest, "quantization": {"bits": bits, "group_size": group, **_plain(told)}}
    return Checkpoint(folder, tuple(weights), bits, group, recipe)


def unpack(checkpoint: Checkpoint, scratch: Path) -> tuple[Path, Path]:
    """Two folders in `scratch`: the same model in fp32, kept where it is there whole, and the one that the builder
    reads. Raises `UsageError` where the weights are not what they should be."""
    whole, packed = scratch / "fp32", scratch / "packed"
    if manifest_of(whole).recipe.get("source_sha256") != checkpoint.recipe["source_sha256"]:
        _unpack(checkpoint, whole)
    _stage(checkpoint, packed)
    return whole, packed


def check_settings(told: Mapping[str, Any], shown: str) -> tuple[int, int]:
    """Bits, and inputs that share a scale (-1: all). Raises `UsageError`."""
    bits, group = told.get("bits"), told.get("group_size", -1)
    wrong = ""
    if bits not in (4, 8):
        wrong = f"bits={bits}, but should be 4 or 8"
    elif not isinstance(group, int) or (group != -1 and (group < 16 or group & (group - 1))):
        wrong = f"group_size={group}, but should be a power of two of at least 16"
    elif told.get("desc_act"):
        wrong = "desc_act=true (inputs in another order), but should be false"
    elif told.get("checkpoint_format") not in (None, "gptq"):
        wrong = f"checkpoint_format={told['checkpoint_format']!r}, but should be gptq"
    elif "gptq" not in str(told.get("packing_format", "gptq")):
        wrong = f"packing_format={told['packing_format']!r}, but should be auto_round:auto_gptq"
    elif told.get("dynamic") or told.get("extra_config"):
        wrong = "some layers have settings of their own, but all should have the same"
    if wrong:
        raise UsageError(f"'{shown}': quantization_config: {printable(wrong, 200)}", "quantize it again so")
    return int(told["bits"]), group


def unpacked(parts: Mapping[str, Any], bits: int, group: int) -> Any:
    """The fp32 weight (outputs, inputs) of one layer. `parts`: its tensors, by the last part of their names."""
    import torch

    shifts = torch.arange(0, 32, bits, dtype=torch.int32)
    most = 2**bits - 1
    values = (parts["qweight"][:, None, :] >> shifts[None, :, None]) & most  # (inputs / n, n, outputs)
    values = values.reshape(-1, values.shape[-1])
    zeros = (parts["qzeros"][:, :, None] >> shifts) & most  # (groups, outputs / n, n)
    zeros = (zeros.reshape(zeros.shape[0], -1)[:, : values.shape[1]] + 1) & most
    inputs = values.shape[0]
    groups = torch.arange(inputs) // (inputs if group == -1 else group)
    return ((values - zeros[groups]) * parts["scales"].float()[groups]).T.contiguous()


def _unpack(checkpoint: Checkpoint, target: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    folder = checkpoint.folder
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    tensors: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    name = ""
    try:
        for path in checkpoint.weights:
            tensors |= load_file(path)
        for name, tensor in tensors.items():
            layer, _, part = name.rpartition(".")
            if part == "qweight":
                parts = {one: tensors[f"{layer}.{one}"] for one in PARTS if one != "g_idx"}
                whole[f"{layer}.weight"] = unpacked(parts, checkpoint.bits, checkpoint.group)
            elif part not in PARTS:
                whole[name] = tensor.float().contiguous()
    except (SafetensorError, LookupError, RuntimeError, TypeError) as error:
        what = f"{printable(name, 120)} cannot be unpacked" if name else "the weights cannot be read"
        raise UsageError(f"'{printable(str(folder), 200)}': {what} ({printable(str(error), 200)})",
                         "save it again in GPTQ's packing") from None  # fmt: skip
    bare = sorted(name for name in whole if name.endswith("_proj.weight") and name in tensors)
    if bare:
        raise UsageError(f"'{printable(str(folder), 200)}': {printable(bare[0], 120)} is not quantized",
                         "the builder takes checkpoints with all linear layers of the decoder quantized")  # fmt: skip
    save_file(whole, target / "model.safetensors", metadata={"format": "pt"})
    config = read_json_file(folder / "config.json")
    plain = {key: value for key, value in config.items() if key not in ("quantization_config", "dtype", "torch_dtype")}
    write_json(target / "config.json", plain | {"dtype": "float32"})
    for name in ("generation_config.json",):
        if (folder / name).is_file():
            shutil.copy(folder / name, target / name)
    copy_tokenizer(folder, target)
    own = manifest_of(folder)
    spoken = {key: value for key, value in (("dialect", own.dialect), ("turns", own.turns)) if value}
    recipe = dict(checkpoint.recipe)
    write_manifest(target, name=folder.name, format="hf", precision="fp32", **spoken, recipe=recipe)


def _stage(checkpoint: Checkpoint, target: Path) -> None:
    """The folder with a configuration that the builder knows, and the inputs' groups (`g_idx`) where left out."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    folder, group = checkpoint.folder, checkpoint.group
    orders: dict[str, Any] = {}
    names: set[str] = set()
    for path in checkpoint.weights:
        (target / path.name).symlink_to(path.resolve())
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118  (no mapping)
                names.add(name)
                if name.endswith(".qweight"):
                    inputs = file.get_slice(name).get_shape()[0] * 32 // checkpoint.bits
                    order = torch.arange(inputs, dtype=torch.int32) // (inputs if group == -1 else group)
                    orders[name.removesuffix("qweight") + "g_idx"] = order
    missing = {name: order for name, order in orders.items() if name not in names}
    if missing:
        save_file(missing, target / "order.safetensors")
    config = dict(read_json_file(folder / "config.json"))
    config["quantization_config"] |= {"quant_method": "gptq"}
    write_json(target / "config.json", config)
    for name in ("generation_config.json",):
        if (folder / name).is_file():
            shutil.copy(folder / name, target / name)
    copy_tokenizer(folder, target)


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """What of the settings is worth keeping with the file."""
    return {key: told[key] for key in ("quant_method", "sym", "iters", "autoround_version") if key in told}
