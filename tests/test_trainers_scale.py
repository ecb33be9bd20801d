"""Several processes: the same steps as one, each example once, and one voice. Two of them, over gloo, on CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from kit import ROOT
from launched import QUICK
from small import small_model

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "accelerate", "matplotlib"):
    pytest.importorskip(module, reason="needs the `train` extra")

from phi4bench.errors import UsageError  # noqa: E402
from trainers.__main__ import main  # noqa: E402
from trainers.batching import ByLength, by_length, padded  # noqa: E402
from trainers.data import generated, write_examples  # noqa: E402
from trainers.encoding import IGNORED  # noqa: E402
from trainers.loop import Rows, measure  # noqa: E402
from trainers.packing import Pack  # noqa: E402
from trainers.prepare import Row  # noqa: E402
from trainers.ranks import leave, share_of  # noqa: E402
from trainers.settings import Chosen  # noqa: E402
from trainers.sft import device_of, sft  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, PEFT and torch

CONFIGS = ROOT / "trainers" / "configs"


# Two processes


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("small") / "base")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """20 examples to learn from: 10 batches, so that the last step of an epoch is short, in pairs 5."""
    file = tmp_path_factory.mktemp("data") / "train.jsonl"
    write_examples(file, sorted(generated(80, 3), key=lambda one: sum(len(m.content) for m in one.messages))[:25])
    return file


@pytest.fixture(scope="module")
def launched(model, data, tmp_path_factory):
    """The folder of the runs, and what they printed."""
    root = tmp_path_factory.mktemp("launched")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += [str(ROOT / "tests" / "launched.py"), str(model), str(data), str(root)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return root, done.stdout


def curve(run: Path, name: str) -> list[float]:
    log = json.loads((run / "learning_curves.json").read_text())["log"]
    return [line[name] for line in log if name in line]


def test_two_processes_have_the_losses_of_one(launched, model, data, tmp_path: Path):
    alone = tmp_path / "alone"
    sft(str(model), [str(data)], alone, Chosen(QUICK, "", {}))
    for name in ("loss", "grad_norm", "eval_loss", "eval_train_loss", "eval_accuracy"):
        wanted = curve(alone, name)
        assert len(wanted) == 3
        assert curve(launched[0] / "plain", name) == pytest.approx(wanted, rel=1e-5), name
    wanted = curve(alone, "loss")
    assert wanted[0] - wanted[-1] > 0.01  # a curve, and no line that anything would meet


def test_one_process_speaks_for_both(launched):
    _, said = launched
    assert said.count("adapter of step 6 kept in ") == 3
    assert said.count("20 examples to learn from, 5 to validate with") == 4
    assert said.count("going on from ") == 1


def test_two_processes_resume_to_the_weights_of_an_undisturbed_run(launched):
    """Dropout included: each process has its own random state."""
    root, _ = launched
    resumed, whole = (root / name / "adapter" / "adapter_model.safetensors" for name in ("resumed", "dropping"))
    assert resumed.read_bytes() == whole.read_bytes()
    assert resumed.read_bytes() != (root / "plain" / "adapter" / "adapter_model.safetensors").read_bytes()


def test_both_stop_where_a_loss_is_no_number(launched):
    root, _ = launched
    said = [json.loads((root / f"stopped-{rank}.json").read_text()) for rank in (0, 1)]
    assert said[0] == said[1]
    assert "at step" in said[0]
    assert "the last good checkpoint is" in said[0]


# Who learns what


@pytest.mark.parametrize("processes", [2, 3, 4])
@pytest.mark.parametrize("count", [1, 40, 45, 47])
def test_every_step_has_the_examples_that_it_has_in_one_process(processes, count):
    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler

    lengths = [(37 * i) % 90 + 1 for i in range(count)]

    def batches(world, rank, epoch):
        order = ByLength(lengths, 4, seed=1, processes=world)
        order.set_epoch(epoch)
        every = BatchSampler(order, 4, drop_last=False)
        return list(BatchSamplerShard(every, world, rank) if world > 1 else every)

    def steps(world, epoch, a_step=12):
        shares = [batches(world, rank, epoch) for rank in range(world)]
        assert len({len(one) for one in shares}) == 1  # else one would wait for another for ever
        each = a_step // world
        return [
            sorted(index for one in shares for batch in one[at : at + each] for index in batch if index < count)
            for at in range(0, len(shares[0]), each)
        ]

    for epoch in (0, 1):
        together = steps(processes, epoch)
        assert together == steps(1, epoch)
        assert sorted(index for step in together for index in step) == list(range(count))


def test_a_row_that_teaches_nothing_has_no_label():
    rows = Rows([Row((1, 2), (1, 2), (0, 2), "")], filler=0)
    assert len(rows) == 1
    assert set(padded([rows[1]], 0)["labels"].flatten().tolist()) == {IGNORED}
    assert isinstance(Rows([Pack((rows[0],))], filler=0)[1], Pack)


def test_validation_is_counted_once_and_every_process_reads_as_often():
    class Counts(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.times = torch.nn.Parameter(torch.zeros(1)), 0

        def forward(self, input_ids, attention_mask):
            self.times += 1
            return type("Out", (), {"logits": torch.nn.functional.one_hot(input_ids, 20) * 1.0})

    rows = [Row(tuple(range(n)), (IGNORED, *range(1, n)), (1, n), "") for n in range(2, 12)]
    assert len(list(by_length(rows, 2))) == 5
    models = [Counts() for _ in range(3)]
    shares = [measure(one, rows, 0, 2, rank, 3) for rank, one in enumerate(models)]
    assert sum(shares).tolist() == pytest.approx(measure(Counts(), rows, 0, 2).tolist())
    assert [one.times for one in models] == [2, 2, 2]


# What is refused


def test_processes_that_cannot_share_a_step_are_told_what_to_do():
    assert share_of(4, 2) == 2
    with pytest.raises(
        UsageError, match=r"accumulation=4, but should be a multiple of the 3 processes.*--accumulation 3"
    ):
        share_of(4, 3)


def test_only_sft_is_launched_with_several_processes(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert main(["data", "--out", "unwritten.jsonl"]) == 4
    assert capsys.readouterr().err == "trainers data: data is work for one process, not 2; launch sft alone\n"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("RANK", "x", "RANK='x', but should be a number"), ("WORLD_SIZE", "0", "WORLD_SIZE=0, but should be at least 1")],
)
def test_a_launch_that_makes_no_sense_is_told_in_a_line(name, value, says, monkeypatch, capsys):
    monkeypatch.setenv(name, value)
    assert main(["data", "--out", "unwritten.jsonl"]) == 4
    assert capsys.readouterr().err.startswith(f"trainers data: {says}")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
@pytest.mark.parametrize(("key", "name"), [("DEEPSPEED", "DeepSpeed"), ("FSDP", "FSDP")])
def test_a_launch_that_would_not_shard_on_cpu_is_refused(key, name, monkeypatch):
    monkeypatch.setenv(f"ACCELERATE_USE_{key}", "true")
    with pytest.raises(UsageError, match=f"the launch asks for {name}, which needs CUDA"):
        device_of(QUICK)


def test_fsdp_for_one_process_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="FSDP, which shares a model among processes, and there is 1; start several"):
        device_of(replace(QUICK, device="auto"))


# Configurations


@pytest.mark.parametrize(("name", "kind"), [("ddp", "MULTI_GPU"), ("zero2", "DEEPSPEED"), ("fsdp", "FSDP")])
def test_accelerate_reads_the_shipped_configuration(name, kind):
    from accelerate.commands.config.config_args import load_config_from_file

    assert load_config_from_file(str(CONFIGS / f"{name}.yaml")).distributed_type.value == kind


def test_a_key_that_accelerate_does_not_know_would_be_refused(tmp_path: Path):
    from accelerate.commands.config.config_args import load_config_from_file

    file = tmp_path / "wrong.yaml"
    file.write_text((CONFIGS / "ddp.yaml").read_text() + "gpu_idz: all\n")
    with pytest.raises(ValueError, match="gpu_idz"):
        load_config_from_file(str(file))


def test_zero2_leaves_to_the_trainer_what_the_settings_decide():
    """Keys as in https://www.deepspeed.ai/docs/config-json; `auto` is filled in from the Trainer's arguments."""
    held = json.loads((CONFIGS / "zero2.json").read_text())
    assert held.pop("zero_optimization") == {
        "stage": 2, "overlap_comm": True, "contiguous_gradients": True, "reduce_scatter": True,
    }  # fmt: skip
    assert held.pop("bf16") == {"enabled": "auto"}
    assert set(held) == {
        "gradient_clipping", "gradient_accumulation_steps", "train_micro_batch_size_per_gpu", "train_batch_size",
    }  # fmt: skip
    assert set(held.values()) == {"auto"}


def test_fsdp_wraps_the_layers_that_a_phi_has_and_the_adapters_apart(model, monkeypatch):
    from accelerate.commands.config.config_args import load_config_from_file
    from peft.utils.other import fsdp_auto_wrap_policy
    from transformers import AutoModelForCausalLM

    from trainers.lora import adapt

    held = load_config_from_file(str(CONFIGS / "fsdp.yaml")).fsdp_config
    assert held["fsdp_use_orig_params"] is True
    monkeypatch.setenv("FSDP_TRANSFORMER_CLS_TO_WRAP", held["fsdp_transformer_layer_cls_to_wrap"])
    adapted, _ = adapt(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), QUICK)
    wraps = fsdp_auto_wrap_policy(adapted)
    wrapped = {name for name, one in adapted.named_modules() if wraps(module=one, recurse=False, nonwrapped_numel=0)}
    layer = "base_model.model.model.layers.0"
    assert layer in wrapped
    adapters = {name for name in wrapped if ".lora_A." in name or ".lora_B." in name}
    assert len(adapters) == 8  # A and B of four layers
    assert wrapped == adapters | {layer}


@pytest.mark.parametrize(
    ("begun", "backend", "left"),
    [
        pytest.param(True, "gloo", 1, id="gloo"),
        pytest.param(True, "nccl", 0, id="left-to-torch"),
        pytest.param(False, "gloo", 0, id="no-launch"),
    ],
)
def test_a_process_takes_leave_of_the_others(begun, backend, left, monkeypatch):
    group = Mock()
    group.is_initialized.return_value, group.get_backend.return_value = begun, backend
    monkeypatch.setitem(sys.modules, "torch.distributed", group)
    leave()
    assert group.destroy_process_group.call_count == left


def test_a_command_that_fails_takes_leave_too(monkeypatch, capsys):
    gone = Mock()
    monkeypatch.setattr("trainers.__main__.leave", gone)
    monkeypatch.setenv("WORLD_SIZE", "x")
    assert main(["sft", "--model", "none", "--data", "none", "--out", "none"]) != 0
    assert gone.called
