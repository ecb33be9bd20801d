"""What stands beside the judged rates: shown in every report, kept with the run, and read by no gate."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
from stored import CASES, GUIDE, run_of

from phi4bench.datasets import schemas_dir
from phi4bench.report.figures import report, targets_facts
from phi4bench.report.markdown import markdown
from phi4bench.report.page import page
from phi4bench.report.terminal import summary
from phi4bench.run.judging import assess, conclude
from phi4bench.runfile import read_run, write_run
from phi4bench.targets import parse_targets
from phi4bench.transcripts import Completion

TARGETS = parse_targets(GUIDE, "guide")
CALLING = [at for at, case in enumerate(CASES) if case.expects_call]
RIGHT = run_of("model").completions


def with_texts(run, **changed):
    """The run with other texts at some places."""
    made = list(run.completions)
    for at, text in changed.items():
        made[int(at[1:])] = Completion(text)
    return replace(run, completions=tuple(made))


UNCLOSED = {f"_{at}": RIGHT[at].text.removesuffix("</tool_use>") for at in CALLING[:85]}
"""Half of the calls without their closing marker."""


@pytest.fixture
def mended():
    run = with_texts(run_of("model", repair=True), **UNCLOSED)
    judgement = assess(run, None, TARGETS)
    return judgement, conclude(judgement, [])


@pytest.fixture
def masked():
    """Constrained and right; without the mask half of the calls are not closed."""
    run = run_of("model", decoding={"max_new_tokens": 256, "mode": "constrained", "system_prompt": None})
    run = replace(run, free=with_texts(run_of("model"), **UNCLOSED).completions)
    judgement = assess(run, None, TARGETS)
    return judgement, conclude(judgement, [])


def test_nothing_stands_beside_where_no_completion_was_asked_for():
    run = run_of("model", repair=True, needed=False)
    assert assess(replace(run, completions=(None,) * len(run.completions)), None, TARGETS).beside == ()


def test_mended_rates_stand_beside_and_leave_the_gates_alone(mended):
    judgement, _ = mended
    strict = assess(with_texts(run_of("model"), **UNCLOSED), None, TARGETS)
    assert judgement.gates == strict.gates
    assert judgement.gates["parsing"].rate == 0.5
    assert str(judgement.gates["parsing"].outcome) == "FAIL"
    [beside] = judgement.beside
    assert (beside.name, beside.rates["parameter"].rate) == ("repaired", 1.0)
    assert beside.counts["completions mended"] == beside.counts["by brackets"] == 85
    assert all(rate.outcome is None and rate.target is None for rate in beside.rates.values())


def test_free_rates_stand_beside_a_constrained_run(masked):
    judgement, _ = masked
    [beside] = judgement.beside
    assert (judgement.gates["parsing"].rate, beside.rates["parsing"].rate) == (1.0, 0.5)
    assert beside.missing == 0


def test_a_run_that_asks_for_neither_shows_neither():
    judgement = assess(run_of("model"), None, TARGETS)
    assert judgement.beside == ()
    assert not any("side by side" in line for line, _ in summary(judgement, conclude(judgement, [])))


@pytest.mark.parametrize("which", ["mended", "masked"])
def test_every_report_shows_them_side_by_side(which, request):
    result = request.getfixturevalue(which)
    column, judged = {"mended": ("repaired", "free, judged"), "masked": ("free", "constrained, judged")}[which]
    figures = json.loads(json.dumps(report([result], targets_facts(TARGETS))))
    schema = json.loads((schemas_dir() / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(figures)
    assert set(figures["artifacts"][0]["beside"]) == {column}
    lines = [line for line, _ in summary(*result)]
    [head] = [line for line in lines if "side by side" in line]
    assert judged in head
    assert head.endswith(column)
    assert all(len(line) < 80 for line in lines)
    assert f"| side by side | {judged} | {column} |" in markdown(figures)
    html = page([result], TARGETS, "2026-11-21T00:00:00+00:00")
    assert "Side by side" in html
    assert f"<th>{column}</th>" in html


def test_a_constrained_run_is_called_so(masked):
    assert "constrained decoding" in " ".join(line for line, _ in summary(*masked)[:2])


def test_free_completions_are_kept_with_the_run(masked, tmp_path):
    run = masked[0].run
    again = read_run(write_run(tmp_path, run))
    assert again.free == run.free
    assert assess(again, None, TARGETS).beside == masked[0].beside


def test_free_completions_that_are_missing_are_told(masked):
    judgement, conclusion = masked
    run = replace(judgement.run, free=(*judgement.run.free[:-3], None, None, None))
    judgement = assess(run, None, TARGETS)
    assert "3 completions are missing" in " ".join(line for line, _ in summary(judgement, conclusion))
