"""Follows generation for `--sequential`: scores each completion as it comes, and says when no more are needed.

The reckoning is `rejection`'s; this knows items and completions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phi4bench.cases import Case
from phi4bench.dialects import Dialect
from phi4bench.levels import score
from phi4bench.rejection import Watch
from phi4bench.run.jobs import Item
from phi4bench.transcripts import Completion, Transcript


class Lookout:
    """One artifact's completions on their way into a watch. `baseline`: they are the other half of the pairs."""

    def __init__(self, watch: Watch, cases: Sequence[Case], dialect: Dialect, baseline: bool = False) -> None:
        self._watch, self._dialect, self._baseline = watch, dialect, baseline
        self._cases = {case.id: case for case in cases}
        self._places = {group: place for place, group in enumerate(watch.order)}

    @property
    def satisfied(self) -> bool:
        return self._watch.rejection is not None

    def ordered(self, items: Sequence[Item]) -> list[Item]:
        """Whole families, in the order in which they are drawn; those that are not watched come last."""
        last = len(self._places)
        return sorted(items, key=lambda item: self._places.get(self._cases[item.case_id].group, last))

    def saw(self, case_id: str, completion: Completion) -> bool:
        """Take one more; whether no further ones are needed."""
        self._watch.add(score(self._cases[case_id], completion, self._dialect), self._baseline)
        return self.satisfied

    def saw_all(self, transcripts: Mapping[str, Transcript]) -> bool:
        """By case id."""
        return any(self.saw(case_id, transcript.completion) for case_id, transcript in transcripts.items())
