"""How long do the gates take to judge 10,000 cases?"""

from __future__ import annotations

from benchmarks.answered import drawn_scores
from phi4bench.gates import judge_levels, judge_regression, per_scenario, per_tool
from phi4bench.run.plan import read_targets
from phi4bench.targets import targets_of

CASES = 10_000
WANTED_S = 2.0
"""For all levels, with everything that is told beside them."""
TARGETS = targets_of(read_targets(["guide"]))


def test_all_levels_of_10000_cases(timed):
    scores, baseline = drawn_scores(CASES, 1), drawn_scores(CASES, 2)

    def judge():
        return (
            judge_levels(scores, TARGETS),
            judge_regression(scores, baseline, TARGETS, "int8"),
            per_tool(scores),
            per_scenario(scores),
        )

    levels, regression, *_ = timed(judge, cases=CASES, wanted_s=WANTED_S)
    assert levels["detection"].total == CASES * 4 // 5
    assert regression["regression.detection"].total == CASES * 4 // 5


def test_levels_of_300_cases(timed):
    scores = drawn_scores(300, 1)
    assert timed(lambda: judge_levels(scores, TARGETS), cases=300)["abstention"].total == 60
