"""From cases to what is sent to a model. Knows prompts and their keys; runs nothing."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import overload

from phi4bench.artifacts import Artifact
from phi4bench.backends import Mode
from phi4bench.cases import Case
from phi4bench.datasets.packing import ids_of
from phi4bench.prompts import Grammar, Prompt
from phi4bench.run.jobs import Item, prompt_key

_KEY_BYTES = 32


class Prompts(Sequence[Item]):
    """What is sent for each of some cases. Keys are kept; a prompt is rendered whenever it is asked for.

    Most are never sent, since their completions are stored, and thousands of them are larger than their cases.
    """

    def __init__(self, cases: Sequence[Case], rendered: Callable[[Case], Prompt]) -> None:
        self._cases, self._ids, self._rendered = cases, ids_of(cases), rendered
        self._keys, self._lengths = bytearray(), array("L")
        for case in cases:
            prompt = rendered(case)
            self._keys += bytes.fromhex(prompt_key(prompt))
            self._lengths.append(sum(len(segment.text) for segment in prompt.segments))
        self._places: Sequence[int] = range(len(cases))

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Prompts: ...
    def __getitem__(self, index: int | slice) -> Item | Prompts:
        if isinstance(index, slice):
            return self.chosen(range(*index.indices(len(self))))
        place = self._places[index]
        case = self._cases[place]
        return Item(case.id, self._key(place), self._rendered(case))

    @property
    def case_ids(self) -> Iterator[str]:
        return (self._ids[place] for place in self._places)

    @property
    def keys(self) -> Iterator[str]:
        return map(self._key, self._places)

    def chosen(self, places: Iterable[int]) -> Prompts:
        """Those at the `places`, in that order."""
        made = object.__new__(Prompts)
        made.__dict__.update(self.__dict__)
        made._places = array("L", (self._places[at] for at in places))
        return made

    def longest_first(self) -> Prompts:
        """The one of the most characters before all others: a backend that is handed some at a time makes its rows as
        long as those need, and begins anew where a later one does not fit."""
        if not self._places:
            return self
        longest = max(range(len(self)), key=lambda at: self._lengths[self._places[at]])
        return self.chosen([longest, *range(longest), *range(longest + 1, len(self))])

    def _key(self, place: int) -> str:
        return self._keys[_KEY_BYTES * place : _KEY_BYTES * (place + 1)].hex()


def render(artifact: Artifact, cases: Sequence[Case], system_prompt: str | None, mode: Mode = "free") -> Prompts:
    """The prompts, from questions alone: the answer key stays here. `mode`: `constrained` gives each its grammar.

    Raises `UsageError` for tools that no grammar can be made of.
    """
    grammars: dict[int, Grammar] = {}  # by the identity of a tuple of tools, which cases of one set share

    def rendered(case: Case) -> Prompt:
        prompt = artifact.dialect.render(case.question(), system_prompt)
        if mode != "constrained":
            return prompt
        if id(case.tools) not in grammars:
            grammars[id(case.tools)] = artifact.dialect.grammar(case.tools)
        return replace(prompt, grammar=grammars[id(case.tools)])

    return Prompts(cases, rendered)
