"""Checkpoints in GPTQ's packing: exported as they are, and refused in a line where they cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small import small_model
from tiny import one_process  # noqa: F401  (a fixture)

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "onnx", "onnx_ir", "onnxruntime_genai"):
    pytest.importorskip(module, reason="needs the `train` extra")

from phi4bench.artifacts import open_artifact  # noqa: E402
from trainers.__main__ import main  # noqa: E402
from trainers.export import export  # noqa: E402
from trainers.gptq import open_gptq, unpack, unpacked  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and PEFT
IDS = [[1, 300, 301, 302, 5, 2, 400, 401, 5, 3], [7, 8, 9]]
SHAPE = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}


def packed_by_hand(weight: torch.Tensor, group: int) -> dict[str, torch.Tensor]:
    """A layer (outputs, inputs) in 4 bits as GPTQ tools store it, symmetric: zero point 8, stored as 7."""
    outputs, inputs = weight.shape
    blocks = weight.T.reshape(inputs // group, group, outputs)
    scales = (blocks.abs().amax(1) / 7).half()
    values = (torch.round(blocks / scales.float()[:, None]) + 8).clamp(0, 15).to(torch.int64).reshape(inputs, outputs)
    rows = values.reshape(inputs // 8, 8, outputs)
    packed = sum(rows[:, at] << (4 * at) for at in range(8))
    zeros = torch.full((inputs // group, outputs // 8), 0x77777777, dtype=torch.int64)
    as_int32 = [torch.from_numpy(one.numpy().astype(np.uint32).view(np.int32)).contiguous() for one in (packed, zeros)]
    return {"qweight": as_int32[0], "qzeros": as_int32[1], "scales": scales}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """As AutoRound saves one: its own method's name, GPTQ's packing, and no `g_idx`."""
    from safetensors.torch import load_file, save_file

    folder = small_model(tmp_path_factory.mktemp("gptq") / "model", **SHAPE)
    tensors = load_file(folder / "model.safetensors")
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        parts = packed_by_hand(tensors.pop(name), 32)
        tensors |= {f"{name.removesuffix('weight')}{part}": value for part, value in parts.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    told = {
        "quant_method": "auto-round",
        "packing_format": "auto_round:auto_gptq",
        "bits": 4,
        "group_size": 32,
        "sym": True,
    }
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": told}))
    return folder


def test_unpacking_follows_the_format():
    parts = {
        "qweight": torch.tensor([[0x76543210], [-0x01234568]], dtype=torch.int32),  # the second: 0xFEDCBA98
        "qzeros": torch.tensor([[0x7], [0x7]], dtype=torch.int32),
        "scales": torch.tensor([[0.5], [2.0]]),
    }
    assert unpacked(parts, 4, 8).tolist() == [[(value - 8) * 0.5 for value in range(8)] + [2.0 * v for v in range(8)]]


def test_a_checkpoint_in_gptqs_packing_becomes_int4_as_it_is(checkpoint, tmp_path: Path, monkeypatch, capsys):
    # As a killed run leaves it: the whole model in fp32 already, and half of what goes to the builder.
    scratch = tmp_path / ".unpacked"
    _, packed = unpack(open_gptq(checkpoint, ["int4"]), scratch)
    (packed / "config.json").unlink()
    monkeypatch.setattr("trainers.gptq._unpack", lambda *given: pytest.fail("unpacked twice"))
    export(str(checkpoint), ["int4", "fp32"], tmp_path, lambda folder: IDS, accuracy_level=1)
    told = {one["precision"]: one for one in json.loads((tmp_path / "export.json").read_text())["results"]}
    assert told["fp32"]["max_difference"] < 1e-3
    # The reference is what the integers stand for, so only the head and the rounding to fp16 on the way are left.
    assert told["int4"]["top1_agreement"] > 0.5
    artifact = open_artifact(str(tmp_path / "int4"))
    assert artifact.precision == "int4"
    assert artifact.parent_sha256 == open_artifact(str(tmp_path / "fp32")).weights_sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.json", "fp32", "int4"]
    # A finished export unpacks nothing, and removes what a run left that was killed at its very end.
    scratch.mkdir()
    export(str(checkpoint), ["int4", "fp32"], tmp_path, lambda folder: pytest.fail("asked"), accuracy_level=1)
    assert capsys.readouterr().out.count("is finished; nothing to do") == 2
    assert not scratch.exists()


@pytest.mark.parametrize(
    ("told", "precision", "says"),
    [
        ({}, "int8", "has matrices of 4 bits, but int8 was asked for"),
        ({"bits": 3}, "int4", "bits=3, but should be 4 or 8"),
        ({"desc_act": True}, "int4", "desc_act=true"),
        ({"packing_format": "auto_round:auto_awq"}, "int4", "packing_format='auto_round:auto_awq', but should be"),
        ({"checkpoint_format": "gptq_v2"}, "int4", "checkpoint_format='gptq_v2', but should be gptq"),
    ],
    ids=["other-bits", "three-bits", "order", "awq", "other-zeros"],
)
def test_a_checkpoint_that_cannot_be_kept_is_a_clear_line(told, precision, says, checkpoint, tmp_path: Path, capsys):
    folder = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] |= told
    (folder / "config.json").write_text(json.dumps(config))
    assert main(["export", str(folder), "--precision", precision, "--out", str(tmp_path / "out")]) == 4
    assert says in capsys.readouterr().err


def test_a_checkpoint_that_lacks_a_part_is_a_clear_line(checkpoint, tmp_path: Path, capsys):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(checkpoint, tmp_path / "other")
    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if name.endswith(".scales"))
    del tensors[lost]
    save_file(tensors, folder / "model.safetensors")
    command = ["export", str(folder), "--precision", "int4", "--out", str(tmp_path / "out")]
    assert main(command) == 4
    assert f"{lost.removesuffix('scales')}qweight cannot be unpacked" in capsys.readouterr().err
    (folder / "model.safetensors").write_bytes(b"nothing")
    assert main(command) == 4
    assert "the weights cannot be read" in capsys.readouterr().err
