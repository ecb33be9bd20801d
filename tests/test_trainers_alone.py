"""One command at a time in a folder: what makes files is refused, in a line, where another is at it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from kit import ROOT

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnx_ir", reason="needs the `train` extra")
pytest.importorskip("onnxruntime")

from phi4bench.errors import UsageError
from trainers.alone import BUILD, alone_at, alone_in
from trainers.sweep import Sweep, sweep

MODELS = ROOT / "fixtures" / "models"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An adapter, as far as one looks before it is loaded."""
    adapter = tmp_path / "run" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    return adapter.parent


@pytest.mark.parametrize(
    "command",
    [
        ["quantize", MODELS / "nano-fp32", "--samples", "1"],
        ["quantize", MODELS / "nano-fp32", "--samples", "1", "--search", "smallest-that-passes"],
        ["export", MODELS / "nano-hf"],
        ["shape", "--preset", "nano"],
    ],
    ids=["quantize", "search", "export", "shape"],
)
def test_files_are_made_by_one_command_at_a_time(command, tmp_path: Path, refusal):
    """Two would write each other's drafts: a file of `half` came out short, and nothing was said."""
    with alone_in(tmp_path / "made", BUILD):
        said = refusal(*command, "--out", tmp_path / "made")
    assert f"--out='{tmp_path / 'made'}' is what another build works on; wait for its end" in said
    assert not list((tmp_path / "made").iterdir())


@pytest.mark.parametrize("command", ["half", "merge", "data"])
def test_what_has_no_name_yet_is_one_commands(command, run, tmp_path: Path, refusal):
    source = {"half": [MODELS / "nano-fp32"], "merge": [run], "data": ["--count", "2"]}[command]
    with alone_at(tmp_path / "made", command), alone_at(tmp_path / "another", command):
        assert f"made' is what another {command} works on" in refusal(command, *source, "--out", tmp_path / "made")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_adapters_are_put_beside_their_base_by_one_command_at_a_time(run, refusal, monkeypatch):
    monkeypatch.setattr("trainers.export.export", lambda *_: [])
    with alone_in(run / "with-adapter", BUILD):
        said = refusal("export", "--adapter", run, "--base", MODELS / "nano-hf")
    assert "with-adapter' is what another build works on" in said


def test_two_sweeps_do_not_work_in_one_folder(tmp_path: Path):
    """Their trials would wait for each other, and their tables take each other's place."""
    asked = Sweep(tmp_path / "sweep", (), (), ())
    with alone_in(asked.out, "sweep"), pytest.raises(UsageError, match="sweep' is what another sweep works on"):
        sweep(asked, lambda *_: None)


def test_where_nothing_can_be_written_nothing_is_held(tmp_path: Path, monkeypatch):
    """What is finished there is told as ever."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with alone_in(tmp_path, BUILD), alone_in(tmp_path, BUILD):
        assert not list(tmp_path.iterdir())


def test_where_what_is_open_cannot_be_removed_a_command_ends_all_the_same(tmp_path: Path, monkeypatch):
    """Windows lets nobody remove a file that is open; what was held there stays, empty."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "it is used by another process")

    monkeypatch.setattr(Path, "unlink", refuse)
    with alone_in(tmp_path, BUILD):
        pass
    with alone_in(tmp_path, BUILD):
        pass


def test_a_folder_in_whose_way_a_file_lies_is_told(tmp_path: Path, refusal):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert "file' is a file, so " in refusal("shape", "--preset", "nano", "--out", out)
