"""The model that training starts from: found, checked and hashed by the code that judges artifacts. No torch."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.artifact import Artifact
from phi4bench.artifacts.hf import read_hf
from phi4bench.artifacts.manifest import MANIFEST, SCHEMA, Manifest, read_manifest
from phi4bench.artifacts.opening import CONFIGURATION
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.dialects import DIALECTS
from phi4bench.errors import UsageError
from phi4bench.nearby import expanded
from phi4bench.printable import printable
from phi4bench.run.files import write_text
from trainers.encoding import Encoder

DIALECT_FILE = "dialect.toml"
CONFIGURED = "configuration_sha256"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class Base:
    """`spec`: what the user named. `dialect_file`: the user's own dialect, where one was named."""

    spec: str
    artifact: Artifact
    tokenizer: PromptTokenizer
    system_prompt: str | None = None
    dialect_file: Path | None = None

    @property
    def folder(self) -> Path:
        return self.artifact.path

    @property
    def context(self) -> int:
        """What the model was made for, in tokens, prompt and answer together."""
        return read_hf(self.folder).context

    @property
    def encoder(self) -> Encoder:
        return Encoder(self.artifact.dialect, self.tokenizer, self.system_prompt)


def open_base(spec: str, dialect: str | None = None, system_prompt: Path | None = None) -> Base:
    """A Hugging Face folder, or `organisation/name@revision` from the hub's cache. Raises `UsageError`, one line.

    A tokenizer that lacks a token that the dialect's turns are made of belongs to another template. Markers of calls
    may be ordinary text to it: a model can learn to spell them.
    """
    path, shown = expanded(spec), printable(spec, 200)
    remote = not path.exists() and _REPOSITORY.fullmatch(spec)
    if not remote and not spec.startswith(("hf:", "http://", "https://")):
        if not path.exists():
            raise UsageError(f"{shown!r} is not there", "name a Hugging Face folder, or organisation/name")
        if not (path / "config.json").is_file() and not any(path.glob("*.onnx")):
            what = "holds no config.json" if path.is_dir() else "is a file"
            raise UsageError(f"{shown!r} {what}, but should be a Hugging Face folder", "name one, or organisation/name")
    artifact = open_artifact(f"hf:{spec}" if remote else spec, dialect)
    if artifact.format != "hf":
        raise UsageError(
            f"{shown!r} is {artifact.format}, but should be a Hugging Face folder",
            "name the PyTorch weights that it was made of",
        )
    tokenizer = PromptTokenizer.from_folder(artifact.tokenizer_dir)
    turns = artifact.dialect.turns
    written = "".join(one.open + one.close for one in (turns.system, turns.user, turns.assistant, turns.tool))
    unknown = [token for token in tokenizer.unknown_controls(artifact.dialect) if token in turns.begin + written]
    if unknown:
        raise UsageError(
            f"dialect {artifact.dialect.name} (turns {artifact.dialect.turns.name}) is a wrong template for"
            f" {printable(spec, 200)!r}: its tokenizer has no token {', '.join(unknown)}",
            "name the dialect that the model speaks (--dialect)",
        )
    try:
        prompt = system_prompt.read_text(encoding="utf-8-sig") if system_prompt else None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--system-prompt cannot be read ({printable(str(error), 120)})") from None
    own = expanded(dialect) if dialect and dialect not in DIALECTS else None
    return Base(spec, artifact, tokenizer, prompt, own)


def speech(base: Base) -> dict[str, str]:
    """What a manifest says of the dialect."""
    dialect = base.artifact.dialect
    if base.dialect_file is not None:
        return {"dialect": DIALECT_FILE}
    told = {"dialect": dialect.name}
    if dialect.name in DIALECTS and DIALECTS[dialect.name].turns != dialect.turns:
        told["turns"] = dialect.turns.name
    return told


def copy_tokenizer(source: Path, target: Path) -> None:
    """All that the answers depend on besides weights and shape, and a dialect of the user's own."""
    for name in (*CONFIGURATION, DIALECT_FILE):
        if name not in ("config.json", "generation_config.json", "genai_config.json") and (source / name).is_file():
            shutil.copy(source / name, target / name)


def check_way(target: Path) -> None:
    """`UsageError` where there can be no such folder, since a file is in its way or nothing may be written there."""
    above = next(one for one in (target, *target.absolute().parents) if one.exists())
    shown = printable(str(above), 200)
    if not above.is_dir():
        raise UsageError(f"'{shown}' is a file, so '{printable(str(target), 200)}' can be no folder", "name another")
    if not os.access(above, os.W_OK):
        raise UsageError(f"'{shown}' cannot be written", "name a folder that can")


def check_place(target: Path) -> None:
    """`UsageError` where the folder holds something: what is not known to be ours is not deleted."""
    check_way(target)
    shown = printable(str(target), 200)
    if target.name in ("", ".."):
        raise UsageError(f"'{shown}' has no name of its own", "name the folder to make with --out")
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"'{shown}' is not empty", "name another folder with --out, or remove it")


def check_free(out: Path, names: Iterable[str], maker: str) -> None:
    """`UsageError` where one of the names that a command writes is another's: what is not known to be ours stays."""
    there = next((out / name for name in names if (out / name).exists()), None)
    if there is not None:
        raise UsageError(f"'{printable(str(there), 200)}' is of no {maker}", "name another folder with --out")


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Where to make a folder, which gets its name when all is done; an empty one may have it already, or a link to one.

    Whatever breaks the work off, such as a full disk, nothing is left of it; what a kill left is cleared away first.
    """
    real = target.resolve()
    draft = real.with_name(f".{real.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        yield draft
        if real.exists():
            real.rmdir()
        draft.rename(real)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def way_to(folder: Path, draft: Path) -> str:
    """From a draft, and so from what becomes of it, whatever links lie between."""
    return os.path.relpath(folder.resolve(), draft.resolve())


def manifest_of(folder: Path) -> Manifest:
    return read_manifest(folder) or Manifest()


def configuration_of(artifact: Artifact) -> dict[str, str]:
    """What a recipe says of the files beside the weights, such as where an answer ends: its files have it from them."""
    return {CONFIGURED: artifact.tokenizer_sha256}


def is_made_by(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a recipe says all that `wanted` says. One that is older than `CONFIGURED` says nothing of that."""
    said = {CONFIGURED: wanted.get(CONFIGURED), **made}
    return all(said.get(key) == value for key, value in wanted.items())


def write_manifest(folder: Path, **fields: object) -> None:
    """`phi4bench.json`: what the artifact is, where it comes from, and how it was made."""
    write_json(folder / MANIFEST, {"schema": SCHEMA, **fields})


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json_file(path: Path) -> Mapping[str, Any]:
    """A JSON object that we wrote; raises `UsageError` where it is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise TypeError("no object")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"'{printable(str(path), 200)}' cannot be read ({printable(str(error), 120)})") from None
    return value
