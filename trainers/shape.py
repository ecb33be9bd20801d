"""`python -m trainers shape`: a model of any Phi-3 shape with random weights, straight in fp32, int8 or int4 ONNX.

For speed and memory, which do not depend on what the weights say; its manifest says that accuracy is not to be read off
it. Weights are drawn, packed and written one matrix at a time. No torch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.manifest import RANDOM
from phi4bench.datasets import fixtures_dir
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.alone import BUILD, alone_in
from trainers.base import check_place, drafted, manifest_of, read_json_file, way_to, write_json, write_manifest
from trainers.decoder import Drawn, Shape
from trainers.matrices import Packed, check_packing, quantized
from trainers.rewriting import Matrix, rewrite

PRESETS = {
    "phi-4": Shape(5120, 17_920, 40, 40, 10, 100_352, tied=False, theta=250_000.0),
    "phi-4-mini": Shape(3072, 8192, 32, 24, 8, 200_064, tied=True, rotary=0.75),
    "207m": Shape(1024, 2816, 12, 16, 8, 32_000, tied=False),
    "nano": Shape(256, 768, 4, 4, 2, 1024, tied=True, context=1024),
}
"""Source of phi-4 and phi-4-mini: the config.json of microsoft/phi-4 and microsoft/Phi-4-mini-instruct. Contexts are
4,096: up to there Phi-4-mini's longrope is one table, and the files here know one alone."""

PRECISIONS = ("fp32", "int8", "int4")
SPARE_BYTES = 256 << 20
"""Left free on the disk."""


@dataclass(frozen=True)
class Packing:
    """How int8 and int4 are packed, as `quantize` names it. `embeddings`, `head`: packed too."""

    block_size: int = 128
    symmetric: bool = True
    accuracy_level: int = 4
    embeddings: bool = True
    head: bool = True

    def __post_init__(self) -> None:
        check_packing(self.block_size, self.accuracy_level)


def shape_named(preset: str, **numbers: int | None) -> Shape:
    """A preset with some of its numbers replaced; raises `UsageError` for what no Phi-3 can be."""
    if preset not in PRESETS:
        raise UsageError(f"preset={printable(preset, 60)!r}, but should be one of {', '.join(PRESETS)}")
    return replace(PRESETS[preset], **{name: value for name, value in numbers.items() if value is not None})


def make(shape: Shape, precisions: Sequence[str], out: Path, packing: Packing = Packing(), seed: int = 0) -> list[Path]:
    """`out/PRECISION` for each, fp32 first; the same seed draws the same weights in each. What is there is kept.

    A killed run leaves nothing that looks finished. Raises `UsageError`, where the disk is too small among others.
    """
    if seed < 0:
        raise UsageError(f"seed={seed}, but should be at least 0")
    with alone_in(out, BUILD):
        ordered = sorted(set(precisions), key=PRECISIONS.index)
        return [_made(shape, precision, out, packing, seed) for precision in ordered]


def _made(shape: Shape, precision: str, out: Path, packing: Packing, seed: int) -> Path:
    target = out / precision
    recipe = _recipe(shape, packing, seed, precision)
    if (target / "phi4bench.json").is_file():
        if manifest_of(target).recipe != recipe:
            raise UsageError(f"'{printable(str(target), 200)}' is of another shape", "remove it first")
        print(f"{target} is finished; nothing to do")
        return target
    check_place(target)
    _check_room(out, shape, precision, packing)
    with drafted(target) as draft:
        _write_weights(shape, draft, precision, packing, seed)
        _write_configuration(shape, draft)
        _write_tokenizer(shape.vocabulary, draft)
        write_manifest(
            draft,
            name=f"{out.name}-{precision}",
            format="onnx",
            precision=precision,
            weights=RANDOM,
            **({} if precision == "fp32" else _parent(out / "fp32", shape, packing, seed, draft)),
            dialect="tool_use",
            recipe=recipe,
        )
    size = sum(path.stat().st_size for path in target.glob("model.onnx*"))
    print(f"{target}: {shape.parameters / 1e6:,.1f}M random parameters, {size:,} bytes", flush=True)
    return target


def _write_weights(shape: Shape, draft: Path, precision: str, packing: Packing, seed: int) -> None:
    bits = {"fp32": 0, "int8": 8, "int4": 4}[precision]

    def pack(matrix: Matrix, weights: np.ndarray) -> Packed | None:
        if not bits or (matrix.head and not packing.head):
            return None
        return quantized(weights, bits, packing.block_size, packing.symmetric, "rtn")

    # The builder's quantized files hold a table of their own where it is not packed.
    graph = Drawn(shape, seed, own_table=bool(bits) and not (packing.embeddings and packing.head))
    for _ in rewrite(graph, draft, pack, bool(bits) and packing.embeddings, packing.accuracy_level):
        pass


def _recipe(shape: Shape, packing: Packing, seed: int, precision: str) -> dict[str, Any]:
    told = {"command": "python -m trainers shape", "shape": asdict(shape), "seed": seed}
    return told if precision == "fp32" else told | {"packing": asdict(packing)}


def _parent(fp32: Path, shape: Shape, packing: Packing, seed: int, draft: Path) -> dict[str, Any]:
    """The fp32 file that the same numbers made, where it is there."""
    if not (fp32 / "phi4bench.json").is_file() or manifest_of(fp32).recipe != _recipe(shape, packing, seed, "fp32"):
        return {}
    return {"parent": {"path": way_to(fp32, draft), "sha256": open_artifact(str(fp32)).weights_sha256}}


def _check_room(out: Path, shape: Shape, precision: str, packing: Packing) -> None:
    bits = {"fp32": 32, "int8": 8, "int4": 4}[precision]
    table = 0 if precision == "fp32" or packing.embeddings else shape.vocabulary * shape.hidden
    scales = 0 if precision == "fp32" else 4 * shape.parameters // packing.block_size
    needed = shape.parameters * bits // 8 + 4 * table + scales + SPARE_BYTES
    free = shutil.disk_usage(out).free
    if free < needed:
        raise UsageError(
            f"'{printable(str(out), 200)}' has {free / 1e9:,.1f} GB free, but {precision} takes {needed / 1e9:,.1f} GB",
            "free some, name another --out, or fewer --layers",
        )


def _write_configuration(shape: Shape, folder: Path) -> None:
    """Nano's configuration with the shape's numbers."""
    config = json.loads(json.dumps(read_json_file(_nano() / "genai_config.json")))
    model, decoder = config["model"], config["model"]["decoder"]
    model |= {"context_length": shape.context, "vocab_size": shape.vocabulary}
    decoder |= {
        "head_size": shape.head_size, "hidden_size": shape.hidden, "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers, "num_key_value_heads": shape.kv_heads,
    }  # fmt: skip
    config["search"]["max_length"] = shape.context
    write_json(folder / "genai_config.json", config)


def _write_tokenizer(vocabulary: int, folder: Path) -> None:
    """Nano's, with entries that no text leads to for the rest of the vocabulary."""
    told = json.loads((_nano() / "tokenizer.json").read_text(encoding="utf-8"))
    words = told["model"]["vocab"]
    if vocabulary < len(words):
        raise UsageError(f"vocabulary={vocabulary}, but should be at least {len(words)}, that of nano's tokenizer")
    words |= {f"[{number}]": number for number in range(len(words), vocabulary)}
    write_json(folder / "tokenizer.json", told)
    shutil.copy(_nano() / "tokenizer_config.json", folder / "tokenizer_config.json")


def _nano() -> Path:
    return fixtures_dir() / "models" / "nano-fp32"
