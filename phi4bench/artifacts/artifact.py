"""An artifact: what was built, and what identifies it. Reads no files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from phi4bench.dialects import Dialect

Format = Literal["onnx", "hf", "fake"]


@dataclass(frozen=True)
class Artifact:
    """One thing to judge.

    `id`: short, fit for a test's id and a file name. `path`: its folder. `files`: what its answers depend on, as
    `(path relative to the folder, sha256, bytes)`; `sha256`: over those. `precision`: of the weights.
    `parent`: the SPEC of the artifact that it was made from, as its manifest says, whether or not it is there.
    `dialect_inferred`: what was inferred, from what, one printable line each (dialect and precision), and what the
    folder asks of generating that is not done.
    `behaviour` and `answers` belong to fakes. `random_weights`: a shape, fit for speed and memory alone.
    `adapter`: a file of values for inputs that the model file leaves empty.
    """

    spec: str
    id: str
    path: Path
    format: Format
    files: tuple[tuple[str, str, int], ...]
    sha256: str
    bytes: int
    precision: str
    parent: str | None
    dialect: Dialect
    dialect_inferred: tuple[str, ...]
    model_file: Path
    tokenizer_dir: Path
    parent_sha256: str = ""
    behaviour: str = ""
    answers: Path | None = None
    logits_size: int | None = None
    random_weights: bool = False
    adapter: Path | None = None

    @property
    def quantized(self) -> bool:
        return self.precision in ("int8", "int4")

    @property
    def weights_sha256(self) -> str:
        """Over the model file and its external data alone."""
        return files_sha256(file for file in self.files if not is_text(file[0]))

    @property
    def tokenizer_sha256(self) -> str:
        """Over the tokenizer's and the configuration's files alone."""
        return files_sha256(file for file in self.files if is_text(file[0]))


def is_text(name: str) -> bool:
    return name.endswith((".json", ".jsonl", ".jinja", ".txt", ".model"))


def files_sha256(files: Iterable[tuple[str, str, int]]) -> str:
    """sha256 over the names and digests of the files, in the order of their names."""
    listing = json.dumps(sorted([name, digest] for name, digest, _ in files))
    return hashlib.sha256(listing.encode()).hexdigest()


def short_id(model_file: Path) -> str:
    """`nano-int8` for `.../nano-int8/model.onnx`; the file's own stem where it is not called `model`."""
    path = model_file.resolve()
    return clean_id(path.parent.name if path.stem in ("model", "phi4bench") else path.stem)


def unique_ids(artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """The same artifacts with distinct ids: the folder above is put before ids that clash, then a number after them.

    Ids differ even where upper and lower case are the same, since they become file names.
    """
    counts: dict[str, int] = {}
    for artifact in artifacts:
        counts[artifact.id.lower()] = counts.get(artifact.id.lower(), 0) + 1
    taken: set[str] = set()
    named = []
    for artifact in artifacts:
        name = artifact.id
        if counts[name.lower()] > 1:
            name = clean_id(f"{artifact.path.resolve().parent.name}-{name}")
        base, number = name, 1
        while name.lower() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.lower())
        named.append(replace(artifact, id=name))
    return tuple(named)


def clean_id(name: str) -> str:
    """`name` with nothing in it that a file name or a test's id may not have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "artifact"
