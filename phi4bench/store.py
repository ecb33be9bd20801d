"""Completions kept on disk as they are made, keyed by content, so that nothing is ever generated twice.

Knows files and locks; knows no models. One file for each configuration: its first line says in words what the file is
for, each further line is one completion. Lines are appended whole by a single write each, so a killed run leaves at
most one torn line at the end, which the next one cuts off.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from phi4bench.calls import Json
from phi4bench.errors import StoreError
from phi4bench.printable import printable
from phi4bench.transcripts import Completion, Finish

SCHEMA = "phi4bench.store/1"


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/phi4bench`, else `~/.cache/phi4bench`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "phi4bench"


def identity_key(identity: Mapping[str, Any]) -> str:
    """sha256 hex over everything that a completion depends on besides its prompt."""
    return hashlib.sha256(_line(identity).encode()).hexdigest()


class TranscriptStore:
    """The completions of one configuration. Several processes may hold the same store open.

    `skipped`: how many broken lines were passed over in reading. What another process appends after `open` is not
    seen: at worst a completion is made twice, and the later line counts.
    """

    def __init__(self, path: Path, descriptor: int, completions: dict[str, Completion], skipped: int) -> None:
        self.path = path
        self.skipped = skipped
        self._descriptor = descriptor
        self._completions = completions

    @classmethod
    def open(cls, cache_dir: Path | None, identity: Mapping[str, Any]) -> TranscriptStore:
        """The store of this identity, made if it is new. `None`: the default cache. `StoreError` if it cannot be."""
        folder = (cache_dir or default_cache_dir()) / "completions"
        path = folder / f"{identity_key(identity)}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(folder, error) from None
        try:
            with _Locked(descriptor):
                completions, skipped = _recover(descriptor, identity)
        except OSError as error:
            os.close(descriptor)
            raise _unusable(path, error) from None
        return cls(path, descriptor, completions, skipped)

    def get(self, prompt_key: str) -> Completion | None:
        return self._completions.get(prompt_key)

    def put(self, prompt_key: str, case_id: str, completion: Completion) -> None:
        """Keeps it, on disk before this returns (in the system's hands, not synced: a power cut may lose the last)."""
        entry = {"key": prompt_key, "case": case_id, "completion": completion_to_json(completion)}
        line = (_line(entry) + "\n").encode()
        try:
            with _Locked(self._descriptor):
                end = os.fstat(self._descriptor).st_size
                written = os.write(self._descriptor, line)
                if written < len(line):
                    os.ftruncate(self._descriptor, end)
                    raise OSError(28, "No space left on device")
        except OSError as error:
            raise StoreError(
                f"{printable(str(self.path))} cannot be written: {error.strerror}",
                "everything before is kept: free some space or use --cache-dir, and run again to go on",
            ) from None
        self._completions[prompt_key] = completion

    def __len__(self) -> int:
        return len(self._completions)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> TranscriptStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def completion_to_json(completion: Completion) -> dict[str, Json]:
    data = asdict(completion)
    data["token_ids"] = list(completion.token_ids)
    return data


def completion_from_json(data: Mapping[str, Any]) -> Completion:
    """Raises `ValueError` for what is no completion."""
    text, tokens, finish = data.get("text"), data.get("token_ids", []), data.get("finish", "stop")
    if not isinstance(text, str) or not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
        raise ValueError("no completion")
    if finish not in ("stop", "length"):
        raise ValueError(f"finish={finish!r}")
    kept: Finish = "stop" if finish == "stop" else "length"
    numbers = {key: data.get(key) for key in ("first_token_ms", "token_ms", "margin", "prompt_tokens")}
    if not all(value is None or type(value) in (int, float) for value in numbers.values()):
        raise ValueError("a time is no number")
    return Completion(text, tuple(tokens), kept, **numbers)


class _Locked:
    """Holds the file's lock: appends of one process never meet the truncation of another."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _recover(descriptor: int, identity: Mapping[str, Any]) -> tuple[dict[str, Completion], int]:
    """What the file holds, with a torn end cut off and a header written where there is none."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        data = file.read()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.ftruncate(descriptor, whole)
    if whole == 0:
        header = (_line({"schema": SCHEMA, "identity": identity}) + "\n").encode()
        if os.write(descriptor, header) < len(header):
            os.ftruncate(descriptor, 0)
            raise OSError(28, "No space left on device")
        return {}, 0
    completions: dict[str, Completion] = {}
    skipped = 0
    for number, raw in enumerate(data[:whole].splitlines()):
        try:
            entry = json.loads(raw)
            if number == 0 and "schema" in entry:
                continue
            key = entry["key"]
            if not isinstance(key, str):
                raise ValueError("the key is no text")
            completions[key] = completion_from_json(entry["completion"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            skipped += 1
    return completions, skipped


def _line(data: Mapping[str, Any]) -> str:
    """One line of ASCII, always the same for the same data; lone surrogates are escaped like everything else."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{printable(str(path))} cannot be used as a cache: {error.strerror}",
        "name a folder that can be written with --cache-dir, or use --no-cache",
    )
