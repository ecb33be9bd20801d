"""Follows generation for `--sequential`: scores each completion as it comes, and says when no more are needed.

The reckoning is `rejection`'s; this knows items and completions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phi4bench.cases import Case
from phi4bench.dialects import Dialect
from phi4bench.levels import score
from phi4bench.rejection import Watch
from phi4bench.run.prompting import Prompts
from phi4bench.transcripts import Completion


class Lookout:
    """One artifact's completions on their way into a watch. `baseline`: they are the other half of the pairs."""

    def __init__(self, watch: Watch, cases: Sequence[Case], dialect: Dialect, baseline: bool = False) -> None:
        self._watch, self._dialect, self._baseline = watch, dialect, baseline
        self._cases = {case.id: case for case in cases}
        self._places = {group: place for place, group in enumerate(watch.order)}

    @property
    def satisfied(self) -> bool:
        return self._watch.rejection is not None

    def ordered(self, items: Prompts) -> Prompts:
        """Whole families, in the order in which they are drawn; those that are not watched come last."""
        last = len(self._places)
        drawn = [self._places.get(self._cases[case_id].group, last) for case_id in items.case_ids]
        return items.chosen(sorted(range(len(drawn)), key=drawn.__getitem__))

    def saw(self, case_id: str, completion: Completion) -> bool:
        """Take one more; whether no further ones are needed."""
        self._watch.add(score(self._cases[case_id], completion, self._dialect), self._baseline)
        return self.satisfied

    def saw_all(self, completions: Iterable[tuple[str, Completion | None]]) -> bool:
        """Each with its case id; `None`: not there yet."""
        return any(self.saw(case_id, completion) for case_id, completion in completions if completion is not None)
