"""What peers are given: our rendered prompts and the same weights, laid out as each tool reads them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Case
from phi4bench.datasets import fixtures_dir, load_cases, sample, write_cases
from phi4bench.dialects import dialect_named
from phi4bench.prompts import Prompt

TASK = "phi4bench_calls"
MAX_NEW_TOKENS = 256
"""Our own cap, `--max-new-tokens`."""
MODELS = fixtures_dir() / "models"
HERE = Path(__file__).resolve().parent
OURS = HERE.parent.parent / "phi4bench"


@dataclass(frozen=True)
class Inputs:
    """The cases that expect a call, or a seeded sample of `count` of them, and their files below `folder`."""

    folder: Path
    count: int | None = None
    seed: int = 0

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        calling = tuple(case for case in load_cases(None).cases if case.expects_call)
        return calling if self.count is None else sample(calling, self.count, self.seed)

    @cached_property
    def dialect(self) -> Any:
        return dialect_named("tool_use")

    @cached_property
    def prompts(self) -> list[Prompt]:
        return [self.dialect.render(case.question()) for case in self.cases]

    @cached_property
    def tokenizer(self) -> PromptTokenizer:
        return PromptTokenizer.from_folder(MODELS / "nano-hf")

    @cached_property
    def eos(self) -> int:
        found = self.tokenizer.id_of(self.prompts[0].stop[0])
        assert found is not None, "the nano model's end of turn is one token"
        return found

    @property
    def cases_file(self) -> Path:
        return self.folder / "cases.jsonl"

    @property
    def prompts_file(self) -> Path:
        return self.folder / "prompts.jsonl"

    @property
    def tasks(self) -> Path:
        return self.folder / "tasks"

    @cached_property
    def digest(self) -> str:
        """Of the prompts, all weights, our code and the peers' pins: figures of another digest are of other work."""
        digest = hashlib.sha256(self.prompts_file.read_bytes())
        code = [*OURS.rglob("*.py"), *(HERE / "runners").glob("*.py"), *(HERE / "requirements").glob("*.txt")]
        for file in sorted([*MODELS.rglob("model*"), *code]):
            digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()[:12]

    def write(self) -> None:
        """The files that do not depend on a peer's environment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_cases(self.cases_file, self.cases)
        rows = [
            {"id": case.id, "text": prompt.text, "ids": self.tokenizer.encode(prompt)[0]}
            for case, prompt in zip(self.cases, self.prompts, strict=True)
        ]
        self.prompts_file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        self.tasks.mkdir(exist_ok=True)
        config = task_config(self.prompts_file, self.prompts[0].stop)
        (self.tasks / f"{TASK}.yaml").write_text(json.dumps(config, indent=2), encoding="utf-8")
        for name in ("nano-hf", "nano-fp32", "nano-int8"):
            plain_markers(MODELS / name, self.folder / "plain" / name, self.dialect.markers)


def task_config(prompts: Path, stop: Sequence[str]) -> dict[str, Any]:
    """A task of lm-evaluation-harness that sends each prompt as it is, decodes greedily and stops where we do.

    It is written as JSON, which is YAML too.
    """
    return {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(prompts.resolve())}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "text",
        "doc_to_target": "id",
        "num_fewshot": 0,
        "generation_kwargs": {
            "until": list(stop),
            "max_gen_toks": MAX_NEW_TOKENS,
            "do_sample": False,
            "temperature": 0.0,
        },
        "metric_list": [{"metric": "bypass"}],
    }


def plain_markers(source: Path, target: Path, markers: Sequence[str]) -> None:
    """A copy of a model's folder for a tool that drops special tokens from what it returns.

    lm-evaluation-harness decodes with `skip_special_tokens`, so that a call would lose its markers and no completion
    would hold one. They are read and made as the same ids; only the mark `special` is gone. Ends of turns keep it.
    """
    shutil.copytree(source, target, dirs_exist_ok=True)
    path = target / "tokenizer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    for token in data["added_tokens"]:
        token["special"] = token["special"] and token["content"] not in markers
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
