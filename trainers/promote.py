"""`python -m trainers promote`: the whole chain, from a base model to the gate's verdict. Each step resumes by itself.

sft, merge, export fp32, quantize, and then the suites on every quantized file: their exit code is this one's.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi4bench.artifacts.manifest import MANIFEST
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers import child
from trainers.advice import advice
from trainers.alone import alone_in
from trainers.base import check_free, manifest_of, read_json_file, write_json
from trainers.faults import TrainingError

if TYPE_CHECKING:
    from phi4bench.targets import Targets
    from trainers.quantize import Plan

GATE_EXITS = (0, 1, 10)
"""Promote, reject, inconclusive; any other is a fault of the run or of its options."""
INTERRUPTED = 130
"""Of the suites, upon Ctrl-C."""
RECORD = "promote.json"


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
    check_files(out, plans)
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("sft", train),
        ("merge", merged),
        ("export", lambda: export(str(out / "merged"), ["fp32"], out, prompts_from(data))),
        ("quantize", lambda: quantize(out / "fp32", plans, data=data)),
    ]
    with alone_in(out, "promote"):
        return _carried_out(out, steps, [str(out / precision) for precision in precisions], judging)


def _carried_out(
    out: Path, steps: Sequence[tuple[str, Callable[[], Any]]], models: Sequence[str], judging: Sequence[str]
) -> int:
    """The steps, one after the other, and the gate; what each took is written down as it ends."""
    done: list[dict[str, Any]] = []
    before = _seconds(out)

    def took(name: str, began: float) -> dict[str, Any]:
        """A step that was finished before takes no time; then its seconds are those of the run that did it."""
        return {"step": name, "seconds": max(round(time.perf_counter() - began, 1), before.get(name, 0.0))}

    for number, (name, step) in enumerate(steps, start=1):
        print(f"step {number} of {len(steps) + 1}: {name}", flush=True)
        began = time.perf_counter()
        step()
        done.append(took(name, began))
        coming = [{"step": later, "seconds": before[later]} for later, _ in steps[number:] if later in before]
        write_json(out / RECORD, {"steps": [*done, *coming]})
    print(f"step {len(steps) + 1} of {len(steps) + 1}: pytest suites/", flush=True)
    began = time.perf_counter()
    code = judge(models, out / "reports", judging)
    done.append(took("judge", began) | {"exit_code": code})
    said = advice(out / "reports" / "report.json")
    write_json(out / RECORD, {"steps": done, "advice": said})
    for line in said:
        print(line, flush=True)
    return code


def check_files(out: Path, plans: Sequence[Plan]) -> None:
    """`UsageError` for a quantized file that another command left in the chain's place, before hours of work."""
    for plan in plans:
        folder = out / f"int{plan.bits}"
        made = manifest_of(folder).recipe if (folder / MANIFEST).is_file() else {"plan": plan.told()}
        if made.get("plan") != plan.told():
            what = f"'{printable(str(folder), 200)}' is in the way: it was made by another plan"
            raise UsageError(what, "move or remove it, or name another folder with --out")


def _seconds(out: Path) -> dict[str, float]:
    """What each step took, as an earlier run of the same chain wrote it down."""
    held = read_json_file(out / RECORD) if (out / RECORD).is_file() else {}
    if "steps" not in held:
        check_free(out, (RECORD,), "chain of promote")
    return {one["step"]: one["seconds"] for one in held.get("steps", ())}


def check_judging(
    names: Sequence[str], cases: Sequence[str] | None = None, limit: int | None = None, search: bool = False
) -> Targets:
    """What the gate judges by. Raises `UsageError` for what it would refuse in the end, before hours of work.

    `search`: it is asked for a file to promote.
    """
    from phi4bench.datasets import load_cases, subset
    from phi4bench.run.plan import read_targets
    from phi4bench.targets import merge_targets, parse_targets

    try:
        read = read_targets(names or ("guide",))
    except UsageError as error:  # judge has another name for the option
        raise UsageError(str(error).replace("--targets", "--gate", 1)) from None
    targets = merge_targets([parse_targets(text, name) for name, text in read])
    if search and not targets.promotes:
        what = f"--gate {printable(' '.join(names), 120)} never promotes, so that --search would find nothing"
        raise UsageError(what, "use guide, strict, or a file of your own")
    dataset = load_cases(cases or None)
    if limit is not None:
        subset(dataset, limit)
    return targets


def judge(models: Sequence[str], report: Path, options: Sequence[str]) -> int:
    """The suites on the files, in a process of their own; returns the exit code. `TrainingError` where they broke."""
    arguments = ["judge", "--report", str(report), *(word for model in models for word in ("--model", model)), *options]
    command = child.command("phi4bench", *arguments)
    code = subprocess.run(command, env=child.environment_of(os.environ), check=False).returncode
    if code == INTERRUPTED:  # it had the same Ctrl-C
        raise KeyboardInterrupt
    if code not in GATE_EXITS:
        raise TrainingError(
            f"the gate gave no verdict (exit code {code})",
            f"run it again: {printable(shlex.join(['python', '-m', 'phi4bench', *arguments]))}",
        )
    return code


def prompts_from(data: Sequence[str] | None, most: int = 16) -> Callable[[Path], Sequence[Sequence[int]]]:
    """Conversations of the data (`None`: generated ones) as the model in a folder reads them."""

    def prompts(folder: Path) -> Sequence[Sequence[int]]:
        from trainers.base import open_base
        from trainers.data import generated, load_examples
        from trainers.encoding import conversations

        examples = load_examples(data).examples if data else generated(4 * most, 20261121)
        base = open_base(str(folder))
        return conversations(base.encoder, examples, most, base.context)

    return prompts
