"""Completions kept on disk as they are made, keyed by content, so that nothing is ever generated twice.

Knows files and locks; knows no models. One file for each configuration: its first line says in words what the file is
for, each further line is one completion. Lines are appended whole by a single write each, so a killed run leaves at
most one torn line at the end, which the next one cuts off; a checksum ends each, so what a disk spoilt is made again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import zlib
from array import array
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from phi4bench.calls import Json
from phi4bench.errors import StoreError, UsageError
from phi4bench.printable import printable
from phi4bench.transcripts import Completion, Finish, Transcript

try:
    import fcntl
except ImportError:  # Windows: one run at a time there
    fcntl = None  # type: ignore[assignment]

SCHEMA = "phi4bench.store/1"
_LINE = re.compile(rb'\{"case":.*,"key":"([^"\\]*)","sum":"[0-9a-f]{8}"\}\n', re.DOTALL)
"""How a completion's line is written."""
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""Raised by what is no JSON, or no completion."""


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/phi4bench`, else `~/.cache/phi4bench`. `UsageError` for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "phi4bench"
    except RuntimeError:
        raise UsageError(
            "there is no home directory to keep completions in", "name a folder with --cache-dir, or use --no-cache"
        ) from None


def identity_key(identity: Mapping[str, Any]) -> str:
    """sha256 hex over everything that a completion depends on besides its prompt."""
    return hashlib.sha256(_line(identity).encode()).hexdigest()


class TranscriptStore:
    """The completions of one configuration. Several processes may hold the same store open.

    `skipped`: how many broken lines were passed over so far. What another process appends is seen after `refresh`;
    at worst a completion is made twice, and the later line counts. `reads`: whether it knows what it holds; one that
    is only written to takes no more memory the more it is given. One that reads knows where each completion lies in its
    file, and takes it from there when it is asked for.
    """

    def __init__(self, path: Path, descriptor: int, reads: bool = True) -> None:
        self.path = path
        self._reads = reads
        self.skipped = 0
        self._descriptor = descriptor
        self._lines: dict[int, int] = {}  # by the hash of a key, which is a third as large
        self._ends = array("Q", [0])

    @classmethod
    def open(cls, cache_dir: Path | None, identity: Mapping[str, Any], reads: bool = True) -> TranscriptStore:
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
                _mend(descriptor, identity)
            store = cls(path, descriptor, reads)
            if reads:
                store.refresh()
        except OSError as error:
            os.close(descriptor)
            raise _unusable(path, error) from None
        return store

    def refresh(self) -> None:
        """Reads what has been appended since the last time, by whomever."""
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(self._ends[-1])
            for raw in file:
                if not raw.endswith(b"\n"):
                    break  # the end of a line that is being written
                self._ends.append(self._ends[-1] + len(raw))
                line = len(self._ends) - 2
                if ours := _LINE.fullmatch(raw):  # what is between is read when it is asked for
                    self._lines[_short(ours[1].decode())] = line
                elif line:  # the first is the header
                    self.skipped += 1

    def get(self, prompt_key: str) -> Completion | None:
        line = self._lines.get(_short(prompt_key))
        if line is None:
            return None
        start, end = self._ends[line : line + 2]
        try:
            os.lseek(self._descriptor, start, os.SEEK_SET)
            raw = os.read(self._descriptor, end - start)
            if not raw.endswith(_sum(raw[:-_SUM_BYTES])):
                raise ValueError("damaged since it was written")
            entry = json.loads(raw)
            return completion_from_json(entry["completion"]) if entry["key"] == prompt_key else None
        except _BROKEN:
            del self._lines[_short(prompt_key)]
            self.skipped += 1
            return None
        except OSError as error:
            raise _unusable(self.path, error) from None

    def put(self, prompt_key: str, case_id: str, completion: Completion) -> None:
        """Keeps it, on disk before this returns (in the system's hands, not synced: a power cut may lose the last)."""
        entry = {"key": prompt_key, "case": case_id, "completion": completion_to_json(completion)}
        told = _line(entry)[:-1].encode()  # up to the brace that ends it
        line = told + _sum(told)
        try:
            with _Locked(self._descriptor):
                end = os.fstat(self._descriptor).st_size
                written = os.write(self._descriptor, line)
                if written < len(line):
                    os.ftruncate(self._descriptor, end)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise StoreError(
                f"{printable(str(self.path))} cannot be written: {error.strerror}",
                "everything before is kept, but with --no-cache: free some space, or use --cache-dir, and run again",
            ) from None
        if self._reads:
            self.refresh()

    def add(self, transcript: Transcript) -> None:
        """`put` of a whole transcript, under its own key."""
        self.put(transcript.key, transcript.case_id, transcript.completion)

    def __len__(self) -> int:
        return len(self._lines)

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
    """Every field that is stored; written out, since `asdict` copies each token by itself."""
    return {
        "text": completion.text,
        "token_ids": list(completion.token_ids),
        "finish": completion.finish,
        "first_token_ms": completion.first_token_ms,
        "token_ms": completion.token_ms,
        "margin": completion.margin,
        "prompt_tokens": completion.prompt_tokens,
    }


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
    ids = tuple(map(_one, tokens))
    return Completion(text, ids, kept, **numbers)  # type: ignore[arg-type]  # numbers, as checked


@lru_cache(maxsize=1 << 18)
def _one(token: int) -> int:
    """One object for each token: thousands of completions are made of the same few."""
    return token


def _short(prompt_key: str) -> int:
    """60 bits of it, within this process: where two keys have the same, the later is kept and the other made again."""
    return hash(prompt_key) & (1 << 60) - 1


class _Locked:
    """Holds the file's lock: appends of one process never meet the truncation of another."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _mend(descriptor: int, identity: Mapping[str, Any]) -> None:
    """Cuts off a torn end and writes the header where there is none. The lock is held."""
    size = os.fstat(descriptor).st_size
    whole = _last_line_end(descriptor, size)
    if whole < size:
        os.ftruncate(descriptor, whole)
    if whole == 0:
        header = (_line({"schema": SCHEMA, "identity": identity}) + "\n").encode()
        if os.write(descriptor, header) < len(header):
            os.ftruncate(descriptor, 0)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _last_line_end(descriptor: int, size: int) -> int:
    """The position after the last line feed among the first `size` bytes; 0 where there is none."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        end = size
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            end = start
    return 0


def _line(data: Mapping[str, Any]) -> str:
    """One line of ASCII, always the same for the same data; lone surrogates are escaped like everything else."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _sum(told: bytes) -> bytes:
    """The end of a completion's line, by which a block that was overwritten in its middle is found."""
    return b',"sum":"%08x"}\n' % zlib.crc32(told)


_SUM_BYTES = len(_sum(b""))


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{printable(str(path))} cannot be used as a cache: {error.strerror}",
        "name a folder that can be written with --cache-dir, or use --no-cache",
    )
