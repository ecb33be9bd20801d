"""What tests of whole runs share: small cases, and what came of a command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked

ROOT = Path(__file__).resolve().parent.parent
EVERY_GATE = ["detection", "parsing", "tool", "parameter", "abstention"]


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    report_dir: Path

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def report(self) -> dict[str, Any]:
        return json.loads((self.report_dir / "report.json").read_text())

    def artifact(self) -> dict[str, Any]:
        return self.report()["artifacts"][0]

    def refusal(self) -> str:
        """The line of a request that was refused before anything was done."""
        assert self.code == 4, self.out
        assert "Traceback" not in self.out
        assert "first prompt" not in self.out
        errors = [line for line in self.lines if line.startswith("ERROR: ")]
        assert len(errors) == 1, self.out
        return errors[0]

    def outcomes(self) -> dict[str, str | None]:
        """Of the artifact's four levels and its abstention."""
        artifact = self.artifact()
        rows = artifact["levels"] | {"abstention": artifact["abstention"]}
        return {name: rows[name]["outcome"] for name in EVERY_GATE}


RunSuites = Callable[..., Ran]
MakeFake = Callable[..., Path]


def case_line(number: int) -> dict[str, Any]:
    """One of 320 small cases, each a group of its own: 85 read, 85 grep, and 150 that expect no call."""
    case: dict[str, Any] = {"tools": "claude_code"}
    if number < 85:
        asked, call = f"Open notes{number}.txt", {"name": "read", "arguments": {"file_path": f"notes{number}.txt"}}
        case |= {"id": f"read-{number}", "scenario": "single", "expected": {"calls": [call]}}
    elif number < 170:
        call = {"name": "grep", "arguments": {"pattern": f"word{number}", "path": "src"}}
        asked = f"Find word{number} in src"
        case |= {"id": f"grep-{number}", "scenario": "selection", "expected": {"calls": [call]}}
    else:
        asked = f"What do you think of the number {number}?"
        case |= {"id": f"chat-{number}", "scenario": "irrelevant", "expected": {"calls": []}}
    return case | {"group": f"family-{number}", "messages": [{"role": "user", "content": asked}]}


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def fakes_in(folder: Path, case_lines: Sequence[dict[str, Any]]) -> MakeFake:
    """What makes fake artifacts there. `answers`: by case id, the call that one makes instead of the right one."""

    def make(
        behaviour: str = "always_right",
        name: str = "",
        precision: str = "fp32",
        parent: str = "",
        answers: dict[str, dict[str, Any]] | None = None,
    ) -> Path:
        fake = folder / (name or behaviour)
        fake.mkdir()
        lines = [
            line | {"expected": {"calls": [answers[line["id"]]]}} if line["id"] in (answers or {}) else line
            for line in case_lines
        ]
        write_lines(fake / "answers.jsonl", lines)
        manifest = {
            "schema": "phi4bench.artifact/1",
            "name": fake.name,
            "format": "fake",
            "behaviour": behaviour,
            "answers": "answers.jsonl",
            "dialect": "tool_use",
            "precision": precision,
            "parent": {"path": parent} if parent else None,
        }
        (fake / "phi4bench.json").write_text(json.dumps(manifest))
        return fake

    return make


def command_in(folder: Path, case_file: Path) -> list[str]:
    """pytest on the suites with small cases and a cache of its own in `folder`, without other people's plugins."""
    options = ["--cases", case_file, "--cache-dir", folder / "cache", "--report", folder / "reports"]
    plugins = ["-p", "phi4bench.plugin", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", *plugins, str(ROOT / "suites"), *map(str, options)]


def environment() -> dict[str, str]:
    """What that command runs in."""
    return os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
        "PYTHONWARNINGS": "",
        "COLUMNS": "80",
    }


def suites_in(folder: Path, case_file: Path) -> RunSuites:
    """What runs the suites to their end there; further arguments are added to the command."""

    def run(*arguments: object, **further: str) -> Ran:
        command = [*command_in(folder, case_file), *map(str, arguments)]
        done = forked.run(command, cwd=ROOT, env=environment() | further, timeout_s=120)
        return Ran(done.returncode, done.stdout, folder / "reports")

    return run
