"""Whether an artifact gives the same calls whenever and however it is run, from its completions alone. Pure.

A sample of cases is answered again, with nothing taken from any cache: as the judged run was made, a second time, one
case at a time, and one at a time with another number of threads. A case whose calls differ in any comparison is not
stable: nobody can say which of its answers production will see, so it counts as wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from phi4bench.calls import Json
from phi4bench.cases import Case
from phi4bench.dialects import Dialect
from phi4bench.levels import Level, Score, score
from phi4bench.transcripts import Completion

Answers = Mapping[str, Completion]
"""Completions by case id."""

JUDGED, FIRST, AGAIN, ALONE, THREADS = "judged", "first", "again", "alone", "threads"
COMPARED = ((JUDGED, FIRST), (FIRST, AGAIN), (FIRST, ALONE), (ALONE, THREADS))
"""Which runs are compared: the judged completions with a fresh run, that with a second one alike, batch N with batch 1,
and at batch 1 two numbers of threads. A comparison goes by the name of its second run."""


@dataclass(frozen=True)
class Difference:
    """One case that two runs answered otherwise. `calls`: its calls differ; else its tokens alone, as in prose.

    `token`: the first new token that differs, from 0; `None` where the backend tells no tokens.
    """

    case_id: str
    one: Completion
    other: Completion
    calls: bool
    token: int | None


@dataclass(frozen=True)
class Comparison:
    """Two runs over the same `cases`. `differences`: in the cases' order, those of tokens alone too."""

    one: str
    other: str
    cases: int
    differences: tuple[Difference, ...]

    @property
    def calls(self) -> tuple[str, ...]:
        """The ids of the cases whose calls differ."""
        return tuple(one.case_id for one in self.differences if one.calls)


@dataclass(frozen=True)
class Stability:
    """What the comparisons found. `cases`: asked of each run."""

    cases: int
    comparisons: tuple[Comparison, ...]

    @property
    def unstable(self) -> Mapping[str, tuple[str, ...]]:
        """The cases that are not stable, each with the runs in which their calls changed."""
        found: dict[str, tuple[str, ...]] = {}
        for comparison in self.comparisons:
            for case_id in comparison.calls:
                found[case_id] = (*found.get(case_id, ()), comparison.other)
        return found


def same_calls(case: Case, one: Completion, other: Completion, dialect: Dialect) -> bool:
    """Whether two completions do the same: equal calls, or both none. Two proses are the same if both hold back."""
    return one.text == other.text or _deed(case, one, dialect) == _deed(case, other, dialect)


def compare(cases: Sequence[Case], one: str, a: Answers, other: str, b: Answers, dialect: Dialect) -> Comparison:
    """Hold two runs against each other, over the cases that both have."""
    shared = [case for case in cases if case.id in a and case.id in b]
    differences = []
    for case in shared:
        left, right = a[case.id], b[case.id]
        if (left.text, left.token_ids, left.finish) != (right.text, right.token_ids, right.finish):
            calls = not same_calls(case, left, right, dialect)
            differences.append(Difference(case.id, left, right, calls, _first_token(left, right)))
    return Comparison(one, other, len(shared), tuple(differences))


def discounted(scores: Iterable[Score], stability: Stability) -> tuple[Score, ...]:
    """The same scores, and those of cases that are not stable as wrong: at every level, and as no abstention."""
    unstable = stability.unstable
    return tuple(
        replace(
            one,
            level=Level.NOTHING,
            reason=f"not stable: {how(unstable[one.case_id])}",
            abstained=False,
            arguments_right=0,
            schema_valid=0,
        )
        if one.case_id in unstable
        else one
        for one in scores
    )


def how(runs: Sequence[str]) -> str:
    """When the calls changed, in a clause."""
    clauses = {
        FIRST: "when it was run afresh",
        AGAIN: "when it was run once more",
        ALONE: "when it was run one case at a time",
        THREADS: "with another number of threads",
    }
    return "other calls " + " and ".join(clauses[run] for run in runs)


def _deed(case: Case, completion: Completion, dialect: Dialect) -> tuple[Json, ...]:
    """What a completion does, as far as a caller would notice."""
    graded = score(case, completion, dialect)
    if case.expected.structured:
        return (completion.text.strip(),)
    parsed = dialect.parse(completion.text)
    calls = [json.dumps([call.name, dict(call.arguments)], sort_keys=True) for call in parsed.calls]
    if case.expected.order == "any":
        calls.sort()
    return (parsed.attempted, parsed.whole, graded.abstained, *calls)


def _first_token(one: Completion, other: Completion) -> int | None:
    if not one.token_ids and not other.token_ids:
        return None
    pairs = zip(one.token_ids, other.token_ids, strict=False)
    shorter = min(len(one.token_ids), len(other.token_ids))
    return next((at for at, (left, right) in enumerate(pairs) if left != right), shorter)
