"""`phi4bench summary`: a run's report.json as Markdown, or its worst verdict; and report.html beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from slo_targets import P95, toml
from stored import CASES, GUIDE, run_of

from phi4bench.cli import main
from phi4bench.fidelity import CaseFidelity, fidelity_to_json, summarise
from phi4bench.report.writing import Result, write_reports
from phi4bench.run.judge import Fault
from phi4bench.run.judging import SUITE_GATES, assess, conclude
from phi4bench.targets import parse_targets

TARGETS = parse_targets(GUIDE, "guide")
CALLS = [case.id for case in CASES if case.expects_call]


def result(name: str, wrong: list[str]) -> Result:
    judgement = assess(run_of(name, wrong), None, TARGETS)
    return judgement, conclude(judgement, SUITE_GATES)


RIGHT, WRONG = result("good", []), result("bad", CALLS[:40])
BROKEN = Fault("broken", "broken: NaN <logits> | at case 3", usage=False)


def written(folder: Path, *results: Result) -> Path:
    write_reports(folder, results, TARGETS, "2026-11-21T00:00:00+00:00")
    return folder


def test_markdown_has_the_verdict_the_gates_and_the_tools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(written(tmp_path, RIGHT, WRONG))]) == 0
    out = capsys.readouterr().out
    assert "## good: PROMOTE (deploy)" in out
    assert "## bad: REJECT" in out
    assert "| parameter | 170/170 | 100.0% |" in out
    assert "| parameter | 130/170 | 76.5% |" in out  # 40 of 170 wrong
    assert "| read | 85 |" in out


def test_markdown_says_why_targets_that_concern_nothing_decide_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[[gate]]\nname = "speedup.decode"\nfloor = { int8 = 2 }\nsource = "test"\n'
    targets = parse_targets(text, "ours")
    judgement = assess(run_of("good", []), None, targets)  # it is of fp32
    concluded = conclude(judgement, SUITE_GATES)
    write_reports(tmp_path, [(judgement, concluded)], targets, "2026-11-21T00:00:00+00:00")
    assert main(["summary", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "## good: INCONCLUSIVE" in out
    assert "none of the gates that the targets name concerns good\n" in out


FIDELITY = (
    GUIDE
    + """
[[gate]]
name = "perplexity_ratio"
ceiling = { int8 = 1.02 }
source = "test"

[[gate]]
name = "speedup.decode"
floor = { int8 = 2.0 }
source = "test"
"""
)


def test_markdown_has_fidelity_and_what_nobody_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """60 answers of 10 tokens, each 0.3 nats less likely than to the parent: exp(0.03) = 1.0305, above 1.02."""
    cases = [CaseFidelity(f"c{n}", f"g{n}", 10, 2.3, 2.0, 9, (0.01,) * 10, 0.0) for n in range(60)]
    targets = parse_targets(FIDELITY, "mine")
    run = run_of("int8", precision="int8", fidelity=fidelity_to_json(summarise(cases)))
    judgement = assess(run, run_of("parent", role="baseline"), targets)
    folder = written(tmp_path, (judgement, conclude(judgement, SUITE_GATES)))
    assert main(["summary", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "| perplexity_ratio | 60 answers | 1.0305 | 1.0305 to 1.0305 | 1.02 | FAIL |" in out
    assert "| top1_agreement | 60 answers | 0.9000 | - | - | measured |" in out
    assert "| kl_mean | 60 answers | 0.01 | at most 0.01 | - | measured |" in out
    assert "| speedup.decode | - | - | - | 2 | INCONCLUSIVE |" in out
    assert "- FAIL perplexity\\_ratio: 1.03 (1.03 to 1.03), but should be at most 1.02" in out


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        pytest.param([RIGHT], "promote", id="one-promoted"),
        pytest.param([RIGHT, WRONG], "reject", id="one-of-two-rejected"),
        pytest.param([RIGHT, BROKEN], "none", id="one-not-judged"),
    ],
)
def test_the_worst_verdict_alone(
    results: list[Result], verdict: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summary", "--verdict", str(written(tmp_path, *results))]) == 0
    assert capsys.readouterr().out == f"{verdict}\n"


@pytest.mark.parametrize(
    "interval",
    [
        pytest.param([0.5], id="half-an-interval"),
        pytest.param([10**400, 1], id="more-than-any-float"),
    ],
)
def test_a_level_of_another_shape_is_one_line(
    interval: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = written(tmp_path, RIGHT) / "report.json"
    report = json.loads(place.read_text())
    report["artifacts"][0]["levels"]["tool"]["ci"] = interval
    place.write_text(json.dumps(report))
    assert main(["summary", str(tmp_path)]) == 4
    error = capsys.readouterr().err
    assert "is not a whole report" in error
    assert error.count("\n") == 1


def test_a_tool_without_levels_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = written(tmp_path, RIGHT) / "report.json"
    report = json.loads(place.read_text())
    report["artifacts"][0]["per_tool"]["read"] = {}
    place.write_text(json.dumps(report))
    assert main(["summary", str(tmp_path)]) == 4
    assert "is not a whole report" in capsys.readouterr().err


def test_a_report_in_place_of_its_folder_is_that_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, RIGHT)
    assert main(["summary", str(folder)]) == main(["summary", str(folder / "report.json")]) == 0
    out = capsys.readouterr().out
    assert out == 2 * out[: len(out) // 2]
    assert out


def test_an_artifact_that_could_not_be_judged_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(written(tmp_path, RIGHT, BROKEN))]) == 0
    out = capsys.readouterr().out
    assert "## broken: NO VERDICT" in out
    assert "not judged: broken: NaN \\<logits\\> \\| at case 3" in out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(None, "is not there", id="no-report"),
        pytest.param("<!doctype html>", "(char 0); give the --report folder of a finished run", id="report.html"),
        pytest.param("{", "cannot be read", id="no-json"),
        pytest.param("[" * 100_000, "cannot be read", id="deep"),
        pytest.param("[]", "is not a phi4bench.report/1", id="another-file"),
        pytest.param(
            json.dumps({"schema": "phi4bench.report/1", "artifacts": [{}]}), "is not a whole report", id="part"
        ),
    ],
)
def test_no_report_is_one_line_and_exit_4(
    text: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    assert main(["summary", str(tmp_path)]) == 4
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1


def told_by(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """(report.html, the summary) of one run."""
    assert main(["summary", str(folder)]) == 0
    return (folder / "report.html").read_text(), capsys.readouterr().out


def test_each_page_says_of_targets_that_promote_nothing_that_they_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = parse_targets(f"promotes = false\n{GUIDE}", "first_look")
    judgement = assess(run_of("good", []), None, targets)  # each gate passes
    write_reports(tmp_path, [(judgement, conclude(judgement, SUITE_GATES))], targets, "2026-11-21T00:00:00+00:00")
    html, markdown = told_by(tmp_path, capsys)
    assert "targets first_look promote nothing, whatever they show." in html
    assert "\ntargets first\\_look promote nothing, whatever they show\n" in markdown


def test_a_run_of_speed_alone_shows_why_a_gate_is_open_and_no_rate_of_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slo = {"latency": {"calls": [[90.0, 5.0, 1.0, 9.0, 4]] * 58, "warm_up": 1, "wanted": 58, "seconds": 60}}
    targets = parse_targets(toml(f"{P95} <= 200"), "ours")
    judgement = assess(run_of("good", missing=len(CASES), needed=False, slo=slo), None, targets)
    write_reports(tmp_path, [(judgement, conclude(judgement, SUITE_GATES))], targets, "2026-11-21T00:00:00+00:00")
    html, markdown = told_by(tmp_path, capsys)
    why = "58 calls were timed, but a bound on P95 at 95% takes at least 59; give more calls (--slo-calls)"
    assert f"{P95} INCONCLUSIVE</strong>: {why}" in html
    assert why in markdown
    assert "0/0" not in html + markdown
    assert "Cases that are not wholly right" not in html
