"""Fake artifacts, and the ids that artifacts go by: distinct, and fit for a file's name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from phi4bench.artifacts import Artifact, open_artifact, unique_ids
from phi4bench.datasets import schemas_dir
from phi4bench.errors import ArtifactError


def fake(path: Path, **manifest: object) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    whole = {"schema": "phi4bench.artifact/1", "format": "fake", "behaviour": "silent"} | manifest
    (path / "phi4bench.json").write_text(json.dumps(whole))
    return path


def test_a_fake_is_its_manifest_and_its_answers(tmp_path: Path) -> None:
    folder = fake(tmp_path / "right", behaviour="always_right", answers="answers.jsonl", precision="int8")
    (folder / "answers.jsonl").write_text("one")
    artifact = open_artifact(str(folder))
    assert (artifact.id, artifact.format, artifact.behaviour) == ("right", "fake", "always_right")
    assert artifact.answers == folder / "answers.jsonl"
    assert (artifact.dialect.name, artifact.quantized) == ("tool_use", True)
    (folder / "answers.jsonl").write_text("two")
    assert open_artifact(str(folder)).sha256 != artifact.sha256


def test_a_fake_without_its_answers_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="'answers' names a case file"):
        open_artifact(str(fake(tmp_path / "x", answers="nope.jsonl")))


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors"])
def test_a_fake_does_not_stand_in_for_weights(tmp_path: Path, name: str) -> None:
    folder = fake(tmp_path / "x", behaviour="always_right")
    (folder / name).write_text("weights")
    for spec in (folder, folder / name):
        with pytest.raises(ArtifactError, match=f"format='fake', but {name} lies beside it"):
            open_artifact(str(spec))


def artifacts(tmp_path: Path, *names: str) -> tuple[Artifact, ...]:
    return unique_ids([open_artifact(str(fake(tmp_path / name))) for name in names])


def test_ids_of_one_name_take_the_folder_above(tmp_path: Path) -> None:
    found = artifacts(tmp_path, "run1/int8", "run2/int8", "run2/int4")
    assert [one.id for one in found] == ["run1-int8", "run2-int8", "int4"]


def test_ids_stay_distinct_whatever_the_folders_are_called(tmp_path: Path) -> None:
    one = open_artifact(str(fake(tmp_path / "a" / "x")))
    ids = [artifact.id for artifact in unique_ids([one, one, replace(one, id="X"), replace(one, id="a-x")])]
    assert len({name.lower() for name in ids}) == 4


@pytest.mark.parametrize(("name", "shown"), [("a b/ü", "artifact"), ("..x..", "x"), ("a b", "a-b")])
def test_an_id_is_fit_for_a_file_name(tmp_path: Path, name: str, shown: str) -> None:
    assert open_artifact(str(fake(tmp_path / name))).id == shown


def test_the_published_schema_accepts_a_manifest(tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads((schemas_dir() / "artifact.schema.json").read_text())
    manifest = json.loads((fake(tmp_path) / "phi4bench.json").read_text())
    Draft202012Validator(schema).validate(manifest)
    assert not Draft202012Validator(schema).is_valid(manifest | {"precision": "int3"})
