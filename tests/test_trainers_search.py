"""The search for the fewest matrices in 8 bits that pass the gate: what it keeps, and what it never does twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from kit import ROOT

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnx_ir", reason="needs the `train` extra")
pytest.importorskip("onnxruntime")

import onnx

from phi4bench.artifacts import open_artifact
from phi4bench.errors import UsageError
from trainers.__main__ import main
from trainers.closeness import compare, open_source
from trainers.faults import TrainingError
from trainers.quantize import Plan, matrices_of
from trainers.search import Sensitivity, search, sensitivities, smallest
from trainers.shape import make as make_shape
from trainers.shape import shape_named

LIMITS = {"slo.latency_p95_ms": "ceiling", "speedup.decode": "floor"}
FP32 = ROOT / "fixtures" / "models" / "nano-fp32"
pytestmark = pytest.mark.filterwarnings("ignore")  # of onnxruntime's quantizers


@pytest.mark.parametrize("least", [0, 1, 7, 12, 13])
def test_the_search_finds_the_least_that_passes_and_halves_what_is_left(least):
    asked = []

    def passes(count):
        asked.append(count)
        return count >= least

    assert smallest(12, passes) == (least if least <= 12 else None)
    assert len(asked) <= 2 + 4  # both ends, then 2^4 > 12
    assert len(asked) == len(set(asked))


def test_the_most_sensitive_matrices_stay_in_8_bits(tmp_path: Path, monkeypatch):
    source = open_source(FP32, samples=1)
    names = [matrix.name for matrix in source.graph.matrices()]
    order = [Sensitivity(name, 1.0, 0.5) for name in reversed(names)]
    monkeypatch.setattr("trainers.search.sensitivities", lambda *_: order)
    judged = []

    def judge(folder):
        judged.append(folder.name)
        return 0 if int(folder.name.rpartition("-")[2]) >= 2 else 1

    found = search(source, Plan(4), tmp_path, judge)
    assert found.name == "mixed-2"
    nodes = onnx.load(found / "model.onnx", load_external_data=False).graph.node
    bits = {node.name: attribute.i for node in nodes if node.op_type == "MatMulNBits" for attribute in node.attribute
            if attribute.name == "bits"}  # fmt: skip
    assert sorted(name for name, width in bits.items() if width == 8) == sorted(f"{name}_Q8" for name in names[-2:])
    assert len(bits) == len(names)
    before = list(judged)
    assert search(source, Plan(4), tmp_path, judge) == found
    assert judged == before  # a search that goes on judges nothing twice


def test_each_matrix_in_8_bits_is_tried_once_in_4_and_a_stopped_search_goes_on(tmp_path: Path, monkeypatch):
    """a to e cost ever less; the gate wants b and d in 8 bits, so that the order alone would keep a and c there too."""
    sizes = {"a": 9, "b": 8, "c": 20, "d": 5, "e": 1}
    source = open_source(FP32, samples=1)
    monkeypatch.setattr("trainers.search.sensitivities", lambda *_: [Sensitivity(name, 1.0, 0.5) for name in sizes])
    monkeypatch.setattr("trainers.search.sizes_of", lambda *_: sizes)
    made, judged = {}, []

    def make(source, plan, folder, journal):
        made[folder.name] = plan.wide
        return folder

    monkeypatch.setattr("trainers.search.make", make)

    def judge(folder):
        if len(judged) == 6:
            raise KeyboardInterrupt
        judged.append(folder.name)
        return 0 if {"b", "d"} <= set(made[folder.name]) else 1

    with pytest.raises(KeyboardInterrupt):
        search(source, Plan(4), tmp_path, judge, one_by_one=True)
    judged.append("stopped")
    assert search(source, Plan(4), tmp_path, judge, one_by_one=True).name == "mixed-4-2"
    assert judged == [
        "mixed-0",
        "mixed-5",
        "mixed-2",
        "mixed-3",
        "mixed-4",
        "mixed-4-1",
        "stopped",
        "mixed-4-2",
        "mixed-4-3",
    ]
    assert [made[f"mixed-4-{number}"] for number in (1, 2, 3)] == [("a", "b", "d"), ("b", "d"), ("d",)]
    assert json.loads((tmp_path / "search.json").read_text())["in_8_bits"] == ["b", "d"]
    assert search(source, Plan(4), tmp_path, judge).name == "mixed-4"  # unasked, what the order says


def test_a_search_by_another_gate_judges_again_and_measures_nothing_again(tmp_path: Path, monkeypatch):
    source = open_source(FP32, samples=1)
    few = source.graph.matrices()[:1]
    monkeypatch.setattr(type(source.graph), "matrices", lambda graph: few)
    monkeypatch.setattr("trainers.search.make", lambda source, plan, folder, journal: folder)
    measured, judged = [], []
    monkeypatch.setattr("trainers.search.compare", lambda *given: (measured.append(given), compare(*given))[1])
    search(source, Plan(4), tmp_path, lambda folder: 0, ["the-guide"])
    with pytest.raises(TrainingError, match="promotes no mix"):
        search(source, Plan(4), tmp_path, lambda folder: (judged.append(folder.name), 1)[1], ["a-strict-one"])
    assert judged == ["mixed-0", "mixed-1"]
    assert len(measured) == 1


def test_a_search_on_other_conversations_is_refused(tmp_path: Path, monkeypatch):
    source = open_source(FP32, samples=1)
    few = source.graph.matrices()[:1]
    monkeypatch.setattr(type(source.graph), "matrices", lambda graph: few)
    monkeypatch.setattr("trainers.search.make", lambda source, plan, folder, journal: folder)
    search(source, Plan(4), tmp_path, lambda folder: 0)
    with pytest.raises(UsageError, match=r"search.json' is of another model, plan or conversations; name another"):
        search(replace(source, prompts=[[1, 7, 9]]), Plan(4), tmp_path, lambda folder: 0)


@pytest.fixture(scope="module")
def untied(tmp_path_factory):
    """An fp32 file whose embedding table is not the head's."""
    (folder,) = make_shape(shape_named("nano", layers=1, tied=False), ["fp32"], tmp_path_factory.mktemp("untied"))
    return open_source(folder, samples=1, scratch=folder.parent)


def test_all_in_8_bits_is_all_of_it_the_embedding_table_too(untied, tmp_path: Path, monkeypatch):
    names = [matrix.name for matrix in matrices_of(untied.graph, Plan(4))]
    monkeypatch.setattr("trainers.search.sensitivities", lambda *_: [Sensitivity(name, 1.0, 0.5) for name in names])
    assert names[-1] == "/model/embed_tokens/Gather"

    def judge(folder):
        return 0 if folder.name == f"mixed-{len(names)}" else 1

    found = search(untied, Plan(4), tmp_path, judge)
    nodes = onnx.load(found / "model.onnx", load_external_data=False).graph.node
    bits = [(node.op_type, attribute.i) for node in nodes for attribute in node.attribute if attribute.name == "bits"]
    assert set(bits) == {("MatMulNBits", 8), ("GatherBlockQuantized", 8)}
    assert open_artifact(str(found)).precision == "int8"  # and is judged by its margin


def test_what_stays_in_8_bits_costs_most_for_its_bytes(untied, tmp_path: Path, monkeypatch):
    matrices = matrices_of(untied.graph, Plan(4))
    large = max(matrices, key=lambda one: one.shape[0] * one.shape[1])
    known = [Sensitivity(one.name, 1.5 if one is large else 1.0, 0.5) for one in matrices]
    small = min(matrices, key=lambda one: (one.shape[0] * one.shape[1], one.name))
    assert sensitivities(untied, Plan(4), tmp_path, known, lambda one: None)[0].name == small.name


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (1, r"not even all in 8; see what it says of .*mixed-1; quantization-aware training is what is left"),
        (10, r"of all in 8 it is undecided; see what it wants of .*mixed-1, such as more cases"),
    ],
    ids=["rejected", "undecided"],
)
def test_a_search_that_cannot_pass_says_so(code, says, tmp_path: Path, monkeypatch):
    source = open_source(FP32, samples=1)
    monkeypatch.setattr("trainers.search.sensitivities", lambda *_: [Sensitivity("/lm_head/MatMul", 1.0, 0.5)])
    with pytest.raises(TrainingError, match=f"the gate promotes no mix of 4 and 8 bits[,:] {says}"):
        search(source, Plan(4), tmp_path, lambda folder: code)


def test_the_choice_of_another_gate_is_forgotten(tmp_path: Path, monkeypatch):
    source = open_source(FP32, samples=1)
    monkeypatch.setattr("trainers.search.sensitivities", lambda *_: [Sensitivity("/lm_head/MatMul", 1.0, 0.5)])
    search(source, Plan(4), tmp_path, lambda folder: 0, ["guide"])
    assert json.loads((tmp_path / "search.json").read_text())["chosen"] == "mixed-0"
    with pytest.raises(TrainingError):
        search(source, Plan(4), tmp_path, lambda folder: 10, ["strict"])
    held = json.loads((tmp_path / "search.json").read_text())
    assert held["trials"] == {"0": 10, "1": 10}
    assert not {"chosen", "in_8_bits"} & held.keys()


def test_sensitivities_are_sorted_and_of_every_matrix(tmp_path: Path, monkeypatch):
    source = open_source(FP32, samples=1)
    few = source.graph.matrices()[:2]
    monkeypatch.setattr(type(source.graph), "matrices", lambda graph: few)
    kept: list[Sensitivity] = []
    found = sensitivities(source, Plan(4), tmp_path / "scratch", (), kept.append)
    assert {one.name for one in found} == {one.name for one in kept} == {matrix.name for matrix in few}
    weights = {matrix.name: matrix.shape[0] * matrix.shape[1] for matrix in few}
    costs = [one.kl / weights[one.name] for one in found]
    assert costs[0] >= costs[1] > 0
    assert not (tmp_path / "scratch").exists()


def test_a_search_that_was_stopped_measures_no_sensitivity_twice(tmp_path: Path, monkeypatch):
    source = open_source(FP32, samples=1)
    few = source.graph.matrices()[:2]
    monkeypatch.setattr(type(source.graph), "matrices", lambda graph: few)
    monkeypatch.setattr("trainers.search.make", lambda source, plan, folder, journal: folder)
    compared = []

    def stopped_at_the_second(model_file, source):
        compared.append(model_file)
        if len(compared) == 2:
            raise KeyboardInterrupt
        return compare(model_file, source)

    monkeypatch.setattr("trainers.search.compare", stopped_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        search(source, Plan(4), tmp_path, lambda folder: 0)
    search(source, Plan(4), tmp_path, lambda folder: 0)
    assert len(compared) == 3  # the first, the second that was stopped, and that once more
    held = json.loads((tmp_path / "search.json").read_text())
    assert {one["name"] for one in held["sensitivities"]} == {matrix.name for matrix in few}


@pytest.mark.parametrize(
    ("gate", "timed"), [("", False), ("strict", False), ("slo.latency_p95_ms", True), ("speedup.decode", True)]
)
def test_speed_is_measured_at_each_trial_only_where_the_gate_names_it(gate, timed, tmp_path: Path, monkeypatch):
    if "." in gate:
        (tmp_path / "ours.toml").write_text(f'[[gate]]\nname = "{gate}"\n{LIMITS[gate]} = 2\nsource = "x"\n')
        gate = str(tmp_path / "ours.toml")
    asked = []
    monkeypatch.setattr("trainers.search.search", lambda *arguments: arguments[3](tmp_path / "trial"))
    monkeypatch.setattr("trainers.promote.judge", lambda models, report, options: asked.extend(options) or 0)
    monkeypatch.setattr("trainers.advice.advice", lambda report: ())
    options = ["--samples", "1", "--search", "smallest-that-passes", *(["--gate", gate] if gate else [])]
    assert main(["quantize", str(FP32), "--out", str(tmp_path), *options]) == 0
    left_out = [one for one in asked if one.startswith("--ignore=")]
    assert left_out == ([] if timed else [f"--ignore={ROOT / 'suites' / 'slo'}"])
