"""Counts with their nouns, and text in lines for a terminal."""

from __future__ import annotations

import pytest

from phi4bench.counting import counted, each_once
from phi4bench.printable import wrapped


@pytest.mark.parametrize(
    ("number", "said"),
    [
        pytest.param(0, "0 families", id="none"),
        pytest.param(1, "1 family", id="one"),
        pytest.param(2, "2 families", id="two"),
        pytest.param(1216, "1,216 families", id="thousands"),
    ],
)
def test_one_thing_is_singular(number: int, said: str) -> None:
    assert counted(number, "family", "families") == said
    assert counted(number, "case") == said.replace("families", "cases").replace("family", "case")


def test_what_comes_again_is_said_once_with_how_often() -> None:
    assert each_once(["no memory", "NaN", "no memory", "no memory"]) == ["no memory (3 times)", "NaN"]


def test_lines_fit_a_terminal_of_80_columns_and_a_path_stays_whole() -> None:
    lines = wrapped("reports: " + "/some/folder/" * 8 + "report.html, and more words " * 5, "  ")
    assert lines[1] == "    " + "/some/folder/" * 8 + "report.html,"
    assert max(map(len, [*lines[:1], *lines[2:]])) < 80
    assert max(map(len, wrapped("x" * 500, break_words=True))) == 79
