"""What tests of whole runs share: small cases, and what came of a command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
