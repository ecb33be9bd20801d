"""Timings of our own code with pytest-benchmark: `tox run -e bench`, history with `-- --benchmark-autosave`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from phi4bench.datasets import load_cases
from phi4bench.dialects import dialect_named
from phi4bench.gates import judge_levels
from phi4bench.levels import score
from phi4bench.run.plan import read_targets
from phi4bench.targets import merge_targets, parse_targets
from phi4bench.transcripts import Completion

DIALECT = dialect_named("tool_use")


@pytest.fixture(scope="module")
def answered():
    """Every shipped case with its right answer, so that parsing and grading take every step."""
    cases = load_cases(None).cases
    return [(case, Completion(DIALECT.render_calls(case.expected.calls) or "Which file?")) for case in cases]


def test_scoring_the_shipped_cases(benchmark, answered):
    benchmark.extra_info["cases"] = len(answered)
    scores = benchmark(lambda: [score(case, completion, DIALECT) for case, completion in answered])
    assert len(scores) == len(answered)


def test_judging_their_gates(benchmark, answered):
    targets = merge_targets([parse_targets(text, name) for name, text in read_targets(["guide"])])
    scores = [score(case, completion, DIALECT) for case, completion in answered]
    benchmark.extra_info["cases"] = len(answered)
    assert benchmark(judge_levels, scores, targets)["parameter"].rate == 1.0


def test_loading_the_shipped_cases(benchmark):
    assert len(benchmark(load_cases, None).cases) == 1530


def test_starting_the_command(benchmark):
    command = [sys.executable, "-m", "phi4bench.cli", "--help"]
    assert benchmark(lambda: subprocess.run(command, capture_output=True, check=True)).returncode == 0
