"""`python -m trainers promote`: the whole chain, from a base model to the gate's verdict. Each step resumes by itself.

sft, merge, export fp32, quantize, and then the suites on every quantized file: their exit code is this one's.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from phi4bench.printable import printable
from trainers.advice import advice
from trainers.base import write_json
from trainers.faults import TrainingError

GATE_EXITS = (0, 1, 10)
"""Promote, reject, inconclusive; any other is a fault of the run or of its options."""


def promote(
    out: Path,
    train: Callable[[], Path],
    precisions: Sequence[str],
    data: Sequence[str],
    judging: Sequence[str] = (),
) -> int:
    """Run every step that is not done yet in `out`; returns the gate's exit code, of several files the worst.

    `train`: the first step, with its settings. `judging`: further options of `phi4bench judge`.
    """
    from trainers.export import export
    from trainers.merge import adapter_sha256, is_merged, merge
    from trainers.quantize import Plan, quantize

    def merged() -> None:
        folder = out / "merged"
        if is_merged(folder, adapter_sha256(out / "adapter")):
            print(f"{folder} is finished; nothing to do")
        else:
            merge(out)

    plans = [Plan(int(precision.removeprefix("int"))) for precision in precisions if precision != "fp32"]
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("sft", train),
        ("merge", merged),
        ("export", lambda: export(str(out / "merged"), ["fp32"], out, prompts_from(data))),
        ("quantize", lambda: quantize(out / "fp32", plans, data=data)),
    ]
    done = []
    for number, (name, step) in enumerate(steps, start=1):
        print(f"step {number} of {len(steps) + 1}: {name}", flush=True)
        began = time.perf_counter()
        step()
        done.append({"step": name, "seconds": round(time.perf_counter() - began, 1)})
        write_json(out / "promote.json", {"steps": done})
    print(f"step {len(steps) + 1} of {len(steps) + 1}: pytest suites/", flush=True)
    began = time.perf_counter()
    models = [str(out / precision) for precision in precisions]
    code = judge(models, out / "reports", judging)
    done.append({"step": "judge", "seconds": round(time.perf_counter() - began, 1), "exit_code": code})
    said = advice(out / "reports" / "report.json")
    write_json(out / "promote.json", {"steps": done, "advice": said})
    for line in said:
        print(line, flush=True)
    return code


def judge(models: Sequence[str], report: Path, options: Sequence[str]) -> int:
    """The suites on the files, in a process of their own; returns the exit code. `TrainingError` where they broke."""
    command = [sys.executable, "-m", "phi4bench.cli", "judge", "--report", str(report)]
    for model in models:
        command += ["--model", model]
    code = subprocess.run([*command, *options], check=False).returncode
    if code not in GATE_EXITS:
        raise TrainingError(
            f"the gate gave no verdict (exit code {code})", f"run it again: {printable(' '.join(command))}"
        )
    return code


def prompts_from(data: Sequence[str] | None, most: int = 16) -> Callable[[Path], Sequence[Sequence[int]]]:
    """Conversations of the data (`None`: generated ones) as the model in a folder reads them."""

    def prompts(folder: Path) -> Sequence[Sequence[int]]:
        from trainers.base import open_base
        from trainers.data import generated, load_examples
        from trainers.encoding import conversations

        examples = load_examples(data).examples if data else generated(4 * most, 20261121)
        return conversations(open_base(str(folder)).encoder, examples, most)

    return prompts
