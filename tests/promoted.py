"""A promotion with its model and transcripts, as tests of `phi4bench verify` spoil it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stored import GUIDE, run_of

from phi4bench.cli import main
from phi4bench.report.writing import write_reports
from phi4bench.run.judging import SUITE_GATES, assess, conclude
from phi4bench.targets import parse_targets

MODEL = {"model.onnx": b"weights", "model.onnx.data": b"more weights", "tokenizer.json": b"{}"}


class Promoted:
    """A promotion with its model and transcripts, each where a test may spoil it."""

    def __init__(self, folder: Path) -> None:
        self.model, self.report = folder / "int8", folder / "reports"
        self.statement = self.report / "promotion.json"

    def make(self, targets: str = GUIDE, **further: Any) -> None:
        self.model.mkdir()
        for name, content in MODEL.items():
            (self.model / name).write_bytes(content)
        files = [
            {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in MODEL.items()
        ]
        facts = {"baseline": "parent", "compared": True, "targets": [["guide", targets]], **further}
        run = run_of("int8", [], precision="int8", files=files, **facts)
        judgement = assess(run, run_of("parent", ["read-1"], role="baseline"), parse_targets(targets, "guide"))
        result = judgement, conclude(judgement, SUITE_GATES)
        write_reports(self.report, [result], judgement.targets, "2026-11-21T00:00:00+00:00", "pytest suites")

    def data(self) -> dict[str, Any]:
        return json.loads(self.statement.read_text())

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        data = self.data()
        change(data)
        self.statement.write_text(json.dumps(data))

    def arguments(self, *more: object) -> list[str]:
        return ["verify", *map(str, (self.statement, "--model", self.model, "--transcripts", self.report, *more))]


def differences(promoted: Promoted, capsys: pytest.CaptureFixture[str], *more: object) -> list[str]:
    """The lines of a refusal, without the last."""
    assert main(promoted.arguments(*more)) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert last.startswith("NOT VERIFIED")
    return lines
