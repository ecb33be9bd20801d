"""Answers a sample of cases with the artifact's own weights at accuracy level 0, in a child of its own.

The model file is copied with its levels set to 0 into a folder that lasts as long as the run; the weights beside it are
linked there, and copied only where a link cannot be made. Knows files and runs; what the answers say is
`runtime_flips`'s.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.artifacts.accuracy_level import Levels, read_levels, write_at_level_zero
from phi4bench.artifacts.artifact import files_sha256
from phi4bench.artifacts.hashing import file_sha256
from phi4bench.artifacts.protobuf import WireError
from phi4bench.cases import Case
from phi4bench.dialects import Dialect
from phi4bench.errors import BackendError, StoreError
from phi4bench.run.generation import Settings, generate
from phi4bench.run.progress import Progress
from phi4bench.run.prompting import render
from phi4bench.run.scratch import scratch_folder
from phi4bench.runtime_flips import RuntimeFlips, runtime_flips
from phi4bench.stability import Answers
from phi4bench.store import completion_from_json, completion_to_json


def reread(
    artifact: Artifact,
    cases: Sequence[Case],
    system_prompt: str | None,
    settings: Settings,
    folder: Path,
    progress: Progress,
    deadline: float | None = None,
) -> dict[str, Any]:
    """What the oracle answered, as JSON for a run's facts; `missing` says why there is nothing, or not all.

    `folder`: where the copy may lie for the while. Raises what `generate` raises.
    """
    why, levels = _levels(artifact)
    if why:
        return {"missing": why, "nodes": _named(levels), "cases": 0, "completions": {}}
    with _at_level_zero(artifact, folder) as oracle:
        items = render(oracle, cases, system_prompt, settings.decoding.mode)
        made = generate(oracle, items, settings, progress, deadline)
    missing = f"the time limit was reached with {made.missing:,} of {made.total:,} cases to go" if made.missing else ""
    return {
        "missing": missing,
        "nodes": _named(levels),
        "cases": len(cases),
        "completions": {
            case_id: completion_to_json(one)
            for case_id, one in zip(items.case_ids, made.completions, strict=True)
            if one is not None
        },
    }


def flips_from_json(
    data: Mapping[str, Any], cases: Sequence[Case], own: Answers, parent: Answers | None, dialect: Dialect
) -> RuntimeFlips | None:
    """The flips in what `reread` stored; `None` where nothing was run. `StoreError` for what it does not write."""
    try:
        nodes = {int(level): int(count) for level, count in data["nodes"].items()}
        oracle = {str(name): completion_from_json(made) for name, made in data["completions"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StoreError("the answers at accuracy level 0 stored with the run cannot be read", "run it again") from None
    return runtime_flips(nodes, cases, own, oracle, parent, dialect) if oracle else None


def _levels(artifact: Artifact) -> tuple[str, Levels]:
    """Why there is nothing to read again (empty where there is), and the levels."""
    none = Levels({}, ())
    if artifact.format != "onnx":
        return f"{artifact.id} is no ONNX file, so it has no accuracy level: nothing was run", none
    try:
        levels = read_levels(artifact.model_file)
    except (WireError, OSError, ValueError) as error:
        raise BackendError(f"{artifact.id}: its accuracy levels cannot be read ({error})", "export it again") from None
    if not levels.nodes:
        return f"{artifact.id} has no MatMulNBits node, so it has no accuracy level: nothing was run", levels
    if not levels.places:
        return f"every MatMulNBits node of {artifact.id} is at accuracy level 0 already: nothing was run", levels
    return "", levels


def _named(levels: Levels) -> dict[str, int]:
    return {str(level): count for level, count in sorted(levels.nodes.items())}


@contextmanager
def _at_level_zero(artifact: Artifact, folder: Path) -> Iterator[Artifact]:
    """The same artifact with every node at level 0, under a name and a sha256 of its own."""
    with scratch_folder(folder, "level-0") as place:
        model = artifact.model_file.relative_to(artifact.path).as_posix()
        try:
            for file, _, _ in artifact.files:
                (place / file).parent.mkdir(parents=True, exist_ok=True)
                if file != model:
                    _link(artifact.path / file, place / file)
            write_at_level_zero(artifact.model_file, place / model)
            sha256 = file_sha256(place / model)
        except OSError as error:
            raise BackendError(
                f"{artifact.id}: a copy at accuracy level 0 cannot be made ({error.strerror})",
                "name a --report folder on the model's own disk: its weights are then linked, not copied",
            ) from None
        files = tuple((file, sha256 if file == model else old, size) for file, old, size in artifact.files)
        yield replace(
            artifact,
            id=f"{artifact.id}-level-0",
            path=place,
            files=files,
            sha256=files_sha256(files),
            model_file=place / model,
        )


def _link(source: Path, target: Path) -> None:
    """A hard link: onnxruntime reads no weights through a symbolic one that leads out of the model's folder."""
    with suppress(OSError):
        os.link(source.resolve(), target)
        return
    shutil.copyfile(source, target)
