"""What our own tests share: warnings that fail them, fake artifacts, and pytest run on the suites as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit import ROOT, Ran, case_line, write_lines


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Any warning fails a test of ours. Suites that are run beside them keep their user's settings."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("error"), append=False)  # first, so that a test's own mark wins


@pytest.fixture(scope="session")
def case_lines() -> list[dict[str, Any]]:
    return [case_line(number) for number in range(320)]


@pytest.fixture(scope="session")
def case_file(tmp_path_factory: pytest.TempPathFactory, case_lines: list[dict[str, Any]]) -> Path:
    return write_lines(tmp_path_factory.mktemp("cases") / "cases.jsonl", case_lines)


@pytest.fixture
def make_fake(tmp_path: Path, case_lines: list[dict[str, Any]]) -> Callable[..., Path]:
    """A fake artifact's folder. `answers`: by case id, the call that it makes instead of the right one."""

    def make(
        behaviour: str = "always_right",
        name: str = "",
        precision: str = "fp32",
        parent: str = "",
        answers: dict[str, dict[str, Any]] | None = None,
    ) -> Path:
        folder = tmp_path / (name or behaviour)
        folder.mkdir()
        lines = [
            line | {"expected": {"calls": [answers[line["id"]]]}} if line["id"] in (answers or {}) else line
            for line in case_lines
        ]
        write_lines(folder / "answers.jsonl", lines)
        manifest = {
            "schema": "phi4bench.artifact/1",
            "name": folder.name,
            "format": "fake",
            "behaviour": behaviour,
            "answers": "answers.jsonl",
            "dialect": "tool_use",
            "precision": precision,
            "parent": {"path": parent} if parent else None,
        }
        (folder / "phi4bench.json").write_text(json.dumps(manifest))
        return folder

    return make


@pytest.fixture
def suites_command(tmp_path: Path, case_file: Path) -> list[str]:
    """pytest on the suites with small cases and a cache of the test's own, without other people's plugins."""
    options = ["--cases", case_file, "--cache-dir", tmp_path / "cache", "--report", tmp_path / "reports"]
    plugins = ["-p", "phi4bench.plugin", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", *plugins, str(ROOT / "suites"), *map(str, options)]


@pytest.fixture
def suites_environment() -> dict[str, str]:
    return os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
        "PYTHONWARNINGS": "",
        "COLUMNS": "80",
    }


@pytest.fixture
def run_suites(suites_command: list[str], suites_environment: dict[str, str], tmp_path: Path) -> Callable[..., Ran]:
    """Run the suites to their end; further arguments are added to the command."""

    def run(*arguments: object, **environment: str) -> Ran:
        done = subprocess.run(
            [*suites_command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=suites_environment | environment,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, tmp_path / "reports")

    return run


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
