"""Exports a Hugging Face folder to ONNX with onnxruntime-genai's model builder, and checks each file.

The builder can export the wrong matrix in silence, so the logits of every file are compared with PyTorch's on real
prompts. Needs the `train` extra.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phi4bench.artifacts import open_artifact
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import manifest_of, open_base, read_json_file, speech, write_json, write_manifest
from trainers.faults import TrainingError

__all__ = ["PRECISIONS", "Agreement", "compare", "export", "reader", "run_builder", "write_manifest"]

PRECISIONS = ("fp32", "int8", "int4")
MOST_DIFFERENCE = 1e-2
"""An fp32 file whose logits differ by more is another model."""
LEAST_AGREEMENT = 0.99
RESULTS = "export.json"


@dataclass(frozen=True)
class Agreement:
    """How an exported file's logits compare with PyTorch's. `max_difference`: absolute, over `positions` positions."""

    precision: str
    positions: int
    max_difference: float
    top1_agreement: float

    @property
    def is_the_same_model(self) -> bool:
        return self.max_difference <= MOST_DIFFERENCE and self.top1_agreement >= LEAST_AGREEMENT

    def told(self) -> str:
        return (
            f"logits differ from PyTorch's by at most {self.max_difference:.2g},"
            f" same top token at {100 * self.top1_agreement:.1f}% of {self.positions:,} positions"
        )


def run_builder(source: Path, target: Path, precision: str, block_size: int = 32, accuracy_level: int = 4) -> None:
    """Build `target/model.onnx`. Raises `TrainingError` with the builder's last lines where it fails.

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
        said = "\n".join(done.stderr.splitlines()[-8:])
        raise TrainingError(f"the model builder failed for {precision}:\n{said}")


def reader(model_file: Path) -> Callable[[Sequence[int]], np.ndarray]:
    """Logits of shape (positions, vocabulary) of one prompt, read in one go without a past."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model_file), providers=["CPUExecutionProvider"])
    return lambda ids: np.asarray(session.run(["logits"], feeds_of(session, model_file.parent, ids))[0])[0]


def feeds_of(session: Any, folder: Path, ids: Sequence[int]) -> dict[str, np.ndarray]:
    """What a decoder is fed to read `ids` without a past. `folder`: has its genai_config.json."""
    head_size = read_json_file(folder / "genai_config.json")["model"]["decoder"]["head_size"]
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
    return feeds


def compare(model_folder: Path, model_file: Path, precision: str, prompts: Sequence[Sequence[int]]) -> Agreement:
    """Compare with PyTorch in fp32 on `prompts` (token ids), every position."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    read, worst, same, positions = reader(model_file), 0.0, 0, 0
    for ids in prompts:
        with torch.inference_mode():
            wanted = model(input_ids=torch.tensor([list(ids)])).logits[0].numpy()
        got = read(ids)
        wanted = wanted[-len(got) :]
        worst = max(worst, float(np.abs(got - wanted).max()))
        same += int((got.argmax(-1) == wanted.argmax(-1)).sum())
        positions += len(got)
    return Agreement(precision, positions, worst, same / positions)


def export(
    model: str,
    precisions: Sequence[str],
    out: Path,
    prompts: Callable[[Path], Sequence[Sequence[int]]],
    block_size: int = 32,
    accuracy_level: int = 4,
) -> list[Path]:
    """`out/PRECISION` for each of them, fp32 first; results go to `out/export.json`. What is there already is kept.

    `prompts`: token ids of conversations to compare on, for the model's folder. A folder appears when its file is
    checked, so a killed export leaves nothing that looks finished. Raises `UsageError`, `TrainingError`.
    """
    base = open_base(model)
    recipe = {"command": "python -m trainers export", "source": model, "source_sha256": base.artifact.weights_sha256}
    made, conversations = [], None
    for precision in sorted(set(precisions), key=PRECISIONS.index):
        target = out / precision
        made.append(target)
        if (target / "phi4bench.json").is_file():
            if manifest_of(target).recipe.get("source_sha256") != base.artifact.weights_sha256:
                raise UsageError(f"'{printable(str(target), 200)}' was made from another model", "remove it first")
            print(f"{target} is finished; nothing to do")
            continue
        draft = out / f".{precision}.part"
        for leftover in (draft, target):
            shutil.rmtree(leftover, ignore_errors=True)
        conversations = prompts(base.folder) if conversations is None else conversations
        out.mkdir(parents=True, exist_ok=True)
        run_builder(base.folder, draft, precision, block_size, accuracy_level)
        agreement = compare(base.folder, draft / "model.onnx", precision, conversations)
        record(out / RESULTS, asdict(agreement))
        print(f"{target}: {agreement.told()}", flush=True)
        if precision == "fp32" and not agreement.is_the_same_model:
            shutil.rmtree(draft)
            raise TrainingError(
                f"the fp32 file is not the model: {agreement.told()}",
                "the builder takes any linear layer as wide as the vocabulary for the head; nothing was kept",
            )
        if base.dialect_file is None and (base.folder / "dialect.toml").is_file():
            shutil.copy(base.folder / "dialect.toml", draft / "dialect.toml")
        spoken = manifest_of(base.folder)
        told = {"dialect": spoken.dialect, "turns": spoken.turns} if spoken.dialect else speech(base)
        settings = {} if precision == "fp32" else {"block_size": block_size, "accuracy_level": accuracy_level}
        parent = {} if precision == "fp32" else parent_of(out / "fp32")
        write_manifest(
            draft,
            name=f"{out.name}-{precision}",
            format="onnx",
            precision=precision,
            **parent,
            **{key: value for key, value in told.items() if value},
            recipe=recipe | settings,
        )
        draft.rename(target)
    return made


def parent_of(fp32: Path) -> dict[str, object]:
    """What a manifest says of its parent, where there is one beside it."""
    if not (fp32 / "phi4bench.json").is_file():
        return {}
    return {"parent": {"path": f"../{fp32.name}", "sha256": open_artifact(str(fp32)).weights_sha256}}


def record(path: Path, result: Mapping[str, object], key: str = "precision") -> None:
    """Add a result to a JSON list, in place of one of the same `key`."""
    held = list(read_json_file(path)["results"]) if path.is_file() else []
    kept = [one for one in held if one[key] != result[key]]
    write_json(path, {"results": [*kept, dict(result)]})
