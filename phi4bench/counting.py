"""Counts with their nouns, as people write them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def counted(number: int, noun: str, several: str = "") -> str:
    """`1 case`, `1,216 cases`; `several`: the plural, where it is not the noun with an s (`2 families`)."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def each_once(texts: Iterable[str]) -> list[str]:
    """Each different text, in the order in which they first came, with how often where that was more than once."""
    return [text if times == 1 else f"{text} ({times:,} times)" for text, times in Counter(texts).items()]
