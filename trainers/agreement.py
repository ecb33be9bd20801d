"""How close an ONNX file's logits are to PyTorch's, on prompts read whole. Needs onnxruntime; torch only to compare."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.backends.windows import windows_of
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import read_json_file
from trainers.faults import TrainingError

MOST_DIFFERENCE = 1e-2
"""An fp32 file whose logits differ by more is another model."""
LEAST_AGREEMENT = 0.99
BEYOND = 64
"""Tokens by which a long prompt goes beyond the switch of rotary tables."""


@dataclass(frozen=True)
class Agreement:
    """How an exported file's logits compare with PyTorch's. `max_difference`: absolute, over `positions` positions.

    `rotary_switch`: tokens beyond which the model takes its second rotary table, `None` where it has but one;
    `beyond`: positions of prompts that are longer than that.
    """

    precision: str
    positions: int
    max_difference: float
    top1_agreement: float
    rotary_switch: int | None = None
    beyond: int = 0

    @property
    def is_the_same_model(self) -> bool:
        return self.max_difference <= MOST_DIFFERENCE and self.top1_agreement >= LEAST_AGREEMENT

    def told(self) -> str:
        switch = f", {self.beyond:,} of them in prompts beyond the switch of rotary tables at {self.rotary_switch}"
        return (
            f"logits differ from PyTorch's by at most {self.max_difference:.2g},"
            f" same top token at {100 * self.top1_agreement:.1f}% of {self.positions:,} positions"
            f"{switch if self.rotary_switch else ''}"
        )


def rotary_switch(folder: Path) -> int | None:
    """Of a Hugging Face folder, what its config.json says; `None` without longrope."""
    config = read_json_file(folder / "config.json")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, dict) or rope.get("rope_type", rope.get("type")) != "longrope":
        return None
    told = config.get("original_max_position_embeddings", rope.get("original_max_position_embeddings"))
    if told is not None and (type(told) is not int or told < 1):
        raise UsageError(
            f"'{printable(str(folder / 'config.json'), 200)}': original_max_position_embeddings="
            f"{printable(repr(told), 40)}, but should be a whole number above 0"
        )
    return told


def on_both_sides(prompts: Sequence[Sequence[int]], switch: int | None) -> list[Sequence[int]]:
    """The prompts, and where the model switches rotary tables: some no longer than that, one of just that length, and
    one beyond it, joined of as many as it takes."""
    if switch is None or not prompts:
        return list(prompts)
    joined = [token for ids in prompts for token in ids]
    joined *= -(-(switch + BEYOND) // len(joined))
    short = [ids[:switch] for ids in prompts]
    return [*short, joined[:switch], joined[: switch + BEYOND]]


def reader(
    model_file: Path, adapter: Path | None = None, mapped: bool = False
) -> Callable[[Sequence[int]], np.ndarray]:
    """Logits of shape (positions, vocabulary) of one prompt, read in one go without a past.

    `adapter`: an .onnx_adapter file, which onnxruntime puts to the file's own inputs. `mapped`: weights
    are used where they lie in the file, which the system may drop from memory, and no copy is packed for speed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # it warns of each input that has a default
    settings.add_session_config_entry("session.disable_prepacking", "1" if mapped else "0")
    session = onnxruntime.InferenceSession(str(model_file), settings, providers=["CPUExecutionProvider"])
    options = onnxruntime.RunOptions()
    loaded = onnxruntime.LoraAdapter()
    if adapter is not None:
        loaded.Load(str(adapter))
        options.add_active_adapter(loaded)

    def read(ids: Sequence[int]) -> np.ndarray:
        feeds = feeds_of(session, model_file.parent, ids)
        try:
            return np.asarray(session.run(["logits"], feeds, options)[0])[0]
        except Exception as error:  # onnxruntime's exceptions share no base class but this one
            said = " ".join(str(error).split())[-200:]
            raise TrainingError(
                f"onnxruntime cannot run '{model_file}' ({said})", "the export made a graph that its kernels refuse"
            ) from None

    read.adapter = loaded  # type: ignore[attr-defined]  # which the options do not keep alive
    return read


def feeds_of(session: Any, folder: Path, ids: Sequence[int]) -> dict[str, np.ndarray]:
    """What a decoder is fed to read `ids` without a past. `folder`: has its genai_config.json."""
    told = read_json_file(folder / "genai_config.json")["model"]["decoder"]
    windows = windows_of(read_onnx(folder / told.get("filename", "model.onnx")))
    feeds: dict[str, np.ndarray] = {}
    for node in session.get_inputs():
        if node.name == "input_ids":
            feeds[node.name] = np.asarray([ids], np.int64)
        elif node.name == "attention_mask":
            feeds[node.name] = np.ones((1, len(ids)), np.int64)
        elif node.name == "position_ids":
            feeds[node.name] = np.arange(len(ids), dtype=np.int64)[None]
        else:
            kind = np.float16 if node.type == "tensor(float16)" else np.float32
            feeds[node.name] = np.zeros((1, node.shape[1], windows.get(node.name, 0), told["head_size"]), kind)
    return feeds


def check_finite(logits: np.ndarray, whose: str) -> None:
    """`TrainingError` where some are no numbers or infinite: `max` and `argmax` would take them for no difference."""
    if not np.isfinite(logits).all():
        raise TrainingError(f"logits are not finite: {whose}", "see which weights are not; nothing was kept")


def compare(
    model_folder: Path,
    model_file: Path,
    precision: str,
    prompts: Sequence[Sequence[int]],
    adapter: tuple[Path, Path] | None = None,
) -> Agreement:
    """Compare with PyTorch in fp32 on `prompts` (token ids), every position.

    `adapter`: PEFT's folder, and the .onnx_adapter file made of it.
    """
    import torch

    from trainers.weights import load_whole, with_adapter

    model = load_whole(model_folder, dtype=torch.float32)
    if adapter is not None:
        model = with_adapter(model, adapter[0], model_folder)
    model.eval()
    switch = rotary_switch(model_folder)
    read, worst, same, positions, beyond = reader(model_file, adapter[1] if adapter else None), 0.0, 0, 0, 0
    for ids in prompts:
        with torch.inference_mode():
            wanted = model(input_ids=torch.tensor([list(ids)])).logits[0].numpy()
        got = read(ids)
        wanted = wanted[-len(got) :]
        check_finite(wanted, f"PyTorch's, of '{model_folder}'")
        check_finite(got, f"those of '{model_file}'")
        worst = max(worst, float(np.abs(got - wanted).max()))
        same += int((got.argmax(-1) == wanted.argmax(-1)).sum())
        positions += len(got)
        beyond += len(got) if switch is not None and len(ids) > switch else 0
    return Agreement(precision, positions, worst, same / positions, switch, beyond)
