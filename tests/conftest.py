"""What our own tests share: warnings that fail them, fake artifacts, and pytest run on the suites as a user runs it."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from kit import (
    MakeFake,
    Ran,
    RunSuites,
    case_line,
    command_in,
    environment,
    fakes_in,
    suites_in,
    write_lines,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Any warning fails a test of ours. Suites that are run beside them keep their user's settings."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("error"), append=False)  # first, so that a test's own mark wins


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What the test modules hold stays to the end, and is no garbage.

    Looking at it in each full collection of garbage took a quarter of the time that tests take in their own process.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def case_lines() -> list[dict[str, Any]]:
    return [case_line(number) for number in range(320)]


@pytest.fixture(scope="session")
def case_file(tmp_path_factory: pytest.TempPathFactory, case_lines: list[dict[str, Any]]) -> Path:
    return write_lines(tmp_path_factory.mktemp("cases") / "cases.jsonl", case_lines)


@pytest.fixture
def make_fake(tmp_path: Path, case_lines: list[dict[str, Any]]) -> MakeFake:
    """A fake artifact's folder: see `fakes_in`."""
    return fakes_in(tmp_path, case_lines)


@pytest.fixture
def suites_command(tmp_path: Path, case_file: Path) -> list[str]:
    return command_in(tmp_path, case_file)


@pytest.fixture
def suites_environment() -> dict[str, str]:
    return environment()


@pytest.fixture
def run_suites(tmp_path: Path, case_file: Path) -> RunSuites:
    """Run the suites to their end; further arguments are added to the command."""
    return suites_in(tmp_path, case_file)


@pytest.fixture(scope="session")
def run_once(
    tmp_path_factory: pytest.TempPathFactory, case_file: Path, case_lines: list[dict[str, Any]]
) -> tuple[Path, Ran]:
    """The run behind `whole_run`, and the folder that it was made in: not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, suites_in(folder, case_file)("--model", fakes_in(folder, case_lines)("always_right"))


@pytest.fixture
def whole_run(run_once: tuple[Path, Ran], tmp_path: Path) -> Ran:
    """A run of `always_right`, as the test's own: its fake, its cache and its report, where `run_suites` goes on."""
    folder, ran = run_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return Ran(ran.code, ran.out, tmp_path / "reports")


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `python -m trainers`, which exits with 4; the one line that it says."""

    def run(*arguments: object) -> str:
        from trainers.__main__ import main

        assert main([str(one) for one in arguments]) == 4
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        return said

    return run
