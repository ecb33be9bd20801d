"""An ONNX file in half precision: the same weights, fp16 around them, and plain refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from kit import ROOT
from tiny import SWITCH, tiny_models  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnxruntime")

import onnx
from onnx import TensorProto

from phi4bench.artifacts import open_artifact
from phi4bench.errors import UsageError
from trainers.__main__ import main
from trainers.agreement import reader
from trainers.decoder import Shape
from trainers.faults import TrainingError
from trainers.half import half
from trainers.rewriting import Graph
from trainers.shape import make

MODELS = ROOT / "fixtures" / "models"
TINY = Shape(32, 48, 1, 2, 1, 1024, tied=True, context=256)
pytestmark = pytest.mark.filterwarnings("ignore")  # of onnxruntime's quantizers


@pytest.fixture(scope="module", params=["fp32", "int8", "int4"])
def pair(request, tmp_path_factory):
    """A folder and its half."""
    source = MODELS / f"nano-{request.param}"
    return source, half(source, tmp_path_factory.mktemp("half") / "half", samples=2)


def opened(folder: Path) -> Graph:
    return Graph(onnx.load(folder / "model.onnx", load_external_data=False), folder)


def test_packed_weights_stay_and_everything_else_is_fp16(pair):
    source, made = map(opened, pair)
    assert source.tensors.keys() == made.tensors.keys()
    for name, tensor in source.tensors.items():
        before, after = source.array(name), made.array(name)
        if tensor.data_type == TensorProto.FLOAT:
            assert after.dtype == np.float16
            assert np.array_equal(after, before.astype(np.float16))
        else:
            assert after.dtype == before.dtype
            assert np.array_equal(after, before)
    ends = [*made.model.graph.input, *made.model.graph.output]
    assert {end.type.tensor_type.elem_type for end in ends} == {TensorProto.INT64, TensorProto.FLOAT16}


def test_it_is_an_artifact_whose_parent_is_the_fp32_file(pair):
    source, made = (open_artifact(str(folder)) for folder in pair)
    assert made.precision == ("fp16" if source.precision == "fp32" else source.precision)
    assert made.parent is not None
    assert Path(made.parent).resolve() == MODELS / "nano-fp32"
    assert made.dialect == source.dialect
    config = json.loads((made.path / "genai_config.json").read_text())
    assert "cuda" in config["model"]["decoder"]["session_options"]["provider_options"][0]


def test_the_same_command_again_finds_it_finished(pair, capsys):
    source, made = pair
    before = (made / "model.onnx.data").stat().st_mtime_ns
    assert main(["half", str(source), "--out", str(made)]) == 0
    assert "is finished; nothing to do" in capsys.readouterr().out
    assert (made / "model.onnx.data").stat().st_mtime_ns == before


def test_the_same_weights_with_another_configuration_are_not_finished(pair, tmp_path):
    source, made = pair
    changed = tmp_path / "changed"
    shutil.copytree(source, changed)
    config = changed / "genai_config.json"
    config.write_text(config.read_text().replace('"eos_token_id": 5', '"eos_token_id": [5, 7]'))
    with pytest.raises(UsageError, match="was made of another file"):
        half(changed, made)


def test_a_shape_is_halved_unread_and_stays_a_shape(tmp_path, capsys):
    (folder,) = make(TINY, ["int4"], tmp_path)
    assert main(["half", str(folder)]) == 0
    assert "not compared: its weights are random" in capsys.readouterr().out
    assert open_artifact(str(tmp_path / "int4-half")).random_weights


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        pytest.param(lambda folder: half(folder, folder.with_name("again")), "takes no fp32 caches", id="half-already"),
        pytest.param(lambda folder: half(MODELS / "nano-hf", folder.with_name("x")), "should be an ONNX", id="hf"),
        pytest.param(lambda folder: half(MODELS / "nano-int4", folder), "of another file", id="another-file"),
    ],
)
def test_what_cannot_be_halved_is_refused(break_it, says, tmp_path):
    made = half(MODELS / "nano-int8", tmp_path / "half", samples=2)
    with pytest.raises(UsageError, match=says):
        break_it(made)


def test_numbers_beyond_fp16_are_named_and_nothing_is_kept(tmp_path):
    (folder,) = make(TINY, ["fp32"], tmp_path)
    path = folder / "model.onnx"
    model = onnx.load(path)
    norm = next(one for one in model.graph.initializer if "final_norm" in one.name)
    norm.raw_data = np.full(32, 1e5, np.float32).tobytes()
    shutil.rmtree(folder / "model.onnx.data", ignore_errors=True)
    onnx.save(model, path)
    with pytest.raises(TrainingError, match=r"final_norm_layernorm.* has numbers up to 1e\+05"):
        half(folder)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["fp32"]


def test_both_rotary_tables_of_longrope_are_halved(tiny_models, tmp_path):  # noqa: F811
    """They lie in the branches of an `If`, as in exports of Phi-4-mini."""
    made = half(tiny_models / "longrope", tmp_path / "half", samples=2)
    read, wanted = reader(made / "model.onnx"), reader(tiny_models / "longrope" / "model.onnx")
    for length in (SWITCH - 10, SWITCH + 10):
        ids = [7 + at % 200 for at in range(length)]
        np.testing.assert_allclose(read(ids), wanted(ids), atol=0.1)


def test_activations_beyond_fp16_are_told_as_that_and_not_as_broken_weights(tmp_path, capsys):
    """Each weight fits, and what the layers make of them does not."""
    folder = shutil.copytree(MODELS / "nano-fp32", tmp_path / "wide")
    model = onnx.load(folder / "model.onnx")
    for one in model.graph.initializer:
        if "down_proj" in one.name or "gate_proj" in one.name:
            values = onnx.numpy_helper.to_array(one) * np.float32(3000)
            one.CopyFrom(onnx.numpy_helper.from_array(values, one.name))
    (folder / "model.onnx.data").unlink()
    onnx.save(model, folder / "model.onnx")
    assert main(["half", str(folder), "--samples", "2"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "in fp16 its logits are not finite" in line
    assert "judge it in fp32; nothing was kept" in line
    assert [one.name for one in tmp_path.iterdir()] == ["wide"]


def test_what_onnxruntime_cannot_run_in_fp16_is_a_line_and_nothing_is_kept(tmp_path, capsys):
    folder = shutil.copytree(MODELS / "nano-fp32", tmp_path / "odd")
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    head = next(node for node in model.graph.node if "logits" in node.output)
    head.output[0] = "whole"
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["one"], value_float=1.0))
    model.graph.node.append(onnx.helper.make_node("Mul", ["whole", "one"], ["logits"]))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    assert main(["half", str(folder), "--samples", "2"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("trainers half: onnxruntime cannot run it in fp16 (")
    assert [one.name for one in tmp_path.iterdir()] == ["odd"]


def test_a_name_that_is_no_examples_leaves_nothing_half_made(tmp_path, capsys):
    asked = ["half", str(MODELS / "nano-int8"), "--out", str(tmp_path / "half"), "--data", str(tmp_path / "no.jsonl")]
    assert main(asked) == 4
    assert "no.jsonl" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_no_conversations_are_no_comparison(tmp_path, capsys):
    assert main(["half", str(MODELS / "nano-int8"), "--out", str(tmp_path / "half"), "--samples", "0"]) == 4
    assert "--samples=0, but should be at least 1" in capsys.readouterr().err
