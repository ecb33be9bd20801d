"""The accuracy level as an oracle: only the level changes in the file, and flips are told apart by their cause."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import ROOT, Ran
from stored import CASES, GUIDE, WRONG, run_of, store

from phi4bench.artifacts import Artifact, open_artifact
from phi4bench.artifacts.accuracy_level import read_levels, write_at_level_zero
from phi4bench.artifacts.protobuf import WireError
from phi4bench.backends import Decoding
from phi4bench.cli import main
from phi4bench.datasets import load_cases, schemas_dir
from phi4bench.dialects import dialect_named
from phi4bench.errors import BackendError
from phi4bench.report.figures import report, targets_facts
from phi4bench.report.markdown import markdown
from phi4bench.report.page import page
from phi4bench.report.promotion import promotion
from phi4bench.report.terminal import summary
from phi4bench.revision import suite_revision
from phi4bench.run.generation import Settings
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import SUITE_GATES, Conclusion, assess, conclude
from phi4bench.run.options import DESTINATION, add_options
from phi4bench.run.progress import Silent
from phi4bench.run.rereading import _at_level_zero, reread
from phi4bench.runtime_flips import runtime_flips
from phi4bench.store import completion_to_json
from phi4bench.targets import parse_targets
from phi4bench.transcripts import Completion

MakeFake = Callable[..., Path]
RunSuites = Callable[..., Ran]
MODELS = ROOT / "fixtures" / "models"
DIALECT = dialect_named("tool_use")
TARGETS = parse_targets(GUIDE, "guide")


def number(value: int) -> bytes:
    """A protobuf varint; a negative one takes ten bytes, as protobuf has it."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(key: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return number(key << 3) + number(value)
    return number(key << 3 | 2) + number(len(value)) + value


def attribute(name: str, value: int) -> bytes:
    return field(5, field(1, name.encode()) + field(3, value) + field(20, 2))


def node(operator: str, *attributes: bytes) -> bytes:
    return field(4, operator.encode()) + b"".join(attributes)


def graph(nodes: Iterable[bytes]) -> bytes:
    return b"".join(field(1, one) for one in nodes)


def model(*nodes: bytes, functions: Iterable[bytes] = ()) -> bytes:
    """An ONNX model as far as it matters here. Source of the field numbers: onnx/onnx.proto."""
    own = b"".join(field(25, field(1, b"f") + field(7, one)) for one in functions)
    return field(1, 10) + field(7, graph(nodes) + field(2, b"main")) + field(8, field(2, 21)) + own


LEVEL_4 = node("MatMulNBits", attribute("K", 256), attribute("accuracy_level", 4), attribute("bits", 8))


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(data)
        return path

    return write


class TestTheFile:
    @pytest.mark.parametrize(
        ("data", "nodes"),
        [
            pytest.param(model(LEVEL_4, LEVEL_4), {4: 2}, id="two-nodes"),
            pytest.param(model(node("MatMul", attribute("accuracy_level", 4))), {}, id="another-operator"),
            pytest.param(model(node("MatMulNBits", attribute("bits", 4)), LEVEL_4), {0: 1, 4: 1}, id="level-left-out"),
            pytest.param(model(node("MatMulNBits", attribute("accuracy_level", 0))), {0: 1}, id="level-0-already"),
            pytest.param(
                model(node("If", field(5, field(1, b"then_branch") + field(6, graph([LEVEL_4]))))),
                {4: 1},
                id="subgraph",
            ),
            pytest.param(model(LEVEL_4, functions=[LEVEL_4]), {4: 2}, id="function"),
            pytest.param(model(node("MatMulNBits", attribute("accuracy_level", 300))), {300: 1}, id="two-bytes"),
        ],
    )
    def test_every_node_is_found_and_set_to_0_in_place(
        self, data: bytes, nodes: dict[int, int], written: Callable[[bytes], Path], tmp_path: Path
    ) -> None:
        path = written(data)
        assert dict(read_levels(path).nodes) == nodes
        write_at_level_zero(path, tmp_path / "zero.onnx")
        after = read_levels(tmp_path / "zero.onnx")
        assert dict(after.nodes) == ({0: sum(nodes.values())} if nodes else {})
        assert after.places == ()
        assert (tmp_path / "zero.onnx").stat().st_size == len(data)
        assert path.read_bytes() == data

    def test_what_is_cut_off_is_no_model(self, written: Callable[[bytes], Path]) -> None:
        with pytest.raises(WireError):
            read_levels(written(model(LEVEL_4)[:-20]))

    @pytest.mark.parametrize(("name", "nodes"), [("nano-int8", {4: 21}), ("nano-int4", {4: 21}), ("nano-fp32", {})])
    def test_the_shipped_files_change_in_a_byte_a_node(self, name: str, nodes: dict[int, int], tmp_path: Path) -> None:
        source, target = MODELS / name / "model.onnx", tmp_path / "model.onnx"
        assert dict(read_levels(source).nodes) == nodes
        write_at_level_zero(source, target)
        pairs = list(zip(source.read_bytes(), target.read_bytes(), strict=True))
        assert [pair for pair in pairs if pair[0] != pair[1]] == [(4, 0)] * sum(nodes.values())

    def test_another_reader_of_onnx_sees_the_same(self, tmp_path: Path) -> None:
        onnx = pytest.importorskip("onnx", reason="another reader of ONNX: needs phi4bench[train]")
        write_at_level_zero(MODELS / "nano-int4" / "model.onnx", tmp_path / "model.onnx")
        before, after = (
            onnx.load(str(path), load_external_data=False)
            for path in (MODELS / "nano-int4" / "model.onnx", tmp_path / "model.onnx")
        )
        for one in before.graph.node:
            for own in one.attribute:
                if one.op_type == "MatMulNBits" and own.name == "accuracy_level":
                    own.i = 0
        assert after == before


def settings(tmp_path: Path) -> Settings:
    return Settings(Decoding(48), 2, tmp_path / "cache", {"cpu": "x"})


class TestReading:
    @pytest.mark.parametrize("name", ["nano-int8", "nano-int4"])
    def test_the_shipped_models_answer_at_level_0(self, name: str, tmp_path: Path) -> None:
        artifact = open_artifact(str(MODELS / name))
        cases = load_cases(None).cases[:2]
        before = {path.name: path.stat().st_mtime_ns for path in artifact.path.iterdir()}
        found = reread(artifact, cases, None, settings(tmp_path), tmp_path, Silent())
        assert (found["missing"], found["nodes"], found["cases"]) == ("", {"4": 21}, 2)
        assert list(found["completions"]) == [case.id for case in cases]
        assert all(made["text"].startswith("<tool_use>") for made in found["completions"].values())
        assert not list(tmp_path.glob(".level-0-*"))
        assert {path.name: path.stat().st_mtime_ns for path in artifact.path.iterdir()} == before

    def test_what_it_answers_is_kept_apart_from_the_artifacts_own(self, tmp_path: Path) -> None:
        artifact = open_artifact(str(MODELS / "nano-int4"))
        with _at_level_zero(artifact, tmp_path) as oracle:
            assert oracle.weights_sha256 != artifact.weights_sha256
            assert oracle.tokenizer_sha256 == artifact.tokenizer_sha256
            assert open_artifact(str(oracle.path)).sha256 == oracle.sha256  # as it would be found there

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            pytest.param("nano-fp32", "nano-fp32 has no MatMulNBits node, so it has no accuracy level", id="fp32"),
            pytest.param("fake", "always_right is no ONNX file, so it has no accuracy level", id="no-onnx"),
            pytest.param(
                "level-0", "every MatMulNBits node of level-0 is at accuracy level 0 already", id="at-level-0"
            ),
        ],
    )
    def test_where_there_is_nothing_to_read_again_a_line_says_so_and_nothing_is_run(
        self, name: str, said: str, make_fake: MakeFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("phi4bench.run.rereading.generate", None)
        if name == "level-0":
            shutil.copytree(MODELS / "nano-int4", tmp_path / name)
            write_at_level_zero(MODELS / "nano-int4" / "model.onnx", tmp_path / name / "model.onnx")
        place = make_fake() if name == "fake" else MODELS / name if name.startswith("nano") else tmp_path / name
        found = reread(open_artifact(str(place)), CASES, None, settings(tmp_path), tmp_path, Silent())
        assert found["missing"] == f"{said}: nothing was run"
        assert found["completions"] == {}

    @pytest.fixture
    def artifact(self) -> Artifact:
        return open_artifact(str(MODELS / "nano-int4"))

    def test_weights_are_linked_where_they_can_be(self, artifact: Artifact, tmp_path: Path) -> None:
        shutil.copytree(artifact.path, tmp_path / "own")
        own = open_artifact(str(tmp_path / "own"))
        with _at_level_zero(own, tmp_path) as oracle:
            assert (oracle.path / "model.onnx.data").samefile(own.path / "model.onnx.data")
        assert (own.path / "model.onnx.data").is_file()

    def test_and_copied_where_they_cannot(
        self, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def another_disk(source: object, target: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", another_disk)
        with _at_level_zero(artifact, tmp_path) as oracle:
            data = oracle.path / "model.onnx.data"
            assert data.read_bytes() == (artifact.path / "model.onnx.data").read_bytes()
            assert not data.samefile(artifact.path / "model.onnx.data")

    def test_a_disk_without_room_is_one_line(
        self, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(source: object, target: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(shutil, "copyfile", full)
        with pytest.raises(BackendError, match=r"at accuracy level 0 cannot be made \(No space left"):
            reread(artifact, CASES, None, settings(tmp_path), tmp_path, Silent())
        assert not list(tmp_path.glob(".level-0-*"))


RIGHT = {case.id: Completion(DIALECT.render_calls(case.expected.calls)) for case in CASES[:6]}
OTHER = Completion(WRONG)
SPACED = Completion("Of course. " + RIGHT["read-0"].text)


class TestFlips:
    def test_the_runtimes_are_told_apart_from_quantizations(self) -> None:
        """read-1 is lost by the level, read-2 is gained by it; read-3 is lost by the weights, at either level."""
        own = RIGHT | {"read-0": SPACED, "read-1": OTHER, "read-3": OTHER}
        oracle = RIGHT | {"read-2": OTHER, "read-3": OTHER}
        found = runtime_flips({4: 21}, CASES, own, oracle, RIGHT, DIALECT)
        assert (found.cases, found.compared) == (6, 6)
        assert [(one.case_id, one.was_right, one.is_right) for one in found.runtime] == [
            ("read-1", True, False), ("read-2", False, True),
        ]  # fmt: skip
        assert found.quantization is not None
        assert [(one.case_id, one.was_right, one.is_right) for one in found.quantization] == [
            ("read-2", True, False), ("read-3", True, False),
        ]  # fmt: skip

    def test_without_a_parent_there_is_no_telling_what_quantization_did(self) -> None:
        found = runtime_flips({4: 1}, CASES, RIGHT, RIGHT, None, DIALECT)
        assert (found.runtime, found.quantization, found.compared) == ((), None, 0)


def judged(with_parent: bool = True, missing: str = "", **answers: str) -> tuple[Judgement, Conclusion]:
    """An int4 file that answers as its parent does, and an oracle that gives `answers` to some of six cases."""
    oracle = RIGHT | {name.replace("_", "-"): Completion(text) for name, text in answers.items()}
    completions = {name: completion_to_json(made) for name, made in oracle.items()}
    stored = {"missing": missing, "nodes": {"0": 1, "4": 20}, "cases": 6, "completions": completions}
    files = [{"name": "model.onnx", "sha256": "b" * 64, "bytes": 7}]
    baseline = run_of("parent", role="baseline") if with_parent else None
    names = {"baseline": "parent", "compared": True} if with_parent else {"no_baseline_given": True}
    run = run_of("nano", precision="int4", files=files, accuracy_level=stored, **names)
    judgement = assess(run, baseline, TARGETS)
    return judgement, conclude(judgement, SUITE_GATES)


class TestReports:
    def test_each_says_what_was_read_again_and_what_changed(self) -> None:
        result = judged(read_1=WRONG)
        data = json.loads(json.dumps(report([result], targets_facts(TARGETS))))
        stated = promotion(*result, {"nano": "0" * 64, "parent": "1" * 64}, "now", "pytest", suite_revision())
        for name, one in (("report", data), ("promotion", stated)):
            jsonschema.validate(one, json.loads((schemas_dir() / f"{name}.schema.json").read_text()))
        assert data["artifacts"][0]["accuracy_level"] == {
            "missing": None, "nodes": {"0": 1, "4": 20}, "cases": 6, "compared": 6,
            "runtime_flips": [{"case_id": "read-1", "before": False, "after": True}],
            "quantization_flips": [{"case_id": "read-1", "before": True, "after": False}],
        }  # fmt: skip
        terminal = "\n".join(line for line, _ in summary(*result))
        for text in (terminal, markdown(data), page([result], TARGETS, "now")):
            flat = " ".join(text.replace("\\", "").split())
            assert "6 cases read again at level 0 (MatMulNBits nodes: 1 at level 0, 20 at level 4)" in flat
            assert "runtime flips, level 0 to the artifact: 1 of 6 call otherwise, 0 lost, 1 gained: read-1" in flat
            assert "quantization flips, the baseline to level 0: 1 of 6 call otherwise, 1 lost, 0 gained" in flat
        assert max(map(len, terminal.splitlines())) < 80

    def test_flips_of_either_kind_decide_nothing(self) -> None:
        assert judged(read_1=WRONG)[1].verdict == "promote"

    def test_without_a_baseline_only_the_runtimes_are_told(self) -> None:
        text = page([judged(with_parent=False, read_1=WRONG)], TARGETS, "now")
        assert "runtime flips" in text
        assert "quantization flips" not in text

    def test_what_was_not_all_run_says_so(self) -> None:
        text = str(summary(*judged(missing="the time limit was reached with 3 of 9 cases to go")))
        assert "the time limit was reached with 3 of 9 cases to go" in text

    def test_a_completion_cannot_leave_its_place_on_the_page(self) -> None:
        assert "<script>" not in page([judged(read_1="<script>alert(1)</script>")], TARGETS, "now")

    @pytest.mark.parametrize("broken", [{"nodes": {"four": 1}, "completions": {}}, {"nodes": {}}, {"nodes": 3}])
    def test_what_cannot_be_read_back_is_one_line(
        self, broken: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["rescore", str(store(tmp_path, run_of("nano", accuracy_level=broken)))]) == 4
        assert len(capsys.readouterr().err.splitlines()) == 1


class TestTheSuites:
    def test_the_option_alone_means_50_cases(self) -> None:
        parser = argparse.ArgumentParser()
        add_options(parser.add_argument)
        name = DESTINATION.format("accuracy_level_oracle")
        given = [vars(parser.parse_args(args))[name] for args in ([], ["--accuracy-level-oracle"])]
        assert given == [None, "50"]

    def test_a_quantized_file_is_read_again_and_an_exact_one_is_not(self, run_suites: RunSuites) -> None:
        models = ("--model", MODELS / "nano-int4", "--model", MODELS / "nano-fp32")
        ran = run_suites(*models, "--accuracy-level-oracle=2", "--limit", 6, "-k", "test_tool or regression_tool")
        int4, fp32 = ran.report()["artifacts"]
        assert "accuracy level  2 cases read again at level 0" in ran.out
        assert (int4["accuracy_level"]["cases"], int4["accuracy_level"]["compared"]) == (2, 2)
        assert fp32["accuracy_level"]["missing"].startswith("nano-fp32 has no MatMulNBits node")

    @pytest.mark.parametrize("given", ["0", "all"])
    def test_a_number_that_is_none_is_a_usage_error(
        self, run_suites: RunSuites, make_fake: MakeFake, given: str
    ) -> None:
        ran = run_suites("--model", make_fake(), f"--accuracy-level-oracle={given}")
        assert ran.code == 4, ran.out
        assert f"--accuracy-level-oracle='{given}', but should be a whole number of at least 1" in ran.out
