"""Counts with their nouns, as people write them. Pure."""

from __future__ import annotations


def counted(number: int, noun: str, several: str = "") -> str:
    """`1 group`, `1,216 groups`; `several`: the plural, where it is not the noun with an s (`2 families`)."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"
