"""Backends: what runs an artifact. Imports a runtime only when an artifact needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi4bench.backends.base import (
    Backend,
    CaseError,
    Decoding,
    Mode,
    NotFiniteError,
    PromptTooLongError,
    Reference,
    Scorer,
)
from phi4bench.backends.providers import BEST, Provider

if TYPE_CHECKING:
    from phi4bench.artifacts import Artifact
    from phi4bench.backends.session import Spin

__all__ = [
    "BEST",
    "Backend",
    "CaseError",
    "Decoding",
    "Mode",
    "NotFiniteError",
    "PromptTooLongError",
    "Provider",
    "Reference",
    "Scorer",
    "load_runtime",
    "open_backend",
]


def load_runtime(artifact_format: str) -> None:
    """Import what `open_backend` takes for an artifact of that format, which takes longer than opening a small one.

    Raises `UsageError` for a runtime that is not installed.
    """
    if artifact_format == "hf":
        from phi4bench.backends.hf import libraries

        libraries()
    elif artifact_format == "onnx":
        import phi4bench.backends.onnx  # noqa: F401  # and so numpy
        from phi4bench.backends.session import onnxruntime

        onnxruntime()


def open_backend(
    artifact: Artifact,
    *,
    threads: int | None = None,
    provider: Provider = BEST,
    batch: int | None = None,
    spin: Spin | None = None,
    prune: bool = True,
) -> Backend:
    """Load an artifact.

    `threads`: cores to use in all, `None` for those that this process may use. `batch`: cases at once in all; `None`
    suits throughput, 1 is one case at a time on all threads, the way to measure latencies. `spin`: whether
    threads that share a step wait busily for each other, faster on a machine of one's own and slower on a busy one;
    `None`: long with batch 1, else briefly, and off the CPU not at all.
    `prune`: of a prompt, what only the last position's logits need is computed for that alone, where an ONNX file would
    compute it for each; not for timings, which are of the file as it is.
    `provider`: by name, or the first of several that is installed and can be used; a backend's `notes`, where it has
    any, say which were left and why.
    Raises `ArtifactError` for a file that cannot be loaded, `UsageError` for a runtime or provider not installed.
    """
    if artifact.format == "fake":
        from phi4bench.backends.fakes import open_fake

        return open_fake(artifact, threads, batch)
    from phi4bench.backends.tokens import PromptTokenizer

    if artifact.format == "hf":
        from phi4bench.backends.hf import HfBackend

        return HfBackend(
            artifact.path,
            PromptTokenizer.from_folder(artifact.tokenizer_dir),
            name=artifact.id,
            precision=artifact.precision,
            threads=threads,
            provider=provider,
            batch=batch,
        )
    from phi4bench.backends.onnx import OnnxBackend

    return OnnxBackend(
        artifact.model_file,
        PromptTokenizer.from_folder(artifact.tokenizer_dir),
        name=artifact.id,
        weight_bytes=artifact.bytes,
        adapter=artifact.adapter,
        threads=threads,
        provider=provider,
        batch=batch,
        spin=spin,
        prune=prune,
    )
