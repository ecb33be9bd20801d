"""`--sequential` from options to reports: what is stopped, what never is, and what a later reader finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import Ran
from test_run import options

from phi4bench.backends import CaseError, Decoding
from phi4bench.backends.fakes import FakeBackend
from phi4bench.datasets import schemas_dir
from phi4bench.prompts import Prompt
from phi4bench.report.figures import artifact_figures
from phi4bench.report.markdown import markdown
from phi4bench.report.writing import write_reports
from phi4bench.rescoring import judge_again
from phi4bench.run.jobs import LEAST_AT_A_TIME, MOST_AT_A_TIME, Item, portions
from phi4bench.run.judge import Judge
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import SUITE_GATES, Conclusion, conclude
from phi4bench.run.plan import make_plan
from phi4bench.run.progress import Silent
from phi4bench.run.worker import _made
from phi4bench.runfile import read_run
from phi4bench.transcripts import Completion

MakeFake = Callable[..., Path]
RunSuites = Callable[..., Ran]
WRONG = {"name": "glob", "arguments": {"pattern": "*"}}
LOST = {
    f"{kind}-{number}": WRONG for kind, numbers in (("read", range(85)), ("grep", range(85, 170))) for number in numbers
}
SOME_LOST = {name: call for place, (name, call) in enumerate(sorted(LOST.items())) if place % 10 < 4}


@pytest.fixture
def judge(tmp_path: Path, case_file: Path) -> Callable[..., list[Judgement]]:
    """Every model, in a process of its own as ever; the judgements in their order."""

    def run(*models: Path, gates: tuple[str, ...] = SUITE_GATES, **given: Any) -> list[Judgement]:
        plan = make_plan(options(tmp_path, *models, cases=[str(case_file)], **{"sequential": True, **given}))
        judge = Judge(plan, {"cpu": "x"}, lambda line: None, Silent())
        found = [judge.judge(subject, gates) for subject in plan.subjects]
        assert all(isinstance(one, Judgement) for one in found), found
        return [one for one in found if isinstance(one, Judgement)]

    return run


JudgeAll = Callable[..., list[Judgement]]


def figures(judgement: Judgement) -> dict[str, Any]:
    """Everything that reports say of it, but how long it took."""
    found = artifact_figures(judgement, conclude(judgement, SUITE_GATES))
    return {name: value for name, value in found.items() if name not in ("generation", "slo")}


class TestOneArtifact:
    def test_what_is_always_wrong_is_rejected_after_a_part_of_the_cases(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake("always_wrong"), "--sequential")
        entry = ran.artifact()
        early = entry["early_rejection"]
        assert ran.code == 1, ran.out
        assert entry["verdict"] == "reject"
        assert {gate["name"] for gate in early["gates"]} == {"tool", "parameter"}
        assert early["cases"] < 0.5 * early["cases_total"] == 160
        assert f"rejected early after {early['cases']} of 320 cases: tool's upper bound " in " ".join(ran.out.split())
        assert not (ran.report_dir / "promotion.json").exists()
        data = json.loads((schemas_dir() / "report.schema.json").read_text())
        jsonschema.Draft202012Validator(data).validate(ran.report())
        assert "rejected early after" in (ran.report_dir / "report.html").read_text()
        assert "rejected early after" in markdown(ran.report())

    def test_a_case_that_was_not_looked_at_is_no_failure(self, judge: JudgeAll, make_fake: MakeFake) -> None:
        (found,) = judge(make_fake("always_wrong"))
        assert found.rejection is not None
        assert found.run.completions.count(None) == 320 - found.rejection.cases
        assert found.gates["tool"].total + found.gates["abstention"].total == found.rejection.cases
        assert found.gates["detection"].outcome == "INCONCLUSIVE"
        assert "were not looked at, for always_wrong was rejected early" in found.gates["detection"].reason
        assert found.gates["tool"].interval is not None
        assert found.gates["tool"].interval.high == found.rejection.upper["tool"]

    def test_what_nothing_stops_gets_the_ordinary_verdict(
        self, judge: JudgeAll, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        fake = make_fake()
        (found,) = judge(fake)
        (ordinary,) = judge(fake, sequential=False, no_cache=True)
        assert figures(found) == figures(ordinary)
        assert conclude(found, SUITE_GATES).verdict == "promote"
        assert found.run.facts["generation"]["generated"] == 320

    def test_where_everything_is_stored_there_is_nothing_to_stop(self, judge: JudgeAll, make_fake: MakeFake) -> None:
        fake = make_fake("always_wrong")
        (ordinary,) = judge(fake, sequential=False)
        (found,) = judge(fake)
        assert figures(found) == figures(ordinary)
        assert found.gates["abstention"].outcome == "FAIL"

    def test_stored_completions_count_and_the_same_command_says_the_same(
        self, judge: JudgeAll, make_fake: MakeFake
    ) -> None:
        fake = make_fake("slow", answers=LOST)  # a quick one has stored everything by the time it is stopped
        judge(fake, limit="10", sequential=False)
        (first,) = judge(fake)
        assert first.rejection is not None
        (again,) = judge(fake)
        assert first.run.facts["generation"]["from_cache"] == 10
        assert again.run.facts["generation"]["generated"] == 0
        assert figures(again) == figures(first)

    def test_a_transcript_scored_again_says_the_same(
        self, judge: JudgeAll, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        (found,) = judge(make_fake("always_wrong"))
        conclusion = conclude(found, SUITE_GATES)
        write_reports(tmp_path / "out", [(found, conclusion)], found.targets, "2026-11-21T00:00:00+00:00")
        again, concluded = judge_again(read_run(tmp_path / "out" / "transcripts" / "always_wrong.jsonl"), None)
        assert concluded == conclusion == Conclusion(conclusion.verdict, (), "")
        assert figures(again) == figures(found)

    def test_an_edited_note_of_the_stop_decides_nothing(
        self, judge: JudgeAll, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        (found,) = judge(make_fake("always_wrong"))
        write_reports(
            tmp_path / "out", [(found, conclude(found, SUITE_GATES))], found.targets, "2026-11-21T00:00:00+00:00"
        )
        path = tmp_path / "out" / "transcripts" / "always_wrong.jsonl"
        path.write_text(path.read_text().replace('"stopped_early": {"seed": 0', '"stopped_early": {"seed": "x"'))
        assert judge_again(read_run(path), None)[1].verdict == "inconclusive"

    def test_a_part_of_the_suites_watches_its_own_gates(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake("always_calls"), "--sequential", "-k", "test_tool")
        assert (ran.code, ran.artifact()["verdict"], ran.artifact()["early_rejection"]) == (0, None, None)
        ran = run_suites("--model", make_fake("always_wrong"), "--sequential", "-k", "test_tool")
        assert (ran.code, ran.artifact()["verdict"]) == (1, None)
        assert ran.artifact()["early_rejection"]["alphas"] == {"tool": 0.05}  # one gate is watched, and has all of it

    def test_a_sample_of_the_cases_may_be_stopped_too(self, judge: JudgeAll, make_fake: MakeFake) -> None:
        (found,) = judge(make_fake("silent"), limit="200")
        assert found.rejection is not None
        assert found.rejection.total == 200

    def test_a_time_limit_is_no_rejection(self, judge: JudgeAll, make_fake: MakeFake) -> None:
        (found,) = judge(make_fake("slow"), time_limit="1")
        assert found.rejection is None
        assert "the time limit of 1 s was reached" in found.incomplete


class TestBesideABaseline:
    def test_a_bad_candidate_stops_before_its_baseline_is_run(self, judge: JudgeAll, make_fake: MakeFake) -> None:
        make_fake(name="parent")
        (found,) = judge(make_fake("always_wrong", precision="int8", parent="../parent"))
        assert found.rejection is not None
        assert sum(found.rejection.alphas.values()) == pytest.approx(0.05 * 5 / 6)  # a sixth is the paired gates'
        assert found.baseline is None
        open_gate = found.result("regression.tool")
        assert open_gate is not None
        assert "always_wrong was rejected before parent was run" in open_gate.reason

    def test_what_fails_at_the_full_set_needs_no_comparison(self, judge: JudgeAll, make_fake: MakeFake) -> None:
        """One call in ten is wrong."""
        make_fake(name="parent")
        few = {name: call for place, (name, call) in enumerate(sorted(LOST.items())) if place % 10 < 1}
        fake = make_fake(name="int8", precision="int8", parent="../parent", answers=few)
        judge(fake, sequential=False, no_baseline=True)  # whose completions are all stored is judged at the full set
        (found,) = judge(fake)
        assert found.rejection is None
        assert found.incomplete == ""
        assert found.gates["tool"].outcome == "FAIL"
        assert found.baseline is None
        assert conclude(found, SUITE_GATES).verdict == "reject"

    @pytest.mark.parametrize("stored", [True, False], ids=["baseline-stored", "baseline-not-stored"])
    def test_a_loss_is_seen_in_the_pairs(
        self, judge: JudgeAll, make_fake: MakeFake, tmp_path: Path, stored: bool
    ) -> None:
        """No gate but the paired one: the candidate loses 4 calls in 10 of those that its parent has right."""
        parent = make_fake(name="parent")
        fake = make_fake(name="int8", precision="int8", parent="../parent", answers=SOME_LOST)
        targets = tmp_path / "paired.toml"
        targets.write_text('[regression]\nlevels = ["tool"]\nmargins = { int8 = 0.02 }\nsource = "ours"\n')
        if stored:
            judge(parent, sequential=False)
        (found,) = judge(fake, targets=[str(targets)])
        assert found.rejection is not None
        assert [one.gate for one in found.rejection.refuted] == ["regression.tool"]
        assert found.regression["regression.tool"].outcome == "FAIL"
        assert (found.incomplete == "") is not stored  # the candidate was all there, or stopped with the pairs
        assert found.baseline is not None
        assert found.baseline.completions.count(None) == 320 - found.rejection.cases
        write_reports(
            tmp_path / "out", [(found, conclude(found, SUITE_GATES))], found.targets, "2026-11-21T00:00:00+00:00"
        )
        runs = [read_run(tmp_path / "out" / "transcripts" / f"{name}.jsonl") for name in ("int8", "parent")]
        assert figures(judge_again(*runs)[0]) == figures(found)

    def test_a_baseline_that_others_need_longer_is_kept_whole_in_the_transcripts(
        self, judge: JudgeAll, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        parent = str(make_fake(name="parent"))
        bad = make_fake(name="bad", precision="int8", parent=parent, answers=SOME_LOST)
        good = make_fake(name="good", precision="int8", parent=parent)
        targets = tmp_path / "paired.toml"
        targets.write_text('[regression]\nlevels = ["tool"]\nmargins = { int8 = 0.02 }\nsource = "ours"\n')
        found = judge(bad, good, targets=[str(targets)])
        results = [(one, conclude(one, SUITE_GATES)) for one in found]
        assert [conclusion.verdict for _, conclusion in results] == ["reject", "promote"]
        write_reports(tmp_path / "out", results, found[0].targets, "2026-11-21T00:00:00+00:00")
        runs = {
            name: read_run(tmp_path / "out" / "transcripts" / f"{name}.jsonl") for name in ("bad", "good", "parent")
        }
        for one in found:
            assert figures(judge_again(runs[one.id], runs["parent"])[0]) == figures(one)

    def test_a_parent_that_is_judged_too_is_run_whole(self, judge: JudgeAll, make_fake: MakeFake) -> None:
        parent = make_fake("always_wrong", name="parent")
        found = judge(parent, make_fake(name="int8", precision="int8", parent="../parent"))
        assert [one.rejection for one in found] == [None, None]
        assert found[0].gates["abstention"].outcome == "FAIL"
        assert found[1].regression["regression.tool"].outcome == "PASS"


class TestPortions:
    @pytest.mark.parametrize("in_order", [True, False])
    @pytest.mark.parametrize("count", [0, 1, LEAST_AT_A_TIME, 1530, MOST_AT_A_TIME + 1, 20_000])
    def test_they_hold_everything_once_in_order(self, count: int, in_order: bool) -> None:
        found = list(portions(range(count), in_order))
        assert [number for _, some in found for number in some] == list(range(count))
        assert [start for start, _ in found] == [some[0] for _, some in found]
        assert all(len(some) <= MOST_AT_A_TIME for _, some in found)

    def test_they_grow_with_what_lies_behind(self) -> None:
        found = [(start, len(some)) for start, some in portions(range(1530), in_order=True)]
        sizes = [size for _, size in found]
        assert sizes[0] == LEAST_AT_A_TIME
        assert sizes[:-1] == sorted(sizes[:-1])
        assert all(size <= max(LEAST_AT_A_TIME, start // 6) for start, size in found)

    def test_what_comes_is_taken_as_it_is_needed(self) -> None:
        taken = []
        coming = (taken.append(number) or number for number in range(10 * MOST_AT_A_TIME))
        next(portions(coming, in_order=False))
        assert len(taken) == MOST_AT_A_TIME

    def test_an_error_names_the_case_whatever_portion_it_is_in(self) -> None:
        class Breaks(FakeBackend):
            def __init__(self) -> None:
                pass

            def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Any:
                if len(prompts) < LEAST_AT_A_TIME:
                    raise CaseError(2, "no room")
                return enumerate(Completion("") for _ in prompts)

        items = [Item(f"case-{number}", "", Prompt((), 0)) for number in range(LEAST_AT_A_TIME + 5)]
        found = _made(Breaks(), items, Decoding(), in_order=True)
        names = [next(found)[1].case_id for _ in range(LEAST_AT_A_TIME)]
        assert names == [f"case-{number}" for number in range(LEAST_AT_A_TIME)]
        with pytest.raises(CaseError) as caught:
            next(found)
        assert caught.value.index == LEAST_AT_A_TIME + 2
