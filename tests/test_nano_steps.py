"""`python -m trainers.nano`: what could not be trained, or would do nothing, is a line before hours of work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from helps import untold_defaults
from kit import ROOT

torch = pytest.importorskip("torch", reason="needs the `train` extra")
pytest.importorskip("transformers", reason="needs the `train` extra")

from phi4bench.errors import UsageError  # noqa: E402
from trainers.alone import alone_in  # noqa: E402
from trainers.faults import TrainingError  # noqa: E402
from trainers.nano import card  # noqa: E402
from trainers.nano.steps import STEPS, arguments, check_into, claim, run, used_by  # noqa: E402
from trainers.nano.train import Recipe, place_of  # noqa: E402
from trainers.nano.workers import start  # noqa: E402


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["base", "--minutes", "-1"], "--minutes=-1, but should be above 0"),
        (["base", "--minutes", "nan"], "--minutes=nan, but should be above 0"),
        (["train", "--vocabulary", "5"], "--vocabulary=5, but should be at least 26"),
        (["all", "--heads", "3"], "hidden=256, but should be 3 heads of a multiple of 16"),
        (["all", "--workers", "0"], "--workers=0, but should be at least 1"),
        (["train", "--device", "tpu"], "--device=tpu, but should be cpu or cuda"),
        (["train", "--start", "{tmp}/nosuch"], "nosuch' is not there; name a Hugging Face folder"),
        (["base", "--into", "{tmp}"], "--into is for export, card and all, not for base; leave it out"),
        (["card"], "card is written beside the artifacts; name their folder with --into"),
        (["export"], "holds no trained nano; run train first, or name its --out"),
        (["train", "--out", "{tmp}/notes.txt"], "notes.txt' is a file, so"),
    ],
)
def test_what_cannot_be_trained_is_a_line(words, says, tmp_path: Path, monkeypatch):
    (tmp_path / "notes.txt").write_text("mine")
    named = [word.format(tmp=tmp_path) for word in words]
    monkeypatch.setattr("sys.argv", ["nano", *named, *([] if "--out" in named else ["--out", str(tmp_path / "run")])])
    with pytest.raises(UsageError) as caught:
        run(None)
    assert says in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")
def test_a_gpu_that_torch_does_not_see_is_a_line(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["nano", "train", "--device", "cuda", "--out", str(tmp_path / "run")])
    with pytest.raises(UsageError, match="torch sees no CUDA device; use --device cpu, or install torch for CUDA"):
        run(None)


def test_what_trains_is_told_by_its_name(monkeypatch):
    monkeypatch.setattr("trainers.nano.train.describe", lambda: {"cores": 16, "cpu": "EPYC"})
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "Tesla T4")
    assert place_of("cpu") == "16 cores (EPYC)"
    assert place_of("cuda") == "one Tesla T4, fed by 16 cores (EPYC)"


def test_help_says_what_each_step_does(capsys):
    with pytest.raises(SystemExit):
        arguments(None).parse_args(["--help"])
    named = re.findall(r"^ {4}(\w+)\s+\S", capsys.readouterr().out, re.MULTILINE)
    assert named == ["tokenizer", "train", "export", "card", "all", "base", "tables"]


def test_what_takes_its_recipe_from_the_run_takes_no_setting(capsys):
    for step in ("export", "card"):
        with pytest.raises(SystemExit, match="4"):
            arguments(None).parse_args([step, "--minutes", "8"])
        assert "unrecognized arguments: --minutes 8" in capsys.readouterr().err


def test_what_is_of_no_nano_is_not_replaced(tmp_path: Path):
    (tmp_path / "README.md").write_text("# mine")
    (tmp_path / "nano-hf").mkdir()
    check_into("train", None)
    with pytest.raises(UsageError, match=r"README.md' is of no nano; name another folder with --into"):
        check_into("card", tmp_path)
    with pytest.raises(UsageError, match=r"nano-hf' is of no nano; name another folder with --into"):
        check_into("export", tmp_path)
    check_into("all", ROOT / "fixtures" / "models")


def test_a_card_of_files_that_are_not_there_is_a_fault_told(tmp_path: Path):
    with pytest.raises(TrainingError, match=r"gave no verdict \(exit code 4\):(.|\n)*nano-fp32' is not there"):
        card.judged(tmp_path, ROOT / "fixtures" / "cases" / "handwritten.jsonl")


def test_help_says_every_default_and_no_option_that_a_step_refuses(capsys):
    assert untold_defaults(arguments(None)) == []
    shown = set()
    for step in STEPS:
        with pytest.raises(SystemExit):
            arguments(None).parse_args([step, "--help"])
        shown |= {step} if "--into" in capsys.readouterr().out else set()
    assert shown == {"export", "card", "all"}


def test_help_says_how_long_training_takes_unless_told(capsys):
    with pytest.raises(SystemExit):
        arguments(None).parse_args(["train", "--help"])
    assert re.search(r"--minutes MINUTES\s+of wall time \(default: 72\.0\)", capsys.readouterr().out)


def test_a_recipe_that_is_none_is_a_line(tmp_path: Path, monkeypatch):
    (tmp_path / "nano-hf").mkdir()
    (tmp_path / "nano-hf" / "config.json").write_text("{}")
    (tmp_path / "recipe.json").write_text(json.dumps({"hiden": 5}))
    monkeypatch.setattr("sys.argv", ["nano", "export", "--out", str(tmp_path)])
    with pytest.raises(UsageError, match=r"recipe.json' is no recipe .*hiden.*; put back the one that train wrote"):
        run(None)


def test_a_run_of_another_recipe_is_not_taken_for_this_one(tmp_path: Path):
    """Its checkpoint was: a finished run had its weights under the new seed's name at once."""
    claim(tmp_path, "nano-hf", Recipe(seed=1))
    claim(tmp_path, "nano-hf", Recipe(seed=1, minutes=90.0, workers=4))
    (tmp_path / "nano-hf").mkdir()
    (tmp_path / "nano-hf" / "config.json").touch()
    assert used_by(tmp_path) == Recipe(seed=1, minutes=90.0, workers=4)
    with pytest.raises(
        UsageError, match=r"holds another run \(seed=1, now 2\); name another folder, or remove this one"
    ):
        claim(tmp_path, "nano-hf", Recipe(seed=2))
    with pytest.raises(UsageError, match=r"holds another run \(trains='nano-hf', now 'nano-base'\)"):
        claim(tmp_path, "nano-base", Recipe(seed=1))
    (tmp_path / "recipe.json").write_text('{"theirs": 1}')
    with pytest.raises(UsageError, match=r"recipe.json' is of no nano; name another folder with --out"):
        claim(tmp_path, "nano-hf", Recipe())


def test_a_worker_that_fails_is_told_by_its_parent(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(TrainingError, match=r"worker 0 of 2 failed; the same command goes on from the last checkpoint"):
        start(["train"], 2, tmp_path)


def test_two_runs_do_not_train_in_one_folder(tmp_path: Path, monkeypatch):
    """They would save one checkpoint in turns, and end as if nothing were wrong."""
    monkeypatch.setattr("trainers.nano.steps.carry_out", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["nano", "base", "--out", str(tmp_path)])
    with alone_in(tmp_path, "nano"):
        with pytest.raises(UsageError, match="is what another nano works on; wait for its end"):
            run(None)
        monkeypatch.setenv("PHI4BENCH_NANO_RANK", "0")
        run(None)  # a worker of the one that is at it
    assert not list(tmp_path.iterdir())
