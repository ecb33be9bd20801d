"""What the process that runs an artifact finds in its environment."""

import os
import tempfile
from pathlib import Path

import pytest

import phi4bench
from phi4bench.run.child import child_process
from phi4bench.run.environment import child_environment, with_huge_pages


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
    with tempfile.TemporaryFile() as noise, child_process(noise, "json.tool") as process:
        process.communicate(b"{}")
        noise.seek(0)
        assert (process.returncode, noise.read()) == (0, b"")
