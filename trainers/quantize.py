"""`python -m trainers quantize`: INT8 and INT4 files from the fp32 file, each compared with it. No torch, but for HQQ.

Results go to `quantization_results.json`: sizes, errors, timings, and the settings that made each file.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from phi4bench.artifacts.artifact import Artifact
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.alone import BUILD, alone_in
from trainers.base import (
    check_place,
    configuration_of,
    copy_tokenizer,
    drafted,
    is_made_by,
    manifest_of,
    way_to,
    write_manifest,
)
from trainers.calibration import calibrate
from trainers.closeness import Closeness, Source, compare, open_source
from trainers.export import record, results_in
from trainers.matrices import METHODS, Packed, check_packing, quantized
from trainers.rewriting import Graph, Matrix, rewrite

RESULTS = "quantization_results.json"
DYNAMIC = "dynamic"
ONLY_BITS = {"hqq": 4, DYNAMIC: 8}
"""Of methods that make one width alone."""
ZERO_POINTS = ("k-quant", "hqq")
"""Methods that are never symmetric."""


@dataclass(frozen=True)
class Plan:
    """How one file is made. `method`: of `METHODS`, or `dynamic` (int8 alone: activations quantized as they come).

    `accuracy_level`: of MatMulNBits, 4: activations in int8; 0: the runtime's choice. `keep`: names of matrices, or
    parts of names, that stay in fp32. `wide`: whole names of those that get 8 bits. Settings that the method does not
    have are a `UsageError`.
    """

    bits: int
    method: str = "rtn"
    block_size: int = 32
    symmetric: bool = True
    accuracy_level: int = 4
    embeddings: bool = True
    head: bool = True
    keep: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bits not in (4, 8):
            raise UsageError(f"bits={self.bits}, but should be 4 or 8")
        if self.method not in (*METHODS, DYNAMIC):
            raise UsageError(f"method={self.method!r}, but should be one of {', '.join((*METHODS, DYNAMIC))}")
        check_packing(self.block_size, self.accuracy_level)
        if self.method == DYNAMIC and self.bits != 8:
            raise UsageError("method='dynamic' makes int8 alone", "use --bits 8")
        if self.method == "hqq" and (self.bits != 4 or self.wide):
            what = "method='hqq' makes int4 alone: onnxruntime multiplies no 8-bit matrix with its float zero points"
            raise UsageError(what, "use --bits 4")
        if self.method == "hqq" and find_spec("torch") is None:
            raise UsageError("method='hqq' needs torch, not installed", "use rtn, k-quant or gptq")
        if self.method in ZERO_POINTS and self.symmetric:
            raise UsageError(f"method={self.method!r} has zero points always", "use --no-symmetric")
        others = [one for one in fields(self) if one.name not in ("bits", "method")]
        given = [one.name for one in others if getattr(self, one.name) != one.default]
        if self.method == DYNAMIC and given:
            raise UsageError(f"method='dynamic' does not know {', '.join(given)}", "leave that out, or use rtn")

    def told(self) -> dict[str, Any]:
        """What is written down of it: all that the method knows."""
        if self.method == DYNAMIC:
            return {"bits": self.bits, "method": self.method}
        return asdict(self) | {"keep": list(self.keep), "wide": list(self.wide)}


def quantize(
    source: Path, plans: Sequence[Plan], out: Path | None = None, data: Sequence[str] | None = None, samples: int = 16
) -> list[Path]:
    """A folder for each plan beside `source` (or in `out`), `int8`, `int4`; raises `UsageError`."""
    opened = open_source(source, data, samples, out)
    into = out or opened.artifact.path.parent
    for plan in plans:  # what is refused is refused before the first of them takes its time
        is_made(into / f"int{plan.bits}", opened, plan)
        matrices_of(opened.graph, plan)
    results_in(into / RESULTS, "name")
    with alone_in(into, BUILD):
        return [make(opened, plan, into / f"int{plan.bits}", into / RESULTS) for plan in plans]


def make(source: Source, plan: Plan, target: Path, results: Path) -> Path:
    """`target`, made as planned; what is there already is kept. A killed run leaves nothing that looks finished.

    Raises `UsageError` where `target` holds something else.
    """
    artifact = source.artifact
    if is_made(target, source, plan):
        print(f"{target} is finished; nothing to do")
        return target
    began = time.perf_counter()
    with drafted(target) as draft:
        told = _dynamic(artifact, draft) if plan.method == DYNAMIC else blockwise(source, draft, plan)
        seconds = time.perf_counter() - began
        shutil.copy(artifact.path / "genai_config.json", draft / "genai_config.json")
        close = compare(draft / "model.onnx", source)
        size, whole = _bytes(draft), artifact.bytes
        _finish(draft, target.name, source, plan, close)
        result = {"name": target.name, **plan.told(), "bytes": size, "of_fp32": size / whole, "seconds": seconds}
        record(results, result | asdict(close) | told, key="name")  # before the name that says that all is done
    print(
        f"{target}: {size:,} bytes ({100 * (1 - size / whole):.1f}% less) in {seconds:.1f} s; same top token at"
        f" {100 * close.top1_agreement:.1f}% of {close.positions:,} positions, KL {close.kl:.4f}",
        flush=True,
    )
    return target


def is_made(target: Path, source: Source, plan: Plan) -> bool:
    """Whether the folder holds what this plan makes of this file; `UsageError` where it holds anything else."""
    if not (target / "phi4bench.json").is_file():
        check_place(target)
        return False
    manifest, wanted = manifest_of(target), {"calibration_sha256": None} | recipe_of(source, plan)
    if manifest.parent_sha256 != source.artifact.weights_sha256 or not is_made_by(manifest.recipe, wanted):
        what = "was made of another file, by another plan or on other examples"
        raise UsageError(f"'{printable(str(target), 200)}' {what}", "name another folder with --out, or remove it")
    return True


def recipe_of(source: Source, plan: Plan) -> dict[str, Any]:
    """What, besides the weights, the quantized file depends on: of GPTQ, the conversations too."""
    calibrated = {"calibration_sha256": source.prompts_sha256} if plan.method == "gptq" else {}
    return {"plan": plan.told(), **configuration_of(source.artifact), **calibrated}


def matrices_of(graph: Graph, plan: Plan) -> list[Matrix]:
    """Those that the plan puts into few bits; last the embedding table, where it is not the head's.

    Raises `UsageError` for a name to keep that is part of none, and where there is nothing left to quantize.
    """
    table = graph.table() if plan.embeddings else None
    fits = table is not None and table.shape[0] % plan.block_size == 0
    every = [*graph.matrices(), *([table] if table is not None and fits else [])]
    for part in plan.keep:
        if not any(part in matrix.name for matrix in every):
            what = f"keep={printable(part, 60)!r} is part of no matrix's name"
            raise UsageError(what, f"they are named as {every[0].name} and {every[-1].name}")
    chosen = [matrix for matrix in every if plan.head or not matrix.head]
    left = [matrix for matrix in chosen if not any(part in matrix.name for part in plan.keep)]
    if not left:
        raise UsageError("the plan leaves no matrix to quantize", "keep less (--keep, --no-head, --no-embeddings)")
    return left


def blockwise(source: Source, target: Path, plan: Plan) -> dict[str, Any]:
    """Write the file; returns the relative error of each matrix, and what method each part got."""
    hessians = calibrate(source.graph, source.prompts) if plan.method == "gptq" else None
    chosen = {matrix.name for matrix in matrices_of(source.graph, plan)}
    errors: dict[str, float] = {}
    methods: dict[str, str] = {}

    def pack(matrix: Matrix, weights: np.ndarray) -> Packed | None:
        if matrix.name not in chosen:
            return None
        # The embedding table takes integer zero points alone and is read, not multiplied: it is rounded to nearest.
        table = matrix.head or "embed_tokens" in matrix.name
        method: Any = "rtn" if table and (plan.method == "hqq" or "embed_tokens" in matrix.name) else plan.method
        hessian = hessians(matrix) if hessians and method == "gptq" else None
        bits = 8 if matrix.name in plan.wide else plan.bits
        made = quantized(weights, bits, plan.block_size, plan.symmetric, method, hessian)
        errors[matrix.name] = made.error(weights)
        methods[matrix.name] = method
        return made

    for _ in rewrite(source.graph, target, pack, plan.embeddings, plan.accuracy_level):
        pass
    return {"weight_errors": errors, "methods": sorted(set(methods.values()))}


def _dynamic(artifact: Artifact, target: Path) -> dict[str, Any]:
    """onnxruntime's dynamic quantization of every MatMul by a constant, a scale for each output."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target.mkdir(parents=True)
    quantize_dynamic(
        artifact.model_file,
        target / "model.onnx",
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=True,
        extra_options={"MatMulConstBOnly": True},
    )
    return {"methods": [DYNAMIC]}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.name.startswith("model.onnx"))


def _finish(folder: Path, name: str, source: Source, plan: Plan, close: Closeness) -> None:
    """What an artifact has besides its weights; the manifest comes last."""
    artifact = source.artifact
    all_wide = plan.wide and all(matrix.name in plan.wide for matrix in matrices_of(source.graph, plan))
    bits = 8 if all_wide else plan.bits
    copy_tokenizer(artifact.path, folder)
    spoken = manifest_of(artifact.path)
    told = {"dialect": spoken.dialect or artifact.dialect.name}
    told |= {key: value for key, value in (("turns", spoken.turns), ("weights", spoken.weights)) if value}
    write_manifest(
        folder,
        name=f"{artifact.path.parent.name}-{name}",
        format="onnx",
        precision=f"int{bits}",
        parent={
            "path": way_to(artifact.path, folder),
            "sha256": artifact.weights_sha256,
        },
        **told,
        recipe={"command": "python -m trainers quantize", **recipe_of(source, plan), "closeness": asdict(close)},
    )
