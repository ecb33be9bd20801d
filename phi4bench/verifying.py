"""Checks a promotion.json: hashes its model and transcripts again, scores again, and compares every number.

All of the statement but `created`, `command` and `suite` follows from the transcripts, so the statement is made anew
from them and held against the one given.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.artifacts.hf import ADAPTER_CONFIG, INDEX, WEIGHTS
from phi4bench.artifacts.opening import CONFIGURATION
from phi4bench.counting import counted, each_once
from phi4bench.datasets import load_cases, schemas_dir
from phi4bench.datasets.casejson import FormError
from phi4bench.datasets.strictjson import read_json
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.header import misfit
from phi4bench.printable import printable
from phi4bench.report.known import known_title
from phi4bench.report.promotion import PREDICATE, STATEMENT, promotion
from phi4bench.report.writing import to_json
from phi4bench.rescoring import judge_again
from phi4bench.revision import suite_revision
from phi4bench.run.plan import read_targets, read_xfails
from phi4bench.runfile import read_run

TRUSTED = ("created", "command", "suite")
"""Members of the predicate that nothing but the statement says."""
_MOST_SHOWN = 20
_ROUNDING = 1e-9
"""Relative: another machine's mathematics library may round the last digit of an interval otherwise."""


@dataclass(frozen=True)
class Verification:
    """`differences`: a line for each thing that does not agree. `confirmed`: what does, where all of it does."""

    differences: tuple[str, ...]
    confirmed: tuple[str, ...]
    notes: tuple[str, ...] = ()


def verify(
    statement: Path,
    model: Path,
    transcripts: Path,
    cases: Sequence[str] = (),
    targets: Sequence[str] = (),
    xfails: Path | None = None,
) -> Verification:
    """Hold a statement against the files. `cases`, `targets`, `xfails`: sources that should be the ones it names,
    if any.

    `UsageError` where there is nothing to check: no such file, no such folder, no promotion.
    """
    stated = _read(statement)
    if not model.exists():
        raise UsageError(f"--model={_shown(model)} is not there", "name the model's file or its folder")
    folder = transcripts / "transcripts" if (transcripts / "transcripts").is_dir() else transcripts
    if not folder.is_dir():
        raise UsageError(f"--transcripts={_shown(transcripts)} is no folder", "name the folder that --report named")
    name = printable(statement.name, 80)
    misshapen = [f"{name}: {line}" for line in _schema_faults(stated)]
    if misshapen:
        return Verification(tuple(misshapen[:_MOST_SHOWN]), (), tuple(_of_another_revision(stated)))
    predicate = stated["predicate"]
    found = [*_model_differences(stated, model), *_own_sources(predicate, cases, targets, xfails)]
    edited = list(_transcript_differences(predicate, folder))
    notes = []
    if edited:
        notes.append("nothing was scored again, for the transcripts are not those of the statement")
    else:
        notes += _of_another_revision(stated)
        edited += [f"{name}: {line}" for line in _number_differences(stated, folder)]
    found += edited
    if len(found) > _MOST_SHOWN:
        found = [*found[:_MOST_SHOWN], f"... and {len(found) - _MOST_SHOWN} more"]
    return Verification(tuple(found), () if found else tuple(_confirmed(stated)), tuple(notes))


def _read(path: Path) -> dict[str, Any]:
    shown = _shown(path)
    try:
        stated = read_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "name a promotion.json; it is written on a promote alone"
        raise UsageError(f"{shown} cannot be read: {error.strerror}", hint) from None
    except (FormError, UnicodeError) as error:
        raise UsageError(f"{shown} is no promotion: {printable(str(error), 200)}", "name a promotion.json") from None
    kinds = (stated.get("_type"), stated.get("predicateType")) if isinstance(stated, dict) else ()
    if kinds != (STATEMENT, PREDICATE):
        raise UsageError(
            f"{shown} is no promotion: its _type and predicateType are not {STATEMENT} and {PREDICATE}",
            "name the promotion.json itself, not its signature",
        )
    return dict(stated)


def _schema_faults(stated: Mapping[str, Any]) -> list[str]:
    """Where the statement is not what its published schema allows, such as a gate that did not pass."""
    from jsonschema import Draft202012Validator

    schema = json.loads((schemas_dir() / "promotion.schema.json").read_text(encoding="utf-8"))
    faults = []
    for whole in Draft202012Validator(schema).iter_errors(stated):
        near = [one for one in whole.context or () if one.validator != "type" or one.path]
        error = near[0] if len({one.schema_path[0] for one in near}) == 1 else whole  # an object that may also be null
        place = ".".join(str(part) for part in error.absolute_path) or "the statement"
        faults.append(printable(f"{place}: {error.message}", 200))
    return faults


def _of_another_revision(stated: Mapping[str, Any]) -> Iterator[str]:
    """A line where another phi4bench judged, of a statement of any form."""
    predicate = stated.get("predicate")
    made: Any = predicate.get("suite") if isinstance(predicate, dict) else None
    ours = suite_revision()
    if made != ours and not misfit(made, dict[str, str]) and made.keys() >= ours.keys():
        yield (
            f"judged by phi4bench {printable(made['phi4bench'], 40)}, revision {printable(made['sha256'][:12])};"
            f" this is {ours['phi4bench']}, revision {ours['sha256'][:12]}, and may score otherwise:"
            " verify with that one"
        )


def _model_differences(stated: Mapping[str, Any], model: Path) -> Iterator[str]:
    folder = model if model.is_dir() else model.parent
    names = [item["name"] for item in stated["subject"]]
    for item in stated["subject"]:
        name, path = printable(item["name"], 200), folder / item["name"]
        if Path(item["name"]).is_absolute() or ".." in Path(item["name"]).parts:
            yield f"{name}: names a file outside the model's folder"
        elif not path.is_file():
            yield f"{name}: is not in {_shown(folder)}"
        elif (sha256 := _sha256(path)) != item["digest"]["sha256"]:
            yield f"{name}: sha256 is {sha256[:12]}, but the statement says {item['digest']['sha256'][:12]}"
    if model.is_file() and model.name not in (*names, "phi4bench.json"):
        yield f"{_shown(model)}: the statement is about {printable(', '.join(names), 200)}"
    kind = stated["predicate"]["artifact"]["format"]
    if kind != "fake":
        for name in (*CONFIGURATION, *((INDEX, WEIGHTS, ADAPTER_CONFIG) if kind == "hf" else ())):
            if name not in names and (folder / name).is_file():
                yield f"{name}: lies beside the model, whose answers depend on it, but the statement does not name it"


def _transcript_differences(predicate: Mapping[str, Any], folder: Path) -> Iterator[str]:
    for entry in predicate["transcripts"]:
        name, path = printable(entry["name"], 120), folder / entry["name"]
        if not path.is_file():
            yield f"transcripts {name}: not in {_shown(folder)}"
        elif (sha256 := _sha256(path)) != entry["sha256"]:
            yield f"transcripts {name}: sha256 is {sha256[:12]}, but the statement says {entry['sha256'][:12]}"


def _own_sources(
    predicate: Mapping[str, Any], cases: Sequence[str], targets: Sequence[str], xfails: Path | None
) -> Iterator[str]:
    if cases:
        found = load_cases(cases).sha256
        if found != predicate["cases"]["sha256"]:
            yield f"--cases: sha256 is {found[:12]}, but the statement says {predicate['cases']['sha256'][:12]}"
    if targets:
        digests = [hashlib.sha256(text.encode()).hexdigest() for _, text in read_targets(targets)]
        said = [entry["sha256"] for entry in predicate["targets"]["files"]]
        if digests != said:
            shown = " and ".join(", ".join(one[:12] for one in some) for some in (digests, said))
            yield f"--targets: sha256 given and stated are {shown}"
    if xfails:
        given, known = read_xfails(xfails).sha256, predicate["known_failures"]
        if known is None:
            yield f"--xfails: sha256 is {given[:12]}, but the statement left no known failure out"
        elif given != known["sha256"]:
            yield f"--xfails: sha256 is {given[:12]}, but the statement says {known['sha256'][:12]}"


def _number_differences(stated: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Where the statement does not follow from its transcripts, whose hashes are those that it names."""
    predicate = stated["predicate"]
    files = {entry["role"]: entry for entry in predicate["transcripts"]}
    if "candidate" not in files or len(files) != len(predicate["transcripts"]):
        yield "predicate.transcripts: should be one candidate's and at most one baseline's"
        return
    runs = {}
    try:
        for role, entry in files.items():
            runs[role] = read_run(folder / entry["name"])
        judgement, conclusion = judge_again(runs["candidate"], runs.get("baseline"))
    except Phi4benchError as error:
        yield f"its transcripts cannot be scored again: {printable(str(error), 300)}"
        return
    hashes = {str(run.artifact["id"]): files[role]["sha256"] for role, run in runs.items()}
    if len(hashes) < len(runs):
        yield "predicate.transcripts: the candidate's and the baseline's are of one artifact"
        return
    made = promotion(judgement, conclusion, hashes, *(predicate[key] for key in TRUSTED))
    yield from _differences(stated, json.loads(to_json(made)), "")


def _differences(stated: Any, made: Any, place: str) -> Iterator[str]:
    """A line for each value that is not the same, at its place."""
    if isinstance(stated, dict) and isinstance(made, dict):
        for key in {**made, **stated}:
            where = f"{place}.{key}" if place else str(key)
            if key not in made:
                yield f"{printable(where, 200)} is {_value(stated[key])}, but nothing of the kind follows"
            elif key not in stated:
                yield f"{where} is missing, but the transcripts give {_value(made[key])}"
            else:
                yield from _differences(stated[key], made[key], where)
    elif isinstance(stated, list) and isinstance(made, list):
        one, other = _by_name(stated), _by_name(made)
        yield from _differences(one, other, place)
    elif not _same(stated, made):
        yield f"{printable(place, 200)} is {_value(stated)}, but the transcripts give {_value(made)}"


def _by_name(items: Sequence[Any]) -> dict[str, Any]:
    """A list as an object: by the name or the role of its entries where they have distinct ones, else by position."""
    for key in ("role", "name"):
        names = [item.get(key) if isinstance(item, dict) else None for item in items]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return dict(zip((str(name) for name in names), items, strict=True))
    return {str(index): item for index, item in enumerate(items)}


def _same(stated: Any, made: Any) -> bool:
    if isinstance(stated, bool) or isinstance(made, bool) or not isinstance(stated, int | float):
        return type(stated) is type(made) and bool(stated == made)
    if isinstance(stated, int) or isinstance(made, int):
        return bool(stated == made)  # a count is exact, and may be larger than any float
    return isinstance(made, float) and math.isclose(stated, made, rel_tol=_ROUNDING, abs_tol=1e-15)


def _confirmed(stated: Mapping[str, Any]) -> Iterator[str]:
    predicate = stated["predicate"]
    artifact, cases = predicate["artifact"], predicate["cases"]
    files = len(stated["subject"])
    yield printable(f"{artifact['id']}: {counted(files, 'file')}, sha256 {artifact['sha256'][:12]}, as judged", 200)
    if parent := predicate["parent"]:
        what = (
            "baseline, which is not the parent that the manifest names:" if parent["is_parent"] is False else "parent"
        )
        yield printable(f"{what} {parent['id']}, sha256 {parent['sha256'][:12]}", 200)
    yield (
        f"{counted(cases['count'], 'case')}, sha256 {cases['sha256'][:12]}, scored again from"
        f" {counted(len(predicate['transcripts']), 'transcript')}"
    )
    names = printable(", ".join(predicate["targets"]["names"]), 120)
    known = predicate["known_failures"]
    if known:
        yield f"known failures: {known_title(known)}"
    for how in each_once((predicate["slo"] or {}).get("crashed", ())):
        yield printable(f"it broke while it was timed, which its targets do not ask for: {how}", 400)
    gates = counted(len(predicate["gates"]), "gate")
    yield f"verdict {predicate['verdict']}: {gates} by {names}, every number as stated"


def _value(value: Any) -> str:
    return printable(json.dumps(value), 80)


def _shown(path: Path) -> str:
    return f"'{printable(str(path), 200)}'"


def _sha256(path: Path) -> str:
    """Read whole, whatever any cache remembers: a changed byte must be seen."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{_shown(path)} cannot be read: {error.strerror}", "name readable files") from None
