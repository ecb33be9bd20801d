"""Whether two files are the same function: their logits over some prompts, side by side. Needs onnxruntime."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.planted.damage import Damage, plant
from benchmarks.planted.weights import MODEL, Floats, Weights
from phi4bench.artifacts import open_artifact
from phi4bench.backends.genai_config import read_model_config
from phi4bench.backends.session import onnxruntime
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Case

TOLERANCE = 1e-3
"""In logits. Sums that are made in another order differ by some 1e-5."""


def prompts_of(folder: Path, cases: Sequence[Case]) -> list[list[int]]:
    """Token ids of each case with its reference answer, as the artifact reads them."""
    dialect, tokenizer = open_artifact(str(folder)).dialect, PromptTokenizer.from_folder(folder)
    prompts = []
    for case in cases:
        answer = tokenizer.encode_segments(dialect.call_segments(case.expected.calls)) if case.expected.calls else []
        prompts.append([*tokenizer.encode(dialect.render(case.question(), None))[0], *answer])
    return prompts


def logits(folder: Path, prompts: Sequence[Sequence[int]]) -> list[Floats]:
    """(positions, vocabulary) of each prompt, read in one go without a past."""
    runtime = onnxruntime()
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(folder / MODEL), settings, providers=["CPUExecutionProvider"])
    head_size = read_model_config(folder / "genai_config.json").head_size
    read = []
    for ids in prompts:
        feeds = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
        for node in session.get_inputs():
            if node.name.startswith("past_key_values"):
                feeds[node.name] = np.zeros((1, node.shape[1], 0, head_size), np.float32)
        read.append(session.run(["logits"], feeds)[0][0])
    return read


def largest_difference(one: Path, other: Path, prompts: Sequence[Sequence[int]]) -> float:
    """In any logit, with both files computed exactly: rounded activations magnify what the order of a sum changes."""
    with tempfile.TemporaryDirectory() as folder:
        both = []
        for index, source in enumerate((one, other)):
            weights, exact = Weights(source), Path(folder) / str(index)
            weights.compute_exactly()
            exact.mkdir()
            weights.save(exact)
            (exact / "genai_config.json").write_bytes((source / "genai_config.json").read_bytes())
            both.append(logits(exact, prompts))
    return max(float(np.abs(left - right).max()) for left, right in zip(*both, strict=True))


def difference_of_equivalent(
    made: Path, source: Path, parent: Path, damage: Damage, prompts: Sequence[Sequence[int]]
) -> float:
    """How far an equivalent is from what it was made from. Of a `requantized` one, before it was quantized again."""
    if damage.site != "requantized":
        return largest_difference(made, source, prompts)
    with tempfile.TemporaryDirectory() as folder:
        ordered = Path(folder) / "ordered"
        plant(parent, ordered, Damage("equivalent", "any", seed=damage.seed), parent)
        return largest_difference(ordered, parent, prompts)
