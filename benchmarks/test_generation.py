"""How long does an artifact take to answer, one call at a time on one core?"""

from __future__ import annotations

from contextlib import closing

from benchmarks.answers import Renewed, prompts, tokens


def test_one_call(timed, artifact):
    """The tools read once and kept, as in a judgement."""
    asks(timed, artifact, 1)


def test_twelve_cases(timed, artifact):
    asks(timed, artifact, 12)


def asks(timed, artifact, cases):
    """Of an artifact that is loaded again and again: one by itself is slower or faster by where it lies."""
    with closing(Renewed(artifact, prompts(artifact, cases), threads=1, batch=1)) as model:
        first = model.answer()
        made = timed(
            model.answer, reference="arrays", artifact=artifact, renew=model.renew, cases=cases, tokens=tokens(first)
        )
    assert [one.token_ids for one in made] == [one.token_ids for one in first]
