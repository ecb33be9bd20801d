"""Quantizing without torch: files close to the fp32 file, a kill that costs nothing, and plain refusals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kit import ROOT

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnx_ir", reason="needs the `train` extra")
pytest.importorskip("onnxruntime")

import onnx

from phi4bench.artifacts import open_artifact
from phi4bench.errors import UsageError
from trainers.__main__ import main
from trainers.agreement import reader
from trainers.calibration import calibrate
from trainers.faults import TrainingError
from trainers.quantize import Plan, quantize
from trainers.rewriting import open_graph

FP32 = ROOT / "fixtures" / "models" / "nano-fp32"
pytestmark = pytest.mark.filterwarnings("ignore")  # of onnxruntime's quantizers


def with_another_end(source: Path, folder: Path) -> Path:
    """The same weights, with another token that ends an answer."""
    shutil.copytree(source, folder)
    config = folder / "genai_config.json"
    config.write_text(config.read_text().replace('"eos_token_id": 5', '"eos_token_id": [5, 7]'))
    return folder


# Files


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("quantized")
    quantize(FP32, [Plan(8), Plan(4)], out, samples=2)
    return out


def results(out: Path):
    return {one["name"]: one for one in json.loads((out / "quantization_results.json").read_text())["results"]}


def test_files_are_as_small_as_their_blocks_let_them_be(made):
    told = results(made)
    # A block of 32 takes 32 bytes (16) and a scale of 4: 36 (20) of 128. Norms, caches and the graph come on top.
    assert told["int8"]["of_fp32"] == pytest.approx(36 / 128, abs=0.02)
    assert told["int4"]["of_fp32"] == pytest.approx(20 / 128, abs=0.02)
    assert told["int8"]["bytes"] == sum(path.stat().st_size for path in (made / "int8").glob("model.onnx*"))


def test_int8_says_nearly_what_fp32_says_and_int4_most_of_it(made):
    told = results(made)
    assert told["int8"]["top1_agreement"] > 0.95
    assert told["int8"]["kl"] < 0.1 * told["int4"]["kl"]
    assert set(told["int8"]["weight_errors"]) == {matrix.name for matrix in open_graph(FP32 / "model.onnx").matrices()}


def test_quantized_files_are_artifacts_with_their_parent(made):
    parent = open_artifact(str(FP32))
    for bits in (8, 4):
        artifact = open_artifact(str(made / f"int{bits}"))
        assert artifact.precision == f"int{bits}"
        assert artifact.dialect.name == "tool_use"
        assert artifact.parent_sha256 == parent.weights_sha256
        assert Path(artifact.parent).resolve() == FP32


def test_a_file_of_the_same_weights_with_another_configuration_is_not_finished(made, tmp_path):
    changed = with_another_end(FP32, tmp_path / "fp32")
    with pytest.raises(UsageError, match="int8' was made of another file, by another plan or on other examples"):
        quantize(changed, [Plan(8)], made, samples=2)


def test_a_finished_file_is_not_made_again(made, capsys):
    before = (made / "int8" / "model.onnx").stat().st_mtime_ns
    quantize(FP32, [Plan(8)], made, samples=1)
    assert "is finished; nothing to do" in capsys.readouterr().out
    assert (made / "int8" / "model.onnx").stat().st_mtime_ns == before


def test_head_and_embeddings_stay_where_they_are_left_out(tmp_path: Path):
    quantize(FP32, [Plan(4, embeddings=False, head=False, keep=("layers.0/attn",))], tmp_path, samples=1)
    graph = onnx.load(tmp_path / "int4" / "model.onnx", load_external_data=False).graph
    kept = {node.name for node in graph.node if node.op_type == "MatMul"}
    assert kept == {"/lm_head/MatMul", "/model/layers.0/attn/qkv_proj/MatMul", "/model/layers.0/attn/o_proj/MatMul"}
    assert not any(node.op_type == "GatherBlockQuantized" for node in graph.node)


@pytest.mark.parametrize("method", ["gptq", "k-quant", "dynamic"])
def test_every_method_makes_a_file_that_runs(method, tmp_path: Path):
    quantize(FP32, [Plan(8, method=method, symmetric=method == "dynamic")], tmp_path, samples=1)
    told = results(tmp_path)["int8"]
    assert method in told["methods"]
    assert told["top1_agreement"] > 0.9


def test_calibration_sums_the_products_of_what_a_matrix_reads(tmp_path: Path):
    graph = open_graph(FP32 / "model.onnx")
    first = graph.matrices()[0]
    hessian = calibrate(graph, [[1, 7, 9]])(first)
    assert hessian.shape == (256, 256)
    np.testing.assert_allclose(hessian, hessian.T)
    assert np.linalg.matrix_rank(hessian, tol=1e-6) == 3  # three tokens


KILLED_AT = """
import os, signal, sys
from trainers import calibration, closeness
from trainers.__main__ import main
reader, read = closeness.reader, []

def second(*given, **named):
    read.append(given)
    if len(read) == 2:  # the fp32 file's logits are written, and the int4 draft
        os.kill(os.getpid(), signal.SIGKILL)
    return reader(*given, **named)

def summing(*given):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(*{"comparing": (closeness, "reader", second), "calibrating": (calibration, "_inputs_of", summing)}[sys.argv[1]])
main(sys.argv[2:])
"""


@pytest.mark.parametrize("doing", ["comparing", "calibrating"])
def test_a_kill_leaves_nothing_that_the_same_command_does_not_use_or_remove(doing, tmp_path: Path):
    source, out = tmp_path / "fp32", tmp_path / "out"
    shutil.copytree(FP32, source)
    command = ["quantize", str(source), "--out", str(out), "--bits", "4", "--samples", "1"]
    command += ["--method", "gptq", "--keep", "layers", "--no-embeddings"]  # the head alone is quick
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED_AT, doing, *command], env=environment, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in out.iterdir()) == [".build.lock", ".int4.part"]
    assert sorted(path.name for path in source.iterdir()) == sorted(path.name for path in FP32.iterdir())
    assert main(command) == 0
    assert sorted(path.name for path in out.iterdir()) == ["int4", "quantization_results.json"]


@pytest.mark.parametrize("held", ["{}", "[]", '{"results": 1}', '{"results": [{"of": "another"}]}'])
def test_results_that_are_none_of_ours_are_told_before_the_work(held, tmp_path: Path, refusal, monkeypatch):
    """Of `export` too, whose file has a name that others use."""
    for name in ("quantization_results.json", "export.json"):
        (tmp_path / name).write_text(held)
    monkeypatch.setattr("trainers.quantize.make", None)
    monkeypatch.setattr("trainers.export.build", None)
    out = ["--out", tmp_path]
    assert "quantization_results.json' " in refusal("quantize", FP32, "--samples", "1", *out)
    assert "export.json' " in refusal("export", FP32.with_name("nano-hf"), *out)
    assert (tmp_path / "export.json").read_text() == held


def test_a_kill_at_the_very_end_costs_no_result(tmp_path: Path, monkeypatch):
    """A file that has its name is not made again: its line must stand there before."""

    def killed(draft, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        quantize(FP32, [Plan(4, keep=("layers",), embeddings=False)], tmp_path, samples=1)
    assert results(tmp_path)["int4"]["bytes"]


def test_gptq_is_not_calibrated_on_what_is_no_number(monkeypatch):
    graph = open_graph(FP32 / "model.onnx")
    nothing = np.full((3, 256), np.nan, np.float32)
    monkeypatch.setattr("trainers.calibration._inputs_of", lambda *_: [nothing])
    with pytest.raises(TrainingError, match=r"what /model/layers.0/attn/qkv_proj/MatMul reads of the examples is not"):
        calibrate(graph, [[1, 2, 3]])(graph.matrices()[0])


def test_no_torch_is_needed(tmp_path: Path):
    code = (
        "import sys; sys.modules['torch'] = None; from trainers.__main__ import main;"
        f"sys.exit(main(['quantize', {str(FP32)!r}, '--out', {str(tmp_path)!r}, '--bits', '4', '--samples', '1']))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "int4" / "model.onnx").exists()


@pytest.mark.parametrize("broken", ["fp32", "int4"])
def test_logits_that_are_no_numbers_stop_it_and_name_their_side(broken, tmp_path: Path, monkeypatch):
    def reading(model_file, mapped=False):
        read = reader(model_file, mapped=mapped)
        is_broken = (model_file.parent == FP32) == (broken == "fp32")
        return lambda ids: read(ids) * np.float32("nan" if is_broken else 1)

    monkeypatch.setattr("trainers.closeness.reader", reading)
    side = {"fp32": "nano-fp32", "int4": ".int4.part"}[broken]
    with pytest.raises(TrainingError, match=f"logits are not finite: those of '.*{side}.*'"):
        quantize(FP32, [Plan(4)], tmp_path, samples=1)
    assert not list(tmp_path.iterdir())


# Refusals


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"bits": 3}, "bits=3, but should be 4 or 8"),
        ({"bits": 4, "method": "awq"}, "method='awq', but should be one of rtn, k-quant"),
        ({"bits": 4, "block_size": 24}, "block_size=24, but should be a power of two"),
        ({"bits": 4, "method": "dynamic"}, "method='dynamic' makes int8 alone"),
        ({"bits": 8, "method": "hqq"}, "method='hqq' makes int4 alone"),
        ({"bits": 4, "block_size": 512}, "block_size=512, but should be a power of two from 16 to 256"),
        ({"bits": 4, "accuracy_level": 5}, "accuracy_level=5, but should be from 0 to 4"),
        ({"bits": 8, "method": "dynamic", "head": False, "block_size": 64}, "'dynamic' does not know block_size, head"),
        ({"bits": 4, "method": "k-quant"}, "method='k-quant' has zero points always"),
        ({"bits": 4, "method": "hqq"}, "method='hqq' has zero points always"),
    ],
    ids=[
        "three-bits",
        "unknown-method",
        "odd-block",
        "dynamic-int4",
        "hqq-int8",
        "block-512",
        "level-5",
        "what-dynamic-lacks",
        "symmetric-k-quant",
        "symmetric-hqq",
    ],
)
def test_a_wrong_plan_is_told_in_a_line(settings, says):
    with pytest.raises(UsageError, match=says):
        Plan(**settings)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--keep", "qkv-proj"], "keep='qkv-proj' is part of no matrix's name; they are named as /model/layers.0/attn"),
        (["--keep", ""], "the plan leaves no matrix to quantize; keep less"),
        (["--keep", "layers", "--no-head", "--no-embeddings"], "the plan leaves no matrix to quantize; keep less"),
        (["--gate", "strict"], "--gate is for --search"),
        (["--one-by-one"], "--one-by-one is for --search"),
        (["--search", "smallest-that-passes", "--skip-int4"], "--search makes files of 4 and 8 bits"),
        (["--search", "smallest-that-passes", "--method", "dynamic"], "'dynamic' makes int8 alone, but --search needs"),
        (["--search", "smallest-that-passes", "--method", "hqq"], "'hqq' makes int4 alone, but --search needs"),
        (
            ["--search", "smallest-that-passes", "--gate", "smoke"],
            "--gate smoke never promotes, so that --search would",
        ),
    ],
    ids=[
        "keeps-nothing",
        "keeps-all-by-no-name",
        "keeps-all",
        "gate-without-search",
        "one-by-one-without-search",
        "search-in-8-bits",
        "search-dynamic",
        "search-hqq",
        "search-by-a-gate-that-never-promotes",
    ],
)
def test_options_that_would_do_nothing_are_refused(options, says, tmp_path: Path, refusal):
    assert says in refusal("quantize", FP32, "--out", tmp_path / "out", "--samples", "1", *options)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_the_users_own_stays(tmp_path: Path, capsys):
    notes = tmp_path / "int4" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")
    assert main(["quantize", str(FP32), "--out", str(tmp_path), "--samples", "1"]) == 4
    assert "int4' is not empty; name another folder with --out, or remove it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["int4", "notes.txt"]  # and no int8 before it


@pytest.mark.parametrize(
    ("plan", "samples"),
    [(Plan(4, keep=("layers",), embeddings=False), 1), (Plan(4, "gptq", keep=("layers",), embeddings=False), 2)],
    ids=["another-method", "other-calibration"],
)
def test_a_file_by_another_plan_or_calibration_stays(plan, samples, head_by_gptq, capsys):
    with pytest.raises(UsageError, match="int4' was made of another file, by another plan or on other examples"):
        quantize(FP32, [plan], head_by_gptq, samples=samples)
    quantize(FP32, [Plan(4, "gptq", keep=("layers",), embeddings=False)], head_by_gptq, samples=1)
    assert "is finished; nothing to do" in capsys.readouterr().out


@pytest.fixture(scope="module")
def head_by_gptq(tmp_path_factory):
    out = tmp_path_factory.mktemp("gptq")
    quantize(FP32, [Plan(4, "gptq", keep=("layers",), embeddings=False)], out, samples=1)
    return out


@pytest.mark.parametrize(
    ("options", "folder", "says"),
    [
        (["--method", "dynamic"], "int8", {"bits": 8, "method": "dynamic"}),
        (["--method", "k-quant", "--bits", "4", "--keep", "layers"], "int4", {"symmetric": False}),
    ],
    ids=["dynamic", "k-quant"],
)
def test_a_manifest_says_what_the_method_did(options, folder, says, tmp_path: Path):
    assert main(["quantize", str(FP32), "--out", str(tmp_path), "--samples", "1", *options]) == 0
    plan = json.loads((tmp_path / folder / "phi4bench.json").read_text())["recipe"]["plan"]
    assert plan | says == plan
    assert ("block_size" in plan) == (folder == "int4")


def test_only_an_fp32_file_is_quantized(made, capsys):
    assert main(["quantize", str(made / "int8")]) == 4
    assert "is onnx int8, but should be fp32 ONNX; run export --precision fp32 first" in capsys.readouterr().err


def test_int4_is_skipped_where_that_is_asked(tmp_path: Path):
    assert main(["quantize", str(FP32), "--out", str(tmp_path), "--skip-int4", "--samples", "1"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8", "quantization_results.json"]
