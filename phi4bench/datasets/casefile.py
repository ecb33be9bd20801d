"""Case files: JSON lines, one case each, checked whole before anything runs."""

from __future__ import annotations

import filecmp
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from phi4bench.cases import Case
from phi4bench.datasets.casejson import FormError, case_from_json, case_to_json, shown
from phi4bench.datasets.strictjson import read_json
from phi4bench.datasets.toolsets import Toolsets, check_expected, check_names, check_tools
from phi4bench.errors import CaseFileError, UsageError


def read_cases(path: Path) -> Iterator[tuple[str, Case]]:
    """Every case of the file with its place, `file:line`, as it is read; the first fault raises `CaseFileError`.

    Tool sets are looked for next to the file, then among the shipped ones. Ids may repeat here: `distinct` judges them
    over all files of a run.
    """
    toolsets = Toolsets([path.parent])
    known_good: set[str] = set()
    checked: set[str] = set()
    found = False
    for number, line in _lines(path):
        place = f"{shown_path(path)}:{number}"
        try:
            case = case_from_json(read_json(line), toolsets)
            if case.toolset not in checked:
                check_tools(case.tools, known_good)
                if case.toolset:
                    checked.add(case.toolset)
            check_expected(case)
            check_names(case)
        except (FormError, UsageError) as fault:
            raise CaseFileError(f"{place}: {fault}") from None
        except RecursionError:
            raise CaseFileError(f"{place}: nested too deeply; flatten it") from None
        found = True
        yield place, case
    if not found:
        raise CaseFileError(f"{shown_path(path)}:1: the file holds no case; write one JSON object a line")


def distinct(cases: Iterable[tuple[str, Case]]) -> Iterator[Case]:
    """The cases; at their end `CaseFileError` naming both places, if two share an id, or ask the same in two groups.

    At the end, since whatever else is wrong in a file is told first. Other people's data sets, whose cases have no
    places of their own, may ask twice.
    """
    seen = _Seen()
    for place, case in cases:
        seen.add(place, case)
        yield case
    if fault := seen.fault():
        raise CaseFileError(fault)


class _Seen:
    """What tells cases apart, in arrays: small objects between the cases that stay would keep their memory taken."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._questions = array("q")
        self._groups: list[str] = []
        self._alike: dict[str, str] = {}
        self._places = bytearray()
        self._place_ends = array("L", [0])
        self._offers: dict[tuple[str, int], str] = {}

    def add(self, place: str, case: Case) -> None:
        self._ids.append(case.id)
        self._questions.append(_question(case, self._offers))
        self._groups.append(self._alike.setdefault(case.group, case.group))
        self._places += place.encode("utf-8", "surrogateescape")
        self._place_ends.append(len(self._places))

    def fault(self) -> str:
        """The first there is, empty for none."""
        faults = (*self._same_ids(), *self._other_groups())
        return min(faults, key=itemgetter(0), default=(0, ""))[1]

    def _same_ids(self) -> Iterator[tuple[int, str]]:
        """Each that was given before, with where it stands."""
        if len(set(self._ids)) == len(self._ids):
            return
        firsts: dict[str, int] = {}
        for at, case_id in enumerate(self._ids):
            if (first := firsts.setdefault(case_id, at)) != at:
                before = f"id={shown(case_id)} was given at {self._place(first)} already"
                yield at, f"{self._place(at)}: {before}; ids must differ over all files"

    def _other_groups(self) -> Iterator[tuple[int, str]]:
        """Each that asks what one of another group asks."""
        if len(set(self._questions)) == len(self._questions):
            return
        firsts: dict[int, int] = {}
        for at, question in enumerate(self._questions):
            first = firsts.setdefault(question, at)
            group, other = self._groups[at], self._groups[first]
            if group != other and self._place(first) != self._place(at):
                instead = (
                    f"group={shown(group)}, but should be {shown(other)}, for it asks what {self._place(first)} asks"
                )
                yield at, f"{self._place(at)}: {instead}; one question is no evidence twice"

    def _place(self, at: int) -> str:
        return self._places[self._place_ends[at] : self._place_ends[at + 1]].decode("utf-8", "surrogateescape")


def _question(case: Case, offers: dict[tuple[str, int], str]) -> int:
    """A hash of all that a model is told. `offers`: tool sets by name and object, as text."""
    at = (case.toolset, id(case.tools))
    tools = offers.get(at) or repr(case.tools)
    if case.toolset:
        offers[at] = tools
    turns = [
        (one.role, one.content, str(one.calls), one.name, one.error) if one.calls else one for one in case.messages
    ]
    schema = case.expected.response_schema
    return hash((tools, *turns, schema and str(schema)))


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """One case a line, whatever the file held before. `UsageError`."""
    _write(path, map(case_to_json, cases), replacing=True)


def save_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> bool:
    """One object a line; returns whether there was anything to do.

    Raises `UsageError` where the file holds something else: it may be the user's own.
    """
    return _write(path, lines, replacing=False)


def _write(path: Path, lines: Iterable[Mapping[str, Any]], *, replacing: bool) -> bool:
    """UTF-8, whole or not at all: written beside `path`, links followed, and renamed."""
    check_replaceable(path)
    real = Path(os.path.realpath(path))  # of a link to a file, and /dev/stdout may be one, the file is written
    real.parent.mkdir(parents=True, exist_ok=True)
    draft = real.with_name(f".{real.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        if not replacing and real.exists() and real.stat().st_size:
            if not filecmp.cmp(draft, real, shallow=False):
                raise UsageError(
                    f"--out={shown(str(path), 200)} holds something else", "name another file, or remove it"
                )
            return False
        draft.replace(real)
        return True
    finally:
        draft.unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """`UsageError` for what no new file may take the place of, though root could: a device, a pipe, links in a ring."""
    real = os.path.realpath(path)
    if os.path.lexists(real) and not Path(real).is_file():
        raise UsageError(f"--out={shown(str(path), 200)} is no file", "name one that ends in .jsonl")


def shown_path(path: Path) -> str:
    """A path for a terminal: as it is where that can be printed, else quoted and escaped."""
    text = str(path)
    return text if text.isprintable() else shown(text, 300)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that hold something, numbered from 1. Only a line feed ends one: JSON strings may hold U+2028."""
    for number, raw in enumerate(_raw_lines(path), start=1):
        if number == 1:
            if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise CaseFileError(f"{shown_path(path)}:1: the file is UTF-16, but should be UTF-8; save it as UTF-8")
            if raw.startswith(b"\x1f\x8b"):  # gzip
                raise CaseFileError(f"{shown_path(path)}:1: the file is compressed, but should be text; unpack it")
            raw = raw.removeprefix(b"\xef\xbb\xbf")
            if (begins := raw.strip()).startswith(b"[") or begins == b"{":
                what, each = ("one JSON array", ".[]") if begins.startswith(b"[") else ("JSON over several lines", ".")
                raise CaseFileError(
                    f"{shown_path(path)}:1: the file is {what}, but should be one JSON object a line;"
                    f" `jq -c '{each}' FILE` writes it so"
                )
        if not raw or raw.isspace():
            continue
        try:
            yield number, raw.removesuffix(b"\n").decode("utf-8")
        except UnicodeDecodeError as error:
            raise CaseFileError(
                f"{shown_path(path)}:{number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
            ) from None


def _raw_lines(path: Path) -> Iterator[bytes]:
    """As they come from the file, which is never in memory whole."""
    try:
        with path.open("rb") as file:
            yield from file
    except IsADirectoryError:
        raise UsageError(f"{shown_path(path)} is a folder, but should be a case file; name the .jsonl file") from None
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read: {error.strerror}; name a case file") from None
