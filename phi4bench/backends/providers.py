"""Execution providers by our short names: which there are, in which order they are tried, what each is given. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from phi4bench.errors import UsageError
from phi4bench.printable import printable

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""What onnxruntime calls them."""
AUTO = "auto"
AUTO_ORDER = ("tensorrt", "cuda", "migraphx", "rocm", "cpu")
"""The others run a decoder of this kind in part at best, and are taken only by name."""
DEVICES = {"cuda": "cuda", "tensorrt": "cuda"}
"""Where arrays can be made to lie beside the kernels, in onnxruntime's words; the others are fed from main memory."""
OF_TORCH = (AUTO, "cpu", "cuda", "rocm")
"""What can run a Hugging Face folder: torch calls AMD's devices CUDA too."""
GRAPH_LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
ATTENTION = ("sdpa_kernel", "19")
"""What CUDA is given unless `sdpa_kernel` is named: attention by flash (1), memory-efficient (2) or plain kernels (16).

By itself onnxruntime takes cuDNN's on compute capability 9 and above since 2026, which plans anew for every number of
rows and tokens that it meets: on an H100 45 to 75 ms each, where reading the prompt takes 1 ms.
Source: https://github.com/microsoft/onnxruntime/pull/28849; numbers by `AttentionBackend` in its attention_common.h.
"""
INSTALL = {
    "cuda": "install 'phi4bench[gpu]' in place of 'phi4bench[cpu]'",
    "tensorrt": "install 'phi4bench[gpu]' in place of 'phi4bench[cpu]', and TensorRT",
}


@dataclass(frozen=True)
class Provider:
    """What is to run a model, as asked. `name`: of `PROVIDERS`, or `auto`. `graph_optimization`: of `GRAPH_LEVELS`.

    `options`: the provider's own, by the names that onnxruntime gives them.
    """

    name: str = AUTO
    options: tuple[tuple[str, str], ...] = ()
    graph_optimization: str = "all"

    @property
    def device_id(self) -> int:
        return int(dict(self.options).get("device_id", "0"))


BEST = Provider()
"""Of what is installed and can be used."""


def parse_provider(name: str, options: Sequence[str], graph_optimization: str) -> Provider:
    """From the texts of `--provider`, `--provider-option` and `--graph-optimization`. UsageError for what is amiss."""
    if name not in (AUTO, *PROVIDERS):
        raise UsageError(f"--provider={printable(name, 100)!r}, but should be one of {', '.join((AUTO, *PROVIDERS))}")
    if graph_optimization not in GRAPH_LEVELS:
        shown = printable(graph_optimization, 100)
        raise UsageError(f"--graph-optimization={shown!r}, but should be one of {', '.join(GRAPH_LEVELS)}")
    found: dict[str, str] = {}
    for text in options:
        key, equals, value = text.partition("=")
        shown = printable(text, 100)
        if not (key.isidentifier() and equals and value):
            raise UsageError(f"--provider-option={shown!r}, but should be KEY=VALUE, such as device_id=1")
        if found.setdefault(key, value) != value:
            raise UsageError(f"--provider-option={shown!r} contradicts {key}={printable(found[key], 100)}")
    if found and name in (AUTO, "cpu"):
        why = "the CPU has none" if name == "cpu" else "each provider has options of its own"
        raise UsageError(f"--provider-option={next(iter(found))}, but --provider is {name}: {why}", "name its provider")
    if not found.get("device_id", "0").isdecimal():
        raise UsageError(f"--provider-option=device_id={printable(found['device_id'], 100)}, but should be 0 or more")
    return Provider(name, tuple(sorted(found.items())), graph_optimization)


def candidates(asked: Provider, available: Collection[str]) -> tuple[str, ...]:
    """Short names in the order in which to try them. `available`: what onnxruntime was built with, in its own words.

    UsageError for a name that is not among them.
    """
    if asked.name == AUTO:
        return tuple(name for name in AUTO_ORDER if PROVIDERS[name] in available)
    if PROVIDERS.get(asked.name) not in available:
        have = ", ".join(short for short, long in PROVIDERS.items() if long in available)
        raise UsageError(
            f"provider={asked.name!r}, but should be one that is installed here ({have})",
            INSTALL.get(asked.name, "name one of those"),
        )
    return (asked.name,)


def given(name: str, options: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The options of a provider with those that we give it unasked."""
    own = dict(options)
    if name in ("cuda", "tensorrt"):
        own.setdefault(*ATTENTION)
    if name == "tensorrt" and "trt_engine_cache_path" in own:
        own.setdefault("trt_engine_cache_enable", "1")  # without it the folder is not looked at
    return own


def chain(name: str, options: Sequence[tuple[str, str]]) -> list[tuple[str, dict[str, str]]]:
    """What a session is given: the provider, and those that take the nodes which it leaves, down to the CPU.

    TensorRT leaves attention and quantized products to CUDA, which takes those of the options that are not its own.
    """
    if name == "cpu":
        return [(PROVIDERS["cpu"], {})]
    own = given(name, options)
    links = [(PROVIDERS[name], own)]
    if name == "tensorrt":
        trt = {key: value for key, value in own.items() if key.startswith("trt_") or key == "device_id"}
        cuda = {key: value for key, value in own.items() if not key.startswith("trt_")}
        links = [(PROVIDERS["tensorrt"], trt), (PROVIDERS["cuda"], cuda)]
    return [*links, (PROVIDERS["cpu"], {})]
