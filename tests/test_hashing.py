"""Digests of large files: each is remembered, and only for as long as the file stays as it was."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from phi4bench.artifacts import hashing as hashing_module
from phi4bench.artifacts.hashing import file_sha256


def test_a_large_file_is_read_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing_module, "ALWAYS_READ_BYTES", 4)
    monkeypatch.setattr(hashing_module.time, "time", lambda: time.time_ns() / 1e9 + 60)
    reads: list[Path] = []
    read = hashing_module._read
    monkeypatch.setattr(hashing_module, "_read", lambda path: reads.append(path) or read(path))
    large = tmp_path / "weights"
    large.write_bytes(b"aaaaaaaa")
    first = file_sha256(large, tmp_path / "cache")
    assert file_sha256(large, tmp_path / "cache") == first
    assert len(reads) == 1
    times = large.stat()
    large.write_bytes(b"aaaabaaa")
    os.utime(large, ns=(times.st_atime_ns, times.st_mtime_ns))  # the clock put back: the change is still seen
    assert file_sha256(large, tmp_path / "cache") != first
    assert len(reads) == 2


def test_what_the_default_cache_remembers_a_folder_of_one_run_need_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing_module, "ALWAYS_READ_BYTES", 4)
    monkeypatch.setattr(hashing_module.time, "time", lambda: time.time_ns() / 1e9 + 60)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "weights").write_bytes(b"aaaaaaaa")
    digest = file_sha256(tmp_path / "weights")
    monkeypatch.setattr(hashing_module, "_read", None)
    assert file_sha256(tmp_path / "weights", tmp_path / "scratch") == digest


@pytest.mark.parametrize("named", [False, True], ids=["no-folder", "a-folder"])
def test_a_user_without_a_home_reads_a_large_file_too(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(hashing_module, "ALWAYS_READ_BYTES", 4)
    monkeypatch.setattr(hashing_module.time, "time", lambda: time.time_ns() / 1e9 + 60)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    (tmp_path / "weights").write_bytes(b"aaaaaaaa")
    digest = hashlib.sha256(b"aaaaaaaa").hexdigest()
    assert file_sha256(tmp_path / "weights", tmp_path / "cache" if named else None) == digest
    assert (tmp_path / "cache" / "sha256.jsonl").exists() == named


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing_module, "ALWAYS_READ_BYTES", 4)
    (tmp_path / "weights").write_bytes(b"aaaaaaaa")
    file_sha256(tmp_path / "weights", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"\xff{\n", b'{"key": 1}\n'], ids=["empty", "broken", "foreign"])
def test_a_damaged_memory_of_digests_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    monkeypatch.setattr(hashing_module, "ALWAYS_READ_BYTES", 4)
    (tmp_path / "sha256.jsonl").write_bytes(damage)
    (tmp_path / "weights").write_bytes(b"abc" * 9)
    # sha256sum of nine times "abc"
    assert (
        file_sha256(tmp_path / "weights", tmp_path)
        == subprocess.run(
            ["sha256sum", tmp_path / "weights"], capture_output=True, text=True, check=True
        ).stdout.split()[0]
    )
