"""sha256 of files, large ones remembered. Writes only its own cache file; a cache that cannot be used is not used."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from phi4bench.artifacts.artifact import Artifact
from phi4bench.errors import UsageError
from phi4bench.store import default_cache_dir

ALWAYS_READ_BYTES = 64 * 2**20
"""Files smaller than this are read each time: it takes a blink, and no clock has to be believed."""
_MEMORY = "sha256.jsonl"
Key = list[str | int]
_SETTLED_SECONDS = 2.0
"""A file changed this lately is read again: one more change could leave the same time on it."""


def file_sha256(path: Path, cache_dir: Path | None = None) -> str:
    """sha256 hex of the file's bytes, read in pieces.

    For large files the answer is kept in `cache_dir` under the path, size, inode, and both the times of change of
    content and of metadata: the second cannot be set by hand. It is looked for in the default cache too, since a run
    that keeps no completions has a folder of its own for them.
    """
    state = path.stat()
    if state.st_size < ALWAYS_READ_BYTES:
        return _read(path)
    key: Key = [str(path.resolve()), state.st_size, state.st_ino, state.st_dev, state.st_mtime_ns, state.st_ctime_ns]
    memories = _memories(cache_dir)
    for memory in memories:
        if known := _recall(memory, key):
            return known
    digest = _read(path)
    after = path.stat()
    unchanged = (after.st_size, after.st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    if memories and unchanged and time.time() - max(state.st_mtime, state.st_ctime) > _SETTLED_SECONDS:
        _remember(memories[0], key, digest)
    return digest


def changed_file(artifact: Artifact, cache_dir: Path | None = None) -> str:
    """The first of its files that is gone or no longer has the sha256 that it was opened with; empty: none."""
    for name, sha256, _ in artifact.files:
        try:
            if file_sha256(artifact.path / name, cache_dir) != sha256:
                return name
        except OSError:
            return name
    return ""


def _memories(cache_dir: Path | None) -> list[Path]:
    """Where digests are looked for; new ones go to the first. None for a user without a home who names no folder."""
    folders = [cache_dir] if cache_dir else []
    with suppress(UsageError):
        folders.append(default_cache_dir())
    return [folder / _MEMORY for folder in folders]


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recall(memory: Path, key: Key) -> str:
    try:
        lines = memory.read_bytes().splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("key") == key and isinstance(entry.get("sha256"), str):
            return str(entry["sha256"])
    return ""


def _remember(memory: Path, key: Key, digest: str) -> None:
    line = json.dumps({"key": key, "sha256": digest}) + "\n"
    try:
        memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(memory, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError:
        return
