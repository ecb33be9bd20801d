"""What a run's folder holds: its `settings.json` is written when it begins, and held against each command that goes on.

Imports no torch.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import Base, check_free, read_json_file, speech, write_json
from trainers.explain import write_readme
from trainers.prepare import Prepared
from trainers.ranks import say
from trainers.settings import FIELDS, Chosen

SETTINGS = "settings.json"
SCHEMA = "phi4bench.training/1"
WRITTEN = (
    SETTINGS, "README.md", "adapter", "checkpoints", "learning_curves.json", "learning_curves.png", "overfitting.json",
)  # fmt: skip
"""What a run writes anew or removes."""
PACKAGES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes", "unsloth")


def begun_with(out: Path) -> str | None:
    """The engine of the run that `out` holds; `None` where it holds none."""
    return str(read_json_file(out / SETTINGS).get("engine", "peft")) if (out / SETTINGS).is_file() else None


def options_of(
    test: Sequence[str] | None, dialect: str | None, system_prompt: Path | None, drop: bool, tracker: str, track: str
) -> list[str]:
    """The command's options that are no settings, as one writes them."""
    given: list[tuple[str, Sequence[str]]] = [
        ("--test", test or ()), ("--dialect", [dialect] if dialect else ()),
        ("--system-prompt", [str(system_prompt)] if system_prompt else ()),
        ("--tracker", [tracker] if tracker else ()), ("--track", [track] if track else ()),
    ]  # fmt: skip
    return [word for name, values in given if values for word in (name, *values)] + (["--drop"] if drop else [])


def identity(base: Base) -> dict[str, Any]:
    """Which model learns, and how it is spoken to: what its spec and the names of files do not tell."""
    prompt = base.system_prompt
    return {
        "model": {"sha256": base.artifact.sha256, "weights_sha256": base.artifact.weights_sha256},
        "dialect_sha256": base.artifact.dialect.digest(),
        "system_prompt_sha256": None if prompt is None else sha256(prompt.encode()).hexdigest(),
    }


def claim(
    out: Path,
    base: Base,
    ready: Prepared,
    chosen: Chosen,
    data: Sequence[str],
    engine: str,
    options: Sequence[str],
) -> None:
    """Write `settings.json`, or check that the run that `out` holds is this one; `UsageError` where it is another.

    A run that has saved nothing yet, such as one that was refused when its model was loaded, makes room.
    """
    asked = {"settings": asdict(chosen.training), "data": {"sha256": ready.sha256}, **identity(base)}
    held = read_json_file(out / SETTINGS) if (out / SETTINGS).is_file() else {}
    if held.get("schema") != SCHEMA:
        check_free(out, WRITTEN, "run of sft")
    else:
        theirs = {key: held.get(key) for key in asked}  # a setting that is younger than the run had its default
        theirs["model"] = {key: held.get("model", {}).get(key) for key in asked["model"]}
        theirs["data"] = {"sha256": held.get("data", {}).get("sha256")}
        differs = [
            f"{name}={before!r}, now {value!r}"
            for name, value in asked["settings"].items()
            if (before := held.get("settings", {}).get(name, FIELDS[name].default)) != value
        ]
        others = ("model", "data", "dialect_sha256", "system_prompt_sha256")
        differs += [name.removesuffix("_sha256") for name in others if theirs[name] != asked[name]]
        if not differs:
            if changed := _changed(held.get("versions", {})):
                say(f"{out} was begun with {changed}: the weights may come out otherwise")
            return
        if (out / "adapter").exists() or any((out / "checkpoints").glob("checkpoint-*")):
            raise UsageError(
                f"--out='{printable(str(out), 200)}' holds another run ({printable('; '.join(differs), 300)})",
                "name another folder, or remove this one",
            )
        say(f"{out} held another run that had saved nothing yet; this one takes its place")
    write_json(
        out / SETTINGS,
        {
            "schema": SCHEMA,
            "preset": chosen.preset,
            "sources": dict(chosen.sources),
            "engine": engine,
            "options": list(options),
            **asked,
            "model": {"spec": base.spec, "path": str(base.folder.resolve()), **asked["model"]},
            "data": {
                "files": list(data),
                "train": len(ready.train),
                "validation": len(ready.validation),
                **asked["data"],
            },
            "checks": list(ready.told),
            "speech": speech(base),
            "versions": _versions(),
        },
    )
    write_readme(out)


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES if find_spec(name)} | {"python": sys.version.split()[0]}


def _changed(before: Mapping[str, str]) -> str:
    """What other versions a run was begun with; empty where they are the same."""
    now = _versions()
    return ", ".join(f"{name} {one} (now {now[name]})" for name, one in before.items() if now.get(name, one) != one)
