"""The size of a model: what each part takes, how many weights it holds whatever they are packed in, and the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import ROOT, Ran
from stored import run_of

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.parts import parts_of, weigh
from phi4bench.datasets import fixtures_dir, schemas_dir
from phi4bench.errors import ArtifactError, TargetsError
from phi4bench.gates import Outcome
from phi4bench.report.figures import report, targets_facts
from phi4bench.report.findings import finding
from phi4bench.report.markdown import markdown
from phi4bench.report.page import page
from phi4bench.report.sizes import size_rows
from phi4bench.report.terminal import summary
from phi4bench.report.writing import to_json
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import SUITE_GATES, Conclusion, assess, conclude
from phi4bench.sizes import Part, Size, exempt, judge_size, size_from_json, size_to_json, weighed
from phi4bench.targets import SIZE_GATE, Targets, parse_targets

RESULTS_TEXT = (fixtures_dir() / "targets" / "results.toml").read_text()
RESULTS = parse_targets(RESULTS_TEXT, "results")
SIZE_ALONE = """
[[gate]]
name = "size_ratio"
ceiling = { int8 = 0.27, int4 = 0.145 }
least_parameters = 200_000_000
source = "test"
"""
TARGETS = parse_targets(SIZE_ALONE, "size")
MODELS = ROOT / "fixtures" / "models"
MILLION = 1_000_000


def sized(ratio: float, parameters: int = 300 * MILLION, baseline: bool = True) -> Size:
    """A model whose fp32 weights are one matrix, and whose own take `ratio` of its bytes."""
    whole = 4 * parameters
    own = weighed([Part("MLP", round(ratio * whole), parameters, whole)], False, 0)
    return Size(own, weighed([Part("MLP", whole, parameters, whole)], False, 0) if baseline else None)


class TestGate:
    @pytest.mark.parametrize(
        ("ratio", "precision", "outcome"),
        [
            pytest.param(0.27, "int8", Outcome.PASS, id="int8-at-its-ceiling"),
            pytest.param(0.271, "int8", Outcome.FAIL, id="int8-above-it"),
            pytest.param(0.145, "int4", Outcome.PASS, id="int4-at-its-ceiling"),
            pytest.param(0.146, "int4", Outcome.FAIL, id="int4-above-it"),
            pytest.param(1.0, "fp32", None, id="fp32-is-measured-only"),
        ],
    )
    def test_the_ceiling_is_the_results_own(self, ratio: float, precision: str, outcome: Outcome | None) -> None:
        for targets in (TARGETS, RESULTS):
            result = judge_size(sized(ratio), targets, precision)[SIZE_GATE]
            assert result.outcome is outcome
            assert ("0, but should be at most 0." in result.reason) is (outcome is Outcome.FAIL)

    @pytest.mark.parametrize(
        ("parameters", "judged"), [pytest.param(200 * MILLION, True, id="200M"), pytest.param(199_999_999, False)]
    )
    def test_below_200_million_parameters_it_is_measured_and_cannot_fail(self, parameters: int, judged: bool) -> None:
        result = judge_size(sized(0.9, parameters), RESULTS, "int8")[SIZE_GATE]
        assert result.rate == pytest.approx(0.9)
        assert (result.outcome, result.required) == ((Outcome.FAIL, True) if judged else (None, False))
        assert (SIZE_GATE in exempt(sized(0.9, parameters), RESULTS)) is not judged

    def test_a_table_that_quantization_stores_twice_counts_once(self) -> None:
        """Tied in fp32, 150M; apart in int8, 150M and 60M more: not a model of 200M parameters."""
        small, twice = sized(0.3, 150 * MILLION), sized(0.3, 210 * MILLION)
        assert Size(twice.artifact, small.artifact).parameters == 150 * MILLION

    def test_targets_of_other_gates_take_no_least_size(self) -> None:
        with pytest.raises(TargetsError, match="'least_parameters' is not a known key"):
            parse_targets('[[gate]]\nname = "tool"\nfloor = 0.9\nleast_parameters = 5\nsource = "x"', "mine")


# --- real files ---------------------------------------------------------------------------------------------------


def nano(name: str) -> Size:
    return Size(weigh(open_artifact(str(MODELS / f"nano-{name}"))), weigh(open_artifact(str(MODELS / "nano-fp32"))))


@pytest.mark.parametrize("name", ["fp32", "int8", "int4"])
def test_every_byte_of_the_files_is_in_one_part(name: str) -> None:
    folder = MODELS / f"nano-{name}"
    files = sum((folder / one).stat().st_size for one in ("model.onnx", "model.onnx.data"))
    found = nano(name).artifact
    assert found.bytes == files
    assert found.part("other") is None
    assert (found.part("graph and padding") or Part("", 0, 0, 0)).bytes < 40_000


def test_a_quantized_file_holds_as_many_weights_as_its_parent() -> None:
    """By hand: vocabulary 1024, hidden 256, FFN 768, 4 layers, 4 heads and 2 KV heads of 64, tied.

    A layer: qkv 256 * 512 + o 256 * 256 = 196,608; three FFN matrices 3 * 256 * 768 = 589,824; two norms of 256.
    With 262,144 for the table and 256 for the last norm: 3,409... = 4 * 786,944 + 262,400 = 3,410,176.
    """
    for name in ("fp32", "int8", "int4"):
        assert nano(name).parameters == 3_410_176
    for part, weights in (("attention", 786_432), ("MLP", 2_359_296), ("norms", 2_304), ("LM head", 262_144)):
        found = [one.part(part) for one in (nano("fp32").artifact, nano("int8").artifact, nano("int4").artifact)]
        assert [one.weights for one in found if one] == [weights] * 3


def test_scales_are_a_part_of_their_own_and_no_weights() -> None:
    """By hand: block 32 and fp32 scales are 4 bytes for 32 weights; 3,407,872 weights are in quantized matrices."""
    for name in ("int8", "int4"):
        scales = nano(name).artifact.part("scales and zero points")
        assert scales
        assert (scales.bytes, scales.weights) == (3_407_872 // 32 * 4, 0)


def test_embeddings_that_the_lm_head_holds_are_said_to_be_there() -> None:
    rows = {name: {row[0]: row for row in size_rows(nano(name))} for name in ("int8", "int4")}
    assert rows["int8"]["embeddings"][1:] == ("1.0 MB", "20.2%", "in LM head", "-")  # 1024 * 256 * 4 bytes
    assert rows["int4"]["embeddings"][1:4:2] == ("in LM head", "in LM head")


@pytest.mark.skipif(find_spec("transformers") is None, reason="opens a Hugging Face folder: needs phi4bench[train]")
def test_a_half_precision_folder_is_compared_as_if_it_were_fp32() -> None:
    """nano-hf holds bf16: the same weights in half the bytes; its own 2,824 bytes of header stay what they are."""
    found = weigh(open_artifact(str(MODELS / "nano-hf")))
    assert found.fp32_bytes == 4 * 3_410_176 + (found.part("graph and padding") or Part("", 0, 0, 0)).bytes
    assert found.bytes == (MODELS / "nano-hf" / "model.safetensors").stat().st_size


# --- files of our own making --------------------------------------------------------------------------------------

onnx = pytest.importorskip("onnx", reason="builds small ONNX files: needs phi4bench[dev]")

HIDDEN, VOCABULARY, LAYERS = 1024, 32_000, 20


def stored_outside(name: str, kind: str, shape: list[int], offset: int) -> tuple[Any, int]:
    """An initializer whose numbers lie beside the model, and where the next one may begin."""
    bits = {"FLOAT": 32, "UINT8": 8, "FLOAT16": 16}[kind]
    tensor = onnx.TensorProto(name=name, data_type=getattr(onnx.TensorProto, kind), dims=shape, data_location=1)
    length = bits // 8
    for dimension in shape:
        length *= dimension
    for key, value in (("location", "model.onnx.data"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor, offset + length


def large_model(folder: Path, precision: str, block: int = 32) -> Path:
    """A decoder of 284M weights by its headers alone: its external data is one hole of a sparse file.

    Untied: 2 * 32,000 * 1,024 = 65.5M for embeddings and LM head; a layer holds 4 * 1,024 ** 2 for attention (fused
    qkv and o) and 3 * 1,024 * 2,200 for the FFN: 10.95M, twenty times.
    """
    helper, offset = onnx.helper, 0
    nodes, tensors = [], []

    def add(name: str, kind: str, shape: list[int]) -> str:
        nonlocal offset
        tensor, offset = stored_outside(name, kind, shape, offset)
        tensors.append(tensor)
        return name

    def matrix(name: str, rows: int, columns: int) -> None:
        label = "/" + name.replace(".", "/") + "/MatMul"
        if precision == "fp32":
            nodes.append(
                helper.make_node("MatMul", ["x", add(f"{name}.weight", "FLOAT", [rows, columns])], ["y"], label)
            )
            return
        bits, blocks = int(precision[3:]), -(-rows // block)
        packed = add(f"{name}.weight_Q", "UINT8", [columns, blocks, block * bits // 8])
        scale = add(f"{name}.weight_scales", "FLOAT16", [columns, blocks])
        attributes = {"K": rows, "N": columns, "bits": bits, "block_size": block}
        nodes.append(
            helper.make_node("MatMulNBits", ["x", packed, scale], ["y"], label, domain="com.microsoft", **attributes)
        )

    table = add("model.embed_tokens.weight", "FLOAT", [VOCABULARY, HIDDEN]) if precision == "fp32" else add(
        "model.embed_tokens.weight_Q", "UINT8", [VOCABULARY, HIDDEN * int(precision[3:]) // 8]
    )  # fmt: skip
    if precision == "fp32":
        nodes.append(helper.make_node("Gather", [table, "input_ids"], ["x"], "/model/embed_tokens/Gather"))
    else:
        scale = add("model.embed_tokens.weight_scales", "FLOAT16", [VOCABULARY, HIDDEN // block])
        nodes.append(
            helper.make_node(
                "GatherBlockQuantized", [table, "input_ids", scale], ["x"], "/model/embed_tokens/Gather",
                domain="com.microsoft", bits=int(precision[3:]), block_size=block,
            )
        )  # fmt: skip
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("attn.qkv_proj", HIDDEN, 3 * HIDDEN), ("attn.o_proj", HIDDEN, HIDDEN),
            ("mlp.gate_proj", HIDDEN, 2200), ("mlp.up_proj", HIDDEN, 2200), ("mlp.down_proj", 2200, HIDDEN),
        ):  # fmt: skip
            matrix(f"model.layers.{layer}.{name}", rows, columns)
    matrix("lm_head", HIDDEN, VOCABULARY)
    info = helper.make_tensor_value_info
    whole, number = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "decoder",
        [info(name, whole, ["batch", "seq"]) for name in ("input_ids", "attention_mask", "past_key_values.0.key")],
        [info("logits", number, ["batch", "seq", VOCABULARY])], tensors,
    )  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with (folder / "model.onnx.data").open("wb") as file:
        file.truncate(offset)  # a hole: no block of it is written
    return folder


def weighed_folder(folder: Path) -> Any:
    """As `weigh` would, without hashing a gigabyte of zeros."""
    from phi4bench.artifacts.onnxfile import read_onnx

    parts, tied = parts_of(read_onnx(folder / "model.onnx"))
    files = sum(path.stat().st_size for path in folder.iterdir())
    return weighed([*parts, Part("graph and padding", files - sum(part.bytes for part in parts), 0, 0)], tied, 0)


WEIGHTS = 2 * VOCABULARY * HIDDEN + LAYERS * (4 * HIDDEN**2 + 3 * HIDDEN * 2200)


@pytest.mark.parametrize(
    ("precision", "block", "outcome"),
    [
        # Half a byte or a byte a weight, and 2 bytes of scale a block: (8 + 16 / 32) / 32 = 26.6%, and so on.
        pytest.param("int8", 32, Outcome.PASS, id="int8-block-32"),
        pytest.param("int8", 16, Outcome.FAIL, id="int8-block-16"),
        pytest.param("int4", 32, Outcome.PASS, id="int4-block-32"),
        pytest.param("int4", 16, Outcome.FAIL, id="int4-block-16"),
    ],
)
def test_a_large_model_is_held_to_the_ceiling(tmp_path: Path, precision: str, block: int, outcome: Outcome) -> None:
    parent, child = large_model(tmp_path / "fp32", "fp32"), large_model(tmp_path / "child", precision, block)
    found = Size(weighed_folder(child), weighed_folder(parent))
    bits = int(precision[3:])
    assert found.parameters == WEIGHTS  # and not the 142M bytes that int4 packs them in
    assert found.ratio == pytest.approx((bits + 16 / block) / 32, rel=2e-3)
    assert judge_size(found, RESULTS, precision)[SIZE_GATE].outcome is outcome
    assert [part.name for part in found.artifact.parts] == [
        "embeddings", "LM head", "attention", "MLP", "scales and zero points", "graph and padding",
    ]  # fmt: skip


def test_two_names_for_the_same_bytes_count_once(tmp_path: Path) -> None:
    folder = large_model(tmp_path / "fp32", "fp32")
    model = onnx.load(str(folder / "model.onnx"), load_external_data=False)
    again = onnx.TensorProto()
    again.CopyFrom(model.graph.initializer[0])
    again.name = "lm_head.second_name"
    model.graph.initializer.append(again)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    assert weighed_folder(folder).weights == WEIGHTS


def test_integers_quantized_the_onnx_way_count_one_a_weight(tmp_path: Path) -> None:
    """DequantizeLinear and MatMulInteger: int8 as it is; scales by their place, whatever they are called."""
    from phi4bench.artifacts.onnxfile import read_onnx

    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("DequantizeLinear", ["q1", "s", "z"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"], "/model/layers.0/mlp/MatMul"),
        helper.make_node("MatMulInteger", ["x", "q2", "a", "b"], ["y2"], "/model/layers.0/attn/MatMul"),
        helper.make_node("Reshape", ["y2", "shape"], ["y3"]),
    ]
    tensors = [
        helper.make_tensor("q1", kinds.INT8, [8, 8], bytes(64), raw=True),
        helper.make_tensor("s", kinds.FLOAT, [8], bytes(32), raw=True),
        helper.make_tensor("z", kinds.INT8, [8], bytes(8), raw=True),
        helper.make_tensor("q2", kinds.INT8, [4, 8], bytes(32), raw=True),
        helper.make_tensor("b", kinds.INT8, [], bytes(1), raw=True),
        helper.make_tensor("shape", kinds.INT64, [2], [4, -1]),
    ]
    graph = helper.make_graph(nodes, "g", [], [], tensors)
    (tmp_path / "model.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    parts, tied = parts_of(read_onnx(tmp_path / "model.onnx"))
    sums = {part.name: (part.bytes, part.weights) for part in weighed(parts, tied, 0).parts}
    assert sums["MLP"] == (64, 64)
    assert sums["attention"] == (32, 32)
    assert sums["scales and zero points"] == (32 + 8 + 1, 0)
    assert sums["other"][1] == 0
    assert not tied


def test_a_fake_has_no_weights_to_count(make_fake: Any) -> None:
    with pytest.raises(ArtifactError, match="has no weights"):
        weigh(open_artifact(str(make_fake())))


# --- in a run and its reports -------------------------------------------------------------------------------------


def judged(size: Size | None, targets: Targets = TARGETS, **facts: Any) -> tuple[Judgement, Conclusion]:
    stored = {"size": json.loads(to_json(size_to_json(size)))} if size else {}
    run = run_of("int8", precision="int8", **stored, **facts)
    judgement = assess(run, None, targets)
    return judgement, conclude(judgement, SUITE_GATES)


def test_a_size_survives_a_stored_run() -> None:
    for found in (nano("int8"), replace(nano("int4"), baseline=None)):
        assert size_from_json(json.loads(json.dumps(size_to_json(found)))) == found


@pytest.mark.parametrize(
    ("size", "verdict"),
    [
        pytest.param(sized(0.26), "promote", id="small-enough"),
        pytest.param(sized(0.3), "reject", id="too-large"),
        pytest.param(sized(0.3, baseline=False), "inconclusive", id="no-baseline"),
        pytest.param(None, "inconclusive", id="not-measured"),
    ],
)
def test_a_required_size_decides_with_the_other_gates(size: Size | None, verdict: str) -> None:
    both = parse_targets(SIZE_ALONE + '\n[[gate]]\nname = "tool"\nfloor = 0.9\nsource = "test"', "both")
    assert judged(size, both)[1].verdict == verdict


def test_a_small_model_is_promoted_whatever_its_size() -> None:
    both = parse_targets(SIZE_ALONE + '\n[[gate]]\nname = "tool"\nfloor = 0.9\nsource = "test"', "both")
    for small in (sized(0.9, 3 * MILLION), sized(0.9, 3 * MILLION, baseline=False)):
        judgement, conclusion = judged(small, both)
        assert [gate.name for gate in judgement.required] == ["tool"]
        assert conclusion.verdict == "promote"


def test_a_waived_baseline_waives_the_size() -> None:
    both = parse_targets(SIZE_ALONE + '\n[[gate]]\nname = "tool"\nfloor = 0.9\nsource = "test"', "both")
    assert judged(sized(0.3, baseline=False), both, no_baseline_given=True)[1].verdict == "promote"


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(sized(0.3), id="judged"),
        pytest.param(nano("int8"), id="measured"),
        pytest.param(replace(nano("int4"), baseline=None), id="alone"),
        pytest.param(None, id="not-asked"),
    ],
)
def test_reports_of_sizes_fit_the_published_schema(size: Size | None) -> None:
    data = report([judged(size)], targets_facts(TARGETS))
    schema = json.loads((schemas_dir() / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(to_json(data)))
    assert (data["artifacts"][0]["size"] is None) is (size is None)


def test_every_report_shows_what_each_part_takes() -> None:
    judgement, conclusion = judged(nano("int8"))
    terminal = [line for line, _ in summary(judgement, conclusion)]
    assert "  embeddings                      1.0 MB   20.2%    in LM head       -" in terminal
    assert "  all                             5.2 MB  100.0%       13.9 MB   37.2%" in terminal
    assert any("3.4M parameters, and 0.27 is required from 200M on: measured only" in line for line in terminal)
    assert max(map(len, terminal)) < 80
    figures = report([(judgement, conclusion)], targets_facts(TARGETS))
    assert "| embeddings | 1.0 MB | 20.2% | in LM head |" in markdown(figures)
    assert "| size_ratio | 5.2 MB of 13.9 MB | 0.3724 | - | - | measured |" in markdown(figures)
    assert '<th scope="row">scales and zero points</th><td>426.0 kB</td>' in page(
        [(judgement, conclusion)], TARGETS, "now"
    )


def test_a_size_that_fails_says_by_how_much_and_where_it_sits() -> None:
    judgement, conclusion = judged(sized(0.3))
    found = finding(judgement, SIZE_GATE)
    assert found.outcome == "FAIL"
    assert "int8 size_ratio: 30.0%: 360.0 MB, where its baseline has 1.2 GB in fp32, but should be at most 27%" in (
        found.text
    )
    assert "MLP" in found.text
    terminal = "\n".join(line for line, _ in summary(judgement, conclusion))
    assert "at most 27%  FAIL" in terminal
    figures = report([(judgement, conclusion)], targets_facts(TARGETS))
    assert "| size_ratio | 360.0 MB of 1.2 GB | 0.3000 | - | 0.27 | FAIL |" in markdown(figures)


def test_the_suite_measures_it_and_a_small_one_cannot_fail(tmp_path: Path, run_suites: Any) -> None:
    """The shipped int8 model by the results' targets: 37% of its parent, and no outcome, for it has 3.4M parameters."""
    only = [str(ROOT / "suites" / "quantization" / "test_size.py"), "-rA"]
    targets = tmp_path / "size.toml"
    targets.write_text(SIZE_ALONE)
    ran: Ran = run_suites("--model", MODELS / "nano-int8", "--targets", targets, "-k", "test_size_ratio", *only)
    assert "FAILED" not in ran.out
    assert ran.artifact()["size"]["ratio"] == pytest.approx(0.3724, abs=1e-3)
    assert ran.artifact()["size"]["outcome"] is None
