"""lm-evaluation-harness's own command over a task of our prompts; its `generate_until` is timed besides.

`extra`: `backend`, `model_args`, `tasks` (the folder of the task file), `task` (its name) and `samples` (a folder).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import lm_eval.models  # noqa: F401  (registers the backends)
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.registry import get_model
from order import answer, read_order

order = read_order()
extra = order.extra
backend = get_model(extra["backend"])
spent: list[float] = []
original: Callable[..., Any] = backend.generate_until


def timed(*arguments: Any, **named: Any) -> Any:
    started = perf_counter()
    result = original(*arguments, **named)
    spent.append(perf_counter() - started)
    return result


backend.generate_until = timed
sys.argv = [
    "lm_eval", "run", "--model", extra["backend"], "--model_args", extra["model_args"], "--tasks", extra["task"],
    "--include_path", extra["tasks"], "--batch_size", str(order.batch), "--device", "cpu",
    "--output_path", extra["samples"], "--log_samples",
]  # fmt: skip
cli_evaluate()
(log,) = Path(extra["samples"]).rglob("samples_*.jsonl")
rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
read = {row["doc"]["id"]: row["arguments"]["gen_args_0"]["arg_0"] for row in rows}
found = {row["doc"]["id"]: row["resps"][0][0] for row in rows}
answer(order, found, sum(spent), sum(read[one.case_id] != one.text for one in order.prompts))
