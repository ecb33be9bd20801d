"""`phi4bench verify`: a promotion that holds is confirmed, and whatever was edited is named in one line."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import Ran, case_line, write_lines
from promoted import MODEL, Promoted, differences
from stored import GUIDE

from phi4bench.cli import main
from phi4bench.datasets import schemas_dir
from phi4bench.revision import suite_revision

RUNTIME = {"backend": "onnxruntime", "provider": "cpu"}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    Promoted(folder).make(generation={"runtime": RUNTIME})
    return folder


@pytest.fixture
def promoted(original: Path, tmp_path: Path) -> Promoted:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return Promoted(tmp_path)


def test_what_was_not_touched_is_verified(promoted: Promoted, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(promoted.arguments()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("VERIFIED (its author is not")
    assert lines[0].startswith("  int8: 3 files, sha256 ")
    assert "verdict promote: 10 gates by guide, every number as stated" in lines[-2]


def test_the_folder_of_transcripts_and_the_model_file_do_as_well(promoted: Promoted) -> None:
    transcripts, model = promoted.report / "transcripts", promoted.model / "model.onnx"
    asked = ["verify", str(promoted.statement), "--model", str(model), "--transcripts", str(transcripts)]
    assert main(asked) == 0


class TestTheStatement:
    def test_it_is_an_in_toto_statement_with_all_that_it_rests_on(self, promoted: Promoted) -> None:
        data = promoted.data()
        schema = json.loads((schemas_dir() / "promotion.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(data)
        # in-toto Attestation Framework, spec/v1/statement.md: these four and no others; predicateType is a URI.
        assert list(data) == ["_type", "subject", "predicateType", "predicate"]
        assert data["_type"] == "https://in-toto.io/Statement/v1"
        assert data["predicateType"] == schema["$id"] == "urn:phi4bench:promotion:1"
        assert {item["name"]: item["digest"]["sha256"] for item in data["subject"]} == {
            name: hashlib.sha256(content).hexdigest() for name, content in MODEL.items()
        }
        predicate = data["predicate"]
        assert (predicate["verdict"], predicate["tier"], predicate["advice"]) == ("promote", "EXCELLENT", "deploy")
        assert predicate["parent"]["sha256"] == hashlib.sha256(b"parent").hexdigest()
        assert predicate["targets"]["files"] == [
            {"name": "guide", "sha256": hashlib.sha256(GUIDE.encode()).hexdigest()}
        ]
        assert (predicate["cases"]["count"], predicate["cases"]["groups"], predicate["seed"]) == (320, 320, 7)
        assert predicate["suite"] == suite_revision()
        assert predicate["runtime"] == RUNTIME
        assert [(entry["name"], entry["role"]) for entry in predicate["transcripts"]] == [
            ("int8.jsonl", "candidate"),
            ("parent.jsonl", "baseline"),
        ]

    @pytest.mark.parametrize("member", ["suite", "machine", "versions", "transcripts", "seed", "gates"])
    def test_its_schema_misses_what_is_left_out(
        self, member: str, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted.edit(lambda data: data["predicate"].pop(member))
        (line,) = differences(promoted, capsys)
        assert line == f"promotion.json: predicate: '{member}' is a required property"

    @pytest.mark.parametrize(
        ("name", "fits"),
        [pytest.param("perplexity_ratio", True, id="a-ratio"), pytest.param("tool", False, id="a-rate")],
    )
    def test_only_what_is_no_rate_may_exceed_one(self, name: str, fits: bool, promoted: Promoted) -> None:
        data, schema = promoted.data(), json.loads((schemas_dir() / "promotion.schema.json").read_text())
        gate = data["predicate"]["gates"][0] | {"name": name, "rate": 1.01, "ci": [1.0, 1.02], "target": 1.02}
        data["predicate"]["gates"].append(gate)
        assert jsonschema.Draft202012Validator(schema).is_valid(data) == fits


class TestAnEditedNumber:
    @pytest.mark.parametrize(
        ("change", "line"),
        [
            pytest.param(
                lambda p: p["gates"][0].update(passed=169),
                "predicate.gates.detection.passed is 169, but the transcripts give 170",
                id="passed",
            ),
            pytest.param(
                lambda p: p["gates"][3]["ci"].__setitem__(0, 0.999),
                "predicate.gates.parameter.ci.0 is 0.999, but the transcripts give 0.98",
                id="interval",
            ),
            pytest.param(
                lambda p: p["gates"][7].update(gained=2),
                "predicate.gates.regression.tool.gained is 2, but the transcripts give 1",
                id="gained",
            ),
            pytest.param(
                lambda p: p["gates"].pop(4),
                "predicate.gates.abstention is missing, but the transcripts give {",
                id="gate-left-out",
            ),
            pytest.param(
                lambda p: p["targets"].update(alpha=0.1),
                "predicate.targets.alpha is 0.1, but the transcripts give 0.05",
                id="alpha",
            ),
            pytest.param(lambda p: p.update(seed=8), "predicate.seed is 8, but the transcripts give 7", id="seed"),
            pytest.param(
                lambda p: p["cases"].update(groups=10**400),
                "predicate.cases.groups is 1000",
                id="more-than-any-float",
            ),
            pytest.param(
                lambda p: p["cases"].update(count=3200),
                "predicate.cases.count is 3200, but the transcripts give 320",
                id="cases",
            ),
            pytest.param(
                lambda p: p["artifact"].update(sha256="0" * 64),
                'predicate.artifact.sha256 is "0000',
                id="artifact",
            ),
            pytest.param(
                lambda p: p["parent"].update(id="other"),
                'predicate.parent.id is "other", but the transcripts give "parent"',
                id="parent",
            ),
            pytest.param(lambda p: p.update(no_baseline=True), "predicate.no_baseline is true, but", id="waived"),
            pytest.param(
                lambda p: p["versions"].update(onnxruntime="1.21"),
                'predicate.versions.onnxruntime is "1.21", but the transcripts give "1.20"',
                id="version",
            ),
            pytest.param(
                lambda p: p.update(slo={"crashed": []}),
                'predicate.slo is {"crashed": []}, but the transcripts give null',
                id="speed-that-nobody-timed",
            ),
            pytest.param(lambda p: p.update(blessed=True), "predicate.blessed is true, but nothing", id="added"),
        ],
    )
    def test_it_is_named_in_one_line(
        self,
        change: Callable[[dict[str, Any]], object],
        line: str,
        promoted: Promoted,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        promoted.edit(lambda data: change(data["predicate"]))
        (said,) = differences(promoted, capsys)
        assert said.startswith(f"promotion.json: {line}")

    def test_the_last_digit_of_another_mathematics_library_is_not_an_edit(self, promoted: Promoted) -> None:
        def nudge(data: dict[str, Any]) -> None:
            ends = data["predicate"]["gates"][0]["ci"]
            ends[0] *= 1 + 1e-14

        promoted.edit(nudge)
        assert main(promoted.arguments()) == 0

    def test_of_a_whole_number_no_digit_may_differ(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        promoted = Promoted(tmp_path)
        promoted.make(seed=10**12)
        promoted.edit(lambda data: data["predicate"].update(seed=10**12 + 1))
        (line,) = differences(promoted, capsys)
        assert line == "promotion.json: predicate.seed is 1000000000001, but the transcripts give 1000000000000"

    def test_a_gate_that_did_not_pass_is_no_promotion(
        self, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted.edit(lambda data: data["predicate"]["gates"][2].update(outcome="FAIL"))
        (line,) = differences(promoted, capsys)
        assert line == "promotion.json: predicate.gates.2.outcome: 'PASS' was expected"

    def test_two_roles_of_one_kind(self, promoted: Promoted, capsys: pytest.CaptureFixture[str]) -> None:
        promoted.edit(lambda data: data["predicate"]["transcripts"][1].update(role="candidate"))
        (line,) = differences(promoted, capsys)
        assert "should be one candidate's and at most one baseline's" in line

    def test_a_number_in_twice_is_no_json_of_ours(self, promoted: Promoted, capsys: pytest.CaptureFixture[str]) -> None:
        text = promoted.statement.read_text()
        promoted.statement.write_text(text.replace('"verdict": "promote",', '"verdict": "x", "verdict": "promote",'))
        assert main(promoted.arguments()) == 4
        assert "occurs twice" in capsys.readouterr().err


class TestTheModel:
    @pytest.mark.parametrize("name", MODEL)
    def test_another_byte_is_named_by_its_file(
        self, name: str, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = promoted.model / name
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        (line,) = differences(promoted, capsys)
        assert line.startswith(f"{name}: sha256 is ")

    def test_a_file_that_is_gone(self, promoted: Promoted, capsys: pytest.CaptureFixture[str]) -> None:
        (promoted.model / "model.onnx.data").unlink()
        (line,) = differences(promoted, capsys)
        assert line.startswith("model.onnx.data: is not in ")

    def test_a_file_that_was_put_beside_it_and_that_answers_depend_on(
        self, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (promoted.model / "README.md").touch()
        assert main(promoted.arguments()) == 0
        capsys.readouterr()
        (promoted.model / "chat_template.jinja").touch()
        (line,) = differences(promoted, capsys)
        assert line.startswith("chat_template.jinja: lies beside the model")

    @pytest.mark.parametrize(
        "name", ["generation_config.json", "model.safetensors.index.json", "model.safetensors", "adapter_config.json"]
    )
    def test_a_file_that_was_put_beside_it_and_that_transformers_reads(
        self, promoted: Promoted, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        promoted.edit(lambda data: data["predicate"]["artifact"].update(format="hf"))
        (promoted.model / name).touch()
        assert any(line.startswith(f"{name}: lies beside the model") for line in differences(promoted, capsys))

    def test_another_model_in_the_same_folder(self, promoted: Promoted, capsys: pytest.CaptureFixture[str]) -> None:
        promoted.model /= "other.onnx"
        promoted.model.touch()
        (line,) = differences(promoted, capsys)
        assert "the statement is about model.onnx, model.onnx.data, tokenizer.json" in line

    def test_a_subject_outside_the_models_folder_is_not_read(
        self, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted.edit(lambda data: data["subject"][0].update(name="../reports/report.json"))
        assert "../reports/report.json: names a file outside the model's folder" in differences(promoted, capsys)


class TestTheTranscripts:
    @pytest.mark.parametrize("name", ["int8.jsonl", "parent.jsonl"])
    def test_an_edited_one_is_named_and_not_scored(
        self, name: str, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = promoted.report / "transcripts" / name
        path.write_text(path.read_text().replace("notes7.txt", "notes8.txt"))
        note, line = differences(promoted, capsys)
        assert line.startswith(f"transcripts {name}: sha256 is ")
        assert note.startswith("nothing was scored again")

    def test_one_that_is_edited_along_with_its_hash_gives_other_numbers(
        self, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = promoted.report / "transcripts" / "int8.jsonl"
        right = "grep(pattern='word100', path='src')"
        assert path.read_text().count(right) == 1
        path.write_text(path.read_text().replace(right, "grep(pattern='word101', path='src')"))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        promoted.edit(lambda data: data["predicate"]["transcripts"][0].update(sha256=digest))
        lines = differences(promoted, capsys)
        assert "promotion.json: predicate.gates.parameter.passed is 170, but the transcripts give 169" in lines

    def test_one_that_is_missing(self, promoted: Promoted, capsys: pytest.CaptureFixture[str]) -> None:
        (promoted.report / "transcripts" / "parent.jsonl").unlink()
        _, line = differences(promoted, capsys)
        assert line.startswith("transcripts parent.jsonl: not in ")

    def test_a_name_that_leads_elsewhere_is_refused(
        self, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted.edit(lambda data: data["predicate"]["transcripts"][0].update(name="../x.jsonl"))
        (line,) = differences(promoted, capsys)
        assert line.startswith("promotion.json: predicate.transcripts.0.name: ")


class TestWhatWasJudgedBy:
    def test_one_of_an_earlier_revision_says_what_it_lacks_and_which_revision_to_verify_it_with(
        self, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def earlier(data: dict[str, Any]) -> None:
            del data["predicate"]["parent"]["is_parent"]
            data["predicate"]["suite"]["sha256"] = "1" * 64

        promoted.edit(earlier)
        *lines, difference = differences(promoted, capsys)
        assert difference == "promotion.json: predicate.parent: 'is_parent' is a required property"
        assert max(map(len, lines)) < 80
        note = " ".join(map(str.strip, lines))
        assert note.startswith("judged by phi4bench ")
        assert "revision 111111111111; this is" in note
        assert note.endswith("and may score otherwise: verify with that one")

    def test_another_revision_is_told_and_the_numbers_are_compared(
        self, promoted: Promoted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted.edit(lambda data: data["predicate"]["suite"].update(sha256="1" * 64))
        assert main(promoted.arguments()) == 0
        assert "revision 111111111111; this is" in capsys.readouterr().out.splitlines()[0]

    def test_cases_and_targets_can_be_named(
        self, promoted: Promoted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        same = write_lines(tmp_path / "same.jsonl", [case_line(number) for number in range(320)])
        fewer = write_lines(tmp_path / "fewer.jsonl", [case_line(number) for number in range(319)])
        assert main(promoted.arguments("--cases", same, "--targets", "guide")) == 0
        capsys.readouterr()
        of_cases, of_targets = differences(promoted, capsys, "--cases", fewer, "--targets", "strict")
        assert of_cases.startswith("--cases: sha256 is ")
        assert of_targets.startswith("--targets: sha256 given and stated are ")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(lambda p: p.statement.unlink(), "it is written on a promote alone", id="no-statement"),
        pytest.param(lambda p: p.statement.write_text("{"), "is no promotion: broken JSON", id="no-json"),
        pytest.param(lambda p: p.statement.write_text("[" * 5000), "is no promotion: ", id="deep"),
        pytest.param(lambda p: p.statement.write_bytes(b"\xff"), "is no promotion: ", id="no-text"),
        pytest.param(lambda p: p.statement.write_text("{}"), "name the promotion.json itself", id="another-file"),
        pytest.param(lambda p: p.model.rename(p.model / "../gone"), "int8' is not there", id="no-model"),
        pytest.param(lambda p: setattr(p, "report", p.statement), "is no folder", id="no-transcripts"),
    ],
)
def test_what_cannot_be_checked_is_one_line_and_exit_4(
    spoil: Callable[[Promoted], object], why: str, promoted: Promoted, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(promoted)
    assert main(promoted.arguments()) == 4
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1


def test_a_promotion_of_a_whole_run_is_verified(whole_run: Ran, tmp_path: Path, case_file: Path) -> None:
    ran, fake = whole_run, tmp_path / "always_right"
    assert ran.code == 0, ran.out
    asked = ["verify", ran.report_dir / "promotion.json", "--model", fake, "--transcripts", ran.report_dir]
    assert main([*map(str, asked), "--cases", str(case_file)]) == 0
    (fake / "answers.jsonl").write_text("\n")
    assert main([*map(str, asked)]) == 1
