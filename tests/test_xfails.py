"""Known failures: left out of every rate alike, at most 5% of the cases, and stale as soon as they pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import Ran, case_line, write_lines
from stored import GUIDE, cases_of, run_of, store

from phi4bench.cli import main
from phi4bench.datasets import load_cases, schemas_dir, shipped_cases
from phi4bench.errors import UsageError
from phi4bench.report.figures import artifact_figures
from phi4bench.report.findings import finding
from phi4bench.report.markdown import markdown
from phi4bench.report.page import page
from phi4bench.report.terminal import summary
from phi4bench.report.writing import write_reports
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import SUITE_GATES, Conclusion, assess, conclude
from phi4bench.runfile import SavedRun
from phi4bench.targets import parse_targets
from phi4bench.xfails import check_xfails, parse_xfails, to_stored

RunSuites = Callable[..., Ran]
MakeFake = Callable[..., Path]

TARGETS = parse_targets(GUIDE, "guide")
FOURS = (range(40), range(200, 204), range(316, 320))
FAMILIES = [f"family-{n // 4}" if any(n in some for some in FOURS) else f"alone-{n}" for n in range(320)]
"""Of the 320 cases of `kit` (0 to 84 call read, 85 to 169 grep, the others nothing), some come in families of four."""
FILES = [{"name": "model.onnx", "sha256": hashlib.sha256(b"weights").hexdigest(), "bytes": 7}]
LINES = [case_line(number) | {"group": FAMILIES[number]} for number in range(320)]
CASES = cases_of(LINES)
DOCS = Path(__file__).resolve().parent.parent / "docs" / "checks.md"
READ_TWO = [f"read-{number}" for number in range(4, 12)]
"""All cases of family-1 and family-2."""


def listing(*groups: str, reason: str = "known") -> str:
    return "".join(f'[[xfail]]\ngroup = "{group}"\nreason = "{reason}"\n' for group in groups)


def stored_list(text: str) -> dict[str, Any]:
    return to_stored(parse_xfails(text, "known.toml"), FAMILIES)


def judged(
    *groups: str, wrong: list[str] | None = None, baseline: SavedRun | None = None, **facts: Any
) -> tuple[Judgement, Conclusion]:
    precision = "int8" if baseline else "fp32"
    names = {"baseline": baseline.artifact["id"], "compared": True} if baseline else {}
    run = run_of(
        "nano",
        wrong or [],
        CASES,
        precision=precision,
        files=FILES,
        xfails=stored_list(listing(*groups)),
        **names,
        **facts,
    )
    judgement = assess(run, baseline, TARGETS)
    return judgement, conclude(judgement, SUITE_GATES)


@pytest.fixture(scope="module")
def case_lines() -> list[dict[str, Any]]:
    return LINES


@pytest.fixture(scope="module")
def case_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("families") / "cases.jsonl", LINES)


class TestTheFile:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            pytest.param("[[xfail]\n", r"^known\.toml: .*line 1.*, but should be TOML", id="no-toml"),
            pytest.param(f"x = {'[' * 9000}", r"^known\.toml: .*, but should be TOML", id="nested-without-end"),
            pytest.param("", "it lists no known failure", id="empty"),
            pytest.param("xfail = 3\n", "it lists no known failure", id="no-table"),
            pytest.param("xfail = [{ group = 'family-1', reason = 'x' }, 3]", "it lists no known", id="one-no-table"),
            pytest.param('[[xfails]]\ngroup = "a"\n', "'xfails' is not known, but should be xfail", id="misspelt"),
            pytest.param('[[xfail]]\ngroup = "family-1"\n', "xfail 1: 'reason' is missing", id="no-reason"),
            pytest.param(
                listing("family-1") + '[[xfail]]\nreason = "why"\n', "xfail 2: 'group' is missing", id="no-group"
            ),
            pytest.param(listing("family-1", reason="  "), "xfail 1: reason='  ', but should be", id="blank-reason"),
            pytest.param(
                '[[xfail]]\ngroup = "family-1"\nreason = 12\n', "xfail 1: reason=12, but should be", id="reason-number"
            ),
            pytest.param(
                listing("family-1") + 'ticket = "12"\n', "xfail 1: 'ticket' is not known", id="unknown-member"
            ),
            pytest.param(
                listing("family-1", "family-2", "family-1"),
                "xfail 3: group='family-1' is in xfail 1 already",
                id="twice",
            ),
            pytest.param(
                listing("family-1", "family-99"), "xfail 2: group='family-99' is the family of no case", id="unknown"
            ),
            # 3 families of 4 are 12 of the 170 cases that call; 2 of 4 are 8 of the 150 that do not.
            pytest.param(
                listing(*(f"family-{n}" for n in range(3))),
                r"3 families leave out 12 of 170 cases that expect a call \(7\.1%\), but should leave out at most 5%",
                id="too-many",
            ),
            pytest.param(
                listing("family-50", "family-79"),
                r"2 families leave out 8 of 150 cases that expect no call \(5\.3%\), but should leave out at most 5%",
                id="too-many-that-abstain",
            ),
        ],
    )
    def test_whatever_is_wrong_is_one_line_that_names_file_and_entry(self, text: str, said: str) -> None:
        with pytest.raises(UsageError, match=said) as error:
            check_xfails(parse_xfails(text, "known.toml"), FAMILIES, CASES)
        assert str(error.value).startswith("known.toml: ")
        assert "\n" not in str(error.value)

    def test_one_in_twenty_is_the_most(self) -> None:
        text = listing("family-1", "family-2", "family-50")  # 8 of 170, and 4 of 150
        check_xfails(parse_xfails(text, "known.toml"), FAMILIES, CASES)

    def test_one_case_of_a_kind_may_always_be_left_out(self) -> None:
        few = CASES[:13] + CASES[170:180]  # as --limit draws them: 5% is less than a case, and a gate of so few is open
        check_xfails(parse_xfails(listing("alone-171"), "known.toml"), FAMILIES, few)
        with pytest.raises(UsageError, match="2 families leave out 2 of 10 cases that expect no call"):
            check_xfails(parse_xfails(listing("alone-171", "alone-172"), "known.toml"), FAMILIES, few)

    def test_the_list_that_the_docs_show_fits_the_shipped_cases(self) -> None:
        shown = DOCS.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
        cases = load_cases([str(shipped_cases())]).cases
        check_xfails(parse_xfails(shown, "known.toml"), [case.group for case in cases], cases)

    def test_its_hash_is_that_of_its_bytes(self) -> None:
        text = listing("family-1") + "# Gr\u00fc\u00dfe\r\n"
        assert parse_xfails(text, "x").sha256 == hashlib.sha256(text.encode()).hexdigest()


class TestWhatIsLeftOut:
    def test_it_leaves_numerator_and_denominator(self) -> None:
        judgement, conclusion = judged("family-1", "family-2", wrong=READ_TWO)
        tool = judgement.gates["tool"]
        assert (tool.passed, tool.total) == (162, 162)  # 170 that call, less two families of 4
        assert judgement.tools["read"]["tool"].total == 85 - 8
        assert judgement.known is not None
        assert (judgement.known.cases, judgement.known.of) == (8, 320)
        assert [(one.cases, one.right, one.stale) for one in judgement.known.entries] == [(4, 0, False)] * 2
        assert conclusion.verdict == "promote"

    def test_a_right_case_of_such_a_family_counts_no_more_than_a_wrong_one(self) -> None:
        judgement, _ = judged("family-1", wrong=["read-4"])
        assert (judgement.gates["tool"].passed, judgement.gates["tool"].total) == (166, 166)

    def test_a_comparison_leaves_the_same_families_out(self) -> None:
        parent = run_of("parent", ["read-4", "read-20"], CASES, role="baseline")
        judgement, _ = judged("family-1", wrong=["read-4", "read-5"], baseline=parent)
        pairs = judgement.regression["regression.tool"]
        assert (pairs.total, pairs.lost, pairs.gained) == (166, 0, 1)

    def test_failing_cases_are_not_listed_among_the_others(self) -> None:
        judgement, conclusion = judged("family-1", wrong=["read-4"])
        assert "Cases that are not wholly right: 0" in page([(judgement, conclusion)], TARGETS, "now")


class TestStale:
    def test_an_entry_that_passes_now_rejects_what_the_gates_would_promote(self) -> None:
        judgement, conclusion = judged("family-1", "family-2", wrong=["read-4"])
        assert {str(gate.outcome) for gate in judgement.required} == {"PASS"}
        assert (conclusion.verdict, conclusion.exit_code, conclusion.advice) == ("reject", 1, "")
        found = finding(judgement, "known_failures")
        assert found.outcome == "FAIL"
        assert "family-2 is stale: all of its 4 cases are right now; take the entry out" in found.text
        assert "family-1" not in found.text

    @pytest.mark.parametrize(
        ("wrong", "stale"),
        [
            pytest.param([], ["family-50"], id="all-abstain"),
            pytest.param(["chat-200"], [], id="one-calls"),
        ],
    )
    def test_a_family_that_expects_no_call_passes_by_abstaining(self, wrong: list[str], stale: list[str]) -> None:
        judgement, _ = judged("family-50", wrong=wrong)
        assert judgement.known is not None
        assert [one.group for one in judgement.known.stale] == stale

    def test_a_case_without_a_completion_shows_nothing(self) -> None:
        run = run_of("nano", [], CASES, missing=1, xfails=stored_list(listing("family-79")))  # its last case
        known = assess(run, None, TARGETS).known
        assert known is not None
        assert [(one.size, one.cases, one.right, one.stale) for one in known.entries] == [(4, 3, 3, False)]

    def test_nor_does_a_family_of_which_a_sample_drew_only_a_part(self) -> None:
        some = [case for case in CASES if case.id != "read-5"]
        run = run_of("nano", [], some, xfails=stored_list(listing("family-1")))
        known = assess(run, None, TARGETS).known
        assert known is not None
        assert known.stale == ()


class TestReports:
    def entry(self, *groups: str, wrong: list[str]) -> dict[str, Any]:
        return artifact_figures(*judged(*groups, wrong=wrong))

    def test_every_report_has_the_hash_and_the_entries(self, tmp_path: Path) -> None:
        result = judged("family-1", "family-2", wrong=READ_TWO)
        sha256 = hashlib.sha256(listing("family-1", "family-2").encode()).hexdigest()
        write_reports(tmp_path, [result], TARGETS, "2026-11-21T00:00:00+00:00")
        report = json.loads((tmp_path / "report.json").read_text())
        stated = json.loads((tmp_path / "promotion.json").read_text())
        terminal = "\n".join(line for line, _ in summary(*result))
        for name, data in (("report", report), ("promotion", stated)):
            jsonschema.validate(data, json.loads((schemas_dir() / f"{name}.schema.json").read_text()))
        for known in (report["artifacts"][0]["known_failures"], stated["predicate"]["known_failures"]):
            assert known["sha256"] == sha256
            assert known["entries"][0] == {
                "group": "family-1", "reason": "known", "size": 4, "cases": 4, "right": 0, "stale": False,
            }  # fmt: skip
        for text in (terminal, markdown(report), (tmp_path / "report.html").read_text()):
            flat = " ".join(text.split())
            assert f"(sha256 {sha256[:12]}): 2 families left out, 8 of 320 cases (2.5%)" in flat
            assert "family-2: 0 of 4 right; known" in flat
        assert max(map(len, terminal.splitlines())) < 80

    def test_without_a_list_they_say_nothing_of_one(self) -> None:
        judgement = assess(run_of("nano", [], CASES), None, TARGETS)
        result = judgement, conclude(judgement, SUITE_GATES)
        assert artifact_figures(*result)["known_failures"] is None
        assert "nown failures" not in page([result], TARGETS, "now") + str(summary(*result))
        assert finding(judgement, "known_failures").text.endswith("--xfails was not given")

    def test_a_reason_cannot_drive_a_terminal_or_a_page(self) -> None:
        evil = "<script>x</script>\x1b[2J"
        text = f'[[xfail]]\ngroup = "family-1"\nreason = {json.dumps(evil)}\n'
        run = run_of("nano", ["read-4"], CASES, xfails=stored_list(text))
        judgement = assess(run, None, TARGETS)
        result = judgement, conclude(judgement, SUITE_GATES)
        assert all(line.isprintable() for line, _ in summary(*result))
        assert "<script>" not in page([result], TARGETS, "now")
        assert "<script>" not in markdown({"artifacts": [artifact_figures(*result)]})

    def test_a_schema_takes_no_promotion_with_a_stale_entry(self, tmp_path: Path) -> None:
        write_reports(tmp_path, [judged("family-1", wrong=["read-4"])], TARGETS, "2026-11-21T00:00:00+00:00")
        stated = json.loads((tmp_path / "promotion.json").read_text())
        stated["predicate"]["known_failures"]["entries"][0]["stale"] = True
        schema = json.loads((schemas_dir() / "promotion.schema.json").read_text())
        assert not jsonschema.Draft202012Validator(schema).is_valid(stated)


class TestAfterwards:
    @pytest.fixture
    def promoted(self, tmp_path: Path) -> Path:
        """A report folder with a promotion that left one family out, and the model in it."""
        model = tmp_path / "model.onnx"
        model.write_bytes(b"weights")
        run = run_of("nano", ["read-4"], CASES, files=FILES, xfails=stored_list(listing("family-1")))
        judgement = assess(run, None, TARGETS)
        result = judgement, conclude(judgement, SUITE_GATES)
        write_reports(tmp_path, [result], TARGETS, "2026-11-21T00:00:00+00:00", "pytest suites")
        return tmp_path

    def verify(self, folder: Path, *more: object) -> list[str]:
        arguments = (folder / "promotion.json", "--model", folder / "model.onnx", "--transcripts", folder, *more)
        return ["verify", *map(str, arguments)]

    def test_verify_scores_again_with_the_same_families_left_out(
        self, promoted: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (promoted / "known.toml").write_text(listing("family-1"))
        assert main(self.verify(promoted, "--xfails", promoted / "known.toml")) == 0
        assert "known failures: known.toml" in capsys.readouterr().out

    def test_verify_finds_another_list(self, promoted: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (promoted / "known.toml").write_text(listing("family-1", "family-2"))
        assert main(self.verify(promoted, "--xfails", promoted / "known.toml")) == 1
        assert capsys.readouterr().out.startswith("--xfails: sha256 is ")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            pytest.param(lambda known: known.update(sha256="0" * 64), "known_failures.sha256 is", id="hash"),
            pytest.param(
                lambda known: known["entries"][0].update(reason="none"),
                "known_failures.entries.0.reason is",
                id="reason",
            ),
            pytest.param(lambda known: known.update(cases=1), "known_failures.cases is 1, but", id="cases"),
        ],
    )
    def test_verify_names_what_was_edited(
        self, promoted: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Any], object], said: str
    ) -> None:
        statement = promoted / "promotion.json"
        data = json.loads(statement.read_text())
        change(data["predicate"]["known_failures"])
        statement.write_text(json.dumps(data))
        assert main(self.verify(promoted)) == 1
        assert said in capsys.readouterr().out

    def test_verify_takes_no_list_that_was_altered_with_its_hashes(
        self, promoted: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The transcripts' own list gets a second family, and their hash in the statement is set right."""
        path = promoted / "transcripts" / "nano.jsonl"
        header, rest = path.read_text().split("\n", 1)
        facts = json.loads(header)
        facts["facts"]["xfails"] = stored_list(listing("family-1", "family-2"))
        path.write_text(json.dumps(facts) + "\n" + rest)
        statement = promoted / "promotion.json"
        data = json.loads(statement.read_text())
        data["predicate"]["transcripts"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        statement.write_text(json.dumps(data))
        assert main(self.verify(promoted)) == 1
        out = capsys.readouterr().out
        assert "predicate.known_failures.cases is 4, but the transcripts give 8" in out
        assert "predicate.verdict" in out  # family-2 passes, so nothing would have been promoted

    def test_rescoring_leaves_the_same_families_out(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run = run_of("nano", READ_TWO, CASES, xfails=stored_list(listing("family-1", "family-2")))
        assert main(["rescore", str(store(tmp_path, run))]) == 0
        assert "162/162" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "stored",
        [
            pytest.param({"name": "known.toml"}, id="no-text"),
            pytest.param(stored_list(listing(*(f"family-{n}" for n in range(9)))), id="more-than-5-percent"),
            pytest.param({"name": "x", "text": listing("family-1"), "sizes": {}}, id="no-sizes"),
        ],
    )
    def test_a_stored_list_is_held_to_the_same_rules(
        self, tmp_path: Path, stored: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["rescore", str(store(tmp_path, run_of("nano", [], CASES, xfails=stored)))]) == 4
        assert len(capsys.readouterr().err.splitlines()) == 1


class TestTheSuites:
    def known(self, tmp_path: Path, *groups: str) -> Path:
        path = tmp_path / "known.toml"
        path.write_text(listing(*groups))
        return path

    def test_a_known_failure_does_not_stand_in_the_way(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        answers = {f"read-{number}": {"name": "glob", "arguments": {"pattern": "*"}} for number in range(4, 8)}
        options = ["--model", make_fake(answers=answers)]
        ran = run_suites(*options, "--xfails", self.known(tmp_path, "family-1"))
        assert ran.code == 0, ran.out
        assert ran.artifact()["levels"]["tool"]["total"] == 166
        assert "known failures  1 in known.toml: 4 cases left out of every rate" in ran.out
        assert (ran.report_dir / "promotion.json").exists()

    def test_one_that_passes_now_fails_the_run(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        ran = run_suites("--model", make_fake(), "--xfails", self.known(tmp_path, "family-1"))
        assert ran.code == 1, ran.out
        assert "FAIL known_failures: known.toml: family-1 is stale: all of its 4 cases" in " ".join(ran.out.split())
        assert ran.artifact()["verdict"] == "reject"
        assert not (ran.report_dir / "promotion.json").exists()

    @pytest.mark.parametrize("missing", [True, False], ids=["no-such-file", "no-such-family"])
    def test_a_list_that_does_not_fit_is_a_usage_error(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, missing: bool
    ) -> None:
        path = tmp_path / "gone.toml" if missing else self.known(tmp_path, "no-such-family")
        ran = run_suites("--model", make_fake(), "--xfails", path)
        assert ran.code == 4, ran.out
        (line,) = [line for line in ran.lines if line.startswith("ERROR: ")]
        assert ("gone.toml' cannot be read" if missing else "xfail 1: group='no-such-family'") in line
        assert "first prompt" not in ran.out
