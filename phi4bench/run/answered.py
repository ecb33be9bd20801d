"""The answered cases of a run by their ids, without a second copy of them. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from phi4bench.cases import Case
from phi4bench.runfile import SavedRun
from phi4bench.transcripts import Completion


class Answered(Mapping[str, tuple[Case, Completion]]):
    """What has a completion, by case id; looked up in the run, which holds it in less memory.

    Places are found by bisection: a dictionary of ids would take half as much as the completions.
    """

    def __init__(self, run: SavedRun) -> None:
        self._run, self._ids = run, run.dataset.ids
        self._by_id = array("L", sorted(range(len(self._ids)), key=self._ids.__getitem__))

    def __getitem__(self, case_id: str) -> tuple[Case, Completion]:
        found = bisect_left(self._by_id, case_id, key=self._ids.__getitem__)
        place = self._by_id[found] if found < len(self._by_id) else -1
        completion = self._run.completions[place] if place >= 0 and self._ids[place] == case_id else None
        if completion is None:
            raise KeyError(case_id)
        return self._run.dataset.cases[place], completion

    def __iter__(self) -> Iterator[str]:
        pairs = zip(self._ids, self._run.completions, strict=True)
        return (case_id for case_id, completion in pairs if completion is not None)

    def __len__(self) -> int:
        return len(self._ids) - self._run.missing
