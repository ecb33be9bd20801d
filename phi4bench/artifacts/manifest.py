"""The manifest that an artifact carries, `phi4bench.json`: where it came from and how it speaks. Reads one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phi4bench.errors import ArtifactError
from phi4bench.printable import printable
from phi4bench.targets import PRECISIONS

MANIFEST = "phi4bench.json"
SCHEMA = "phi4bench.artifact/1"
RANDOM = "random"
"""Of `weights`: those of a shape, which say nothing."""
_TEXTS = ("name", "format", "precision", "weights", "dialect", "turns", "behaviour", "answers", "adapter")


@dataclass(frozen=True)
class Manifest:
    """What a manifest says; a text that it leaves out is empty.

    `parent`: the artifact that this one was made from, relative to the manifest's folder. `recipe`: how, for people.
    `weights`: `random` where they were drawn and not trained: speed and memory are real, accuracy is not.
    `adapter`: an .onnx_adapter file in the folder. `behaviour` and `answers` belong to fakes.
    """

    name: str = ""
    format: str = ""
    precision: str = ""
    weights: str = ""
    dialect: str = ""
    turns: str = ""
    behaviour: str = ""
    answers: str = ""
    adapter: str = ""
    parent: str = ""
    parent_sha256: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest, `None` without one; `ArtifactError` for one that cannot be believed."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    shown = printable(str(path))
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = printable(str(error), 120)
        raise ArtifactError(f"{shown}: the manifest cannot be read ({reason})", "repair it, or remove it") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ArtifactError(f"{shown}: schema={found!r}, but should be {SCHEMA!r}", "repair it, or remove it")
    texts: dict[str, str] = {}
    for key in _TEXTS:
        value = data.get(key, "")
        if not isinstance(value, str):
            raise ArtifactError(f"{shown}: {key}={printable(repr(value), 60)}, but should be a string", "repair it")
        texts[key] = value
    if texts["precision"] and texts["precision"] not in PRECISIONS:
        raise ArtifactError(
            f"{shown}: precision={printable(texts['precision'], 60)!r}, but should be one of {', '.join(PRECISIONS)}"
        )
    if texts["weights"] not in ("", RANDOM):
        raise ArtifactError(
            f"{shown}: weights={printable(texts['weights'], 60)!r}, but should be {RANDOM!r}", "leave it out"
        )
    parent, recipe = data.get("parent") or {}, data.get("recipe") or {}
    if not isinstance(parent, dict) or not isinstance(parent.get("path", ""), str):
        raise ArtifactError(f'{shown}: parent should be an object such as {{"path": "../fp32"}}', "repair it")
    if not isinstance(recipe, dict):
        raise ArtifactError(f"{shown}: recipe is {type(recipe).__name__}, but should be an object", "repair it")
    sha256 = parent.get("sha256") or ""
    return Manifest(
        **texts, parent=parent.get("path", ""), parent_sha256=sha256 if isinstance(sha256, str) else "", recipe=recipe
    )
