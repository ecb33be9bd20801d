"""An onnxruntime session over a decoder file, and what the file says of itself. Touches no prompt and no token.

The one place that imports onnxruntime, always with its telemetry off.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phi4bench.errors import ArtifactError, UsageError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
KV_INPUT = re.compile(r"past_key_values\.(\d+)\.(key|value)")
DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
}
QUIET = 4
"""onnxruntime's log severity "fatal": its errors reach us as exceptions, and its lines would tear the progress bar."""
NOT_A_DECODER = "should be a decoder with a KV cache as `onnxruntime_genai.models.builder` writes it"


@dataclass(frozen=True)
class CacheTensor:
    """One layer's keys or values: input `past`, output `present`, both shaped (batch, heads, tokens, head_size)."""

    past: str
    present: str
    heads: int
    head_size: int
    dtype: type[np.generic]


@dataclass(frozen=True)
class Decoder:
    """A loaded decoder. `vocabulary`: width of the logits.

    `last_logits_only`: the file computes logits for the last position alone (the builder's `prune_lm_head`).
    `table_switch`: tokens beyond which it takes its second rotary table; `None` where it has but one.
    `in_place_possible`: it runs where its arrays lie, on the CPU, and its attention counts positions by itself.
    """

    session: Any
    cache: tuple[CacheTensor, ...]
    position_ids: bool
    logits_dtype: type[np.generic]
    vocabulary: int
    last_logits_only: bool
    in_place_possible: bool
    table_switch: int | None = None


def onnxruntime() -> Any:
    """The onnxruntime module, telemetry off and quiet. Raises `UsageError` where it is not installed."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, while the library loads
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise UsageError(f"onnxruntime cannot be imported ({error})", "pip install 'phi4bench[cpu]'") from error
    if hasattr(ort, "disable_telemetry_events"):
        ort.disable_telemetry_events()
    ort.set_default_logger_severity(QUIET)
    return ort


def provider_named(name: str) -> str:
    """onnxruntime's name of an execution provider. Raises `UsageError` where it is unknown or not installed."""
    available = onnxruntime().get_available_providers()
    if PROVIDERS.get(name) not in available:
        have = ", ".join(short for short, long in PROVIDERS.items() if long in available)
        hint = "install 'phi4bench[gpu]' in place of 'phi4bench[cpu]'" if name == "cuda" else "name one of those"
        raise UsageError(f"provider={name!r}, but should be one that is installed here ({have})", hint)
    return PROVIDERS[name]


def available_cores() -> int:
    """Cores that this process may use: its affinity, cut to the control group's quota where there is one (Linux)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no control group v2, or "max"
        return cores


def instruction_set() -> str:
    """The vector extensions by which onnxruntime picks its CPU kernels, such as `x86_64 avx2 avx512f`."""
    try:
        flags = set(re.findall(r"\b(?:avx\w*|amx\w*|asimd\w*|i8mm|sve\w*)\b", Path("/proc/cpuinfo").read_text()))
    except OSError:
        flags = set()
    return " ".join([platform.machine(), *sorted(flags)])


def open_decoder(
    model_file: Path, head_size: int, *, intra_op: int, spin: bool, provider: str, reuse_memory: bool = True
) -> Decoder:
    """Load a decoder file. `intra_op`: threads that work on one step together; `spin`: they wait busily for work.

    `head_size`: of its cache, where the file itself leaves it open. `reuse_memory`: intermediate results share buffers
    as the shapes that the file declares allow; not for files that declare wrong ones.

    Raises `ArtifactError`, one line, for a file that onnxruntime cannot load or that is not such a decoder.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_mem_reuse = reuse_memory
    options.log_severity_level = QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    try:
        session = ort.InferenceSession(str(model_file), options, providers=[provider])
    except Exception as error:  # onnxruntime's exceptions share no base class but this one
        raise ArtifactError(
            f"{model_file}: onnxruntime cannot load it ({one_line(error)})",
            "export it again, or copy it again with its external data (model.onnx.data)",
        ) from error
    return _described(session, model_file, head_size)


def one_line(error: BaseException, limit: int = 300) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[:limit] + "…"


def _described(session: Any, model_file: Path, head_size: int) -> Decoder:
    inputs = {node.name: node for node in session.get_inputs()}
    outputs = {node.name: node for node in session.get_outputs()}
    missing = [f"input {name!r}" for name in ("input_ids", "attention_mask") if name not in inputs]
    missing += ["output 'logits'"] if "logits" not in outputs else []
    pasts = [name for name in inputs if KV_INPUT.fullmatch(name)]
    missing += ["inputs 'past_key_values.N.key'"] if not pasts else []
    missing += [f"output {name!r}" for name in map(_present, pasts) if name not in outputs]
    if missing:
        raise ArtifactError(f"{model_file}: no {', no '.join(missing)}; it {NOT_A_DECODER}")
    unknown = set(inputs) - {"input_ids", "attention_mask", "position_ids", *pasts}
    if unknown:
        raise ArtifactError(f"{model_file}: inputs {sorted(unknown)} are not known here; it {NOT_A_DECODER}")
    logits = outputs["logits"]
    if len(logits.shape) != 3 or not isinstance(logits.shape[-1], int):
        raise ArtifactError(f"{model_file}: logits shape={logits.shape}, but should be (batch, tokens, vocabulary)")
    return Decoder(
        session=session,
        cache=tuple(_cache_tensor(inputs[name], model_file, head_size) for name in pasts),
        position_ids="position_ids" in inputs,
        logits_dtype=_dtype(logits, model_file),
        vocabulary=logits.shape[-1],
        last_logits_only=logits.shape[1] == 1,
        in_place_possible="position_ids" not in inputs and session.get_providers()[0] == PROVIDERS["cpu"],
    )


def _present(past: str) -> str:
    return past.replace("past_key_values", "present")


def _cache_tensor(node: Any, model_file: Path, head_size: int) -> CacheTensor:
    shape = node.shape
    if len(shape) != 4 or not isinstance(shape[1], int):
        raise ArtifactError(f"{model_file}: {node.name} shape={shape}, but should be (batch, heads, tokens, head size)")
    size = shape[3] if isinstance(shape[3], int) else head_size
    return CacheTensor(node.name, _present(node.name), shape[1], size, _dtype(node, model_file))


def _dtype(node: Any, model_file: Path) -> type[np.generic]:
    if node.type not in DTYPES:
        raise ArtifactError(f"{model_file}: {node.name!r} is {node.type}, but should be one of {', '.join(DTYPES)}")
    return DTYPES[node.type]
