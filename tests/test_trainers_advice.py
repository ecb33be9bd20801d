"""The rule after quantizing, told from the gate's report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainers.advice import advice


def report(path: Path, difference: float, ci: list[float] | None) -> Path:
    pair = {"difference": difference, "ci": ci}
    regression = {"tool": pair, "detection": {"difference": 0.01, "ci": [0.0, 0.02]}}
    path.write_text(
        json.dumps({"artifacts": [{"artifact": {"id": "int4", "spec": "x/int4"}, "regression": regression}]})
    )
    return path


@pytest.mark.parametrize(
    ("difference", "ci", "says"),
    [
        (-0.004, [-0.011, 0.003], "loses 0.4 points to its parent (-0.3 to +1.1), at most 2: post-training"),
        (-0.024, [-0.107, 0.044], "(-4.4 to +10.7), perhaps more than 2: judge more cases"),
        (-0.015, [-0.031, 0.001], "(-0.1 to +3.1), perhaps more than 2: judge more cases"),
        (
            -0.034,
            [-0.05, -0.02],
            "(+2.0 to +5.0), more than 2: another method, smaller blocks or --search first",
        ),
        (-0.034, None, "loses 3.4 points to its parent (+3.4 to +3.4), more than 2"),
        (0.0, [-0.009, 0.009], "loses 0.0 points to its parent (-0.9 to +0.9), at most 2"),
    ],
    ids=["little", "one-of-41", "undecided", "much", "no-interval", "nothing"],
)
def test_the_rule_is_applied_to_the_level_that_lost_most(difference, ci, says, tmp_path: Path):
    (line,) = advice(report(tmp_path / "report.json", difference, ci))
    assert line.startswith("int4: tool ")
    assert says in line


def test_without_a_report_or_a_parent_there_is_nothing_to_say(tmp_path: Path):
    assert advice(tmp_path / "report.json") == []
    (tmp_path / "report.json").write_text('{"artifacts": [{"artifact": {"spec": "x"}, "regression": {}}]}')
    assert advice(tmp_path / "report.json") == []
