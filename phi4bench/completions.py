"""Completions in little memory, as a run holds them between their store and its reports. Touches no file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from phi4bench.packed import FEW, Packed
from phi4bench.store import completion_to_json
from phi4bench.transcripts import Completion


class PackedCompletions(Packed[Completion | None]):
    """As they are stored. `missing`: how many are `None`."""

    def __init__(self, completions: Iterable[Completion | None]) -> None:
        self.missing = 0
        super().__init__(completions, self._counted, _completion)

    def _counted(self, completion: Completion | None) -> Any:
        self.missing += completion is None
        return _written(completion)


def pack_completions(completions: Iterable[Completion | None], count: int) -> Sequence[Completion | None]:
    """The same in less memory, where their `count` is large. `token_at_ms`, which no store keeps, is not kept here."""
    return PackedCompletions(completions) if count > FEW else tuple(completions)


def missing(completions: Sequence[Completion | None]) -> int:
    """How many are `None`, without reading them back."""
    if isinstance(completions, PackedCompletions):
        return completions.missing
    return sum(one is None for one in completions)


def completion_lines(completions: Sequence[Completion | None]) -> Iterator[str]:
    """Each as JSON; `null` for `None`."""
    if isinstance(completions, PackedCompletions):
        return completions.lines()
    return (json.dumps(_written(one)) for one in completions)


def _written(completion: Completion | None) -> Any:
    return None if completion is None else completion_to_json(completion)


def _completion(_: int, data: Any) -> Completion | None:
    """What was written here; nothing that has to be checked."""
    if data is None:
        return None
    text, tokens, finish, *numbers = data.values()
    return Completion(text, tuple(tokens), finish, *numbers)
