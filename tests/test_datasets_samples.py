"""Samples of cases: seeded, each stratum in its share, and in the order of the whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from weather import line, write

from phi4bench.calls import Call
from phi4bench.cases import Case, Expected, Message
from phi4bench.datasets import load_cases, sample, subset
from phi4bench.errors import Phi4benchError
from phi4bench.tools import Tool


def case_of(number: int, scenario: str, called: str) -> Case:
    tool = Tool(called)
    return Case(f"c{number}", scenario, "g", (tool,), (Message("user", "u"),), Expected((Call(called, {}),)))  # type: ignore[arg-type]


MANY = [case_of(n, "single" if n < 60 else "parallel", "read" if n % 3 else "grep") for n in range(90)]


@pytest.mark.parametrize("limit", [1, 7, 10, 45, 89])
def test_a_sample_holds_each_stratum_in_its_share(limit: int) -> None:
    strata = Counter((case.scenario, case.expected.calls[0].name) for case in MANY)
    taken = Counter((case.scenario, case.expected.calls[0].name) for case in sample(MANY, limit))
    assert taken.total() == limit
    for stratum, size in strata.items():
        assert abs(taken[stratum] - limit * size / len(MANY)) < 1


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert sample(MANY, 20, seed=3) == sample(MANY, 20, seed=3)
    assert sample(MANY, 20, seed=3) != sample(MANY, 20, seed=4)


def test_a_sample_keeps_the_order_and_a_large_limit_keeps_all() -> None:
    numbers = [int(case.id[1:]) for case in sample(MANY, 30)]
    assert numbers == sorted(numbers)
    assert sample(MANY, 91) == tuple(MANY)


def test_a_sample_of_none_is_refused() -> None:
    with pytest.raises(Phi4benchError, match="limit=0, but should be at least 1"):
        sample(MANY, 0)


def test_a_subset_is_a_dataset_of_its_own(tmp_path: Path) -> None:
    whole = load_cases([write(tmp_path / "c.jsonl", *(line(id=f"w-{n}") for n in range(9)))])
    part = subset(whole, 4, seed=1)
    assert len(part.cases) == 4
    assert part.sha256 != whole.sha256
    assert part.notes == ("a sample of 4 of 9 cases (seed 1)",)
    assert subset(whole, 9) is whole
