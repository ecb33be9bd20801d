"""What genai_config.json, which the model builder writes next to the model, says of it. Reads that one file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.errors import ArtifactError


@dataclass(frozen=True)
class ModelConfig:
    """`context`: in tokens, prompt and answer together. `eos`: ids that end a turn. `head_size`: of a key or value."""

    context: int
    eos: frozenset[int]
    head_size: int


def read_model_config(path: Path) -> ModelConfig:
    """Raises `ArtifactError` where the file is missing or does not say."""
    try:
        model = json.loads(path.read_text(encoding="utf-8-sig"))["model"]
        eos = model["eos_token_id"]
        return ModelConfig(
            context=_positive(model["context_length"]),
            eos=frozenset(int(one) for one in (eos if isinstance(eos, list) else [eos])),
            head_size=_positive(model["decoder"]["head_size"]),
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ArtifactError(
            f"{path}: 'context_length', 'eos_token_id' and 'decoder.head_size' of 'model' cannot be read ({reason})",
            "genai_config.json is written next to model.onnx by onnxruntime_genai.models.builder; copy it there",
        ) from error


def _positive(value: Any) -> int:
    if int(value) < 1:
        raise ValueError(f"{value}, but should be at least 1")
    return int(value)
