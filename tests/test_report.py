"""Reports: figures that fit their schema, a page and a table that keep hostile text in, and what a promotion states."""

from __future__ import annotations

import hashlib
import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import case_line

from phi4bench.calls import Call
from phi4bench.cases import Case
from phi4bench.datasets import case_from_json, schemas_dir
from phi4bench.datasets.dataset import Dataset, digest
from phi4bench.datasets.shipped import fixtures_dir
from phi4bench.datasets.toolsets import read_toolset
from phi4bench.dialects import dialect_named
from phi4bench.levels import Level, Score
from phi4bench.report.examples import examples, flips, last_request
from phi4bench.report.figures import report, targets_facts
from phi4bench.report.findings import finding
from phi4bench.report.page import _spread, page, visible
from phi4bench.report.terminal import summary
from phi4bench.report.wording import percent, points, size
from phi4bench.report.writing import remove_stale_promotions, to_json, write_reports
from phi4bench.run.judge import Fault
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import SUITE_GATES, Conclusion, assess, conclude
from phi4bench.runfile import SavedRun
from phi4bench.targets import merge_targets, parse_targets
from phi4bench.transcripts import Completion

DIALECT = dialect_named("tool_use")
SIX = read_toolset(fixtures_dir() / "tools" / "claude_code.json")
GUIDE_TEXT = (fixtures_dir() / "targets" / "guide.toml").read_text()
GUIDE = merge_targets([parse_targets(GUIDE_TEXT, "guide")])
CASES: tuple[Case, ...] = tuple(case_from_json(case_line(number), lambda _: SIX) for number in range(320))
HOSTILE = (
    "</pre><script>alert(1)</script>\x1b]0;owned\x07\x1b[2J\u202e{{ 7 * 7 }}<img src=x onerror=alert(2)>&amp;\ud800"
)
CREATED = "2026-11-21T00:00:00+00:00"


def saved(
    answers: dict[str, str] | None = None,
    name: str = "nano",
    precision: str = "fp32",
    missing: int = 0,
    **facts: Any,
) -> SavedRun:
    """A run that is right but for `answers` by case id; the last `missing` completions are not there."""
    texts = [
        (answers or {}).get(case.id, DIALECT.render_calls(case.expected.calls) if case.expects_call else "I see.")
        for case in CASES
    ]
    completions: list[Completion | None] = [Completion(text) for text in texts]
    completions[len(completions) - missing :] = [None] * missing
    card = {
        "id": name, "spec": f"{name}/model.onnx", "sha256": "a" * 64, "format": "onnx", "bytes": 4_700_000,
        "precision": precision, "dialect": "tool_use", "turns": "phi", "inferred": [], "parent": None,
        "files": [{"name": "model.onnx", "sha256": "b" * 64, "bytes": 4_700_000}],
    }  # fmt: skip
    dataset = Dataset(CASES, "cases.jsonl", digest(CASES), "cases")
    generation = {"from_cache": 0, "generated": len(CASES), "missing": missing, "seconds": 2.0, "peak_rss_bytes": 2**28}
    facts = {"role": "candidate", "seed": 0, "generation": generation, "targets": [["guide", GUIDE_TEXT]], **facts}
    return SavedRun(
        card, DIALECT, dataset, tuple(completions), {"max_new_tokens": 256}, {"cpu": "x"}, {"a": "1"}, facts
    )


def judged(run: SavedRun, baseline: SavedRun | None = None) -> tuple[Judgement, Conclusion]:
    judgement = assess(run, baseline, GUIDE)
    return judgement, conclude(judgement, SUITE_GATES)


def schema(name: str) -> jsonschema.Draft202012Validator:
    data = json.loads((schemas_dir() / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(data)
    return jsonschema.Draft202012Validator(data)


def text_of(judgement: Judgement, conclusion: Conclusion) -> str:
    return "\n".join(line for line, _ in summary(judgement, conclusion))


WRONG = {f"read-{number}": "<tool_use>glob(pattern='*')</tool_use>" for number in range(30)}


class TestReportJson:
    @pytest.mark.parametrize(
        "result",
        [
            pytest.param(judged(saved()), id="promoted"),
            pytest.param(judged(saved(WRONG)), id="rejected"),
            pytest.param(judged(saved(WRONG, "int8", "int8"), saved(name="fp32")), id="with-its-parent"),
            pytest.param(
                judged(saved(name="int8", precision="int8", baseline_missing="gone")), id="without-its-parent"
            ),
            pytest.param(judged(saved(missing=300, stopped="the time limit of 2 s was reached")), id="stopped"),
            pytest.param(judged(saved(missing=320)), id="nothing-generated"),
            pytest.param((assess(saved(), None, GUIDE), Conclusion(None, ("tool",), "")), id="partial"),
            pytest.param(Fault("nano", "nano: broke", usage=False), id="fault"),
        ],
    )
    def test_it_fits_its_published_schema(self, result: Any) -> None:
        schema("report").validate(json.loads(to_json(report([result], targets_facts(GUIDE)))))

    def test_the_schema_refuses_a_report_without_its_verdict(self) -> None:
        data = report([judged(saved())], targets_facts(GUIDE))
        del data["artifacts"][0]["verdict"]
        with pytest.raises(jsonschema.ValidationError, match="verdict"):
            schema("report").validate(data)

    def test_the_fields_that_scripts_rely_on(self) -> None:
        (entry,) = report([judged(saved(WRONG))], targets_facts(GUIDE))["artifacts"]
        assert entry["artifact"]["sha256"] == "a" * 64
        assert entry["dataset"]["cases"] == 320
        tool = entry["levels"]["tool"]
        assert (tool["passed"], tool["total"], tool["target"], tool["outcome"]) == (140, 170, 0.95, "FAIL")
        assert tool["ci"][0] < tool["rate"] == 140 / 170 < tool["ci"][1]
        assert entry["per_tool"]["read"]["tool"]["passed"] == 55
        assert entry["per_tool"]["grep"]["tool"]["passed"] == 85
        assert entry["tier"] == "ACCEPTABLE"  # tool 82.4%, above 75 and not above 85
        assert entry["advice"] is None

    def test_flips_are_listed_by_case(self) -> None:
        judgement, conclusion = judged(saved({"read-1": ""}, "int8", "int8"), saved({"grep-90": ""}, "fp32"))
        (entry,) = report([(judgement, conclusion)], targets_facts(GUIDE))["artifacts"]
        assert entry["regression"]["parameter"]["lost_cases"] == ["read-1"]
        assert entry["regression"]["parameter"]["gained_cases"] == ["grep-90"]


class TestPromotion:
    def test_it_fits_its_schema_and_names_what_it_rests_on(self, tmp_path: Path) -> None:
        result = judged(saved(name="int8", precision="int8"), saved(name="fp32"))
        write_reports(tmp_path, [result], GUIDE, CREATED, "pytest suites")
        statement = json.loads((tmp_path / "promotion.json").read_text())
        schema("promotion").validate(statement)
        predicate = statement["predicate"]
        assert statement["subject"] == [{"name": "model.onnx", "digest": {"sha256": "b" * 64}}]
        assert predicate["parent"]["id"] == "fp32"
        assert predicate["targets"]["sha256"] == hashlib.sha256(GUIDE_TEXT.encode()).hexdigest()
        assert [gate["name"] for gate in predicate["gates"]] == [gate.name for gate in GUIDE.gates]
        for entry in predicate["transcripts"]:
            stored = (tmp_path / "transcripts" / entry["name"]).read_bytes()
            assert entry["sha256"] == hashlib.sha256(stored).hexdigest()

    def test_its_schema_refuses_a_gate_that_did_not_pass(self, tmp_path: Path) -> None:
        write_reports(tmp_path, [judged(saved())], GUIDE, CREATED)
        statement = json.loads((tmp_path / "promotion.json").read_text())
        statement["predicate"]["gates"][0]["outcome"] = "FAIL"
        with pytest.raises(jsonschema.ValidationError):
            schema("promotion").validate(statement)

    @pytest.mark.parametrize(
        "run",
        [
            pytest.param(saved(WRONG), id="rejected"),
            pytest.param(saved(missing=1), id="one-completion-missing"),
            pytest.param(saved(name="nano", precision="int8"), id="parent-missing"),
        ],
    )
    def test_there_is_none_without_a_promote(self, tmp_path: Path, run: SavedRun) -> None:
        write_reports(tmp_path, [judged(run)], GUIDE, CREATED)
        assert not (tmp_path / "promotion.json").exists()

    def test_each_of_several_has_its_own(self, tmp_path: Path) -> None:
        write_reports(tmp_path, [judged(saved(name="a")), judged(saved(name="b"))], GUIDE, CREATED)
        assert sorted(path.parent.name for path in tmp_path.rglob("promotion.json")) == ["a", "b"]

    def test_stale_ones_go_under_whatever_id_they_were_made(self, tmp_path: Path) -> None:
        for name in ("", "a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "promotion.json").touch()
        remove_stale_promotions(tmp_path)
        (tmp_path / "report.json").touch()
        assert [path.name for path in tmp_path.rglob("*.json")] == ["report.json"]

    @pytest.mark.parametrize("promotions", [True, False], ids=["two-runs-at-once", "rescored-by-other-targets"])
    def test_none_that_came_since_the_start_stands_beside_a_reject(self, tmp_path: Path, promotions: bool) -> None:
        write_reports(tmp_path, [judged(saved())], GUIDE, CREATED)
        assert (tmp_path / "promotion.json").exists()
        write_reports(tmp_path, [judged(saved(WRONG))], GUIDE, CREATED, promotions=promotions)
        assert not (tmp_path / "promotion.json").exists()

    def test_it_stays_where_the_same_run_is_promoted_again(self, tmp_path: Path) -> None:
        write_reports(tmp_path, [judged(saved())], GUIDE, CREATED)
        before = (tmp_path / "promotion.json").read_bytes()
        write_reports(tmp_path, [judged(saved())], GUIDE, CREATED, promotions=False)
        assert (tmp_path / "promotion.json").read_bytes() == before


class Tags(html.parser.HTMLParser):
    """Every element with its attributes, and the text outside `<style>`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


class TestPage:
    def read(self, *results: Any) -> Tags:
        tags = Tags()
        tags.feed(page(results, GUIDE, CREATED))
        return tags

    def test_what_a_model_wrote_stays_text(self) -> None:
        tags = self.read(judged(saved({"read-1": HOSTILE, "chat-170": HOSTILE})))
        assert not {tag for tag, _ in tags.found} & {"script", "img", "iframe", "object", "link", "a", "form"}
        assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)
        assert "</pre><script>alert(1)</script>\\x1b]0;owned\\x07\\x1b[2J\\u202e{{ 7 * 7 }}" in tags.text

    def test_names_are_as_hostile_as_completions(self) -> None:
        run = saved({"read-1": ""}, baseline_missing=HOSTILE)
        cases = tuple(replace(case, id=case.id + HOSTILE, group=HOSTILE + case.group) for case in run.dataset.cases)
        run = replace(run, dataset=replace(run.dataset, cases=cases, path=HOSTILE, notes=(HOSTILE,)))
        tags = self.read(judged(run), Fault(HOSTILE, HOSTILE, usage=True))
        assert not {tag for tag, _ in tags.found} & {"script", "img"}

    def test_it_loads_nothing_and_forbids_scripts(self) -> None:
        tags = self.read(judged(saved()))
        policy = next(attributes for tag, attributes in tags.found if attributes.get("http-equiv"))
        assert policy["content"] is not None
        assert policy["content"].startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert not any({"src", "href", "srcset"} & attributes.keys() for _, attributes in tags.found)

    def test_it_says_what_was_found(self) -> None:
        text = " ".join(self.read(judged(saved(WRONG, "int8", "int8"), saved(name="fp32"))).text.split())
        assert "int8 reject" in text
        assert "Against fp32, in points" in text
        assert "Lost against fp32 at tool: 30" in text
        assert "Cases that are not wholly right: 30" in text
        assert "called glob, wanted read" in text

    def test_each_column_and_each_row_of_a_table_is_named(self) -> None:
        html = page([judged(saved(WRONG, "int8", "int8"), saved(name="fp32"))], GUIDE, CREATED)
        rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
        heads = [row for row in rows if "<td" not in row]
        assert len(heads) >= 4
        assert not any(re.search(r"<th[^>]*></th>", row) for row in heads)
        assert all(row.startswith('<th scope="row">') for row in rows if row not in heads)

    def test_drawings_stay_on_their_scale(self) -> None:
        tags = self.read(judged(saved(WRONG, "int8", "int8"), saved(name="fp32")))
        for tag, attributes in tags.found:
            if tag == "rect":
                assert 0 <= float(attributes["x"] or 0) <= 100
                assert float(attributes["x"] or 0) + float(attributes["width"] or 0) <= 100.5

    def test_a_page_that_cannot_show_every_failing_case_says_which_it_shows(self) -> None:
        text = self.read(judged(saved({case.id: "" for case in CASES}))).text
        assert "Cases that are not wholly right: 320" in text
        assert "300 of them are shown, of each scenario in turn; transcripts/nano.jsonl holds all." in text

    def test_no_completion_at_all_still_makes_a_page(self) -> None:
        assert "nano lacks 320 of 320 completions" in self.read(judged(saved(missing=320))).text


class TestTable:
    @pytest.mark.parametrize(
        "result",
        [
            pytest.param(judged(saved()), id="promoted"),
            pytest.param(judged(saved(WRONG, "int8", "int8"), saved(name="fp32")), id="with-its-parent"),
            pytest.param(judged(saved(missing=300, stopped="the time limit of 2 s was reached")), id="stopped"),
        ],
    )
    def test_it_fits_80_columns(self, result: Any) -> None:
        assert max(map(len, text_of(*result).splitlines())) < 80

    def test_the_widest_interval_stands_apart_from_its_points(self) -> None:
        few = judged(saved(WRONG, "int8", "int8", missing=317), saved(name="fp32", missing=317))
        rows = {line.split()[0]: line.split() for line in text_of(*few).splitlines() if " -2  " in line}
        assert rows["tool"][:5] == ["tool", "3/0", "-100.0", "-100.0", "to"]

    def test_of_many_tools_it_holds_those_of_most_cases_and_says_where_the_others_are(self) -> None:
        judgement, conclusion = judged(saved())
        rows = {f"tool{n:02}": judgement.tools["read"] for n in range(40)} | {"grep": judgement.tools["grep"]}
        few = {level: replace(gate, total=7) for level, gate in judgement.tools["read"].items()}
        vars(judgement)["tools"] = {**rows, **{f"tool{n:02}": few for n in range(0, 40, 2)}}
        text = text_of(judgement, conclusion)
        assert all((f"tool{n:02} " in text) == bool(n % 2) for n in range(20, 40))
        assert "  11 more tools, of at most 7 cases each: report.html shows all" in text

    def test_advice_comes_only_with_a_promote(self) -> None:
        assert "verdict  PROMOTE: deploy" in text_of(*judged(saved()))
        rejected = text_of(*judged(saved(WRONG)))
        assert "verdict  REJECT" in rejected
        assert "training" not in rejected

    def test_a_run_that_was_stopped_promises_no_tier(self) -> None:
        stopped = text_of(*judged(saved(missing=10, stopped="the time limit of 2 s was reached")))
        assert "tier " not in stopped
        assert "nano lacks 10 of 320 completions" in " ".join(stopped.split())

    @pytest.mark.parametrize("gate", ["tool", "abstention"])
    def test_a_message_cannot_drive_the_terminal(self, gate: str) -> None:
        answers = {case.id: HOSTILE for case in CASES}
        text = finding(judged(saved(answers))[0], gate).text
        assert not {character for character in text if not character.isprintable()} - {"\n"}


class TestExamples:
    def test_cases_that_stopped_right_below_come_first_and_tools_take_turns(self) -> None:
        answers = {"read-0": "", **{f"read-{n}": "<tool_use>glob(pattern='*')</tool_use>" for n in (1, 2)}}
        answers["grep-100"] = "<tool_use>glob(pattern='*')</tool_use>"
        shown = examples(judged(saved(answers))[0], "tool", 5)
        assert [example.case_id for example in shown] == ["read-1", "grep-100", "read-2", "read-0"]

    def test_flips_go_both_ways(self) -> None:
        judgement, _ = judged(saved({"read-1": ""}, "int8", "int8"), saved({"grep-90": ""}, "fp32"))
        lost, gained = flips(judgement, "tool")
        assert [[score.case_id for score in some] for some in (lost, gained)] == [["read-1"], ["grep-90"]]

    def test_a_request_shows_the_tools_answer_that_the_model_saw(self) -> None:
        line = case_line(0)
        line["messages"] += [
            {"role": "assistant", "content": "", "tool_calls": [{"name": "read", "arguments": {"file_path": "a"}}]},
            {"role": "tool", "name": "read", "content": "no such file", "error": True},
        ]
        assert last_request(case_from_json(line, lambda _: SIX)) == "Open notes0.txt [read failed: no such file]"


class TestVerdictsOfARun:
    def test_a_missing_completion_decides_nothing_even_where_all_others_fail(self) -> None:
        judgement, conclusion = judged(saved({case.id: "" for case in CASES}, missing=1))
        assert {str(gate.outcome) for gate in judgement.required} == {"INCONCLUSIVE"}
        assert conclusion.exit_code == 10

    def test_a_missing_completion_of_the_baseline_leaves_the_levels_alone(self) -> None:
        judgement, conclusion = judged(saved(name="int8", precision="int8"), saved(name="fp32", missing=1))
        assert {str(gate.outcome) for gate in judgement.gates.values() if gate.required} == {"PASS"}
        assert {str(gate.outcome) for gate in judgement.regression.values()} == {"INCONCLUSIVE"}
        assert conclusion.exit_code == 10

    def test_an_unquantized_artifact_with_a_baseline_is_measured_against_it(self) -> None:
        judgement, conclusion = judged(saved(WRONG | {"chat-170": ""}, "tuned"), saved(name="base"))
        assert judgement.regression["regression.tool"].outcome is None
        assert finding(judgement, "regression.tool").outcome == "MEASURED"
        assert conclusion.exit_code == 1  # by its tool level alone

    def test_a_verdict_needs_every_gate_that_the_targets_name(self) -> None:
        judgement = assess(saved(), None, GUIDE)
        ran = [gate for gate in SUITE_GATES if gate != "regression.tool"]
        assert conclude(judgement, ran) == Conclusion(None, ("regression.tool",), "")
        assert conclude(judgement, ran).exit_code is None


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(None, "-"), (1.0, "100.0%"), (0.9999, "99.9%"), (0.0, "0.0%"), (0.0001, "0.1%"), (0.9512, "95.1%")],
)
def test_a_rate_is_never_rounded_to_a_bound_that_it_missed(rate: float | None, shown: str) -> None:
    assert percent(rate) == shown


def test_points_carry_their_sign_and_sizes_their_unit() -> None:
    assert (points(-0.0333), points(0.01)) == ("-3.3", "+1.0")
    assert (size(999), size(4_700_000), size(15.2e9)) == ("999 bytes", "4.7 MB", "15.2 GB")


def test_visible_keeps_lines_and_escapes_the_rest() -> None:
    assert visible("a\nb\x1b[0m\u2066") == "a\nb\\x1b[0m\\u2066"


def test_render_calls_is_what_examples_expect() -> None:
    assert DIALECT.render_calls([Call("glob", {"pattern": "*"})]) == "<tool_use>glob(pattern='*')</tool_use>"


def test_a_page_that_cannot_show_every_failing_case_shows_some_of_each_scenario() -> None:
    def failing(number: int, scenario: str) -> Score:
        return Score(str(number), scenario, "g", (), True, Level.NOTHING)

    many = [failing(i, "single") for i in range(50)] + [failing(i, "parallel") for i in range(50, 53)]
    shown = _spread(many, 10)
    assert [one.scenario for one in shown].count("parallel") == 3
    assert [int(one.case_id) for one in shown] == [0, 1, 2, 3, 4, 5, 6, 50, 51, 52]
