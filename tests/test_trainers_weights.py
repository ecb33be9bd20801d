"""Weights that are not whole, or not of the model that config.json tells of, stop what would be made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small import small_model

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "accelerate", "matplotlib"):
    pytest.importorskip(module, reason="needs the `train` extra")

from phi4bench.errors import UsageError  # noqa: E402
from trainers.__main__ import main  # noqa: E402
from trainers.data import generated, write_examples  # noqa: E402
from trainers.weights import load_whole  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and torch


def told(folder: Path, **other: int) -> Path:
    """The model with another configuration."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | other))
    return folder


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"num_hidden_layers": 2}, r"lack what config.json asks for: model.layers.1.input_layernorm.weight and 5 more"),
        ({"intermediate_size": 64}, r"another shape than config.json says: model.layers.0.mlp.down_proj.weight and 1"),
        ({"num_attention_heads": 0}, r"cannot be loaded by transformers \(ZeroDivisionError"),
    ],
    ids=["a-layer", "a-shape", "no-model"],
)
def test_what_lacks_is_not_filled_with_random_numbers(other, says, tmp_path: Path):
    with pytest.raises(UsageError, match=says):
        load_whole(told(small_model(tmp_path / "base"), **other), dtype=torch.float32)


def test_what_is_left_out_is_said(tmp_path: Path, capsys):
    load_whole(told(small_model(tmp_path / "base", num_hidden_layers=2), num_hidden_layers=1), dtype=torch.float32)
    assert "left out here: model.layers.1.input_layernorm.weight and 5 more" in capsys.readouterr().out


def test_training_on_half_a_model_is_a_line(tmp_path: Path, capsys):
    write_examples(tmp_path / "train.jsonl", generated(12, 3))
    base = told(small_model(tmp_path / "base"), num_hidden_layers=2)
    named = ["--model", str(base), "--data", str(tmp_path / "train.jsonl"), "--out", str(tmp_path / "run")]
    assert main(["sft", *named, "--device", "cpu"]) == 4
    assert "its weights lack what config.json asks for: model.layers.1" in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoints").exists()
