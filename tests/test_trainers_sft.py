"""Fine-tuning: what is adapted, what a kill costs, and what stops a run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kit import ROOT
from small import small_model

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "accelerate", "matplotlib"):
    pytest.importorskip(module, reason="needs the `train` extra")

from phi4bench.errors import UsageError  # noqa: E402
from trainers.alone import alone_in  # noqa: E402
from trainers.data import generated, write_examples  # noqa: E402
from trainers.disk import is_full  # noqa: E402
from trainers.faults import TrainingError  # noqa: E402
from trainers.loop import arguments, clear_halves, last_checkpoint  # noqa: E402
from trainers.lora import adapt, beyond, linear_layers, targets_of  # noqa: E402
from trainers.settings import Chosen, Training  # noqa: E402
from trainers.sft import device_of, others_idle, sft  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, PEFT and torch

QUICK = Training(
    rank=4, lr=1e-2, epochs=6.0, batch=2, accumulation=2, length=512, evaluate_every=2, patience=0, threads=1,
    device="cpu",
)  # fmt: skip
FLAGS = ["--rank", "4", "--lr", "1e-2", "--epochs", "6", "--batch", "2", "--accumulation", "2", "--length", "512",
         "--evaluate-every", "2", "--patience", "0", "--threads", "1", "--device", "cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("small") / "base")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "train.jsonl"
    short = sorted(generated(80, 3), key=lambda one: sum(len(m.content) for m in one.messages))[:24]
    write_examples(file, short)
    return file


@pytest.fixture(scope="module")
def undisturbed(model, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    run(model, data, out)
    return out


def run(model, data, out, training=QUICK):
    return sft(str(model), [str(data)], out, Chosen(training, "", {}))


def weights(out: Path) -> bytes:
    return (out / "adapter" / "adapter_model.safetensors").read_bytes()


# The whole


def test_a_run_folder_explains_itself(undisturbed):
    settings = json.loads((undisturbed / "settings.json").read_text())
    assert settings["settings"]["rank"] == 4
    assert settings["model"]["weights_sha256"]
    assert settings["data"]["train"] + settings["data"]["validation"] == 24
    report = json.loads((undisturbed / "overfitting.json").read_text())
    assert report["kept"]["validation_loss"] <= report["last"]["validation_loss"]
    assert f"Step {report['kept']['step']} was kept" in (undisturbed / "README.md").read_text()
    assert (undisturbed / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    steps = [line["step"] for line in json.loads((undisturbed / "learning_curves.json").read_text())["log"]]
    assert steps == sorted(steps)


def test_training_lowers_the_loss(undisturbed):
    log = json.loads((undisturbed / "learning_curves.json").read_text())["log"]
    losses = [line["eval_train_loss"] for line in log if "eval_train_loss" in line]
    assert losses[-1] < losses[0] - 0.05


def test_the_kept_adapter_is_the_best_checkpoints(undisturbed):
    step = json.loads((undisturbed / "overfitting.json").read_text())["kept"]["step"]
    best = undisturbed / "checkpoints" / f"checkpoint-{step}" / "adapter_model.safetensors"
    assert best.read_bytes() == weights(undisturbed)


def test_a_run_that_was_killed_resumes_to_the_weights_of_an_undisturbed_one(model, data, undisturbed, tmp_path: Path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "trainers", "sft", "--model", str(model), "--data", str(data), "--out", str(out)]
    child = subprocess.Popen(
        [*command, *FLAGS], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while not (out / "checkpoints" / "checkpoint-4" / "trainer_state.json").exists():
            assert child.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not (out / "adapter").exists()
    run(model, data, out)
    assert weights(out) == weights(undisturbed)


def test_a_finished_run_is_not_trained_again(model, data, undisturbed, capsys):
    before = (undisturbed / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    run(model, data, undisturbed)
    assert "is finished; nothing to do" in capsys.readouterr().out
    assert (undisturbed / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == before


def test_a_folder_with_another_run_is_refused(model, data, undisturbed):
    with pytest.raises(UsageError, match=r"holds another run \(rank=4, now 8"):
        run(model, data, undisturbed, replace(QUICK, rank=8))


def test_a_run_that_goes_on_with_other_versions_is_told(model, data, undisturbed, tmp_path: Path, capsys):
    shutil.copytree(undisturbed, tmp_path / "run")
    told = tmp_path / "run" / "settings.json"
    held = json.loads(told.read_text())
    told.write_text(json.dumps(held | {"versions": held["versions"] | {"peft": "0.1"}}))
    run(model, data, tmp_path / "run")
    assert f"was begun with peft 0.1 (now {held['versions']['peft']}): the weights may" in capsys.readouterr().out
    run(model, data, undisturbed)
    assert "was begun with" not in capsys.readouterr().out


def test_a_folder_with_a_run_under_another_system_prompt_is_refused(model, data, undisturbed, tmp_path: Path):
    """What is learned from is rendered with it, though the files are the same."""
    (tmp_path / "prompt.txt").write_text("You are terse.")
    with pytest.raises(UsageError, match=r"holds another run \(system_prompt\); name another folder"):
        sft(str(model), [str(data)], undisturbed, Chosen(QUICK, "", {}), system_prompt=tmp_path / "prompt.txt")


def test_a_run_that_never_began_does_not_hold_its_folder(model, data, tmp_path: Path):
    with pytest.raises(UsageError, match="q_proj matches no linear layer"):
        run(model, data, tmp_path / "run", replace(QUICK, targets="q_proj,o_proj"))
    mended = replace(QUICK, targets="o_proj", epochs=0.5)
    run(model, data, tmp_path / "run", mended)
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["settings"]["targets"] == "o_proj"


def test_two_runs_do_not_train_in_one_folder(model, data, undisturbed, tmp_path: Path):
    """A supervisor may start a command again whose first process still lives."""
    with (
        alone_in(undisturbed, "sft"),
        pytest.raises(UsageError, match="is what another sft works on; wait for its end"),
    ):
        run(model, data, undisturbed)
    run(model, data, undisturbed)
    assert not list(undisturbed.glob(".*.lock"))


def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint(model, data, tmp_path: Path):
    with pytest.raises(TrainingError, match=r"(loss|gradient norm)=(nan|inf) at step \d+; the last good"):
        run(model, data, tmp_path / "run", replace(QUICK, lr=1e8, schedule="constant", warmup=0.1))
    kept = last_checkpoint(tmp_path / "run" / "checkpoints")
    from safetensors.torch import load_file

    assert all(one.isfinite().all() for one in load_file(kept / "adapter_model.safetensors").values())


def test_training_stops_early_when_validation_does_not_improve(model, data, tmp_path: Path, capsys):
    run(model, data, tmp_path / "run", replace(QUICK, lr=1e-12, patience=1))
    log = json.loads((tmp_path / "run" / "learning_curves.json").read_text())["log"]
    assert max(line["step"] for line in log) < 6 * 5  # six epochs of five steps


def test_half_a_checkpoint_is_not_resumed_from(undisturbed, tmp_path: Path):
    shutil.copytree(undisturbed / "checkpoints", tmp_path / "c")
    whole = last_checkpoint(tmp_path / "c")
    half = tmp_path / "c" / "checkpoint-999"
    half.mkdir()
    (half / "adapter_model.safetensors").write_bytes(b"half")
    assert last_checkpoint(tmp_path / "c") == whole
    clear_halves(tmp_path / "c")
    assert not half.exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "adapter_model.safetensors"])
def test_a_file_that_was_cut_short_makes_a_checkpoint_half(name, undisturbed, tmp_path: Path):
    last = last_checkpoint(undisturbed / "checkpoints")
    shutil.copytree(last, tmp_path / last.name)
    assert last_checkpoint(tmp_path) == tmp_path / last.name
    whole = (tmp_path / last.name / name).read_bytes()
    (tmp_path / last.name / name).write_bytes(whole[: len(whole) - 300])
    assert last_checkpoint(tmp_path) is None


def test_a_best_checkpoint_that_is_gone_is_told_and_not_replaced(model, data, undisturbed, tmp_path: Path):
    out = tmp_path / "run"
    shutil.copytree(undisturbed, out)
    shutil.rmtree(out / "adapter")
    for state in (out / "checkpoints").glob("*/trainer_state.json"):
        told = json.loads(state.read_text())
        for line in told["log_history"]:
            if line["step"] == 2 and "eval_loss" in line:
                line["eval_loss"] = 0.0
        state.write_text(json.dumps(told | {"best_global_step": 2}))
    with pytest.raises(TrainingError, match=r"checkpoint-2', which has the lowest validation loss, is not whole"):
        run(model, data, out)
    assert not (out / "adapter").exists()


def test_a_validation_loss_that_is_no_number_stops_before_its_step_is_saved(model, data, tmp_path: Path, monkeypatch):
    sick = iter([1.0, 1.0, float("nan")])
    monkeypatch.setattr("trainers.loop.measure", lambda *_: torch.tensor([next(sick), 1.0, 0.0]))
    with pytest.raises(TrainingError, match=r"validation_loss=nan at step 4; the last good checkpoint is .*-2;"):
        run(model, data, tmp_path / "run")


@pytest.mark.parametrize("quantize", ["int8", "nf4"])
def test_a_quantized_base_trains_on_cpu(quantize, data, tmp_path: Path):
    pytest.importorskip("bitsandbytes", reason="needs the `train` extra")
    # Rows of whole blocks: on processors with AVX512-BF16 bitsandbytes packs blocks of 64 and knows no rest.
    model = small_model(tmp_path / "base", hidden_size=64, intermediate_size=128)
    run(model, data, tmp_path / "run", replace(QUICK, quantize=quantize, epochs=0.5))
    assert weights(tmp_path / "run")


def test_a_full_disk_stops_with_the_last_good_checkpoint_and_the_run_goes_on(model, data, undisturbed, tmp_path: Path):
    from transformers import Trainer

    saved = Trainer._save_optimizer_and_scheduler

    def full(self, folder):
        if self.state.global_step >= 6:
            torch.save(self.optimizer.state_dict(), "/dev/full")
        saved(self, folder)

    out = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
        with pytest.raises(TrainingError, match=r"the disk may be full .*checkpoint-4; make room"):
            run(model, data, out)
    run(model, data, out)
    assert weights(out) == weights(undisturbed)


def test_a_disk_that_fills_at_the_very_end_costs_no_training(model, data, undisturbed, tmp_path: Path, capsys):
    out = tmp_path / "run"
    shutil.copytree(undisturbed, out)
    shutil.rmtree(out / "adapter")

    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainers.sft.copy_tokenizer", full)
        with pytest.raises(TrainingError, match=r"the disk is full \(what is kept: .*checkpoint-30; make room"):
            run(model, data, out)
    capsys.readouterr()
    run(model, data, out)
    assert "'loss'" not in capsys.readouterr().out
    assert weights(out) == weights(undisturbed)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which takes nothing")
def test_a_full_disk_is_known_by_what_each_writer_makes_of_it():
    from safetensors import SafetensorError

    # What safetensors 0.8 raised on a file system of 256 KiB.
    assert is_full(SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"))
    with pytest.raises(OSError, match="No space") as plain, Path("/dev/full").open("w") as file:
        file.write("x" * 100_000)
    assert is_full(plain.value) == "the disk is full"
    with pytest.raises(RuntimeError) as archive:
        torch.save({"x": torch.zeros(100_000)}, "/dev/full")
    assert is_full(archive.value) == "a file could not be written whole; the disk may be full"
    with pytest.raises(OSError, match="requested and") as array, Path("/dev/full").open("wb") as file:
        np.zeros(100_000).tofile(file)
    assert is_full(array.value) == "a file could not be written whole; the disk may be full"
    limited = SafetensorError("Error while serializing: I/O error: File too large (os error 27)")
    for error in (limited, OSError(27, "File too large")):
        assert is_full(error) == "a file may not grow that large here (ulimit -f, or the file system)"
    assert is_full(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert is_full(PermissionError(13, "Permission denied")) is None


@pytest.mark.parametrize("setting", [{"checkpointing": True}, {"precision": "bf16"}], ids=["checkpointing", "bf16"])
def test_less_memory_ends_near_the_same_weights(setting, model, data, undisturbed, tmp_path: Path):
    """Recomputed activations, dropout included, are those that would have been kept; bf16 rounds."""
    from safetensors.torch import load_file

    run(model, data, tmp_path / "run", replace(QUICK, **setting))
    file = "adapter/adapter_model.safetensors"
    wanted, got = load_file(undisturbed / file), load_file(tmp_path / "run" / file)
    apart = max(float((wanted[name] - got[name].float()).abs().max()) for name in wanted)
    largest = max(float(one.abs().max()) for one in wanted.values())
    assert apart < (1e-5 if "checkpointing" in setting else 0.2 * largest)


# Layers


def load(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def test_all_linear_layers_of_a_phi_are_the_fused_ones(model):
    layers = linear_layers(load(model))
    assert targets_of(layers, "all-linear") == ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]


def test_targets_of_another_architecture_stop_with_a_list(model):
    asked = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
    with pytest.raises(UsageError) as caught:
        targets_of(linear_layers(load(model)), asked)
    said = str(caught.value)
    assert "q_proj, k_proj, v_proj, gate_proj, up_proj match no linear layer" in said
    assert "the model has down_proj (1), gate_up_proj (1), o_proj (1), qkv_proj (1)" in said


def test_targets_that_name_nothing_stop_with_the_same_list(model):
    with pytest.raises(UsageError, match=r"targets=' ,' names no layer; the model has down_proj \(1\), gate_up_proj"):
        targets_of(linear_layers(load(model)), " ,")


def test_a_rank_beyond_a_layers_shorter_side_is_told(model):
    loaded = load(model)  # o_proj is square, with 32 inputs
    wanted = ["model.layers.0.self_attn.o_proj", "model.layers.0.self_attn.qkv_proj"]
    assert beyond(loaded, wanted, 32) == ""
    assert beyond(loaded, wanted, 33).startswith("rank 33 is more than 2 of 2 layers can take up, such as model.layers")


def test_a_layer_without_an_adapter_stops_the_run(model, monkeypatch):
    monkeypatch.setattr("trainers.lora.covered", lambda adapted: {"model.layers.0.self_attn.o_proj"})
    with pytest.raises(UsageError, match=r"LoRA covers 1 of 4 linear layers asked for; without: .*qkv_proj"):
        adapt(load(model), QUICK)


def test_alpha_is_twice_the_rank_and_the_head_stays_as_it_is(model):
    made, kinds = adapt(load(model), QUICK)
    assert made.peft_config["default"].lora_alpha == 8
    assert kinds == {"qkv_proj": 1, "o_proj": 1, "gate_up_proj": 1, "down_proj": 1}
    assert not any("lm_head" in name for name, p in made.named_parameters() if p.requires_grad)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
@pytest.mark.parametrize(
    ("training", "says"),
    [
        (replace(QUICK, device="cuda"), "device='cuda', but torch sees no CUDA device"),
        (replace(QUICK, optimizer="paged_adamw_8bit"), "needs CUDA; use --optimizer adamw"),
    ],
    ids=["cuda", "paged-optimizer"],
)
def test_what_needs_cuda_says_so(training, says):
    with pytest.raises(UsageError, match=says):
        device_of(training)


def test_without_a_launcher_a_step_is_one_gpus_and_the_idle_ones_are_told(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    made = arguments(replace(QUICK, batch=4), tmp_path, "cuda", bf16=False, tracker="")
    assert (made.n_gpu, made.train_batch_size, made.parallel_mode.value) == (1, 4, "not_parallel")
    assert "one of 4 GPUs is used; torchrun --nproc_per_node 4" in others_idle("cuda")
    assert not others_idle("cpu")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert not others_idle("cuda")


@pytest.mark.parametrize(("device", "plans"), [("cuda", False), ("cpu", True)])
def test_on_a_gpu_attention_plans_nothing(device, plans, model, data, tmp_path: Path, monkeypatch):
    seen = []

    def stops(*_):
        seen.append(torch.backends.cuda.cudnn_sdp_enabled())
        raise KeyboardInterrupt

    monkeypatch.setattr("trainers.sft.device_of", lambda _: device)
    monkeypatch.setattr("trainers.sft.adapted", stops)
    monkeypatch.setattr("trainers.loop.arguments", lambda *_: arguments(QUICK, tmp_path, "cpu", False, ""))
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        with pytest.raises(KeyboardInterrupt):
            run(model, data, tmp_path / "run", replace(QUICK, precision="fp32"))
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)
    assert seen == [plans]
