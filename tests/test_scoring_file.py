"""What a model thinks of a forced answer: one position by hand, and the file in which a child leaves them."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from phi4bench.backends.forced import observe
from phi4bench.fidelity import Head, Position, divergence
from phi4bench.run.scoring_worker import case_line, read_cases

POSITIONS = (
    Position(7, -0.1234567890123456, 7, Head((7, 200_063, 0), (-0.1234567890123456, -1e-17, -41.5), -50.25, -60.0)),
    Position(0, -3.0, 9, Head((9,), (0.0,))),  # nothing beside its head
    Position(1, -2.0, 1, Head((1, 2), (-2.0, -3.0), -0.2, -9.0)),
)


@pytest.mark.parametrize(("watched", "beside"), [((0,), (0.3, 0.2)), ((2, 0), (0.3,))])
def test_what_is_beside_the_watched_tokens_is_told_as_one_and_by_its_lowest(watched, beside):
    logits = np.log(np.array([0.5, 0.3, 0.2])) + 4
    found = observe(logits, 1, watched, SimpleNamespace(index=0), 0, "by hand")
    assert (found.token, found.top1, found.head.ids) == (1, 0, watched)
    assert found.logprob == pytest.approx(math.log(0.3))
    assert found.head.logprobs == pytest.approx([math.log([0.5, 0.3, 0.2][one]) for one in watched])
    assert found.head.rest == pytest.approx(math.log(sum(beside)))
    assert found.head.lowest == pytest.approx(math.log(min(beside)))


def test_cases_come_back_to_the_last_bit_each_with_its_own(tmp_path):
    lines = [case_line("ä case", POSITIONS), case_line("another", POSITIONS[:1]), case_line("empty", ())]
    (tmp_path / "f").write_text("".join(lines), encoding="utf-8")
    assert list(read_cases(tmp_path / "f")) == [("ä case", POSITIONS), ("another", POSITIONS[:1]), ("empty", ())]


def test_what_cannot_come_is_a_number_that_can_be_subtracted(tmp_path):
    never = Position(1, -math.inf, 0, Head((0, 1), (0.0, -math.inf), -math.inf, -math.inf))
    (tmp_path / "f").write_text(case_line("a case", [never]))
    [(_, [found])] = read_cases(tmp_path / "f")
    assert (found.logprob, found.head.logprobs, found.head.lowest) == (-1e9, (0.0, -1e9), -1e9)
    assert found.head.rest == -math.inf
    assert math.isfinite(divergence(Head((0, 1), (math.log(0.5), math.log(0.5))), found.head).high)


def test_a_file_that_lacks_a_number_is_not_read(tmp_path):
    whole, short = case_line("a case", POSITIONS), case_line("a case", POSITIONS[:2])
    (tmp_path / "f").write_text(whole.replace(whole.split('"')[3], short.split('"')[3]))
    with pytest.raises(ValueError, match=r"is (shorter|longer) than"):
        list(read_cases(tmp_path / "f"))


@pytest.mark.parametrize("column", [-2, -1], ids=["ids", "logprobs"])
def test_a_file_that_lacks_part_of_a_head_is_not_read(tmp_path, column):
    line, short = json.loads(case_line("a case", POSITIONS)), json.loads(case_line("a case", POSITIONS[:1]))
    line[column] = short[column]
    (tmp_path / "f").write_text(json.dumps(line) + "\n")
    with pytest.raises(ValueError, match="is shorter than it says"):
        list(read_cases(tmp_path / "f"))
