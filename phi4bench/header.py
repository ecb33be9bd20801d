"""What stands in the header of a stored run, as types, and where a value read from JSON is not of its type. Pure.

Transcripts come from anywhere, and what reads them trusts these types. Members that are not named here are passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import repeat
from types import UnionType
from typing import Any, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

_LARGEST = 2**63
_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


class _File(TypedDict):
    name: str
    sha256: str
    bytes: int


class Card(TypedDict):
    id: str
    spec: str
    sha256: str
    format: str
    precision: str
    dialect: str
    bytes: int
    inferred: list[str]
    files: list[_File]


class Source(TypedDict):
    path: str
    sha256: str
    name: str
    notes: list[str]
    cases: int


class Machine(TypedDict, total=False):
    cores: int | None
    gpus: list[Any] | None


class Asked(TypedDict):
    provider: str
    provider_options: dict[str, Any]


class Runtime(TypedDict, total=False):
    provider_options: dict[str, Any] | None


class Generation(TypedDict, total=False):
    from_cache: int
    generated: int
    peak_rss_bytes: int | None
    runtime: Runtime
    notes: list[str]


class Speed(TypedDict, total=False):
    """What reports say beside `measured.Slo`."""

    load: float | None
    runtime: Runtime
    load_runtime: Runtime
    baseline_notes: list[str]
    notes: list[str]
    crashed: list[str]


class Repeated(TypedDict, total=False):
    runs: dict[str, Runtime]


class Facts(TypedDict, total=False):
    targets: list[tuple[str, str]] | None
    asked: Asked | None
    xfails: dict[str, Any] | None
    generation: Generation | None
    slo: Speed | None
    determinism: Repeated | None
    accuracy_level: dict[str, Any] | None
    gates_skipped: dict[str, str] | None


class Header(TypedDict):
    artifact: Card
    dataset: Source
    decoding: dict[str, Any]
    machine: Machine
    versions: dict[str, Any]
    facts: Facts


def misfit(value: Any, form: Any, place: str = "") -> str:
    """Where a value is not of a type, in a clause; empty where it is. `place`: what the value is called.

    `form`: an annotation, such as a TypedDict or the dataclass that was made of the value; unions are with None alone.
    A whole number does for a number, and neither may be larger than 64 bits hold.
    """
    if form in _KINDS:
        number = form is not bool and type(value) in (int, form)
        if number and form is not str:
            return "" if -_LARGEST <= value < _LARGEST else f"{place} is too large"
        return "" if type(value) is form else f"{place} is no {_KINDS[form]}"
    kind, parts = get_origin(form), get_args(form)
    if kind is UnionType:
        return "" if value is None else misfit(value, parts[0], place)
    if form is Any:
        return ""
    members: Iterable[tuple[Any, Any, Any]]
    if kind in (list, tuple):
        several = kind is list or parts[-1] is ...
        if not isinstance(value, list | tuple) or not (several or len(value) == len(parts)):
            return f"{place} is no list" + ("" if several else f" of {len(parts)}")
        members = zip(range(len(value)), value, repeat(parts[0]) if several else parts, strict=False)
    elif kind in (dict, Mapping) or is_typeddict(form):
        if not isinstance(value, Mapping):
            return f"{place} is no object"
        if kind:
            members = ((name, one, parts[1]) for name, one in value.items())
        else:
            hints = _hints(form).items()
            members = ((name, value.get(name), hint) for name, hint in hints if name in value or form.__total__)
    else:
        members = ((name, getattr(value, name), hint) for name, hint in _hints(form).items())
    faults = (misfit(one, hint, f"{place}.{name}" if place else str(name)) for name, one, hint in members)
    return next(filter(None, faults), "")


_hints = cache(get_type_hints)
