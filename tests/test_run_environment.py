"""The process that runs an artifact: what it finds in its environment, and what is told where it cannot start."""

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from kit import MakeFake

import phi4bench
from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding
from phi4bench.errors import BackendError
from phi4bench.run.child import run_child
from phi4bench.run.environment import child_environment, with_huge_pages
from phi4bench.run.jobs import Setup
from phi4bench.run.process import WorkerProcess, last_words
from phi4bench.run.progress import Silent


@pytest.mark.parametrize(
    ("set_before", "expected"),
    [
        (None, "glibc.malloc.hugetlb=1"),
        ("", "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.arena_max=2", "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
        ("glibc.malloc.hugetlb=2:glibc.malloc.arena_max=2", "glibc.malloc.hugetlb=2:glibc.malloc.arena_max=2"),
    ],
)
def test_huge_pages_are_asked_for_unless_the_user_spoke_of_them(set_before: str | None, expected: str) -> None:
    ours = {"HOME": "/home/me"} | ({} if set_before is None else {"GLIBC_TUNABLES": set_before})
    assert with_huge_pages(ours) == {"HOME": "/home/me", "GLIBC_TUNABLES": expected}


def test_a_child_finds_this_phi4bench_first_and_keeps_the_rest() -> None:
    found = child_environment({"PYTHONPATH": "/elsewhere", "PYTHONFAULTHANDLER": "1", "HF_TOKEN": "t"})
    assert found["PYTHONPATH"].split(os.pathsep) == [str(Path(phi4bench.__file__).parents[1]), "/elsewhere"]
    assert (found["HF_TOKEN"], found["PYTHONFAULTHANDLER"]) == ("t", "")
    assert "hugetlb" in found["GLIBC_TUNABLES"]


def test_a_child_takes_no_module_from_the_folder_that_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the code of the folder ran')")
    monkeypatch.chdir(tmp_path)
    with WorkerProcess("json.tool") as child:
        child.process.communicate(b"{}")
        assert (child.process.returncode, child.last_words) == (0, "")


@pytest.mark.parametrize(
    ("wrote", "told"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("loaded\nat x.cc:9\n\n", " (at x.cc:9)", id="the-last-line"),
        pytest.param(
            "memory allocation of 320000 bytes failed\nstack backtrace:\nskipping backtrace printing\n",
            " (memory allocation of 320000 bytes failed)",
            id="what-lacked-before-where",
        ),
    ],
)
def test_what_a_child_said_of_its_end_is_told(wrote: str, told: str) -> None:
    assert last_words(io.BytesIO(wrote.encode())) == told


@pytest.mark.parametrize("signals", [True, False], ids=["here", "where-there-is-no-SIGKILL"])
def test_a_child_that_cannot_start_says_so_in_one_line(
    signals: bool, make_fake: MakeFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup(open_artifact(str(make_fake())), Decoding(), None, tmp_path)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    if not signals:
        monkeypatch.setattr("phi4bench.run.process.signal", SimpleNamespace())
    with pytest.raises(BackendError, match="stopped with exit status 1 while it was loaded"):
        run_child(setup, lambda _: [], 1, Silent())
