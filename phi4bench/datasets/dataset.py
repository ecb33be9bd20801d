"""A dataset: the cases of one run, and what identifies them. Reads no files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from phi4bench.cases import Case
from phi4bench.datasets.casejson import case_to_json, tool_to_json
from phi4bench.datasets.packing import groups_of, ids_of


@dataclass(frozen=True)
class Dataset:
    """The cases of one run. `path`: what the user named, for people to read.

    `sha256`: over the cases with the tools they offer, so it names what was asked wherever the files lie and however
    they are spaced. `notes`: lines to print about what was left out or changed on the way in.
    """

    cases: Sequence[Case]
    path: str
    sha256: str
    name: str
    notes: tuple[str, ...] = ()

    @property
    def ids(self) -> Sequence[str]:
        return ids_of(self.cases)

    @property
    def groups(self) -> Sequence[str]:
        """The family of each case."""
        return groups_of(self.cases)


class Digest:
    """sha256 over cases in order, each tool set written once."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._toolsets: dict[tuple[str, int], str] = {}

    def over(self, cases: Iterable[Case]) -> Iterator[Case]:
        """The same cases, each taken into the digest on its way."""
        for case in cases:
            key = (case.toolset, id(case.tools))
            if case.toolset and key not in self._toolsets:
                tools = json.dumps([tool_to_json(tool) for tool in case.tools], sort_keys=True)
                self._toolsets[key] = hashlib.sha256(tools.encode()).hexdigest()
            line = json.dumps(case_to_json(case), sort_keys=True) + self._toolsets.get(key, "") + "\n"
            self._sha256.update(line.encode())
            yield case

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def digest(cases: Iterable[Case]) -> str:
    """Of all of them."""
    made = Digest()
    for _ in made.over(cases):
        pass
    return made.hexdigest()
