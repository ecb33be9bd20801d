"""`hf:organisation/name`: found where Hugging Face keeps it; what is not to be had is told in a line."""

from __future__ import annotations

import re
import shutil

import pytest
from tiny import tiny_models  # noqa: F401  (a fixture)

pytest.importorskip("torch", reason="needs phi4bench[hf]")
pytest.importorskip("transformers", reason="needs phi4bench[hf]")

from phi4bench.artifacts import open_artifact
from phi4bench.errors import ArtifactError


def test_a_repository_is_found_in_huggingfaces_own_cache(tiny_models, tmp_path, monkeypatch):  # noqa: F811
    import huggingface_hub.constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--tiny"
    shutil.copytree(tiny_models / "hf", repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    artifact = open_artifact("hf:someone/tiny@v1", dialect="tool_use")
    assert artifact.id == "tiny"
    assert artifact.spec == "hf:someone/tiny@v1"
    assert artifact.dialect_inferred[0] == f"revision v1: commit {commit}"
    said = "is not in Hugging Face's cache, and HF_HUB_OFFLINE is set; run `hf download someone/tiny --revision v2`"
    with pytest.raises(ArtifactError, match=said):
        open_artifact("hf:someone/tiny@v2", dialect="tool_use")
    (repository / "snapshots" / commit / "adapter_config.json").write_text("{}")
    with pytest.raises(ArtifactError, match="holds an adapter beside its weights, which transformers would load"):
        open_artifact("hf:someone/tiny@v1", dialect="tool_use")


@pytest.mark.parametrize("spec", ["hf:", "hf:tiny", "hf:a/b/c", "hf:a/b@", "hf:a b/c"])
def test_a_repository_is_an_organisation_and_a_name(spec):
    with pytest.raises(ArtifactError, match="should be hf:organisation/name@revision"):
        open_artifact(spec)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        pytest.param("GatedRepoError", "is gated", id="gated"),
        pytest.param("RepositoryNotFoundError", "is no repository that can be seen", id="unknown"),
        pytest.param("RevisionNotFoundError", "without that revision", id="unknown-revision"),
        pytest.param("LocalEntryNotFoundError", "its hub cannot be reached", id="no-network"),
        pytest.param("OddError", "cannot be had (word word", id="something-else"),
    ],
)
def test_why_a_repository_is_not_to_be_had_is_told_in_a_few_words(error, says, monkeypatch):
    """And the nearest reason: to huggingface_hub, a gated repository is one that is not found, too."""
    import huggingface_hub

    def fail(*_, **__):
        base = Exception if error == "OddError" else getattr(huggingface_hub.errors, error)
        raise type(error, (base,), {"__init__": lambda self: Exception.__init__(self, "word " * 200)})()

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(ArtifactError, match=re.escape(says)) as told:
        open_artifact("hf:org/name")
    assert len(str(told.value)) < 240
