"""Which dialect an artifact speaks: the one asked for, its manifest's, or what its tokenizer files suggest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from phi4bench.artifacts.manifest import MANIFEST, Manifest
from phi4bench.dialects import DIALECTS, TURNS, Dialect, dialect_named, infer_dialect, load_dialect_text
from phi4bench.errors import ArtifactError, DialectError
from phi4bench.nearby import expanded
from phi4bench.printable import printable


def choose_dialect(folder: Path, manifest: Manifest, asked: str | Dialect | None) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect, and what was inferred for it, in lines to print; no line where everything was said.

    `asked` by a built-in name keeps that dialect's call syntax and takes the turns of the manifest or of the chat
    template, since a model's turns do not change with the way it is asked to call. A dialect file says all itself.
    """
    if isinstance(asked, Dialect):
        return asked, ()
    if asked and _is_file(asked):
        return _from_file(expanded(asked)), ()
    if asked:
        dialect = dialect_named(asked)
    elif manifest.dialect:
        dialect = _of_manifest(folder, manifest.dialect)
    else:
        dialect, said = infer_dialect(_tokens(folder), chat_template(folder))
        return _turned(folder, dialect, manifest), (said,)
    if manifest.turns or manifest.dialect:
        return _turned(folder, dialect, manifest), ()
    if not (folder / "tokenizer.json").is_file():
        return dialect, ()
    guess, said = infer_dialect(_tokens(folder), chat_template(folder))
    if guess.turns.name == "plain" or guess.turns == dialect.turns:
        return dialect, ()
    return dialect.with_turns(guess.turns), (f"turns {guess.turns.name}: {said.rpartition('; ')[2]}",)


def _turned(folder: Path, dialect: Dialect, manifest: Manifest) -> Dialect:
    if not manifest.turns:
        return dialect
    if manifest.turns not in TURNS:
        raise ArtifactError(
            f"{printable(str(folder / MANIFEST))}: turns={printable(manifest.turns, 60)!r},"
            f" but should be one of {', '.join(TURNS)}"
        )
    turns = TURNS[manifest.turns]
    return dialect if dialect.turns == turns else dialect.with_turns(turns)


def _of_manifest(folder: Path, name: str) -> Dialect:
    """A built-in name, or a dialect file in the artifact's folder."""
    if name in DIALECTS:
        return DIALECTS[name]
    path = folder / name
    if name.endswith(".toml") and Path(name).name == name and path.is_file():
        return _from_file(path)
    raise ArtifactError(
        f"{printable(str(folder / MANIFEST))}: dialect={printable(name, 60)!r}, but should be one of"
        f" {', '.join(DIALECTS)}, or a .toml file in the folder"
    )


def _from_file(path: Path) -> Dialect:
    shown = printable(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DialectError(f"dialect file '{shown}' cannot be read: {printable(str(error), 120)}") from None
    return load_dialect_text(text, shown)


def _is_file(asked: str) -> bool:
    """A name with a suffix or a separator means a file, there or not; a bare word is a name."""
    return asked not in DIALECTS and (asked.endswith(".toml") or "/" in asked or "\\" in asked)


def _tokens(folder: Path) -> list[str]:
    """The added (special) tokens of the tokenizer; the ordinary vocabulary says nothing about dialects."""
    added = _read(folder / "tokenizer.json").get("added_tokens")
    tokens = [one.get("content") for one in added if isinstance(one, dict)] if isinstance(added, list) else []
    decoder = _read(folder / "tokenizer_config.json").get("added_tokens_decoder")
    if isinstance(decoder, dict):
        tokens += [one.get("content") for one in decoder.values() if isinstance(one, dict)]
    return sorted({token for token in tokens if isinstance(token, str)})


def chat_template(folder: Path) -> str | None:
    """From the file of its own where there is one, else from the tokenizer's configuration."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    for name in ("chat_template.json", "tokenizer_config.json"):
        template = _read(folder / name).get("chat_template")
        if isinstance(template, list):  # named templates: the one for tools, else the default
            named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
            template = named.get("tool_use") or named.get("default")
        if isinstance(template, str):
            return template
    return None


def _read(path: Path) -> dict[str, Any]:
    """A JSON file's object; empty where it is missing or broken, since these files only hint."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
