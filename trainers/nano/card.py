"""Writes nano's model card from a run of the suites over the shipped split and one over the hand-written requests."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phi4bench.datasets import fixtures_dir
from phi4bench.datasets.shipped import suites_dir
from trainers import child
from trainers.faults import TrainingError

FILE = "README.md"
TITLE = "# nano, a reference model"
NAMES = ("nano-fp32", "nano-int8", "nano-int4")
LEVELS = ("detection", "parsing", "tool", "parameter")


def judged(models: Path, cases: Path) -> list[Mapping[str, Any]]:
    """The report of every ONNX artifact in `models` over `cases`, by the suites that `guide` requires."""
    with tempfile.TemporaryDirectory() as folder:
        suites = [str(suites_dir() / name) for name in ("accuracy", "quantization")]
        command = child.command("pytest", *suites, "--cases", str(cases), "--report", folder, "-q")
        for name in NAMES:
            command += ["--model", str(models / name)]
        environment = child.environment_of(os.environ)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode not in (0, 1, 10):
            said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}".strip()
            raise TrainingError(f"judging the nano models gave no verdict (exit code {done.returncode}):\n{said}")
        artifacts: list[Mapping[str, Any]] = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))[
            "artifacts"
        ]
    return artifacts


def is_card(page: Path) -> bool:
    """Whether an earlier run may have left it there, or nobody anything."""
    return not page.exists() or page.read_bytes().startswith(TITLE.encode())


def write(models: Path, run: Path) -> str:
    """The card as Markdown. `run`: the folder with the recipe, the log, the comparisons and perhaps `notes.md`."""
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    export = json.loads((run / "export.json").read_text(encoding="utf-8"))
    log = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    cases = fixtures_dir() / "cases"
    shipped, handwritten = (judged(models, cases / name) for name in ("test.jsonl", "handwritten.jsonl"))
    notes = run / "notes.md"
    told = notes.read_text(encoding="utf-8").strip() if notes.exists() else ""
    parts = [*_head(recipe, log[-1], told), *_scores("On the shipped test split", shipped)]
    parts += [
        "The verdicts are those of `pytest suites/accuracy suites/quantization` under `guide`; the quantized files are "
        "compared with nano-fp32.",
        "",
    ]
    parts += _tools(shipped[0])
    parts += _scores(
        "On 160 hand-written requests that no generator made (`fixtures/cases/handwritten.jsonl`)", handwritten, False
    )
    parts += _export(export)
    return "\n".join(parts) + "\n"


def _head(recipe: Mapping[str, Any], last: Mapping[str, Any], notes: str) -> Iterator[str]:
    yield TITLE
    yield ""
    shape = (
        f"{recipe['layers']} layers, hidden {recipe['hidden']}, {recipe['heads']} heads, {recipe['kv_heads']} KV heads"
    )
    yield (
        f"A Phi-3-architecture decoder ({shape}, vocabulary {recipe['vocabulary']}) "
        "trained from scratch on requests that `phi4bench/phrasing/` generates, to call six file and shell tools in "
        "the `tool_use` dialect. It is a fixture, so that every path of a real Phi-4 runs on any laptop. It is no "
        "product: "
        "it knows nothing but these six tools."
    )
    yield ""
    spent = f"{last['minutes']:.0f} minutes on {last['on']}"
    began = " from an earlier nano (`--start`)" if recipe["start"] else ""
    yield (
        f"Made by `python -m trainers.nano`{began} with seed {recipe['seed']} in {spent}: {last['step']:,} steps, "
        f"{last['tokens'] / 1e6:.1f} million tokens read besides the system turns, {last['learned'] / 1e6:.1f} million "
        f"of them learned from, last mean loss {last['loss']:.3f}. "
        "No request of the test split is worded as one that was trained on, in whatever turn of a conversation, with "
        "whatever politeness around it and values of whatever kind in it, and no value of it was but for kinds of "
        "files, counts, ordinals and flags; what joins several requests of one turn may have been. "
        "All settings are in each folder's `phi4bench.json`. Licence: MIT, as the project."
    )
    yield ""
    if notes:
        yield notes
        yield ""


def _scores(title: str, artifacts: list[Mapping[str, Any]], verdicts: bool = True) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield "| | " + " | ".join(one["artifact"]["id"] for one in artifacts) + " |"
    yield "| --- |" + " ---: |" * len(artifacts)
    for name in (*LEVELS, "abstention"):
        gates = [one["abstention"] if name == "abstention" else one["levels"][name] for one in artifacts]
        cells = [f"{100 * gate['rate']:.1f}% ({gate['passed']:,}/{gate['total']:,})" for gate in gates]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield "| bytes | " + " | ".join(f"{one['artifact']['bytes']:,}" for one in artifacts) + " |"
    if verdicts:
        yield "| tier | " + " | ".join(one["tier"] for one in artifacts) + " |"
        yield "| verdict | " + " | ".join(one["verdict"] or "none" for one in artifacts) + " |"
    yield ""


def _tools(one: Mapping[str, Any]) -> Iterator[str]:
    for title, rows in (("tool", one["per_tool"]), ("scenario", one["per_scenario"])):
        yield f"| {title} ({one['artifact']['id']}) | " + " | ".join(LEVELS) + " |"
        yield "| --- |" + " ---: |" * len(LEVELS)
        for name, levels in rows.items():
            if all(level in levels and levels[level]["total"] for level in LEVELS):
                yield f"| {name} | " + " | ".join(f"{100 * levels[level]['rate']:.1f}%" for level in LEVELS) + " |"
        yield ""


def _export(export: list[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Export"
    yield ""
    yield "Logits of each file against PyTorch in fp32, on 40 conversations of the training split:"
    yield ""
    yield "| precision | positions | largest difference | same top token |"
    yield "| --- | ---: | ---: | ---: |"
    for line in export:
        same = f"{100 * line['top1_agreement']:.1f}%"
        yield f"| {line['precision']} | {line['positions']:,} | {line['max_difference']:.2g} | {same} |"
