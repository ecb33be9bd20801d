"""`python -m trainers.nano tables`: nano-base fine-tuned for the six tools at several ranks, and judged. Resumable.

Every step is the ordinary chain's: `python -m trainers data|sft|merge|export|quantize`, and the suites that `guide`
requires. What is finished is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.artifacts import open_artifact
from phi4bench.datasets import load_cases
from phi4bench.datasets.shipped import suites_dir
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers import child
from trainers.base import read_json_file, write_json
from trainers.faults import TrainingError
from trainers.nano import lora_page
from trainers.promote import GATE_EXITS
from trainers.trial import LOG, run_trial

RESULTS = "tables.json"


@dataclass(frozen=True)
class Study:
    """What is run. `settings`: flags of `python -m trainers sft`. `limit`: judge on a sample, `None` for all cases."""

    model: Path
    out: Path
    ranks: tuple[int, ...]
    examples: int
    settings: tuple[str, ...]
    limit: int | None = None

    @property
    def data(self) -> Path:
        return self.out / "train.jsonl"

    def run(self, rank: int) -> Path:
        return self.out / f"r{rank}"

    def is_tuned(self, rank: int) -> bool:
        return (self.run(rank) / "adapter" / "phi4bench.json").is_file()

    def tuning(self, rank: int) -> tuple[str, ...]:
        """What follows `python -m trainers sft`."""
        given = ("--model", str(self.model), "--data", str(self.data), "--out", str(self.run(rank)))
        return (*given, "--rank", str(rank), *self.settings)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base", type=Path, required=True, metavar="DIR", help="a run of `base`, or its model's folder"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/nano-tables"),
        metavar="DIR",
        help="where all of it goes (default: runs/nano-tables)",
    )
    parser.add_argument(
        "--ranks", nargs="+", type=int, default=[8, 16, 32, 64], metavar="N", help="(default: 8 16 32 64)"
    )
    parser.add_argument(
        "--examples", type=int, default=4000, metavar="N", help="generated training examples (default: 4000)"
    )
    parser.add_argument("--lr", default="2e-3", help="nano is small: the guide's 5e-5 moves it little (default: 2e-3)")
    parser.add_argument("--epochs", default="5", help="(default: 5)")
    parser.add_argument("--evaluate-every", default="200", help="steps between looks at validation (default: 200)")
    parser.add_argument("--threads", default="0", help="CPU threads; 0: torch's default (default: 0)")
    parser.add_argument(
        "--parallel",
        type=int,
        default=1,
        metavar="N",
        help="fine-tune so many ranks at once; with --threads 1 faster (default: 1)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="judge on a sample of N cases, to see that it works")
    parser.add_argument("--notes", default="", help="a sentence for the page, on the machine and its load")
    parser.add_argument("--into", type=Path, metavar="FILE.md", help="put the tables between this page's markers")


def make(
    base: Path,
    out: Path,
    ranks: Sequence[int],
    examples: int,
    lr: str,
    epochs: str,
    evaluate_every: str,
    threads: str,
    parallel: int,
    limit: int | None,
    notes: str,
    into: Path | None,
) -> None:
    """All that is not done yet. The results are written after each model, so that a stopped run shows what it has."""
    model = base / "nano-base" if (base / "nano-base").is_dir() else base
    if not (model / "model.safetensors").is_file():
        raise UsageError(f"--base='{printable(str(base), 200)}' holds no finished model", "run `base` to its end")
    marks = (lora_page.BEGIN, lora_page.END)
    if into is not None and not (into.is_file() and all(mark in into.read_text(encoding="utf-8") for mark in marks)):
        raise UsageError(f"--into='{printable(str(into), 200)}' has no place for the tables", f"write {marks} into it")
    if min(ranks) < 1:
        raise UsageError(f"--ranks={min(ranks)}, but should be at least 1")
    if examples < 2:
        raise UsageError(f"--examples={examples}, but should be at least 2")
    often = ("--evaluate-every", evaluate_every)
    settings = ("--lr", lr, "--epochs", epochs, *often, "--threads", threads, "--patience", "0")
    study = Study(model, out, tuple(dict.fromkeys(ranks)), examples, settings, limit)
    found = read_json_file(out / RESULTS) if (out / RESULTS).is_file() else {}
    results: dict[str, Any] = {
        "base": about_base(base),
        "examples": examples,
        "settings": " ".join(settings),
        "notes": notes or found.get("notes", ""),
        "rows": [],
    }
    seconds = {row["name"]: row["seconds"] for row in found.get("rows", ())}

    def keep(row: dict[str, Any]) -> None:
        if row["seconds"] is None:  # nothing was done: the seconds of the run that did it
            row["seconds"] = seconds.get(row["name"])
        results["rows"].append(row)
        write_json(out / RESULTS, results)
        if into is not None:
            into.write_text(lora_page.put(into.read_text(encoding="utf-8"), results), encoding="utf-8")
            write_json(into.with_suffix(".json"), results)

    step("data", "--count", str(examples), "--out", str(study.data))
    step("export", str(model), "--out", str(out / "base"), "--data", str(study.data))
    keep(judged(study, "base", out / "base" / "fp32"))
    ahead = tuned_at_once(study, parallel) if parallel > 1 else {}
    for number, rank in enumerate(study.ranks, start=1):
        print(f"rank {rank}: {number} of {len(study.ranks)}", flush=True)
        took = tuned(study, rank) or ahead.get(rank)
        keep(judged(study, f"r{rank}", study.run(rank) / "fp32") | learned(study.run(rank)) | {"seconds": took})
    best = lora_page.best(results["rows"])
    print(f"best: {best['name']}, whose int8 and int4 files follow", flush=True)
    folder = out / best["name"]
    if not all((folder / name / "phi4bench.json").is_file() for name in ("int8", "int4")):
        step("quantize", str(folder / "fp32"), "--data", str(study.data))
    for name in ("int8", "int4"):
        keep(judged(study, f"{best['name']}-{name}", folder / name))


def step(*command: str) -> None:
    """One step of the chain, as its command line says it. `TrainingError` where it ends with a fault."""
    from trainers.__main__ import main

    print(f"$ python -m trainers {' '.join(command)}", flush=True)
    if code := main(command):
        raise TrainingError(f"`python -m trainers {command[0]}` ended with exit code {code}", "see above; then again")


def tuned_at_once(study: Study, number: int) -> dict[int, float]:
    """Fine-tune the ranks that are not finished, so many at a time, each in a process of its own; seconds by rank.

    Raises `TrainingError` for one that failed, once the others are through.
    """

    def one(rank: int) -> tuple[float, str]:
        began = time.perf_counter()
        print(f"rank {rank}: sft, its progress goes to {study.run(rank) / LOG}", flush=True)
        fault = run_trial(study.run(rank), ("sft", *study.tuning(rank)), {})
        return round(time.perf_counter() - began, 1), f"rank {rank}: {fault}" if fault else ""

    lacking = [rank for rank in study.ranks if not study.is_tuned(rank)]
    with ThreadPoolExecutor(number) as pool:
        found = dict(zip(lacking, pool.map(one, lacking), strict=True))
    if faults := "; ".join(fault for _, fault in found.values() if fault):
        raise TrainingError(faults, "the same command goes on from there")
    return {rank: seconds for rank, (seconds, _) in found.items()}


def tuned(study: Study, rank: int) -> float | None:
    """Fine-tune, merge, export; seconds that the fine-tuning took, `None` where it was finished already."""
    from trainers.merge import adapter_sha256, is_merged

    run, finished = study.run(rank), study.is_tuned(rank)
    began = time.perf_counter()
    step("sft", *study.tuning(rank))
    took = time.perf_counter() - began
    if not is_merged(run / "merged", adapter_sha256(run / "adapter")):
        step("merge", str(run))
    step("export", str(run / "merged"), "--data", str(study.data))
    return None if finished else round(took, 1)


def judged(study: Study, name: str, folder: Path) -> dict[str, Any]:
    """What the gate's report says of the artifact; judged now unless it was before."""
    report = study.out / "reports" / name
    sha256 = open_artifact(str(folder)).sha256
    if not is_report_of(report / "report.json", sha256, study.limit):
        judge(folder, report, ("--limit", str(study.limit)) if study.limit else ())
    whole = read_json_file(report / "report.json")["artifacts"][0]
    counts = {level: {key: one[key] for key in ("passed", "total")} for level, one in whole["levels"].items()}
    return {
        "name": name,
        "sha256": sha256,
        "bytes": whole["artifact"]["bytes"],
        "levels": counts | {"abstention": {key: whole["abstention"][key] for key in ("passed", "total")}},
        "per_tool": {
            tool: {level: {key: one[key] for key in ("passed", "total")} for level, one in levels.items()}
            for tool, levels in whole["per_tool"].items()
        },
        "tier": whole["tier"],
        "verdict": whole["verdict"],
        "seconds": None,
    }


def judge(folder: Path, report: Path, options: Sequence[str]) -> None:
    """The suites that `guide` requires, in a process of their own. `TrainingError` where they broke."""
    suites = [str(suites_dir() / name) for name in ("accuracy", "quantization")]
    command = child.command("pytest", *suites, "--model", str(folder), "--report", str(report), *options, "-q")
    code = subprocess.run(command, env=child.environment_of(os.environ), check=False).returncode
    if code not in GATE_EXITS:
        raise TrainingError(f"judging {folder} gave no verdict (exit code {code})", "see above; then again")


def is_report_of(path: Path, sha256: str, limit: int | None) -> bool:
    """Whether the report is of these bytes, on as many cases as are asked for; `None`: all of the test split."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))["artifacts"][0]
        cases = whole["dataset"]["cases"]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return False
    every = len(load_cases().cases)
    return whole["artifact"]["sha256"] == sha256 and bool(cases == min(limit or every, every))


def learned(run: Path) -> dict[str, Any]:
    """What the run's own files say of its settings and its learning curves."""
    fit, settings = read_json_file(run / "overfitting.json"), read_json_file(run / "settings.json")
    return {
        "rank": settings["settings"]["rank"],
        "training": settings["settings"],
        "fit": {key: fit[key] for key in ("gap", "ratio", "perplexity", "band", "verdict")}
        | {"step": fit["kept"]["step"]},
    }


def about_base(base: Path) -> Mapping[str, Any]:
    """The recipe of nano-base and what its log ends with, where its run's folder was named."""
    log = base / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    recipe = read_json_file(base / "recipe.json") if (base / "recipe.json").is_file() else {}
    return {"recipe": recipe, "end": json.loads(lines[-1]) if lines else {}}
