"""Weights that are not whole, or not of the model that config.json tells of, stop what would be made of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from small import small_model

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "accelerate", "matplotlib"):
    pytest.importorskip(module, reason="needs the `train` extra")

from safetensors.torch import load_file, save_file  # noqa: E402

from phi4bench.errors import UsageError  # noqa: E402
from trainers.__main__ import main  # noqa: E402
from trainers.data import generated, write_examples  # noqa: E402
from trainers.engines import check_blocks  # noqa: E402
from trainers.weights import load_whole, with_adapter  # noqa: E402

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


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """A small model, and an adapter on its projections that PEFT saved."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("adapted")
    small_model(folder / "base")
    model = load_whole(folder / "base", dtype=torch.float32)
    get_peft_model(model, LoraConfig(r=2, target_modules=["o_proj", "down_proj"])).save_pretrained(folder / "adapter")
    return folder


def test_an_adapter_that_is_not_whole_is_not_filled_with_random_numbers(adapted, tmp_path: Path):
    shutil.copytree(adapted / "adapter", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    model = load_whole(adapted / "base", dtype=torch.float32)
    with_adapter(model, tmp_path / "adapter", adapted / "base")
    del tensors["base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"]
    save_file(tensors, file)
    with pytest.raises(UsageError, match=r"does not fit '.*base': it lacks .*mlp.down_proj.lora_A"):
        with_adapter(load_whole(adapted / "base", dtype=torch.float32), tmp_path / "adapter", adapted / "base")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"adapter_model.safetensors cannot be read .*; copy it again, whole"):
        with_adapter(load_whole(adapted / "base", dtype=torch.float32), tmp_path / "adapter", adapted / "base")


def test_an_adapter_of_a_deeper_model_loses_nothing_in_silence(adapted, tmp_path: Path):
    from peft import LoraConfig, get_peft_model

    deeper = load_whole(small_model(tmp_path / "deeper", num_hidden_layers=2), dtype=torch.float32)
    get_peft_model(deeper, LoraConfig(r=2, target_modules=["o_proj"])).save_pretrained(tmp_path / "adapter")
    with pytest.raises(UsageError, match=r"it holds .*layers.1.self_attn.* and 1 more, which has no place there"):
        with_adapter(load_whole(adapted / "base", dtype=torch.float32), tmp_path / "adapter", adapted / "base")


@pytest.mark.parametrize(("packs", "shape"), [(True, (96, 64)), (True, (64, 48)), (False, (96, 48))])
def test_nf4_on_a_processor_that_packs_wants_whole_blocks(packs, shape):
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="needs the `train` extra")
    layer = bitsandbytes.nn.Linear4bit(*shape, device="meta")
    layer.support_avx512bf16_for_cpu = packs
    model = torch.nn.Sequential(layer)
    if packs:
        with pytest.raises(UsageError, match=r"quantize='nf4': 0 has .* should have multiples of 64 and 32 on this"):
            check_blocks(model)
    else:
        check_blocks(model)


def test_training_on_half_a_model_is_a_line(tmp_path: Path, capsys):
    write_examples(tmp_path / "train.jsonl", generated(12, 3))
    base = told(small_model(tmp_path / "base"), num_hidden_layers=2)
    named = ["--model", str(base), "--data", str(tmp_path / "train.jsonl"), "--out", str(tmp_path / "run")]
    assert main(["sft", *named, "--device", "cpu"]) == 4
    assert "its weights lack what config.json asks for: model.layers.1" in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoints").exists()
