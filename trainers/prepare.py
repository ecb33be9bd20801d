"""From files to rows to learn from: read, rendered, checked, split. No torch.

What a check finds wrong stops the run, with its instances; `drop` leaves such examples out instead, and says so.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.artifacts.speech import chat_template
from phi4bench.cases import Message
from phi4bench.counting import counted
from phi4bench.datasets import case_to_json, load_cases
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers import checks
from trainers.base import Base
from trainers.checks import Finding
from trainers.data import Data, Example, load_examples, share_told, split
from trainers.encoding import Encoded
from trainers.own_template import RenderingError, render
from trainers.tracks import of_track


@dataclass(frozen=True)
class Row:
    """One example as the trainer takes it. `answer`: where its last turn stands in the ids."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    answer: tuple[int, int]
    scenario: str

    def __len__(self) -> int:
        """In tokens."""
        return len(self.ids)


@dataclass(frozen=True)
class Prepared:
    """`sha256`: over the examples, in their order. `told`: what the checks said, in lines."""

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    sha256: str
    told: tuple[str, ...]


def prepare(
    base: Base,
    sources: Sequence[str],
    *,
    length: int,
    validation: float,
    seed: int,
    test: Sequence[str] | None = None,
    drop: bool = False,
    track: str = "",
) -> Prepared:
    """Raises `UsageError` that begins with what is wrong, and lists instances on further lines.

    `test`: case files that the model will be judged by; `None`: the shipped test split. `track`: of `TRACKS`, the
    examples to learn from; empty: all.
    """
    data = load_examples(sources)
    data = of_track(data, track)
    examples, encoded, found = examine(base, data, length, test)
    told = list(data.notes)
    most = min(length, base.context)
    keep = [index for index, one in enumerate(encoded) if one is not None and len(one.ids) <= most]
    fatal = [one for one in found if one.error and not (drop and one.hint.endswith("--drop"))]
    if fatal:
        raise DataError(fatal)
    for one in found:
        told += one.lines()
    if len(keep) < len(examples):
        told.append(f"left out (--drop): {len(examples) - len(keep):,} of {len(examples):,} examples")
    kept = [examples[index] for index in keep]
    into, held = split(kept, validation, seed)
    rows = [_row(examples[index], encoded[index]) for index in keep]
    if uneven := share_told(len(held), len(kept), validation):
        told.append(uneven)
    told.append(f"{counted(len(into), 'example')} to learn from, {len(held):,} to validate with, by whole families")
    return Prepared(
        tuple(rows[index] for index in into),
        tuple(rows[index] for index in held),
        _digest(kept),
        tuple(told),
    )


class DataError(UsageError):
    """Data that should not be trained on. `str()` has one line a finding, and its instances below it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(line for one in findings for line in one.lines()))


def examine(
    base: Base, data: Data, length: int, test: Sequence[str] | None
) -> tuple[list[Example], list[Encoded | None], list[Finding]]:
    """Every example, its tokens (`None` where it has no answer), and what the checks found."""
    examples, places = list(data.examples), list(data.places)
    if len(examples) < 2:
        split(examples, 0.5, 0)  # says what is wrong
    encoder = base.encoder
    found = checks.check_answers(examples, places)
    encoded: list[Encoded | None] = []
    losses, torn = [], []
    for place, one in zip(places, examples, strict=True):
        if one.answer is None:
            encoded.append(None)
            continue
        try:
            made = encoder.encode(one)
        except ValueError as fault:
            torn.append(f"{place}: {fault}")
            encoded.append(None)
            continue
        encoded.append(made)
        lost = checks.lost(one, made, encoder.dialect, base.tokenizer.decode)
        losses += [f"{place}: {what}" for what in lost]
    if losses:
        hint = f"dialect {encoder.dialect.name} does not carry them; name another (--dialect)"
        what = f"{counted(len(losses), 'thing')} would be lost in the rendered text"
        found.append(checks.finding(what, losses, True, hint))
    if torn:
        what = f"{counted(len(torn), 'example')} cannot be learned turn by turn"
        found.append(checks.finding(what, torn, True, "leave them out with --drop"))
    known = [(place, one) for place, one in zip(places, encoded, strict=True) if one is not None]
    if known:
        lengths, where = [len(one.ids) for _, one in known], [place for place, _ in known]
        found += checks.check_lengths(lengths, where, length, base.context)
    found += checks.check_duplicates(examples, places)
    found += checks.check_leakage(examples, places, load_cases(test).cases)
    found += checks.check_mix(examples)
    found += checks.check_listing(examples, encoder.dialect)
    found += own_template(base.folder, examples)
    return examples, encoded, found


def own_template(folder: Path, examples: Sequence[Example]) -> list[Finding]:
    """What the model's own chat template would lose of an example with tools and calls; told, since it is not used."""
    template = chat_template(folder)
    chosen = next((one for one in examples if any(message.calls for message in one.messages)), None)
    if template is None or chosen is None:
        return []
    tools = [_openai_tool(tool) for tool in chosen.case.tools]
    asked = tuple(itertools.takewhile(lambda message: message.role != "assistant", chosen.messages))
    said = [{"messages": [_openai(one) for one in some], "tools": tools} for some in (chosen.messages, asked)]
    try:
        text, head = render(template, said)
    except RenderingError as fault:
        told = printable(str(fault), 120)
        return [Finding(f"the model's own chat template cannot render tools and calls ({told}); it is not used")]
    for message in asked:
        head = head.replace(message.content, "", 1)
    missing = checks.lost_in_text(chosen, text, head)
    if not missing:
        return []
    return [
        checks.finding(
            f"the model's own chat template loses {len(missing)} things of {chosen.case.id}; it is not used", missing
        )
    ]


def _openai(message: Message) -> dict[str, Any]:
    calls = [{"type": "function", "function": {"name": c.name, "arguments": dict(c.arguments)}} for c in message.calls]
    return {"role": message.role, "content": message.content} | ({"tool_calls": calls} if calls else {})


def _openai_tool(tool: Any) -> dict[str, Any]:
    inner = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
    return {"type": "function", "function": inner}


def _row(example: Example, encoded: Encoded | None) -> Row:
    assert encoded is not None
    return Row(encoded.ids, tuple(encoded.labels), encoded.answer, example.case.scenario)


def _digest(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for one in examples:
        said = one.answer.content if one.answer else ""
        unlearned = json.dumps(one.unlearned) if one.unlearned else ""
        digest.update(f"{json.dumps(case_to_json(one.case), sort_keys=True)}{json.dumps(said)}{unlearned}\n".encode())
    return digest.hexdigest()
