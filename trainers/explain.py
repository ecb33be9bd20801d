"""A run's `README.md`: what it is, what came of it, what each file holds, and what to do next. From its JSON files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import read_json_file
from trainers.settings import FIELDS

_FILES = {
    "settings.json": "what was asked: every setting and where it came from, the model, the data, the versions",
    "checkpoints/": "what the same command goes on from after a kill",
    "learning_curves.json": "losses, accuracies and seconds of each evaluation; as a picture in learning_curves.png",
    "overfitting.json": "the verdict on the curves, and the step that was kept",
    "adapter/": "the LoRA adapter of that step, with the tokenizer and phi4bench.json",
    "log.txt": "what the run printed, where it ran as a process of a sweep",
    "tensorboard/, mlruns/, wandb/": "the same curves for a tracker, where one was asked for",
}


def write_readme(out: Path) -> None:
    """Written when a run begins, and again when it is finished."""
    settings = read_json_file(out / "settings.json")
    try:
        report: Mapping[str, Any] | None = read_json_file(out / "overfitting.json")
    except UsageError:
        report = None
    (out / "README.md").write_text("\n".join(_lines(out, settings, report)) + "\n", encoding="utf-8")


def _lines(out: Path, settings: Mapping[str, Any], report: Mapping[str, Any] | None) -> list[str]:
    model, data = settings["model"], settings["data"]
    differing = {
        name: value for name, value in settings["settings"].items() if name in FIELDS and value != FIELDS[name].default
    }
    asked = ", ".join(f"{name} {printable(str(value), 80)}" for name, value in differing.items()) or "all defaults"
    lines = [
        f"# {printable(out.name, 100)}",
        "",
        f"A LoRA fine-tune of `{_code(model['spec'])}` on {data['train']:,} examples, {data['validation']:,} more to"
        f" validate with; trained by {settings.get('engine', 'peft')}. Settings: {asked}.",
        "",
    ]
    lines += _result(report)
    lines += ["", "```console", *_commands(out, settings, report is not None), "```", ""]
    lines += ["| file | holds |", "| --- | --- |"]
    return lines + [f"| `{name}` | {what} |" for name, what in _FILES.items()]


def _result(report: Mapping[str, Any] | None) -> list[str]:
    if report is None:
        return ["Not finished: the same command goes on from its last checkpoint."]
    kept = report["kept"]
    return [
        f"Step {kept['step']} was kept: validation loss {kept['validation_loss']:.4f} (perplexity"
        f" {report['perplexity']:.3f}, {report['band']}), {100 * kept['validation_accuracy']:.1f}% of the validation"
        f" answers right in every token. Verdict on the curves: {report['verdict']}.",
        *(f"- {line}" for line in report["advice"]),
    ]


def _commands(out: Path, settings: Mapping[str, Any], finished: bool) -> list[str]:
    """What makes this run, and what comes after it. `options`: of the command, besides the settings.

    A data file or a model may have moved since.
    """
    flags = []
    for name, value in settings["settings"].items():
        if name in FIELDS and value != FIELDS[name].default:
            flag = f"--{name.replace('_', '-')}"
            flags += [flag] if value is True else [flag, str(value)]
    files = [*settings["data"]["files"], *settings.get("options", ())]
    made = ["python", "-m", "trainers", "sft", "--model", settings["model"]["spec"], "--data", *files, *flags]
    lines = ["$ " + printable(shlex.join([*made, "--out", str(out)]))]
    if finished:
        lines.append("$ " + printable(shlex.join(["python", "-m", "trainers", "merge", str(out)])))
        merged = str(out / "merged")
        lines.append("$ " + printable(shlex.join(["python", "-m", "trainers", "export", merged])))
    return lines


def _code(text: str) -> str:
    return printable(text, 200).replace("`", "'")
