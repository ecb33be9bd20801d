"""Shape artifacts: the builder's own graph, files that every runtime opens, and no verdict above inconclusive."""

from __future__ import annotations

import json

import numpy as np
import pytest
from kit import ROOT

onnx = pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.artifacts import open_artifact  # noqa: E402
from phi4bench.artifacts.parts import weigh  # noqa: E402
from phi4bench.backends import Decoding, open_backend  # noqa: E402
from phi4bench.errors import ArtifactError, UsageError  # noqa: E402
from phi4bench.prompts import Prompt, Segment  # noqa: E402
from trainers.__main__ import main  # noqa: E402
from trainers.decoder import Drawn, Shape  # noqa: E402
from trainers.matrices import quantized  # noqa: E402
from trainers.quantize import Plan, quantize  # noqa: E402
from trainers.shape import PRESETS, Packing, make, shape_named  # noqa: E402

MODELS = ROOT / "fixtures" / "models"
SMALL = Shape(64, 96, 2, 4, 2, 1100, tied=False, context=256)
NEW = 12


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """Nano's shape, packed as the shipped files are: the builder leaves the table of an int8 file in fp32."""
    out = tmp_path_factory.mktemp("nano")
    make(PRESETS["nano"], ["fp32", "int4"], out, Packing(block_size=32))
    make(PRESETS["nano"], ["int8"], out, Packing(block_size=32, embeddings=False))
    return out


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("small")
    make(SMALL, ["fp32", "int8", "int4"], out, Packing(block_size=32))
    return out


def graph_of(folder):
    return onnx.load(folder / "model.onnx", load_external_data=False).graph


def nodes_of(graph):
    """Every node by name, but for constants: where the builder has one, a tensor of the graph may stand instead."""
    return {
        node.name: (
            node.op_type, node.domain,
            [name for name in node.input if "embed_tokens" not in name and "INT64" not in name],
            {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute},
        )
        for node in graph.node if node.op_type != "Constant"
    }  # fmt: skip


def weights_of(graph):
    return {one.name: (list(one.dims), one.data_type) for one in graph.initializer if "embed_tokens" not in one.name}


def ends_of(graph):
    return [
        (one.name, one.type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in one.type.tensor_type.shape.dim])
        for one in (*graph.input, *graph.output)
    ]


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_a_shape_of_nano_is_the_builders_own_graph(precision, nano):
    made, built = graph_of(nano / precision), graph_of(MODELS / f"nano-{precision}")
    assert nodes_of(made) == nodes_of(built)
    assert weights_of(made) == weights_of(built)
    assert ends_of(made) == ends_of(built)


def test_rotation_is_the_builders(nano):
    def tables(folder):
        model = onnx.load(folder / "model.onnx")
        found = {one.name: one for one in model.graph.initializer}
        return [onnx.numpy_helper.to_array(found[name]) for name in ("cos_cache", "sin_cache")]

    for mine, built in zip(tables(nano / "fp32"), tables(MODELS / "nano-fp32"), strict=True):
        np.testing.assert_allclose(mine, built, atol=2e-4)  # the builder's angles are float32, up to 1,023


def prompt(text):
    return Prompt(segments=(Segment("<|user|>", True), Segment(text)), shared=0, stop=("<|end|>",), call_opener="")


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_a_shape_opens_and_runs_here_and_in_genai_with_the_same_tokens(precision, small):
    genai = pytest.importorskip("onnxruntime_genai")
    artifact = open_artifact(str(small / precision))
    assert artifact.random_weights
    assert artifact.precision == precision
    backend = open_backend(artifact, threads=1, batch=1)
    ((_, made),) = backend.generate([prompt("Read a.txt")], Decoding(NEW))
    ids = backend._reader.jobs([prompt("Read a.txt")], Decoding(NEW))[0].ids
    backend.close()
    model = genai.Model(str(small / precision))
    options = genai.GeneratorParams(model)
    options.set_search_options(max_length=len(ids) + NEW, do_sample=False)
    generator = genai.Generator(model, options)
    generator.append_tokens([int(one) for one in ids])
    theirs = []
    while not generator.is_done():
        generator.generate_next_token()
        theirs.append(int(generator.get_next_tokens()[0]))
    assert tuple(theirs[: len(made.token_ids)]) == made.token_ids
    assert len(set(made.token_ids)) > 1, "one token over and over proves little"


@pytest.fixture(scope="module")
def wide_blocks(tmp_path_factory):
    """Blocks over which some processors' kernels round one row otherwise than several."""
    out = tmp_path_factory.mktemp("wide")
    make(Shape(256, 256, 2, 4, 2, 1100, tied=False, context=256), ["int4"], out, Packing(block_size=128))
    return out / "int4"


@pytest.mark.parametrize("jobs", [1, 2, 3, 5])
def test_an_answer_depends_on_no_neighbour_whatever_the_blocks(jobs, wide_blocks):
    prompts = [prompt(f"Read {'a' * number}.txt") for number in range(5)]

    def answers(some, batch):
        backend = open_backend(open_artifact(str(wide_blocks)), threads=1, batch=batch)
        found = dict(backend.generate(some, Decoding(NEW)))
        backend.close()
        return [found[index].token_ids for index in range(len(some))]

    assert answers(prompts[:jobs], 4) == answers(prompts, 16)[:jobs]


def test_rows_of_wide_blocks_decode_together(wide_blocks):
    backend = open_backend(open_artifact(str(wide_blocks)), threads=1, batch=8)
    assert backend.identity()["cache"] in ("in place, rows together", "in place, rows in pairs")
    assert backend.identity()["rows"] == 8


def test_one_seed_draws_one_model_whose_int8_is_its_fp32_packed(small, tmp_path):
    drawn = Drawn(SMALL, seed=0)
    head = drawn.array("lm_head.MatMul.weight")
    assert np.array_equal(head, Drawn(SMALL, seed=0).array("lm_head.MatMul.weight"))
    assert not np.array_equal(head, Drawn(SMALL, seed=1).array("lm_head.MatMul.weight"))
    found = {one.name: one for one in onnx.load(small / "int8" / "model.onnx").graph.initializer}
    wanted = quantized(head, 8, 32, True, "rtn")
    assert np.array_equal(onnx.numpy_helper.to_array(found["lm_head.MatMul.weight_Q8"]), wanted.values)
    artifact = open_artifact(str(small / "int8"))
    assert artifact.parent_sha256 == open_artifact(str(small / "fp32")).weights_sha256


def test_parameters_are_those_of_the_files(small, nano):
    assert weigh(open_artifact(str(small / "fp32"))).weights == SMALL.parameters
    assert weigh(open_artifact(str(nano / "fp32"))).weights == PRESETS["nano"].parameters


@pytest.mark.parametrize(
    ("preset", "billions"),
    # Source: 14B and 3.8B are what the model cards say.
    [("phi-4", 14.66), ("phi-4-mini", 3.84), ("207m", 0.207)],
)
def test_presets_have_the_size_of_what_they_stand_for(preset, billions):
    assert PRESETS[preset].parameters / 1e9 == pytest.approx(billions, rel=0.005)


def test_phi_4_minis_heads_are_rotated_in_part_and_run(tmp_path):
    shape = Shape(128, 96, 1, 2, 1, 1024, tied=True, context=64, rotary=0.75)
    make(shape, ["int4"], tmp_path, Packing(block_size=32))
    assert dict(weights_of(graph_of(tmp_path / "int4")))["cos_cache"][0] == [64, 24]  # 0.75 of 64, half of it
    backend = open_backend(open_artifact(str(tmp_path / "int4")), threads=1, batch=1)
    ((_, made),) = backend.generate([prompt("Hi")], Decoding(3))
    assert made.token_ids


def test_what_is_quantized_from_a_shape_is_one(small, tmp_path):
    (folder,) = quantize(small / "fp32", [Plan(8)], tmp_path, samples=1)
    assert open_artifact(str(folder)).random_weights


def test_the_same_command_keeps_what_is_there_and_refuses_another_shape(small, capsys):
    before = (small / "int4" / "model.onnx").stat().st_mtime_ns
    make(SMALL, ["int4"], small, Packing(block_size=32))
    assert "nothing to do" in capsys.readouterr().out
    assert (small / "int4" / "model.onnx").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="another shape"):
        make(SMALL, ["int4"], small, Packing(block_size=64))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--preset", "phi-5"], "preset='phi-5'", id="unknown-preset"),
        pytest.param(["--heads", "3"], "hidden=256", id="heads-that-do-not-divide"),
        pytest.param(["--kv-heads", "3"], "kv_heads=3", id="kv-heads-that-do-not-divide"),
        pytest.param(["--layers", "0"], "layers=0", id="no-layer"),
        pytest.param(["--vocabulary", "100"], "vocabulary=100", id="smaller-than-the-tokenizer"),
        pytest.param(["--block-size", "24"], "block_size=24", id="odd-block"),
        pytest.param(["--block-size", "512"], "block_size=512", id="block-too-large"),
        pytest.param(["--precision", "fp32", "--no-head"], "--head: for int8 and int4", id="packing-of-fp32"),
        pytest.param(["--seed", "-1"], "seed=-1, but should be at least 0", id="negative-seed"),
        pytest.param(["--layers", "100000000"], "GB free", id="larger-than-the-disk"),
    ],
)
def test_what_a_user_gets_wrong_is_a_line(arguments, says, tmp_path, capsys):
    assert main(["shape", "--preset", "nano", "--out", str(tmp_path / "out"), *arguments]) == 4
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") <= 2


def test_a_folder_of_the_users_own_stays(tmp_path):
    (tmp_path / "int4").mkdir()
    (tmp_path / "int4" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="int4' is not empty"):
        make(SMALL, ["int4"], tmp_path, Packing(block_size=32))
    assert (tmp_path / "int4" / "notes.txt").read_text() == "mine"


def test_numbers_replace_a_presets():
    shape = shape_named("phi-4-mini", layers=2, tied=False, hidden=None)
    assert (shape.layers, shape.tied, shape.hidden) == (2, False, 3072)


def test_a_manifest_of_other_weights_is_refused(small, tmp_path):
    manifest = json.loads((small / "int4" / "phi4bench.json").read_text())
    (tmp_path / "phi4bench.json").write_text(json.dumps(manifest | {"weights": "trained"}))
    with pytest.raises(ArtifactError, match="weights='trained'"):
        open_artifact(str(tmp_path))


def test_random_weights_are_never_promoted_and_every_report_says_why(make_fake, run_suites):
    folder = make_fake("always_right")
    manifest = json.loads((folder / "phi4bench.json").read_text())
    (folder / "phi4bench.json").write_text(json.dumps(manifest | {"weights": "random"}))
    ran = run_suites("--model", folder)
    assert ran.code == 10, ran.out
    assert set(ran.outcomes().values()) == {"PASS"}, "it would be promoted but for its weights"
    told = "random weights (a shape); speed and memory are real, accuracy is not"
    assert told in " ".join(ran.out.split())
    assert told in ran.artifact()["untrained"]
    assert ran.artifact()["artifact"]["random_weights"] is True
    assert ran.artifact()["verdict"] == "inconclusive"
    assert told in (ran.report_dir / "report.html").read_text()
    assert not (ran.report_dir / "promotion.json").exists()
