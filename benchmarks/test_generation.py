"""How long does an artifact take to answer, one call at a time on one core?"""

from __future__ import annotations

from benchmarks.answers import answer, opened, prompts, tokens


def test_one_call(timed, artifact):
    """The tools read once and kept, as in a judgement."""
    asked = prompts(artifact, 1)
    with opened(artifact, threads=1, batch=1) as backend:
        first = answer(backend, asked)
        made = timed(
            lambda: answer(backend, asked), reference="arrays", artifact=artifact, cases=1, tokens=tokens(first)
        )
    assert [one.token_ids for one in made] == [one.token_ids for one in first]


def test_twelve_cases(timed, artifact):
    asked = prompts(artifact, 12)
    with opened(artifact, threads=1, batch=1) as backend:
        first = answer(backend, asked)
        made = timed(
            lambda: answer(backend, asked), reference="arrays", artifact=artifact, cases=12, tokens=tokens(first)
        )
    assert [one.token_ids for one in made] == [one.token_ids for one in first]
