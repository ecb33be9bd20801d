"""Determinism checks: the same artifact run again gives the same calls, or the report says where not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import ROOT, Ran, case_line
from stored import CASES, GUIDE, run_of, store

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding
from phi4bench.calls import Call
from phi4bench.cases import Case, Expected
from phi4bench.cli import main
from phi4bench.datasets import load_cases, schemas_dir
from phi4bench.dialects import dialect_named
from phi4bench.levels import Level
from phi4bench.run.generation import Settings
from phi4bench.run.judging import SUITE_GATES, assess, conclude
from phi4bench.run.progress import Silent
from phi4bench.run.repeating import repeat
from phi4bench.stability import Comparison, Difference, Stability, compare, discounted, same_calls
from phi4bench.targets import parse_targets
from phi4bench.transcripts import Completion

RunSuites = Callable[..., Ran]
MakeFake = Callable[..., Path]

DIALECT = dialect_named("tool_use")
CALLING = CASES[0]
TALKING = CASES[200]
TWO = replace(CALLING, expected=Expected((Call("glob", {"pattern": "a"}), Call("glob", {"pattern": "b"})), "any"))
EXACT = replace(TWO, expected=replace(TWO.expected, order="exact"))
VALUE = replace(TALKING, expected=Expected(json={"a": 1}, response_schema={"type": "object"}))
A, B = "<tool_use>glob(pattern='a')</tool_use>", "<tool_use>glob(pattern='b')</tool_use>"


class TestWhatIsTheSame:
    @pytest.mark.parametrize(
        ("case", "one", "other", "same"),
        [
            pytest.param(CALLING, A, A, True, id="the-very-same"),
            pytest.param(CALLING, A, B, False, id="another-argument"),
            pytest.param(CALLING, A, '<tool_use>glob(pattern="a")</tool_use>', True, id="other-quotes"),
            pytest.param(CALLING, A, "Sure. " + A, True, id="prose-before-the-call"),
            pytest.param(
                CALLING,
                "<tool_use>grep(pattern='a', path='b')</tool_use>",
                "<tool_use>grep(path='b', pattern='a')</tool_use>",
                True,
                id="arguments-in-another-order",
            ),
            pytest.param(CALLING, A, "I cannot.", False, id="a-call-and-prose"),
            pytest.param(CALLING, A, A + B, False, id="one-call-more"),
            pytest.param(CALLING, A, A + "<tool_use>", False, id="debris-after-the-call"),
            pytest.param(
                CALLING, "<tool_use>glob(n=1)</tool_use>", "<tool_use>glob(n=True)</tool_use>", False, id="type"
            ),
            pytest.param(CALLING, "I see.", "I do not.", True, id="two-proses"),
            pytest.param(TALKING, "I see.", "I do not.", True, id="two-abstentions"),
            pytest.param(TALKING, "I see.", "", False, id="an-abstention-and-nothing"),
            pytest.param(TWO, A + B, B + A, True, id="free-order"),
            pytest.param(EXACT, A + B, B + A, False, id="fixed-order"),
            pytest.param(VALUE, '{"a": 1}', ' {"a": 1}\n', True, id="a-value-with-space-around"),
            pytest.param(VALUE, '{"a": 1}', '{"a": 2}', False, id="another-value"),
        ],
    )
    def test_calls_count_and_their_spelling_does_not(self, case: Case, one: str, other: str, same: bool) -> None:
        assert same_calls(case, Completion(one), Completion(other), DIALECT) is same
        assert same_calls(case, Completion(other), Completion(one), DIALECT) is same

    def test_tokens_that_differ_are_counted_apart_from_calls(self) -> None:
        before = {CALLING.id: Completion(A, (1, 2, 3)), TALKING.id: Completion("I see.", (5, 6))}
        after = {CALLING.id: Completion(B, (1, 9, 3)), TALKING.id: Completion("I see. Yes.", (5, 6, 7))}
        found = compare([CALLING, TALKING, CASES[1]], "first", before, "again", after, DIALECT)
        assert (found.cases, found.calls) == (2, (CALLING.id,))  # the third case has no completion
        assert (
            compare([CALLING, TALKING], "first", before, "again", {TALKING.id: after[TALKING.id]}, DIALECT).cases == 1
        )
        assert [(one.case_id, one.token) for one in found.differences] == [(CALLING.id, 1), (TALKING.id, 2)]

    def test_an_answer_without_any_token_differs_at_the_first(self) -> None:
        before, after = {TALKING.id: Completion("I see.", (5, 6))}, {TALKING.id: Completion("")}
        for one, other in ((before, after), (after, before)):
            (found,) = compare([TALKING], "first", one, "again", other, DIALECT).differences
            assert found.token == 0

    def test_times_are_no_difference(self) -> None:
        one, other = Completion(A, first_token_ms=1.0), Completion(A, first_token_ms=2.0)
        assert compare([CALLING], "first", {CALLING.id: one}, "again", {CALLING.id: other}, DIALECT).differences == ()


def determinism(changed: Sequence[str], run: str = "again", missing: str = "") -> dict[str, Any]:
    """Checks as a run stores them, in which the cases `changed` called otherwise in one of the runs."""
    from phi4bench.store import completion_to_json

    texts = {case.id: DIALECT.render_calls(case.expected.calls) if case.expects_call else "I see." for case in CASES}
    differing = [
        {
            "case_id": name,
            "one": completion_to_json(Completion(texts[name])),
            "other": completion_to_json(Completion(A)),
        }
        for name in changed
    ]
    pair = {"one": "first", "other": run, "cases": 40, "differing": differing}
    return {"cases": 40, "missing": missing, "runs": {"first": {"threads": 2}}, "comparisons": [pair]}


class TestScores:
    def test_a_case_that_is_not_stable_is_wrong_at_every_level(self) -> None:
        judgement = assess(run_of("nano", determinism=determinism(["read-1", "chat-200"])), None, TARGETS)
        assert (judgement.gates["detection"].passed, judgement.gates["detection"].total) == (169, 170)
        assert (judgement.gates["parameter"].passed, judgement.gates["abstention"].passed) == (169, 149)
        read = next(one for one in judgement.scores if one.case_id == "read-1")
        assert (read.level, read.arguments_right, read.schema_valid) == (Level.NOTHING, 0, 0)
        assert read.reason == "not stable: other calls when it was run once more"

    def test_it_cannot_be_counted_as_right_by_either_of_its_answers(self) -> None:
        """The judged answer is wrong, and another run's is right: wrong all the same."""
        judgement = assess(run_of("nano", ["read-1"], determinism=determinism(["read-1"])), None, TARGETS)
        assert judgement.gates["detection"].passed == 169

    def test_other_tokens_alone_cost_nothing(self) -> None:
        different = Difference("read-1", Completion("I see."), Completion("Well."), False, None)
        stability = Stability(1, (Comparison("first", "again", 1, (different,)),))
        scores = assess(run_of("nano"), None, TARGETS).scores
        assert discounted(scores, stability) == scores

    def test_all_comparisons_in_which_it_changed_are_named(self) -> None:
        pairs = tuple(
            Comparison(one, other, 1, (Difference("read-1", Completion(A), Completion(B), True, None),))
            for one, other in (("first", "alone"), ("alone", "threads"))
        )
        (score,) = (
            one
            for one in discounted(assess(run_of("nano"), None, TARGETS).scores, Stability(1, pairs))
            if one.case_id == "read-1"
        )
        assert score.reason.endswith("when it was run one case at a time and with another number of threads")

    def test_a_comparison_with_the_parent_counts_it_as_lost(self) -> None:
        run = run_of("int8", precision="int8", determinism=determinism(["read-1"]))
        judgement = assess(run, run_of("parent", role="baseline"), TARGETS)
        pairs = judgement.regression["regression.tool"]
        assert (pairs.lost, pairs.gained) == (1, 0)

    def test_checks_that_were_cut_short_never_promote(self) -> None:
        run = run_of("nano", determinism=determinism([], missing="the time limit was reached"))
        conclusion = conclude(assess(run, None, TARGETS), SUITE_GATES)
        assert (conclusion.verdict, conclusion.exit_code) == ("inconclusive", 10)

    def test_checks_that_were_cut_short_excuse_no_failure(self) -> None:
        wrong = [case.id for case in CASES]
        run = run_of("nano", wrong, determinism=determinism([], missing="the time limit was reached"))
        assert conclude(assess(run, None, TARGETS), SUITE_GATES).verdict == "reject"


TARGETS = parse_targets(GUIDE, "guide")


class TestTheSuites:
    """Fakes that answer a part of the cases otherwise when they are run otherwise."""

    def checked(self, run_suites: RunSuites, fake: Path, *more: object) -> Ran:
        return run_suites("--model", fake, "--determinism", 40, *more)

    def test_what_is_always_the_same_is_promoted_with_the_checks_stated(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = self.checked(run_suites, make_fake())
        assert ran.code == 0, ran.out
        found = ran.artifact()["determinism"]
        stated = json.loads((ran.report_dir / "promotion.json").read_text())
        assert stated["predicate"]["determinism"] == found
        for name, data in (("report", ran.report()), ("promotion", stated)):
            jsonschema.validate(data, json.loads((schemas_dir() / f"{name}.schema.json").read_text()))
        assert [(one["run"], one["cases"], one["other_calls"]) for one in found["comparisons"]] == [
            ("first", 40, 0), ("again", 40, 0), ("alone", 40, 0), ("threads", 40, 0),
        ]  # fmt: skip
        assert found["runs"]["first"] == {"threads": 2, "at_once": 8}
        assert found["runs"]["alone"] == {"threads": 2, "at_once": 1}
        assert found["runs"]["threads"] == {"threads": 1, "at_once": 1}
        assert not list(ran.report_dir.glob(".repeated-*"))

    @pytest.mark.parametrize(
        ("behaviour", "run", "stable"),
        [
            pytest.param("fickle_alone", "alone", ("first", "again", "threads"), id="batch-1-against-batch-8"),
            pytest.param("fickle_threads", "threads", ("first", "again", "alone"), id="1-thread-against-2"),
        ],
    )
    def test_the_comparison_that_differs_is_the_one_that_is_named(
        self, run_suites: RunSuites, make_fake: MakeFake, behaviour: str, run: str, stable: tuple[str, ...]
    ) -> None:
        ran = self.checked(run_suites, make_fake(behaviour))
        found = {one["run"]: one for one in ran.artifact()["determinism"]["comparisons"]}
        assert [found[name]["other_calls"] for name in stable] == [0, 0, 0]
        unstable = ran.artifact()["determinism"]["unstable"]
        # A quarter of the cases turn: of 40 drawn none would with a chance of 0.75 ** 40 = 1e-5; the seed fixes which.
        assert found[run]["calls_differ"] == unstable
        assert 0 < len(unstable) < 40
        assert ran.artifact()["levels"]["detection"]["passed"] == 170 - sum(
            not name.startswith("chat") for name in unstable
        )
        assert f"{len(unstable)} of 40 cases are not stable and count as wrong" in ran.out

    def test_a_process_that_differs_from_the_next_is_found(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        """Each process turns half of the cases: that 40 agree twice has a chance of 2 ** -40."""
        ran = self.checked(run_suites, make_fake("fickle"))
        assert ran.code == 1, ran.out
        found = {one["run"]: one["other_calls"] for one in ran.artifact()["determinism"]["comparisons"]}
        assert found["first"] > 0
        assert found["again"] > 0
        page = (ran.report_dir / "report.html").read_text()
        assert "other calls when it was run once more" in page

    @pytest.mark.usefixtures("whole_run")
    def test_the_cache_is_neither_read_nor_written_by_the_checks(self, run_suites: RunSuites, tmp_path: Path) -> None:
        fake = tmp_path / "always_right"
        before = {path: path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()}
        ran = self.checked(run_suites, fake)
        assert "320 from cache, 0 generated" in ran.out
        assert ran.artifact()["determinism"]["comparisons"][3]["cases"] == 40
        after = {path: path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()}
        assert after == before

    @pytest.mark.parametrize("given", ["0", "-1", "few"])
    def test_a_number_that_is_none_is_a_usage_error(
        self, run_suites: RunSuites, make_fake: MakeFake, given: str
    ) -> None:
        ran = run_suites("--model", make_fake(), f"--determinism={given}")
        assert ran.code == 4, ran.out
        assert f"--determinism='{given}', but should be a whole number of at least 1" in ran.out


class TestAfterwards:
    @pytest.mark.parametrize(
        "stored",
        [
            pytest.param({"cases": 3}, id="no-comparisons"),
            pytest.param(determinism([], run="backwards"), id="unknown-run"),
            pytest.param({"cases": "x", "comparisons": []}, id="no-number"),
        ],
    )
    def test_checks_that_cannot_be_read_are_one_line(
        self, stored: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["rescore", str(store(tmp_path, run_of("nano", determinism=stored)))]) == 4
        assert len(capsys.readouterr().err.splitlines()) == 1

    def test_rescoring_counts_them_again(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = store(tmp_path, run_of("nano", determinism=determinism(["read-1"])))
        assert main(["rescore", str(folder)]) == 0
        assert "169/170" in capsys.readouterr().out


class TestRealFiles:
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(Decoding(48), 2, tmp_path / "cache", {"cpu": "x"})

    @pytest.mark.parametrize("name", ["nano-int8", "nano-int4"])
    def test_the_shipped_models_are_run_in_four_ways(self, name: str, tmp_path: Path) -> None:
        artifact = open_artifact(str(ROOT / "fixtures" / "models" / name))
        cases = load_cases(None).cases[:4]
        found = repeat(artifact, cases, {}, None, self.settings(tmp_path), tmp_path, Silent())
        assert found["missing"] == ""
        assert [(one["one"], one["other"], one["cases"]) for one in found["comparisons"]] == [
            ("judged", "first", 0), ("first", "again", 4), ("first", "alone", 4), ("alone", "threads", 4),
        ]  # fmt: skip
        runs = found["runs"]
        assert [(runs[run]["lanes"] * runs[run]["rows"], runs[run]["intra_op"]) for run in runs] == [
            (64, 1), (64, 1), (1, 2), (1, 1),
        ]  # fmt: skip
        assert found["comparisons"][1]["differing"] == []  # the same file, twice, in the same layout

    def test_a_time_limit_that_is_over_says_in_which_run(self, make_fake: MakeFake, tmp_path: Path) -> None:
        artifact = open_artifact(str(make_fake("slow")))
        cases = [one for one in CASES if one.id in {case_line(0)["id"], case_line(1)["id"]}]
        found = repeat(artifact, cases, {}, None, self.settings(tmp_path), tmp_path, Silent(), deadline=0.0)
        assert found["missing"].startswith("the time limit was reached in the run 'first'")
