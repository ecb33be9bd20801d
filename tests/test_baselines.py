"""What a quantized artifact is compared with: not with itself, and what is not its parent is not called so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from kit import ROOT, MakeFake, RunSuites

from phi4bench.errors import ArtifactError
from phi4bench.run.options import RunOptions
from phi4bench.run.plan import make_plan

INT8 = ROOT / "fixtures" / "models" / "nano-int8"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The file under another name, with a configuration that says the same in other bytes."""
    folder = tmp_path / "fp32"
    shutil.copytree(INT8, folder)
    (folder / "model.onnx").rename(folder / "whole.onnx")
    config = folder / "genai_config.json"
    config.write_text(config.read_text() + "\n")
    return folder


def asked(tmp_path: Path, model: Path, baseline: Path | None) -> RunOptions:
    given = str(baseline) if baseline else None
    return RunOptions(models=(str(model),), baseline=given, report_dir=tmp_path / "r", cache_dir=tmp_path / "c")


def test_a_copy_of_a_quantized_file_is_no_baseline_for_it(tmp_path: Path, copied: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"is the artifact nano-int8 itself \(same weights\); name the artifact that"
    ):
        make_plan(asked(tmp_path, INT8, copied))


def test_nor_is_it_where_the_manifest_calls_it_the_parent(tmp_path: Path, copied: Path) -> None:
    model = tmp_path / "int8"
    shutil.copytree(INT8, model)
    manifest = json.loads((model / "phi4bench.json").read_text()) | {"parent": {"path": "../fp32"}}
    (model / "phi4bench.json").write_text(json.dumps(manifest))
    (subject,) = make_plan(asked(tmp_path, model, None)).subjects
    assert subject.baseline is None
    assert "is the artifact itself (same weights); give --baseline" in subject.no_baseline
