"""An onnxruntime session over a decoder file, and what the file says of itself. Touches no prompt and no token.

The one place that imports onnxruntime, always with its telemetry off.
"""

from __future__ import annotations

import io
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from phi4bench.backends.memory import is_out_of_memory
from phi4bench.backends.providers import DEVICES, GRAPH_LEVELS, PROVIDERS, Provider, chain
from phi4bench.backends.pruning import with_last_position_alone
from phi4bench.backends.reasons import reason_in, unmet
from phi4bench.errors import ArtifactError, BackendError, UsageError

KV_INPUT = re.compile(r"past_key_values\.(\d+)\.(key|value)")
DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
}
QUIET, ERRORS = 4, 3
"""onnxruntime's log severity "fatal": its errors reach us as exceptions, and its lines would tear the progress bar.
While a provider is loaded "error" is heard: why it failed is told there and nowhere else."""
REMEDY = "install what the provider needs, correct its --provider-option, or give --provider cpu"
ATTENTION_OPERATORS = ("GroupQueryAttention", "MultiHeadAttention", "Attention")
Spin = Literal["no", "briefly", "long"]
"""Whether threads that share a step wait busily for each other's work: `long` for some 40 ms, as onnxruntime does by
itself. That is fastest on a machine of one's own, and far slower on a busy one."""
BRIEFLY_US = 20
"""How long `briefly` is: what it takes until the next operator begins. A thread that sleeps meanwhile has to be woken,
which made 48 cases of a model of 207M parameters take a ninth longer; where other work had half of the cores they took
up to a seventh longer with it, and a third to a half longer with `long`."""
BRIEFLY_SINCE = (1, 26)
"""The first onnxruntime that can be told how long."""
RECORDED = "session.record_ep_graph_assignment_info"
"""onnxruntime's setting: keep which node went to which provider."""
WEIGHTS = "session.model_external_initializers_file_folder_path"
"""onnxruntime's setting: where the weights lie of a graph that has no file."""
PRUNED = ("cpu", "cuda")
"""Providers that take a graph without a file; TensorRT, for one, looks for the weights beside the file."""
LARGEST_GRAPH = 256 << 20
"""Bytes of a file that is read whole to be pruned; one that holds its own weights is run as it is."""
NOT_A_DECODER = "should be a decoder with a KV cache as `onnxruntime_genai.models.builder` writes it"


@dataclass(frozen=True)
class CacheTensor:
    """One layer's keys or values: input `past`, output `present`, both shaped (batch, heads, tokens, head_size).

    `window`: the tokens that it has room for at least, however short a case is. See `windows`.
    """

    past: str
    present: str
    heads: int
    head_size: int
    dtype: type[np.generic]
    window: int = 0


@dataclass(frozen=True)
class Decoder:
    """A loaded decoder. `vocabulary`: width of the logits.

    `last_logits_only`: logits are computed for the last position alone, by the file (the builder's `prune_lm_head`) or
    since that is `pruned` here: its `head` or all of its `last_layer` behind the attention; empty where the file is run
    as it is.
    `table_switch`: tokens beyond which it takes its second rotary table; `None` where it has but one.
    `adapter`: values of inputs that are empty by default.
    `in_place_possible`: it runs where its arrays lie, and its attention counts positions by itself. `device`: where
    they lie, in onnxruntime's words. `left`: how many nodes of which kind of attention the provider left to the CPU.
    """

    session: Any
    cache: tuple[CacheTensor, ...]
    position_ids: bool
    logits_dtype: type[np.generic]
    vocabulary: int
    last_logits_only: bool
    in_place_possible: bool
    table_switch: int | None = None
    device: str = "cpu"
    device_id: int = 0
    adapter: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    pruned: str = ""


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


def installed_providers() -> list[str]:
    """What this onnxruntime was built with, in its own words; whether it can be loaded shows only with a session."""
    return list(onnxruntime().get_available_providers())


def instruction_set() -> str:
    """The vector extensions by which onnxruntime picks its CPU kernels, such as `x86_64 avx2 avx512f`."""
    try:
        flags = set(re.findall(r"\b(?:avx\w*|amx\w*|asimd\w*|i8mm|sve\w*)\b", Path("/proc/cpuinfo").read_text()))
    except OSError:
        flags = set()
    return " ".join([platform.machine(), *sorted(flags)])


def open_decoder(
    model_file: Path,
    head_size: int,
    *,
    intra_op: int,
    spin: Spin,
    provider: Provider,
    reuse_memory: bool = True,
    prune: bool = False,
    hoard: bool = True,
) -> Decoder:
    """Load a decoder file. `intra_op`: threads that work on one step together; `spin`: whether they wait busily for it.

    `head_size`: of its cache, where the file itself leaves it open. `reuse_memory`: intermediate results share buffers
    as the shapes that the file declares allow; not for files that declare wrong ones. `provider`: one by name.
    `prune`: what follows the last attention is computed for the last position alone, not for each as in the file.
    `hoard`: what lay between the layers of one run is kept for the next, as onnxruntime does by itself: for each length
    of prompt a plan, and memory in which each finds its place, so that it grows until all lengths have been seen.

    Raises, in one line, `ArtifactError` for a file that onnxruntime cannot load or that is not such a decoder,
    `UsageError` for a provider that is installed and cannot be loaded, `BackendError` where there is no memory for it.
    """
    ort = onnxruntime()
    own = provider.name == "cpu"

    def options() -> Any:
        made = ort.SessionOptions()
        made.intra_op_num_threads = intra_op
        made.inter_op_num_threads = 1
        made.graph_optimization_level = getattr(ort.GraphOptimizationLevel, GRAPH_LEVELS[provider.graph_optimization])
        made.enable_mem_reuse = reuse_memory
        made.enable_cpu_mem_arena = made.enable_mem_pattern = hoard
        made.log_severity_level = QUIET if own else ERRORS
        for setting, value in spinning(spin, ort.__version__).items():
            made.add_session_config_entry(setting, value)
        if not own:
            made.add_session_config_entry(RECORDED, "1")
        return made

    heard: Callable[[], str] = str  # nothing
    try:
        with nullcontext(heard) if own else _heard(ort) as heard:
            # Without its fallback: a session that went back to the CPU by itself would be judged for another.
            links = chain(provider.name, provider.options)
            session, pruned = None, ""
            if prune and provider.name in PRUNED:
                session, pruned = _pruned(ort, model_file, options(), links)
            session = session or ort.InferenceSession(str(model_file), options(), providers=links, enable_fallback=0)
    except Exception as error:  # onnxruntime's exceptions share no base class but this one
        if is_out_of_memory(error):
            raise BackendError(f"{model_file}: there is no memory to load it ({unmet(error)})") from error
        by = "" if own else f" with provider={provider.name!r}"
        raise ArtifactError(
            f"{model_file}: onnxruntime cannot load it{by} ({reason_in(heard()) or unmet(error)})",
            "export it again, or copy it again with its external data (model.onnx.data)" if own else REMEDY,
        ) from error
    if PROVIDERS[provider.name] not in session.get_providers():
        raise UsageError(
            f"provider={provider.name!r} is installed, but onnxruntime cannot use it here"
            f" ({reason_in(heard()) or 'it went back to the CPU without a word'})",
            REMEDY,
        )
    return _described(session, model_file, head_size, provider, pruned)


def spinning(spin: Spin, version: str) -> dict[str, str]:
    """onnxruntime's settings for it. `version`: of onnxruntime; one that cannot wait briefly does not wait.

    Source: onnxruntime_session_options_config_keys.h of 1.26
    """
    found = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if spin == "no" or (spin == "briefly" and found < BRIEFLY_SINCE):
        return {"session.intra_op.allow_spinning": "0"}
    brief = {"session.intra_op.spin_duration_us": str(BRIEFLY_US)} if spin == "briefly" else {}
    return {"session.intra_op.allow_spinning": "1", **brief}


def _pruned(ort: Any, model_file: Path, options: Any, links: Any) -> tuple[Any, str]:
    """A session over the file pruned, and what of it is; `None` and nothing where that is not possible.

    It is not where the weights lie behind a link out of the folder, as in the Hugging Face cache: onnxruntime follows
    such links beside a file alone. `options` are of no use afterwards, since no entry can be taken out of them.
    """
    if model_file.stat().st_size > LARGEST_GRAPH:
        return None, ""
    made = with_last_position_alone(model_file.read_bytes())
    if made is None:
        return None, ""
    options.add_session_config_entry(WEIGHTS, str(model_file.parent))
    try:
        return ort.InferenceSession(made.model, options, providers=links, enable_fallback=0), made.what
    except Exception:  # the file as it is tells what is amiss
        return None, ""


@contextmanager
def _heard(ort: Any) -> Iterator[Callable[[], str]]:
    """What onnxruntime logs inside the block, which it writes straight to descriptor 2; kept from the terminal."""
    said = ""
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        ort.set_default_logger_severity(ERRORS)
        try:
            with suppress(Exception), redirect_stdout(io.StringIO()):  # it prints what it does not find
                ort.preload_dlls()  # CUDA's libraries out of their own wheels, where those are installed
            yield lambda: said
        finally:
            ort.set_default_logger_severity(QUIET)
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            said = file.read().decode("utf-8", "replace")


def _described(session: Any, model_file: Path, head_size: int, provider: Provider, pruned: str) -> Decoder:
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
        last_logits_only=bool(pruned) or logits.shape[1] == 1,
        pruned=pruned,
        in_place_possible="position_ids" not in inputs and provider.name in ("cpu", *DEVICES),
        device=DEVICES.get(provider.name, "cpu"),
        device_id=provider.device_id if provider.name in DEVICES else 0,
        left={} if provider.name == "cpu" else left_to_the_cpu(session),
    )


def left_to_the_cpu(session: Any) -> dict[str, int]:
    """How many nodes of each kind of attention; the CPU computes lengths and shapes of every decoder.

    Empty where onnxruntime does not tell, as without `RECORDED`.
    """
    try:
        parts = session.get_provider_graph_assignment_info()
    except Exception:  # of an older onnxruntime, or its own
        return {}
    kinds = [node.op_type for part in parts if part.ep_name == PROVIDERS["cpu"] for node in part.get_nodes()]
    return {kind: kinds.count(kind) for kind in ATTENTION_OPERATORS if kind in kinds}


def left_note(name: str, left: Mapping[str, int], cache: type[np.generic]) -> str:
    """What to say of a file whose attention is not for the provider `name`. `cache`: the numbers that it attends to."""
    kinds = ", ".join(f"{count} of {kind}" for kind, count in left.items())
    half = name in DEVICES and cache is np.float32
    hint = ": it takes fp16, which `python -m trainers half` writes" if half else ""
    return f"{name} leaves attention to the CPU ({kinds}){hint}"


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
        hint = "export it in fp16: numpy, which makes its caches, has no bfloat16" if "bfloat16" in node.type else ""
        raise ArtifactError(
            f"{model_file}: {node.name!r} is {node.type}, but should be one of {', '.join(DTYPES)}", hint
        )
    return DTYPES[node.type]
