"""Exports a trained nano to ONNX in three precisions with onnxruntime-genai's model builder, and checks each file.

The builder can export the wrong matrix in silence, so the logits of every file are compared with PyTorch's on real
prompts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PRECISIONS = ("fp32", "int8", "int4")


@dataclass(frozen=True)
class Agreement:
    """How an exported file's logits compare with PyTorch's. `max_difference`: absolute, over `positions` positions."""

    precision: str
    positions: int
    max_difference: float
    top1_agreement: float


def run_builder(source: Path, target: Path, precision: str, block_size: int = 32, accuracy_level: int = 4) -> None:
    """Build `target/model.onnx`. Raises SystemExit with the builder's last lines where it fails.

    The head is pruned to the last position: a prompt's other logits are never read.
    """
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-m", str(source), "-i", str(source)]
    command += ["-o", str(target), "-p", precision, "-e", "cpu", "-c", str(target.parent / "builder-cache")]
    options = ["hf_token=false"]
    if precision != "fp32":
        options += [f"block_size={block_size}", f"accuracy_level={accuracy_level}"]
    command += ["--extra_options", *options]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    shutil.rmtree(target.parent / "builder-cache", ignore_errors=True)
    if done.returncode:
        raise SystemExit(f"the model builder failed for {precision}:\n" + "\n".join(done.stderr.splitlines()[-8:]))


def onnx_logits(model_file: Path, ids: Sequence[int]) -> np.ndarray:
    """Logits of shape (positions, vocabulary) of one prompt, read in one go without a past."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    configuration = json.loads((model_file.parent / "genai_config.json").read_text(encoding="utf-8"))
    head_size = configuration["model"]["decoder"]["head_size"]
    session = onnxruntime.InferenceSession(str(model_file), providers=["CPUExecutionProvider"])
    feeds: dict[str, np.ndarray] = {}
    for node in session.get_inputs():
        if node.name == "input_ids":
            feeds[node.name] = np.asarray([ids], np.int64)
        elif node.name == "attention_mask":
            feeds[node.name] = np.ones((1, len(ids)), np.int64)
        elif node.name == "position_ids":
            feeds[node.name] = np.arange(len(ids), dtype=np.int64)[None]
        else:
            feeds[node.name] = np.zeros((1, node.shape[1], 0, head_size), np.float32)
    return np.asarray(session.run(["logits"], feeds)[0])[0]


def compare(model_folder: Path, model_file: Path, precision: str, prompts: Sequence[Sequence[int]]) -> Agreement:
    """Compare with PyTorch in fp32 on `prompts` (token ids), every position."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    worst, same, positions = 0.0, 0, 0
    for ids in prompts:
        with torch.inference_mode():
            wanted = model(input_ids=torch.tensor([list(ids)])).logits[0].numpy()
        got = onnx_logits(model_file, ids)
        wanted = wanted[-len(got) :]
        worst = max(worst, float(np.abs(got - wanted).max()))
        same += int((got.argmax(-1) == wanted.argmax(-1)).sum())
        positions += len(got)
    return Agreement(precision, positions, worst, same / positions)


def write_manifest(folder: Path, **fields: object) -> None:
    """`phi4bench.json`: what the artifact is, where it comes from, and how it was made."""
    document = {"schema": "phi4bench.artifact/1", **fields}
    (folder / "phi4bench.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
