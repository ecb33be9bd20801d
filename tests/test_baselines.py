"""What a quantized artifact is compared with: not with itself, and what is not its parent is not called so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from kit import ROOT, MakeFake, RunSuites

from phi4bench.artifacts import open_artifact
from phi4bench.errors import ArtifactError
from phi4bench.report.markdown import markdown
from phi4bench.run.options import RunOptions
from phi4bench.run.plan import make_plan
from phi4bench.verifying import verify

INT8 = ROOT / "fixtures" / "models" / "nano-int8"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The file under another name, with a configuration that names it so."""
    folder = tmp_path / "fp32"
    shutil.copytree(INT8, folder)
    (folder / "model.onnx").rename(folder / "whole.onnx")
    config = folder / "genai_config.json"
    config.write_text(config.read_text().replace('"model.onnx"', '"whole.onnx"'))
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


def test_a_parent_whose_name_is_too_long_is_not_there(tmp_path: Path) -> None:
    model = tmp_path / "int8"
    shutil.copytree(INT8, model)
    manifest = json.loads((model / "phi4bench.json").read_text()) | {"parent": {"path": "n" * 300}}
    (model / "phi4bench.json").write_text(json.dumps(manifest))
    (subject,) = make_plan(asked(tmp_path, model, None)).subjects
    assert "is not there; give --baseline" in subject.no_baseline


def parent_named(model: Path, sha256: str) -> Path:
    path = model / "phi4bench.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"parent": {"path": "../gone", "sha256": sha256}}))
    return model


@pytest.mark.parametrize("named", ["the-baseline", "another"])
def test_a_promotion_says_whether_the_baseline_is_the_parent(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, named: str
) -> None:
    baseline = make_fake(name="given")
    sha256 = open_artifact(str(baseline)).sha256 if named == "the-baseline" else "0" * 64
    model = parent_named(make_fake(name="int8", precision="int8"), sha256)
    ran = run_suites("--model", model, "--baseline", baseline)
    line = "given is not the parent that the manifest of int8 names"
    statement = ran.report_dir / "promotion.json"
    is_parent = named == "the-baseline"
    assert ran.code == 0
    assert json.loads(statement.read_text())["predicate"]["parent"]["is_parent"] is is_parent
    assert ran.artifact()["baseline"]["is_parent"] is is_parent
    for said in (ran.out, (ran.report_dir / "report.html").read_text(), markdown(ran.report())):
        assert (line in said) is not is_parent
    held = verify(statement, model, ran.report_dir)
    assert held.differences == ()
    assert any("baseline, which is not the parent" in one for one in held.confirmed) is not is_parent


def test_a_manifest_that_names_no_file_says_nothing_of_it(run_suites: RunSuites, make_fake: MakeFake) -> None:
    make_fake(name="parent")
    ran = run_suites("--model", make_fake(name="int8", precision="int8", parent="../parent"))
    assert ran.artifact()["baseline"]["is_parent"] is None
    assert "is not the parent" not in ran.out


def test_a_partial_run_that_compares_nothing_does_not_miss_the_baseline_that_it_has(
    run_suites: RunSuites, make_fake: MakeFake
) -> None:
    make_fake(name="parent")
    ran = run_suites("--model", make_fake(name="child", precision="int8", parent="../parent"), "-k", "test_tool")
    told = markdown(ran.report())
    assert "INCONCLUSIVE regression.tool: no test of this run compares it with parent" in told
    assert "give --baseline" not in told
