"""A finished run on disk: every case with its completion, and all that is needed to score them again without a model.

One file an artifact, `transcripts/<artifact id>.jsonl`: a header line, then a line a case. Knows files, no models.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from phi4bench.cases import Case
from phi4bench.completions import completion_lines, missing
from phi4bench.counting import counted
from phi4bench.datasets.casejson import FormError, case_from_json, case_to_json, tool_to_json, tools_from_json
from phi4bench.datasets.dataset import Dataset, digest
from phi4bench.datasets.packing import case_lines, offers_of
from phi4bench.dialects import Dialect
from phi4bench.errors import DialectError, StoreError
from phi4bench.header import Header, misfit
from phi4bench.printable import printable
from phi4bench.store import completion_from_json
from phi4bench.tools import Tool
from phi4bench.transcripts import Completion

SCHEMA = "phi4bench.transcripts/1"


@dataclass(frozen=True)
class SavedRun:
    """What one artifact did with one dataset.

    `completions` are aligned with the dataset's cases, `None` where the run stopped before. `artifact`, `decoding`,
    `machine`, `versions` and `facts` are JSON objects that go into the reports as they are. `free`: the completions of
    the same cases without a mask, beside those of a constrained run; empty where there are none.
    """

    artifact: Mapping[str, Any]
    dialect: Dialect
    dataset: Dataset
    completions: Sequence[Completion | None]
    decoding: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    free: Sequence[Completion | None] = ()

    @property
    def missing(self) -> int:
        """How many completions are not there."""
        return missing(self.completions)

    def with_facts(self, **more: Any) -> SavedRun:
        """The same run, of which more is known."""
        return replace(self, facts={**self.facts, **more})


def write_run(folder: Path, run: SavedRun) -> Path:
    """Writes `folder/transcripts/<artifact id>.jsonl`, whole or not at all, and returns its path.

    `StoreError` where it cannot be written; what was there before then stays as it was.
    """
    name = str(run.artifact["id"])
    if name != Path(name).name or name.startswith("."):
        raise StoreError(f"artifact id={name!r}, but should be a file name")
    path = folder / "transcripts" / f"{name}.jsonl"
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    toolsets: dict[str, tuple[Tool, ...]] = {}  # where two sets share a name, the first keeps it
    for toolset, tools in offers_of(run.dataset.cases):
        toolsets.setdefault(toolset, tools)
    toolsets.pop("", None)  # tools that a case brings itself
    header = {
        "schema": SCHEMA,
        "artifact": run.artifact,
        "dialect": run.dialect.to_json(),
        "dataset": {
            "path": run.dataset.path,
            "sha256": run.dataset.sha256,
            "name": run.dataset.name,
            "notes": list(run.dataset.notes),
            "cases": len(run.dataset.cases),
        },
        "toolsets": {name: [tool_to_json(tool) for tool in tools] for name, tools in toolsets.items()},
        "decoding": run.decoding,
        "machine": run.machine,
        "versions": run.versions,
        "facts": run.facts,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("w", encoding="ascii", newline="\n") as file:
                file.write(json.dumps(header) + "\n")
                lines = _case_lines(run.dataset.cases, toolsets)
                made, free = completion_lines(run.completions), completion_lines(run.free)
                for case, completion in zip(lines, made, strict=True):
                    beside = f', "free": {next(free)}' if run.free else ""
                    file.write(f'{{"case": {case}, "completion": {completion}{beside}}}\n')
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        shown = printable(str(path))
        raise StoreError(f"{shown} cannot be written: {error.strerror}", "name another folder with --report") from None
    return path


def read_runs(place: Path) -> tuple[SavedRun, ...]:
    """The runs in a report folder, its `transcripts/` folder, or one file; `StoreError` where there is none."""
    shown = printable(str(place))
    if place.is_file():
        return (read_run(place),)
    if not place.exists():
        raise StoreError(f"'{shown}' is not there", "name the folder that --report named")
    folder = place / "transcripts" if (place / "transcripts").is_dir() else place
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise StoreError(f"'{shown}' holds no transcripts", "name the folder that --report named")
    return tuple(read_run(path) for path in paths)


def read_run(path: Path) -> SavedRun:
    """One file back; `StoreError` naming the line for anything that `write_run` does not write.

    Answer keys that were corrected by hand are taken as they are: the dataset's sha256 is then the new one, and a note
    says so.
    """
    shown = printable(str(path))
    if path.suffix == ".json":  # the report, or the promotion
        raise StoreError(f"'{shown}' is no file of transcripts", "name the folder that --report named")
    number = 0
    try:
        lines = path.read_bytes().split(b"\n")
        if lines.pop().strip():
            raise FormError("the last line is cut off")
        number = 1
        header = json.loads(lines[0]) if lines else {}
        if header.get("schema") != SCHEMA:
            raise FormError(f"schema={header.get('schema')!r}, but should be {SCHEMA!r}")
        if fault := misfit(header, Header):
            raise FormError(fault)
        json.dumps(header, allow_nan=False)  # raises ValueError where a number is none: it could stand in no report
        dialect = Dialect.from_json(header["dialect"])
        toolsets = {name: tools_from_json(tools) for name, tools in header["toolsets"].items()}
        cases: list[Case] = []
        completions: list[Completion | None] = []
        free: list[Completion | None] = []
        for line in lines[1:]:
            number += 1
            entry = json.loads(line)
            cases.append(case_from_json(entry["case"], toolsets.__getitem__))
            completions.append(_read(entry["completion"]))
            if "free" in entry:
                free.append(_read(entry["free"]))
        if free and len(free) != len(cases):
            raise FormError(f"{len(free)} cases have a free completion, but all or none should")
        if len(cases) != header["dataset"]["cases"]:
            raise FormError(f"{counted(len(cases), 'case')}, but the header says {header['dataset']['cases']}")
        if len({case.id for case in cases}) < len(cases):
            raise FormError("an id is given to several cases")
        return SavedRun(
            header["artifact"], dialect, _dataset(header["dataset"], tuple(cases)), tuple(completions),
            header["decoding"], header["machine"], header["versions"], header["facts"], tuple(free),
        )  # fmt: skip
    except OSError as error:
        raise StoreError(f"'{shown}' cannot be read: {error.strerror}", "name a run's report folder") from None
    except (DialectError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = printable(str(error), 200)
        raise StoreError(f"{shown}:{number}: not a saved run ({why})", "run the judgement again") from None


def _case_lines(cases: Sequence[Case], toolsets: Mapping[str, tuple[Tool, ...]]) -> Iterator[str]:
    if all(not name or toolsets[name] == tools for name, tools in offers_of(cases)):
        yield from case_lines(cases)
        return
    for case in cases:
        line = case_to_json(case)
        if case.toolset and toolsets[case.toolset] != case.tools:  # two sets of one name, in one run
            line["tools"] = [tool_to_json(tool) for tool in case.tools]
        yield json.dumps(line)


def _read(data: Any) -> Completion | None:
    return None if data is None else completion_from_json(data)


def _dataset(header: Mapping[str, Any], cases: tuple[Case, ...]) -> Dataset:
    sha256, notes = digest(cases), tuple(header["notes"])
    if sha256 != header["sha256"]:
        notes = (*notes, "the cases were changed after the run")
    return Dataset(cases, header["path"], sha256, header["name"], notes)
