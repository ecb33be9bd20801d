"""A call, and what a dialect made of a completion. Words only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A JSON value. Floats are finite; object keys are strings."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's name and the arguments given to it."""

    name: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True)
class Parsed:
    """What one completion says, read by one dialect. Parsing is total: any text gives one of these.

    `attempted`: the completion attempts a call (a marker of the dialect, or the start of its call syntax).
    `whole`: it attempts one, every attempt parsed into a named call with arguments, and nothing was left over
    inside a block. `calls` may hold the calls before the fault even where `whole` is false.
    `reason`: why it is not whole; empty where it is, and where nothing was attempted.
    `prose`: the text outside the call blocks, stripped.
    """

    calls: tuple[Call, ...]
    attempted: bool
    whole: bool
    reason: str = ""
    prose: str = ""
