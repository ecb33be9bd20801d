"""How close a file is to the fp32 file that it was made of: the logits of both on the same conversations. No torch."""

from __future__ import annotations

import hashlib
import json
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.artifact import Artifact
from phi4bench.backends.genai_config import read_model_config
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.agreement import check_finite, reader
from trainers.data import generated, load_examples
from trainers.encoding import Encoder, conversations
from trainers.rewriting import Graph, open_graph

MAPPED_BYTES = 2 << 30
"""Of larger fp32 files no second copy is packed in memory to read faster."""
POSITIONS = 32
"""Whose logits are compared at a time."""
_SEED = 20261121


@dataclass(frozen=True)
class Closeness:
    """Logits against the fp32 file's on the same conversations. `kl`: mean divergence in nats, of fp32 from it."""

    positions: int
    max_difference: float
    top1_agreement: float
    kl: float


@dataclass(frozen=True)
class Source:
    """An fp32 file, its graph, and the conversations that what is made of it is compared and calibrated on.

    `scratch`: a folder on a disk, for its logits.
    """

    artifact: Artifact
    graph: Graph
    prompts: Sequence[Sequence[int]]
    scratch: Path

    @cached_property
    def prompts_sha256(self) -> str:
        return hashlib.sha256(json.dumps([list(ids) for ids in self.prompts]).encode()).hexdigest()

    @cached_property
    def logits(self) -> Sequence[IO[bytes]]:
        """Those of each conversation, read once and kept on disk, so that no two models are in memory at a time.

        The files have no name, so that a kill leaves none behind.
        """
        self.scratch.mkdir(parents=True, exist_ok=True)
        read = reader(self.artifact.model_file, mapped=self.artifact.bytes > MAPPED_BYTES)
        files, found = ExitStack(), []
        weakref.finalize(self, files.close)
        for ids in self.prompts:
            file = files.enter_context(tempfile.TemporaryFile(dir=self.scratch))  # noqa: SIM115  (`files` closes it)
            file.write(np.ascontiguousarray(read(ids), np.float32))
            file.flush()
            found.append(file)
        return found


def open_source(
    folder: Path, data: Sequence[str] | None = None, samples: int = 16, scratch: Path | None = None
) -> Source:
    """`data`: files with examples; `None`: generated ones of the train split. `scratch`: by default beside the file.

    Raises `UsageError`.
    """
    artifact = open_artifact(str(folder))
    if artifact.format != "onnx" or artifact.precision != "fp32":
        raise UsageError(
            f"'{printable(str(folder), 200)}' is {artifact.format} {artifact.precision}, but should be fp32 ONNX",
            "run export --precision fp32 first",
        )
    prompts = prompts_of(artifact, data, samples)
    return Source(artifact, open_graph(artifact.model_file), prompts, scratch or artifact.path.parent)


def prompts_of(artifact: Artifact, data: Sequence[str] | None, samples: int) -> Sequence[Sequence[int]]:
    """Conversations as the artifact reads them, from `data` (`None`: generated ones of the train split)."""
    encoder = Encoder(artifact.dialect, PromptTokenizer.from_folder(artifact.tokenizer_dir))
    examples = load_examples(data).examples if data else generated(4 * samples, _SEED)
    context = read_model_config(artifact.path / "genai_config.json").context
    return conversations(encoder, examples, samples, context)


def compare(model_file: Path, source: Source) -> Closeness:
    """The file's logits against the fp32 file's, at every position of the conversations."""
    wanted_logits = source.logits  # before the other model is loaded
    read = reader(model_file)
    worst, same, divergence, positions = 0.0, 0, 0.0, 0
    for ids, file in zip(source.prompts, wanted_logits, strict=True):
        whole, reference = read(ids), np.memmap(file, np.float32, "r")
        reference = reference.reshape(whole.shape)
        for first in range(0, len(whole), POSITIONS):
            got, wanted = whole[first : first + POSITIONS], np.asarray(reference[first : first + POSITIONS])
            check_finite(wanted, f"those of '{source.artifact.model_file}'")
            check_finite(got, f"those of '{model_file}'")
            worst = max(worst, float(np.abs(got - wanted).max()))
            same += int((got.argmax(-1) == wanted.argmax(-1)).sum())
            p, q = _log_softmax(wanted), _log_softmax(got)
            divergence += float((np.exp(p) * (p - q)).sum())
        positions += len(whole)
    return Closeness(positions, worst, same / positions, divergence / positions)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))
