"""How fast are completions parsed and graded?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.answered import right_answers
from phi4bench.dialects import dialect_named
from phi4bench.levels import Level, score

CASES = 80


@pytest.mark.parametrize("name", ["tool_use", "phi4-mini", "hermes"])
def test_right_answers(timed, name):
    dialect = dialect_named(name)
    answered = right_answers(dialect, CASES)
    scores = timed(lambda: [score(*one, dialect) for one in answered], cases=len(answered))
    assert all(one.level is Level.RIGHT_PARAMETERS or one.abstained for one in scores)


def test_answers_that_break_off(timed):
    dialect = dialect_named("tool_use")
    calling = [(case, made) for case, made in right_answers(dialect, CASES) if case.expected.calls]
    broken = [(case, replace(made, text=made.text[:-12])) for case, made in calling]
    scores = timed(lambda: [score(*one, dialect) for one in broken], cases=len(broken))
    assert {one.level for one in scores} == {Level.DETECTED}
