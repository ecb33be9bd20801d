"""Engines and trackers: which one trains, what is said where it cannot, and that nothing leaves the machine unasked."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from phi4bench.errors import UsageError
from trainers.claim import options_of
from trainers.engines import adapted, engine_of
from trainers.explain import write_readme
from trainers.settings import Training
from trainers.trackers import check_tracker, direct

AUTO = Training()
NAMED = Training(engine="unsloth")


def there(name):
    return name


def absent(name):
    return None


def loads(name):
    return None


def breaks(name):
    raise NotImplementedError("no accelerator that it knows")


# Which one trains


def test_unsloth_trains_where_it_is_installed_and_there_is_cuda():
    assert engine_of(AUTO, "cuda", None, there, loads) == ("unsloth", "engine: unsloth")
    assert engine_of(NAMED, "cuda", None, there, loads) == ("unsloth", "")


@pytest.mark.parametrize(
    ("training", "device", "finds", "load", "why"),
    [
        pytest.param(AUTO, "cuda", absent, loads, "unsloth is not installed", id="absent"),
        pytest.param(AUTO, "cpu", there, loads, "unsloth needs CUDA", id="no-cuda"),
        pytest.param(AUTO, "cuda", there, breaks, "cannot be loaded (no accelerator that it knows)", id="breaks"),
        pytest.param(replace(AUTO, packing=True), "cuda", there, loads, "brings its own attention", id="packing"),
    ],
)
def test_where_unsloth_cannot_train_peft_does_and_says_so_and_naming_it_is_an_error(training, device, finds, load, why):
    engine, told = engine_of(training, device, None, finds, load)
    assert engine == "peft"
    assert told.startswith("engine: peft (")
    assert why in told
    with pytest.raises(UsageError) as caught:
        engine_of(replace(training, engine="unsloth"), device, None, finds, load)
    assert str(caught.value).startswith("engine='unsloth', but ")
    assert why in str(caught.value)
    assert "use --engine peft" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_goes_on_with_the_engine_that_it_was_begun_with():
    assert engine_of(AUTO, "cuda", "peft", there, loads) == ("peft", "")
    with pytest.raises(
        UsageError, match=r"engine='unsloth' \(this run was begun with it\), but unsloth is not installed"
    ):
        engine_of(AUTO, "cuda", "unsloth", absent, loads)


def test_unsloth_is_not_loaded_where_peft_is_asked_for():
    assert engine_of(replace(AUTO, engine="peft"), "cuda", None, there, breaks) == ("peft", "")


@pytest.fixture
def fake_unsloth(monkeypatch):
    """An unsloth that does what PEFT does, on CPU, and keeps what it was asked. `lost`: targets that it drops."""
    for module in ("torch", "transformers", "peft"):
        pytest.importorskip(module, reason="needs the `train` extra")
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    class FastModel:
        asked: dict = {}  # noqa: RUF012 - a record of one test
        lost = ""

        @classmethod
        def from_pretrained(cls, model_name, dtype, **options):
            cls.asked = options
            return AutoModelForCausalLM.from_pretrained(model_name, dtype=dtype), None

        @classmethod
        def get_peft_model(cls, model, r, lora_alpha, lora_dropout, target_modules, bias, **options):
            kept = [name for name in target_modules if name != cls.lost]
            config = LoraConfig(r=r, lora_alpha=lora_alpha, lora_dropout=lora_dropout, target_modules=kept, bias=bias)
            return get_peft_model(model, config)

    module = ModuleType("unsloth")
    module.FastModel = FastModel
    monkeypatch.setitem(sys.modules, "unsloth", module)
    return FastModel


@pytest.mark.filterwarnings("ignore")  # of transformers, PEFT and torch
def test_the_same_layers_are_covered_and_checked_with_unsloth(fake_unsloth, tmp_path: Path, capsys):
    from small import small_model

    from trainers.base import open_base

    base = open_base(str(small_model(tmp_path / "base")))
    training = Training(rank=2, engine="unsloth", device="cpu", quantize="nf4")
    model, filler = adapted(base, training, "cpu", bf16=False)
    assert filler == 0
    assert model.peft_config["default"].lora_alpha == 4
    assert "LoRA rank 2 on 1 down_proj, 1 gate_up_proj, 1 o_proj, 1 qkv_proj" in capsys.readouterr().out
    asked = fake_unsloth.asked
    assert (asked["load_in_4bit"], asked["load_in_8bit"], asked["load_in_16bit"]) == (True, False, False)
    assert asked["trust_remote_code"] is False
    assert asked["use_exact_model_name"]
    fake_unsloth.lost = "o_proj"
    with pytest.raises(UsageError, match=r"LoRA covers 3 of 4 linear layers asked for; without: .*o_proj"):
        adapted(base, training, "cpu", bf16=False)


# Trackers


def test_a_tracker_that_is_not_installed_is_told_with_its_extra():
    with pytest.raises(UsageError) as caught:
        check_tracker("wandb", absent)
    said = "--tracker wandb needs wandb, not installed; pip install 'phi4bench[tracking]'"
    assert str(caught.value) == said
    check_tracker("", absent)


def test_trackers_write_into_the_run(tmp_path: Path):
    for tracker, name in (
        ("tensorboard", "TENSORBOARD_LOGGING_DIR"),
        ("mlflow", "MLFLOW_TRACKING_URI"),
        ("wandb", "WANDB_DIR"),
    ):
        environment: dict[str, str] = {}
        assert direct(tracker, tmp_path, environment)
        assert str(tmp_path) in environment[name]


def test_wandb_sends_nothing_unless_asked(tmp_path: Path):
    silent: dict[str, str] = {}
    direct("wandb", tmp_path, silent)
    assert silent["WANDB_MODE"] == "offline"
    keyed = {"WANDB_API_KEY": "k"}
    direct("wandb", tmp_path, keyed)
    assert keyed["WANDB_MODE"] == "online"


def test_what_the_user_has_set_stays(tmp_path: Path):
    environment = {"MLFLOW_TRACKING_URI": "http://tracking.example:5000", "WANDB_MODE": "disabled"}
    assert direct("mlflow", tmp_path, environment).endswith("http://tracking.example:5000")
    secret = {"MLFLOW_TRACKING_URI": "http://me:s3cret@tracking.example:5000"}
    assert direct("mlflow", tmp_path, secret).endswith(" http://tracking.example:5000")
    assert secret == {**secret, "MLFLOW_TRACKING_URI": "http://me:s3cret@tracking.example:5000"}
    direct("wandb", tmp_path, environment)
    assert environment["WANDB_MODE"] == "disabled"


# The run's own page


def test_a_run_says_what_it_is_before_and_after(tmp_path: Path):
    settings = {
        "engine": "peft",
        "settings": {"rank": 16, "lr": 5e-5, "checkpointing": True},
        "model": {"spec": "models/a b"},
        "data": {"files": ["train.jsonl"], "train": 80, "validation": 20},
        "options": options_of(None, None, None, True, "", "toolcall"),
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    write_readme(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "Not finished: the same command goes on" in page
    assert "sft --model 'models/a b' --data train.jsonl --track toolcall --drop --rank 16 --checkpointing --out" in page
    kept = {"step": 40, "validation_loss": 0.31, "validation_accuracy": 0.912}
    report = {"kept": kept, "perplexity": 1.363, "band": "excellent", "verdict": "overfitting", "advice": ["more data"]}
    (tmp_path / "overfitting.json").write_text(json.dumps(report))
    write_readme(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "Step 40 was kept: validation loss 0.3100 (perplexity 1.363, excellent), 91.2%" in page
    assert "- more data" in page
    assert "trainers merge" in page
