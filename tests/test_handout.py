"""Jobs that come in portions: lanes go from one to the next, and nothing is lost where one cannot be made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phi4bench.artifacts import open_artifact
from phi4bench.backends import CaseError, Decoding, open_backend
from phi4bench.backends.handout import Coming, Handout
from phi4bench.backends.job import Job
from phi4bench.cases import Message, Question
from phi4bench.prompts import Prompt

MODEL = Path(__file__).resolve().parent.parent / "fixtures" / "models" / "nano-int8"


def jobs(*indices: int, tokens: int = 3) -> list[Job]:
    return [Job(index, np.arange(tokens), 0, 5, frozenset()) for index in indices]


def taken(handout: Handout) -> list[int]:
    return [one.index for one in iter(handout.take, None)]


def short(further: Sequence[Job]) -> bool:
    return all(len(one.ids) <= 3 for one in further)


def test_a_portion_is_made_when_the_one_before_is_handed_out() -> None:
    made = []

    def portions() -> Iterator[list[Job]]:
        for first in (0, 2, 4):
            made.append(first)
            yield jobs(first, first + 1)

    coming = Coming(portions())
    handout = Handout(coming.take(), partial(coming.take_if, short))
    assert [handout.take().index, handout.take().index] == [0, 1]  # type: ignore[union-attr]
    assert made == [0]
    assert handout.take().index == 2  # type: ignore[union-attr]
    assert made == [0, 2]
    assert taken(handout) == [3, 4, 5]
    assert not coming.take()


def test_a_portion_that_does_not_fit_the_rows_waits_for_others() -> None:
    coming = Coming([jobs(0), jobs(1), jobs(2, tokens=9), jobs(3)])
    handout = Handout(coming.take(), partial(coming.take_if, short))
    assert taken(handout) == [0, 1]
    assert taken(Handout(coming.take())) == [2]
    assert taken(Handout(coming.take())) == [3]
    assert not coming.take()


def test_an_empty_portion_is_not_the_end() -> None:
    coming = Coming([[], jobs(0), [], jobs(1)])
    assert taken(Handout(coming.take(), partial(coming.take_if, short))) == [0, 1]


def test_what_is_not_done_is_given_again() -> None:
    coming = Coming([jobs(0, 1), jobs(2, 3)])
    handout = Handout(coming.take(), partial(coming.take_if, short))
    assert [handout.take().index for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]
    handout.done(1)
    handout.begin_again()
    assert taken(handout) == [0, 2, 3]


def test_a_fault_of_the_next_portion_comes_after_what_is_in_flight() -> None:
    def portions() -> Iterator[list[Job]]:
        yield jobs(0, 1)
        raise CaseError(2, "too long")

    coming = Coming(portions())
    assert taken(Handout(coming.take(), partial(coming.take_if, short))) == [0, 1]
    for _ in range(2):
        with pytest.raises(CaseError, match="too long"):
            coming.take()


@pytest.fixture(scope="module")
def backend() -> Any:
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    return open_backend(open_artifact(str(MODEL)), threads=1, batch=2)


def ask(text: str) -> Prompt:
    return open_artifact(str(MODEL)).dialect.render(Question("", (), (Message("user", text),)))


def test_a_row_that_is_free_begins_with_the_next_portion(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers as in one portion, in as many steps; apart, each portion has rows that wait for its last."""
    from phi4bench.backends.kv import SharedRows

    steps, step = [], SharedRows.step

    def counted(self: SharedRows, tokens: Sequence[int]) -> Any:
        steps.append(len(tokens))
        return step(self, tokens)

    monkeypatch.setattr(SharedRows, "step", counted)
    prompts = [ask(f"Read {name}") for name in ("a.txt", "notes/of/last/week.md", "b", "src/main.py", "c.c", "d")]
    decoding = Decoding(24)
    whole = dict(backend.generate(prompts, decoding))
    at_once = len(steps)
    portions = [prompts[:3], prompts[3:5], prompts[5:]]
    seams = dict(backend.generate_all(portions, decoding))
    assert len(steps) - at_once == at_once
    assert [seams[i].token_ids for i in range(6)] == [whole[i].token_ids for i in range(6)]
    del steps[:]
    for some in portions:
        list(backend.generate(some, decoding))
    assert len(steps) > at_once


def test_a_prompt_that_is_too_long_costs_nothing_of_the_portion_before(backend: Any) -> None:
    found = backend.generate_all([[ask("Read a"), ask("Read b")], [ask("Read c"), ask("x " * 2000)]], Decoding(8))
    made = [next(found), next(found)]
    with pytest.raises(CaseError, match="a prompt of") as caught:
        next(found)
    assert caught.value.index == 3
    assert sorted(index for index, _ in made) == [0, 1]


def test_a_small_portion_does_not_set_the_rows_of_those_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    from phi4bench.backends.kv import SharedRows

    steps, step = [], SharedRows.step

    def counted(self: SharedRows, tokens: Sequence[int]) -> Any:
        steps.append(len(tokens))
        return step(self, tokens)

    monkeypatch.setattr(SharedRows, "step", counted)
    wide: Any = open_backend(open_artifact(str(MODEL)), threads=1, batch=4)
    same = [ask("Read a.txt")] * 6
    assert len(list(wide.generate_all([same[:1], same[1:2], same[2:]], Decoding(12)))) == 6
    assert max(steps) == 4


def test_rows_are_left_where_twice_as_many_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long prompt takes the room of several rows, and those behind it need not go on with so few."""
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    from phi4bench.backends.kv import SharedRows

    made, init = [], SharedRows.__init__

    def noted(self: SharedRows, decoder: Any, rows: int, tokens: int, *more: Any, **named: Any) -> None:
        made.append(rows)
        init(self, decoder, rows, tokens, *more, **named)

    monkeypatch.setattr(SharedRows, "__init__", noted)
    wide: Any = open_backend(open_artifact(str(MODEL)), threads=1, batch=4)
    brief, long = [ask("Read a.txt")] * 4, ask("x " * 300)
    job_tokens = [len(job.ids) + job.cap for job in wide._reader.jobs([*brief[:1], long], Decoding(12))]
    assert job_tokens[1] > 4 * job_tokens[0]
    for rows, expected in ((3, [3]), (2, [2, 4]), (1, [1, 4])):
        monkeypatch.setattr(wide, "_cache_bytes", lambda: wide._token_bytes() * job_tokens[1] * rows)  # noqa: B023
        del made[:]
        assert len(list(wide.generate_all([[long, *brief[:3]], brief], Decoding(12)))) == 8
        assert made == expected


def test_a_portion_that_waits_is_not_asked_for_again() -> None:
    asked = []
    handout = Handout(jobs(0), lambda: asked.append(1) or ())  # type: ignore[func-returns-value]
    assert taken(handout) == [0]
    assert handout.take() is None
    assert asked == [1]
