"""Where the disk is full, what was begun goes away with the command. A limit on files stands for the disk here."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import ROOT
from small import small_model

resource = pytest.importorskip("resource", reason="needs limits as Linux and macOS have them")
for module in ("onnx", "onnx_ir", "onnxruntime"):
    pytest.importorskip(module, reason="needs the `train` extra")

from trainers.__main__ import main  # noqa: E402

FP32 = ROOT / "fixtures" / "models" / "nano-fp32"
pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and PEFT


@pytest.fixture
def no_room():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> bool:
    assert main(command) == 3
    return "make room, and run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["quantize", "half"])
def test_of_a_file_made_of_another_nothing_is_left(command, no_room, tmp_path: Path, capsys):
    assert refused([command, str(FP32), "--out", str(tmp_path / "out")], capsys)
    assert [path for path in tmp_path.rglob("*") if path != tmp_path / "out"] == []


def test_of_a_shape_nothing_is_left(no_room, tmp_path: Path, capsys):
    assert refused(["shape", "--preset", "nano", "--out", str(tmp_path)], capsys)
    assert list(tmp_path.iterdir()) == []


def test_of_a_merged_model_nothing_is_left(tmp_path: Path, capsys, request):
    peft = pytest.importorskip("peft", reason="needs the `train` extra")
    from transformers import AutoModelForCausalLM

    base = small_model(tmp_path / "base", hidden_size=64, intermediate_size=96)
    config = peft.LoraConfig(r=1, target_modules=["o_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(tmp_path / "run")
    request.getfixturevalue("no_room")
    command = ["merge", str(tmp_path / "run"), "--base", str(base), "--out", str(tmp_path / "out" / "merged")]
    assert refused(command, capsys)
    assert list((tmp_path / "out").iterdir()) == []
