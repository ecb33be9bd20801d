"""What a killed run leaves beside its reports is taken away, and nothing else is."""

from __future__ import annotations

import os
import time
from pathlib import Path

from phi4bench.run.scratch import ABANDONED_S, LOCK, remove_abandoned, scratch_folder


def abandoned(parent: Path, name: str) -> Path:
    """As a killed process leaves a folder: the lock's file without its lock."""
    folder = parent / name
    (folder / "completions").mkdir(parents=True)
    (folder / LOCK).touch()
    return folder


def test_a_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "generations") as folder:
        assert folder.parent == tmp_path
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())


def test_an_abandoned_folder_is_removed_and_one_in_use_is_not(tmp_path: Path) -> None:
    dead = [abandoned(tmp_path, ".generations-a"), abandoned(tmp_path, ".repeated-b")]
    with scratch_folder(tmp_path, "generations") as mine:
        remove_abandoned(tmp_path)
        assert mine.is_dir()
    assert not any(folder.exists() for folder in dead)


def test_what_others_made_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / LOCK).touch()
    (tmp_path / ".generations-link").symlink_to(theirs)
    (tmp_path / ".generations-without-a-lock").mkdir()
    (tmp_path / "generations-x").mkdir()
    remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    assert (theirs / LOCK).exists()


def test_a_draft_is_removed_once_nobody_can_be_writing_it(tmp_path: Path) -> None:
    (tmp_path / "transcripts").mkdir()
    old, new = tmp_path / "transcripts" / ".nano.jsonl.7.part", tmp_path / ".report.json.x1"
    for draft in (old, new):
        draft.touch()
    hours_ago = time.time() - 2 * ABANDONED_S
    os.utime(old, (hours_ago, hours_ago))
    remove_abandoned(tmp_path)
    assert not old.exists()
    assert new.exists()
