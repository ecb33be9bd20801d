"""Which cases begin alike: in what order they run, and how many beginnings a run holds at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phi4bench.backends.job import Job
from phi4bench.backends.prefixes import by_commonness, most_distinct, together


def jobs(prefixes: str) -> list[Job]:
    """One for each letter, which is its prefix; what follows differs."""
    return [Job(index, np.array([ord(letter), index]), 1, 8, frozenset()) for index, letter in enumerate(prefixes)]


def letters(some: list[Job]) -> str:
    return "".join(chr(job.ids[0]) for job in some)


def test_cases_that_begin_alike_stand_together_in_the_order_of_the_first() -> None:
    ordered = together(jobs("abacab"))
    assert letters(ordered) == "aaabbc"
    assert [job.index for job in ordered] == [0, 2, 4, 1, 5, 3]


def test_of_answers_that_are_given_the_longest_come_first_among_those_that_begin_alike() -> None:
    lengths = [1, 5, 3, 9, 3, 2]
    given = [replace(job, forced=(7,) * length) for job, length in zip(jobs("abacab"), lengths, strict=True)]
    assert [(chr(job.ids[0]), len(job.forced)) for job in together(given)] == [
        ("a", 3), ("a", 3), ("a", 1), ("b", 5), ("b", 2), ("c", 9),
    ]  # fmt: skip
    assert [job.index for job in together(given)][:2] == [2, 4], "of equals the first"


@pytest.mark.parametrize(
    ("prefixes", "parts"),
    [
        pytest.param("aaabcc", ["aaa", "bcc"], id="common-first"),
        pytest.param("abc", ["abc"], id="none-is-common"),
        pytest.param("aaaa", ["aaaa"], id="all-are"),
        pytest.param("", [], id="no-case"),
    ],
)
def test_common_beginnings_run_first(prefixes: str, parts: list[str]) -> None:
    assert [letters(part) for part in by_commonness(jobs(prefixes), 3)] == parts


@pytest.mark.parametrize(
    ("window", "most"),
    [
        pytest.param(1, 1, id="one-at-a-time"),
        pytest.param(2, 2, id="two"),
        pytest.param(3, 3, id="bcd-in-the-middle"),
        pytest.param(8, 4, id="all-of-them"),
        pytest.param(99, 4, id="more-than-there-are"),
    ],
)
def test_prefixes_among_neighbours(window: int, most: int) -> None:
    assert most_distinct(jobs("aaabbcda"), window) == most
