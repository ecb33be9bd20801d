"""`python -m trainers half`: an ONNX file with activations, scales and caches in fp16, as CUDA's attention takes them.

onnxruntime's GroupQueryAttention takes 16-bit numbers alone on CUDA: of a file in fp32, or quantized for the CPU, it
leaves attention to the CPU. Packed weights stay as they are, bit for bit. No torch.
Source: https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md (CUDAExecutionProvider).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.artifact import Artifact
from phi4bench.artifacts.manifest import MANIFEST
from phi4bench.backends.memory import is_out_of_memory
from phi4bench.backends.reasons import one_line
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.printable import printable
from trainers.alone import alone_at
from trainers.base import (
    check_place,
    configuration_of,
    copy_tokenizer,
    drafted,
    is_made_by,
    manifest_of,
    read_json_file,
    way_to,
    write_json,
    write_manifest,
)
from trainers.closeness import Closeness, Source, compare, prompts_of
from trainers.faults import TrainingError
from trainers.rewriting import DATA, Graph, Writer

COMMAND = "python -m trainers half"
MOST_DIVERGENCE = 0.02
"""Nats of Kullback-Leibler divergence at a position, in the mean, beyond which a file is another model than its source;
rounding to fp16 gives nano 0.0000 (fp32), 0.0007 (int8) and 0.0008 (int4)."""
_FP32_ALONE = ("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")


def half(folder: Path, out: Path | None = None, data: Sequence[str] | None = None, samples: int = 16) -> Path:
    """The file of `folder` in half precision, in `out` (default: beside it, named `NAME-half`), checked against it.

    Logits are compared on a CPU, on conversations of `data` (default: generated ones); not of a shape, whose weights
    are random. What is there already is kept, and a killed run leaves nothing that looks finished. Raises `UsageError`
    for a file that cannot be in half precision, `TrainingError` where its numbers do not fit or its answers are others.
    """
    artifact = open_artifact(str(folder))
    target = out or artifact.path.with_name(f"{artifact.path.name}-half")
    with alone_at(target, "half"):
        return _made(artifact, target, data, samples)


def _made(artifact: Artifact, target: Path, data: Sequence[str] | None, samples: int) -> Path:
    recipe = {"command": COMMAND, "of": artifact.weights_sha256, **configuration_of(artifact)}
    if (target / MANIFEST).is_file():
        if not is_made_by(manifest_of(target).recipe, recipe):
            raise UsageError(f"'{printable(str(target), 200)}' was made of another file", "name another --out")
        print(f"{target} is finished; nothing to do")
        return target
    check_place(target)
    graph = _opened(artifact)
    with drafted(target) as draft:
        draft.mkdir(parents=True)
        _write(graph, draft)
        _write_configuration(artifact.path, draft)
        close = None if artifact.random_weights else _compared(artifact, graph, draft, data, samples, target.parent)
        copy_tokenizer(artifact.path, draft)
        write_manifest(draft, **_manifest(artifact, draft, recipe | ({"closeness": asdict(close)} if close else {})))
    size = sum(path.stat().st_size for path in target.glob("model.onnx*"))
    told = "not compared: its weights are random"
    if close:
        told = (
            f"same top token at {100 * close.top1_agreement:.1f}% of {close.positions:,} positions, KL {close.kl:.4f}"
        )
    print(f"{target}: {size:,} bytes; {told}", flush=True)
    return target


def _opened(artifact: Artifact) -> Graph:
    """Raises `UsageError` where fp16 is nothing to the file."""
    shown = printable(artifact.spec, 200)
    if artifact.format != "onnx":
        raise UsageError(f"'{shown}' is {artifact.format}, but should be an ONNX file", "export it first")
    if artifact.adapter is not None:
        raise UsageError(f"'{shown}' keeps an adapter beside its base, in fp32", "merge it, and export that")
    model = onnx.load(artifact.model_file, load_external_data=False)
    kinds = {node.op_type for node in model.graph.node}
    found = next((kind for kind in _FP32_ALONE if kind in kinds), None)
    if found:
        raise UsageError(f"'{shown}' computes {found}, which is there in fp32 alone", "quantize by another method")
    if not any(_kind(value) == TensorProto.FLOAT for value in model.graph.input):
        raise UsageError(f"'{shown}' takes no fp32 caches, so it is no fp32 file", "use it as it is")
    return Graph(model, artifact.path)


def _write(graph: Graph, target: Path) -> None:
    """`target/model.onnx`, its tensors one at a time."""
    made = onnx.ModelProto()
    made.CopyFrom(graph.model)
    del made.graph.initializer[:]
    _recast(made.graph)
    with (target / DATA).open("wb") as data:
        writer = Writer(data)
        for tensor in graph.model.graph.initializer:
            writer.add(tensor.name, _halved(tensor.name, graph.array(tensor.name)))
    made.graph.initializer.extend(writer.tensors)
    (target / "model.onnx").write_bytes(made.SerializeToString())


def _recast(graph: Any) -> None:
    """What a graph takes, gives, casts to and holds in its nodes, in fp16; the graphs in its nodes too, such as the two
    rotary tables of longrope. Weights that lie in files are not its own, and left out by now.
    """
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        if _kind(value) == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    for tensor in graph.initializer:
        _recast_tensor(tensor.name, tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            if attribute.HasField("t"):
                _recast_tensor(node.name, attribute.t)
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                _recast(inner)


def _recast_tensor(name: str, tensor: Any) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(_halved(name, numpy_helper.to_array(tensor)), tensor.name))


def _halved(name: str, array: np.ndarray) -> np.ndarray:
    """Of fp32, in fp16; other arrays as they are. `TrainingError` for numbers that fp16 has not."""
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        made = array.astype(np.float16)
    if not np.isfinite(made).all():
        most = float(np.abs(array).max())
        raise TrainingError(
            f"{printable(name, 120)} has numbers up to {most:.4g}, and fp16 none beyond 65,504", "judge it in fp32"
        )
    return made


def _write_configuration(source: Path, target: Path) -> None:
    """onnxruntime-genai's, with CUDA for its provider; without the graph's capture, as its model builder writes it."""
    config: dict[str, Any] = dict(read_json_file(source / "genai_config.json"))
    options = config["model"]["decoder"].setdefault("session_options", {})
    options["provider_options"] = [{"cuda": {"enable_cuda_graph": "0"}}]
    write_json(target / "genai_config.json", config)


def _compared(
    artifact: Artifact, graph: Graph, draft: Path, data: Sequence[str] | None, samples: int, scratch: Path
) -> Closeness:
    prompts = prompts_of(artifact, data, samples)
    made = draft / "model.onnx"
    try:
        close = compare(made, Source(artifact, graph, prompts, scratch))
    except TrainingError as error:
        if str(made) not in error.what:
            raise  # of the source
        raise TrainingError(
            "in fp16 its logits are not finite: something that it computes is beyond 65,504",
            "judge it in fp32; nothing was kept",
        ) from error
    except (Phi4benchError, OSError):
        raise
    except Exception as error:  # onnxruntime's exceptions share no base class but this one
        if is_out_of_memory(error):
            raise
        raise TrainingError(
            f"onnxruntime cannot run it in fp16 ({printable(one_line(error), 200)})",
            "it may compute what is there in fp32 alone; nothing was kept",
        ) from error
    if close.kl > MOST_DIVERGENCE:
        raise TrainingError(
            f"in fp16 its answers are {close.kl:.3g} nats a position from its source's, and {MOST_DIVERGENCE} at most",
            "what it computes may need fp32's range; nothing was kept",
        )
    return close


def _manifest(artifact: Artifact, draft: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    """A quantized file's parent stays; that of an fp32 file in half precision is the fp32 file."""
    spoken = manifest_of(artifact.path)
    told: dict[str, Any] = {"name": f"{artifact.id}-half", "format": "onnx"}
    told |= {key: value for key, value in (("turns", spoken.turns), ("weights", spoken.weights)) if value}
    parent, sha256 = artifact.path, artifact.weights_sha256
    if artifact.precision != "fp32":
        parent, sha256 = artifact.path / spoken.parent, spoken.parent_sha256
    if artifact.precision == "fp32" or spoken.parent:
        told["parent"] = {"path": way_to(parent, draft), **({"sha256": sha256} if sha256 else {})}
    return told | {
        "precision": "fp16" if artifact.precision == "fp32" else artifact.precision,
        "dialect": spoken.dialect or artifact.dialect.name,
        "recipe": {**recipe, **({"from": dict(spoken.recipe)} if spoken.recipe else {})},
    }


def _kind(value: Any) -> int:
    return int(value.type.tensor_type.elem_type)
