"""The nano artifacts that come with the project: whole, small, what their manifests say, and judged from end to end."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, open_backend
from phi4bench.datasets import fixtures_dir, load_cases, sample

MODELS = fixtures_dir() / "models"
ONNX = ("nano-fp32", "nano-int8", "nano-int4")


@pytest.mark.parametrize("name", ONNX)
def test_what_a_manifest_says_is_also_what_would_be_inferred(name, tmp_path: Path):
    said = open_artifact(str(MODELS / name))
    bare = tmp_path / name
    shutil.copytree(MODELS / name, bare, ignore=shutil.ignore_patterns("phi4bench.json"))
    inferred = open_artifact(str(bare / "model.onnx"))
    assert (inferred.precision, inferred.dialect.digest()) == (said.precision, said.dialect.digest())
    assert inferred.dialect_inferred
    assert inferred.sha256 == said.sha256


@pytest.mark.parametrize("name", ["nano-int8", "nano-int4"])
def test_a_quantized_nano_names_the_shipped_parent(name):
    child, parent = open_artifact(str(MODELS / name)), open_artifact(str(MODELS / "nano-fp32"))
    assert child.parent is not None
    assert Path(child.parent).resolve() == parent.path.resolve()
    assert child.parent_sha256 == parent.weights_sha256


def test_the_models_are_45_mb_at_most():
    sizes = {path.name: path.stat().st_size for path in MODELS.rglob("*") if path.is_file()}
    assert sum(sizes.values()) <= 45_000_000, sizes


def test_fewer_bits_are_fewer_bytes():
    sizes = [open_artifact(str(MODELS / name)).bytes for name in ONNX]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[1] < 0.5 * sizes[0]


@pytest.mark.parametrize("name", ["nano-int8", "nano-int4"])
def test_rows_that_run_together_give_the_tokens_of_one_case_at_a_time(name):
    """Quantized kernels may add in another order for several rows; what a run reports must not hang on its layout."""
    artifact = open_artifact(str(MODELS / name))
    cases = sample(load_cases().cases, 30, seed=1)
    prompts = [artifact.dialect.render(case.question()) for case in cases]
    tokens, identities = [], set()
    for batch in (1, 7, None):
        with contextlib.closing(open_backend(artifact, threads=1, batch=batch)) as backend:
            found = dict(backend.generate(prompts, Decoding(64)))
            tokens.append([found[index].token_ids for index in range(len(prompts))])
            identities.add(json.dumps(backend.identity(), sort_keys=True))
    assert tokens[0] == tokens[1] == tokens[2]
    assert len(identities) == 3  # and yet each layout has a cache of its own


def judged(folder: Path, suites: str, *options: str) -> tuple[str, dict[str, Any]]:
    """What the suites print of nano-int8, and what they report."""
    command = [sys.executable, "-m", "pytest", "-v", suites, "--model", str(MODELS / "nano-int8" / "model.onnx")]
    command += [*options, "--report", str(folder / "reports"), "--cache-dir", str(folder / "cache")]
    root = fixtures_dir().parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode in (0, 1, 10), done.stdout[-3000:] + done.stderr[-1000:]
    report = json.loads((folder / "reports" / "report.json").read_text(encoding="utf-8"))
    return done.stdout, report["artifacts"][0]


def test_nano_int8_is_judged_from_a_fresh_start(tmp_path: Path):
    """The real path: a child process, onnxruntime, the store, the report."""
    out, artifact = judged(tmp_path, "suites", "--limit", "60", "--slo-seconds", "0.2")
    assert "::test_tool[nano-int8]" in out
    assert artifact["generation"]["generated"] == 60
    assert artifact["regression"]["parameter"]["total"] == artifact["levels"]["parameter"]["total"]


def test_the_cards_figures_hold_on_a_sample(tmp_path: Path):
    _, artifact = judged(tmp_path, "suites/accuracy", "--limit", "240")
    assert artifact["generation"]["generated"] == 240
    for level, row in artifact["levels"].items():
        low, high = row["ci"]
        assert low - 0.03 <= card(level)["nano-int8"] <= high + 0.03, level


def card(row: str) -> dict[str, float]:
    """A row of the model card's first table, as fractions."""
    lines = (MODELS / "README.md").read_text(encoding="utf-8").splitlines()
    names = next(line for line in lines if line.startswith("| | nano"))
    values = next(line for line in lines if line.startswith(f"| {row} |"))
    cells = [cell.strip() for cell in values.strip("|").split("|")][1:]
    heads = [cell.strip() for cell in names.strip("|").split("|")][1:]
    return {name: float(cell.split("%")[0]) / 100 for name, cell in zip(heads, cells, strict=True)}
