"""What a runner is asked for, and how it answers. Runs in a peer's environment, so it imports nothing of phi4bench.

An order is a JSON file: `model`, `prompts` (a file, a line a case: id, text, ids), `out`, `max_new_tokens`, `eos`,
`precision`, `batch`, `threads` and `extra`. The answer is one JSON file: each case's new tokens or text, the seconds
from a loaded model to the last completion, and how many prompts the peer read as other tokens than ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Prompt:
    """One case. `ids`: what our own tokenizer makes of `text`."""

    case_id: str
    text: str
    ids: list[int]


@dataclass(frozen=True)
class Order:
    """`max_new_tokens`: at most. `eos`: the id that ends a turn. `threads`: cores that may be used."""

    model: str
    prompts: list[Prompt]
    prompts_file: Path
    out: Path
    max_new_tokens: int
    eos: int
    precision: str
    batch: int
    threads: int
    extra: Mapping[str, Any]


def read_order() -> Order:
    """The order that the first argument names."""
    data = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    file = Path(data.pop("prompts"))
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    prompts = [Prompt(row["id"], row["text"], row["ids"]) for row in rows]
    return Order(prompts=prompts, prompts_file=file, **{**data, "out": Path(data["out"])})


def until_end(tokens: list[int], eos: int) -> list[int]:
    """The new tokens up to and with the end of the turn; what a batch pads is left out."""
    return tokens[: tokens.index(eos) + 1] if eos in tokens else tokens


def answer(order: Order, found: Mapping[str, Any], generating_s: float, other_prompts: int = 0) -> None:
    """`found`: by case id, a list of token ids or a text."""
    data = {"found": dict(found), "generating_s": generating_s, "other_prompts": other_prompts}
    order.out.write_text(json.dumps(data), encoding="utf-8")
