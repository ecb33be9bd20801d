"""Finished runs with known answers, as tests of what reads them need them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kit import case_line

from phi4bench.cases import Case
from phi4bench.datasets import case_from_json
from phi4bench.datasets.dataset import Dataset, digest
from phi4bench.datasets.shipped import fixtures_dir
from phi4bench.datasets.toolsets import read_toolset
from phi4bench.dialects import Dialect, dialect_named
from phi4bench.runfile import SavedRun, write_run
from phi4bench.transcripts import Completion

SIX = read_toolset(fixtures_dir() / "tools" / "claude_code.json")
GUIDE = (fixtures_dir() / "targets" / "guide.toml").read_text()
WRONG = "<tool_use>glob(pattern='*')</tool_use>"


def cases_of(lines: Sequence[Mapping[str, Any]]) -> tuple[Case, ...]:
    return tuple(case_from_json(line, lambda _: SIX) for line in lines)


CASES = cases_of([case_line(number) for number in range(320)])


def run_of(
    name: str,
    wrong: Sequence[str] = (),
    cases: Sequence[Case] = CASES,
    dialect: Dialect | None = None,
    precision: str = "fp32",
    missing: int = 0,
    files: Sequence[Mapping[str, Any]] = (),
    decoding: Mapping[str, Any] | None = None,
    **facts: Any,
) -> SavedRun:
    """A run that is right but for the cases `wrong`, where it makes another call. Its sha256 is that of its name."""
    speaks = dialect or dialect_named("tool_use")
    texts = [
        WRONG if case.id in wrong else speaks.render_calls(case.expected.calls) if case.expects_call else "I see."
        for case in cases
    ]
    completions: list[Completion | None] = [Completion(text) for text in texts]
    completions[len(completions) - missing :] = [None] * missing
    card = {
        "id": name, "spec": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "format": "onnx", "bytes": 9,
        "precision": precision, "dialect": speaks.name, "turns": speaks.turns.name, "inferred": [], "parent": None,
        "files": list(files),
    }  # fmt: skip
    dataset = Dataset(tuple(cases), "cases.jsonl", digest(cases), "cases")
    facts = {"role": "candidate", "seed": 7, "targets": [["guide", GUIDE]], **facts}
    settings = decoding or {"max_new_tokens": 256, "mode": "free", "system_prompt": None}
    return SavedRun(card, speaks, dataset, tuple(completions), settings, {"cpu": "x"}, {"onnxruntime": "1.20"}, facts)


def store(folder: Path, *runs: SavedRun) -> Path:
    """The report folder of these runs, with transcripts alone."""
    for run in runs:
        write_run(folder, run)
    return folder
