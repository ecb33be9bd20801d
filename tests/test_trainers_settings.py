"""The settings of a training run: which source wins, and what a wrong one is told."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from helps import untold_defaults

from phi4bench.errors import UsageError
from trainers.__main__ import build, main
from trainers.settings import PRESETS, Training, choose


def test_the_defaults_are_the_field_guides():
    made = Training()
    assert (made.rank, made.lora_alpha, made.dropout, made.lr, made.epochs) == (32, 64, 0.05, 5e-5, 5)
    assert (made.batch, made.accumulation, made.length, made.weight_decay, made.warmup) == (4, 4, 1024, 0.01, 0.03)
    assert (made.schedule, made.patience, made.validation) == ("cosine", 3, 0.2)


def test_help_says_every_default():
    assert untold_defaults(build()) == []


@pytest.mark.parametrize("name", ["data", "check", "merge", "export", "quantize", "half", "shape", "sweep", "promote"])
def test_help_fits_80_columns(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_help_says_what_a_setting_may_be(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["sft", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for one in fields(Training):
        assert all(choice in told for choice in one.metadata["choices"]), one.name


def test_presets_are_those_of_the_field_guide():
    ranks = {name: choose({}, {}, preset=name).training.rank for name in PRESETS}
    assert ranks == {"budget": 16, "recommended": 32, "research": 64, "report": 16}
    report = choose({}, {}, preset="report").training
    assert (report.lr, report.epochs, report.optimizer) == (2e-4, 2, "paged_adamw_8bit")
    assert (report.precision, report.checkpointing) == ("bf16", True)


def test_flags_win_over_the_environment_over_the_file_over_the_preset(tmp_path: Path):
    file = tmp_path / "run.toml"
    file.write_text('preset = "research"\nlr = 1e-3\nbatch = 2\nepochs = 3\n')
    environment = {"TRAINING_CONFIG": json.dumps({"batch": 8, "epochs": 4})}
    made = choose({"epochs": 6.0}, environment, file)
    assert asdict(made.training) == asdict(Training(rank=64, lr=1e-3, batch=8, epochs=6.0))
    assert made.sources == {"rank": "preset research", "lr": str(file), "batch": "TRAINING_CONFIG", "epochs": "flag"}
    assert made.preset == "research"


def test_a_preset_that_is_named_on_the_command_line_comes_before_a_files(tmp_path: Path):
    file = tmp_path / "run.toml"
    file.write_text('preset = "research"\n')
    assert choose({}, {}, file, preset="budget").training.rank == 16


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param({"rank": 0}, "rank=0, but should be at least 1", id="rank-0"),
        pytest.param({"rank": 8.5}, "rank=8.5, but should be a whole number", id="rank-of-a-half"),
        pytest.param({"rank": True}, "rank=True, but should be a whole number", id="rank-true"),
        pytest.param({"lr": -1.0}, "lr=-1.0, but should be above 0", id="negative-rate"),
        pytest.param({"lr": float("nan")}, "should be above 0", id="rate-nan"),
        pytest.param({"validation": 1.0}, "should be below 1", id="all-for-validation"),
        pytest.param({"schedule": "cosin"}, "should be one of cosine, linear", id="unknown-schedule"),
        pytest.param({"rnak": 8}, "did you mean 'rank'?", id="misspelt"),
        pytest.param({"preset": "huge"}, "preset='huge', but should be one of budget", id="unknown-preset"),
        pytest.param({"preset": ["budget"]}, "preset=['budget'], but should be one of budget", id="preset-list"),
        pytest.param({"seed": 2**32}, "seed=4294967296, but should be at most 4,294,967,295", id="seed-of-33-bits"),
        pytest.param({"lr": 10**400}, "but should be at most 2,147,483,647", id="rate-without-end"),
        pytest.param({"weight_decay": float("inf")}, "weight_decay=inf, but should be at most", id="decay-without-end"),
        pytest.param({"threads": 100_000}, "threads=100000, but should be at most 1,024", id="threads"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_what_to_do(values, says):
    with pytest.raises(UsageError) as caught:
        choose({}, {"TRAINING_CONFIG": json.dumps(values)})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_nested_without_end_is_no_toml(tmp_path: Path):
    file = tmp_path / "run.toml"
    file.write_text(f"rank = {'[' * 5000}")
    with pytest.raises(UsageError, match=r"--config '.*run.toml' is no TOML"):
        choose({}, {}, file)


@pytest.mark.parametrize("text", ["[1]", "{", "nul"])
def test_an_environment_variable_that_is_no_json_object_is_told(text):
    with pytest.raises(UsageError, match="TRAINING_CONFIG"):
        choose({}, {"TRAINING_CONFIG": text})


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        pytest.param(["--rank", "0"], "rank=0, but should be at least 1 [flag]", id="rank-0"),
        pytest.param(["--preset", "huge"], "preset='huge', but should be one of budget", id="unknown-preset"),
        pytest.param(["--config", "none.toml"], "--config 'none.toml' cannot be read", id="no-such-file"),
    ],
)
def test_the_command_exits_4_with_one_line(flags, says, refusal, monkeypatch):
    monkeypatch.delenv("TRAINING_CONFIG", raising=False)
    assert says in refusal("check", "--model", "m", "--data", "d", *flags)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Exception("I/O error: (os error 28)")])
def test_a_full_disk_is_told_in_a_line_by_every_command(error, monkeypatch, capsys):
    def fills(path, examples):
        raise error

    monkeypatch.setattr("trainers.data.write_examples", fills)
    assert main(["data", "--count", "2", "--out", "x.jsonl"]) == 3
    assert capsys.readouterr().err.startswith("trainers data: the disk is full (")


def test_a_file_where_a_folder_should_be_is_told_in_a_line(tmp_path: Path, refusal):
    (tmp_path / "file").touch()
    told = refusal("data", "--count", "2", "--out", tmp_path / "file" / "x.jsonl")
    assert told.startswith(f"trainers data: '{tmp_path / 'file'}")


def test_nothing_left_to_quantize_is_told(refusal):
    for module in ("onnx", "onnx_ir"):
        pytest.importorskip(module, reason="needs the `train` extra")
    assert "--skip-int4 leaves nothing to make" in refusal("quantize", "fp32", "--bits", "4", "--skip-int4")
