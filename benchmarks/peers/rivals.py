"""Which peers there are: what runs them, on which weights, and what we want of the ratio. Pure: starts nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Environment = Literal["transformers", "genai", "lm-eval", "llama-cpp"]

OURS = {"fp32": "nano-fp32", "bf16": "nano-fp32", "int8": "nano-int8", "q8_0": "nano-int8"}
"""Which of our artifacts a peer of each precision is measured beside. The weights are stored in bf16, which fp32 holds
exactly; we run no bf16 on CPU ourselves. Q8_0 is llama.cpp's own int8, so its weights are rounded otherwise."""


@dataclass(frozen=True)
class Peer:
    """One row of the table. `model`: its folder or file among the prepared ones. `wanted`: times as slow as we are."""

    name: str
    what: str
    environment: Environment
    runner: str
    precision: str
    model: str
    batch: int = 1
    wanted: float | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        return OURS[self.precision]


def _transformers(precision: str, batch: int) -> Peer:
    how = f"batches of {batch}, padded" if batch > 1 else "one at a time"
    kind = {"fp32": "float32", "bf16": "bfloat16"}[precision]
    return Peer(
        f"hf-{precision}-{batch}",
        f"transformers `generate`, {how}",
        "transformers",
        "transformers_generate",
        precision,
        "nano-hf",
        batch,
        extra={"dtype": kind},
    )


def _genai(precision: str) -> Peer:
    return Peer(
        f"genai-{precision}",
        "onnxruntime-genai, one at a time",
        "genai",
        "genai_one_by_one",
        precision,
        f"nano-{precision}",
        wanted=4,
    )


def _lm_eval_hf(precision: str, batch: int) -> Peer:
    kind = {"fp32": "float32", "bf16": "bfloat16"}[precision]
    how = "its default batch of 1" if batch == 1 else f"batches of {batch}"
    return Peer(
        f"lm-eval-hf-{precision}-{batch}",
        f"lm-evaluation-harness, `hf`, {how}",
        "lm-eval",
        "lm_eval_command",
        precision,
        "plain/nano-hf",
        batch,
        wanted=10,
        extra={"backend": "hf", "arguments": f"dtype={kind}"},
    )


def _lm_eval_genai(precision: str) -> Peer:
    return Peer(
        f"lm-eval-genai-{precision}",
        "lm-evaluation-harness, `onnxruntime-genai`",
        "lm-eval",
        "lm_eval_command",
        precision,
        f"plain/nano-{precision}",
        extra={"backend": "onnxruntime-genai", "arguments": "execution_provider=cpu"},
    )


def _llama_cpp(precision: str) -> Peer:
    return Peer(
        f"llama-cpp-{precision}",
        "llama.cpp, one at a time",
        "llama-cpp",
        "llama_cpp_generate",
        precision,
        f"nano-{precision}.gguf",
    )


PEERS = (
    _genai("fp32"),
    _genai("int8"),
    _lm_eval_hf("fp32", 1),
    _lm_eval_hf("fp32", 16),
    _lm_eval_hf("bf16", 1),
    _lm_eval_genai("fp32"),
    _lm_eval_genai("int8"),
    _transformers("fp32", 1),
    _transformers("fp32", 16),
    _transformers("bf16", 1),
    _transformers("bf16", 16),
    _llama_cpp("fp32"),
    _llama_cpp("q8_0"),
)


def chosen(names: str | None) -> tuple[Peer, ...]:
    """Those of the `names`, commas between, or whose names begin so; all for `None`. ValueError for none or unknown."""
    if names is None:
        return PEERS
    found: set[str] = set()
    for name in filter(None, map(str.strip, names.split(","))):
        exact = [peer.name for peer in PEERS if peer.name == name]
        some = exact or [peer.name for peer in PEERS if peer.name.startswith(name)]
        if not some:
            raise ValueError(f"--peers={name!r}, but should begin one of {', '.join(peer.name for peer in PEERS)}")
        found.update(some)
    if not found:
        raise ValueError(f"--peers={names!r} names no peer, but should begin one of {', '.join(p.name for p in PEERS)}")
    return tuple(peer for peer in PEERS if peer.name in found)
