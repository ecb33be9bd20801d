"""Case files: JSON lines, one case each, checked whole before anything runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from phi4bench.cases import Case
from phi4bench.datasets.casejson import FormError, case_from_json, case_to_json, shown
from phi4bench.datasets.strictjson import read_json
from phi4bench.datasets.toolsets import Toolsets, check_expected, check_tools
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
    places: dict[str, str] = {}
    asked: dict[int, tuple[str, str]] = {}
    offers: dict[tuple[str, int], str] = {}
    twice = ""
    for place, case in cases:
        if case.id in places and not twice:
            before = f"id={shown(case.id)} was given at {places[case.id]} already"
            twice = f"{place}: {before}; ids must differ over all files"
        places.setdefault(case.id, place)
        first, group = asked.setdefault(_question(case, offers), (place, case.group))
        if group != case.group and first != place and not twice:
            twice = (
                f"{place}: group={shown(case.group)}, but should be {shown(group)}, for it asks what {first} asks;"
                " one question is no evidence twice"
            )
        yield case
    if twice:
        raise CaseFileError(twice)


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
    """One case a line, UTF-8, whole or not at all: written beside `path`, links followed, and renamed. `UsageError`."""
    check_replaceable(path)
    path = Path(os.path.realpath(path))  # of a link to a file, and /dev/stdout may be one, the file is written
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            for case in cases:
                file.write(json.dumps(case_to_json(case), ensure_ascii=False) + "\n")
        draft.replace(path)
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
