"""What a model's name and a folder's name must be, told before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import ROOT

from phi4bench.errors import UsageError
from trainers.base import check_place, drafted, open_base, read_json_file, way_to

MODELS = ROOT / "fixtures" / "models"


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("{tmp}/no/such", "no/such' is not there; name a Hugging Face folder"),
        ("nosuch", "'nosuch' is not there; name a Hugging Face folder"),
        ("{tmp}/train.jsonl", "train.jsonl' is a file, but should be a Hugging Face folder"),
        ("{tmp}", "' holds no config.json, but should be a Hugging Face folder"),
        (str(MODELS / "nano-fp32"), "nano-fp32' is onnx, but should be a Hugging Face folder"),
        (str(MODELS / "nano-fp32" / "model.onnx"), "model.onnx' is a file, but should be a Hugging Face folder"),
    ],
    ids=["path", "name", "file", "no-model", "onnx-folder", "onnx-file"],
)
def test_what_is_no_model_to_train_is_told_apart(named, says, tmp_path: Path):
    (tmp_path / "train.jsonl").write_text("{}\n")
    with pytest.raises(UsageError) as caught:
        open_base(named.format(tmp=tmp_path))
    assert says in str(caught.value)


@pytest.mark.parametrize("below", ["", "run", "run/fp32"])
def test_a_file_in_the_way_of_a_folder_is_named(below, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes.txt' is a file, so '.*' can be no folder; name another"):
        check_place(tmp_path / "notes.txt" / below)


@pytest.mark.parametrize("out", [".", ".."])
def test_a_folder_without_a_name_of_its_own_is_none_to_make(out, tmp_path: Path, monkeypatch):
    """What is finished gets its name in the end, which a command cannot take from the folder that it runs in."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    with pytest.raises(UsageError, match=f"'{out}' has no name of its own; name the folder to make"):
        check_place(Path(out))


def test_a_dialect_under_a_home_is_the_file_that_a_run_keeps(tmp_path: Path, monkeypatch):
    """It was looked for anew, by the name as given, when all was trained."""
    for module in ("torch", "transformers"):
        pytest.importorskip(module, reason="needs the `train` extra")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.toml").write_text('name = "mine"\nbase = "tool_use"\n')
    assert open_base(str(MODELS / "nano-hf"), "~/mine.toml").dialect_file == tmp_path / "mine.toml"


def test_training_looks_at_its_folder_before_the_model(tmp_path: Path, refusal):
    pytest.importorskip("torch", reason="needs the `train` extra")
    (tmp_path / "notes.txt").write_text("mine")
    said = refusal("sft", "--model", "nosuch", "--data", "nosuch", "--out", tmp_path / "notes.txt" / "run")
    assert "notes.txt' is a file" in said


def test_what_is_not_there_yet_or_empty_is_a_place(tmp_path: Path):
    check_place(tmp_path / "a" / "b")
    check_place(tmp_path)
    assert not (tmp_path / "a").exists()


def test_what_breaks_off_leaves_nothing_and_what_a_kill_left_is_cleared_away(tmp_path: Path):
    left = tmp_path / ".int8.part" / "model.onnx"
    left.parent.mkdir()
    left.touch()

    def work() -> None:
        with drafted(tmp_path / "int8") as draft:
            assert not draft.exists()
            draft.mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_an_empty_folder_is_a_place(tmp_path: Path):
    """As to a larger disk. The parent is named from where the files lie, or nothing finds it."""
    (tmp_path / "large" / "disk").mkdir(parents=True)
    (tmp_path / "fp32").mkdir()
    (tmp_path / "int8").symlink_to("large/disk")
    with drafted(tmp_path / "int8") as draft:
        draft.mkdir()
        (draft / "parent").write_text(way_to(tmp_path / "fp32", draft))
    assert (tmp_path / "int8").is_symlink()
    assert (tmp_path / "int8" / (tmp_path / "int8" / "parent").read_text()).samefile(tmp_path / "fp32")
    assert [path.name for path in (tmp_path / "large").iterdir()] == ["disk"]


def test_a_file_that_is_nested_without_end_is_told_as_one_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "adapter_config.json").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="cannot be read"):
        read_json_file(tmp_path / "adapter_config.json")
