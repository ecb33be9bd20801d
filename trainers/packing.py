"""Packing: several conversations in one row, none of which reads another. Needs torch.

A row's `position_ids` begin at 0 for every conversation, and there is neither an attention mask nor a cache: that is
how transformers knows packed rows (`masking_utils.find_packed_sequence_indices`) and masks by block. Flash attention
knows them in a batch of one row alone (`modeling_flash_attention_utils._is_packed_sequence`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from phi4bench.counting import counted
from phi4bench.errors import UsageError
from trainers.encoding import IGNORED
from trainers.prepare import Row


@dataclass(frozen=True)
class Pack:
    """The conversations of one row."""

    rows: tuple[Row, ...]

    def __len__(self) -> int:
        """In tokens."""
        return sum(len(row.ids) for row in self.rows)


def pack(rows: Sequence[Row], length: int, seed: int) -> list[Pack]:
    """Every row once, in packs of up to `length` tokens: the longest first, each where the least room is left over.

    The seed decides who shares a pack with whom among rows of one length.
    """
    order = list(range(len(rows)))
    random.Random(f"trainers packs {seed}").shuffle(order)
    order.sort(key=lambda index: -len(rows[index].ids))
    packs: list[list[Row]] = []
    room: list[list[list[Row]]] = [[] for _ in range(length + 1)]  # by the tokens that still fit
    for index in order:
        row = rows[index]
        size = len(row.ids)
        left = next((left for left in range(size, length + 1) if room[left]), None)
        if left is None:
            into, left = [], length
            packs.append(into)
        else:
            into = room[left].pop()
        into.append(row)
        room[left - size].append(into)
    return [Pack(tuple(one)) for one in packs]


def told(packs: Sequence[Pack], length: int) -> str:
    tokens = sum(map(len, packs))
    count = sum(len(one.rows) for one in packs)
    full = 100 * tokens / (length * len(packs))
    into = f"{counted(count, 'conversation')} in {counted(len(packs), 'row')}"
    return f"packing: {into} of up to {length:,} tokens, {full:.0f}% full"


def packed(packs: Sequence[Pack], filler: int) -> dict[str, torch.Tensor]:
    """`input_ids`, `position_ids`, `labels`, each (packs, longest pack). What fills up a row is apart too.

    The first token of a conversation is never asked for: the one before it belongs to another.
    """
    width = max(map(len, packs))
    ids, positions, labels = [], [], []
    for one in packs:
        empty = width - len(one)
        ids.append([token for row in one.rows for token in row.ids] + [filler] * empty)
        positions.append([at for row in one.rows for at in range(len(row.ids))] + list(range(empty)))
        labels.append([label for row in one.rows for label in (IGNORED, *row.labels[1:])] + [IGNORED] * empty)
    return {
        name: torch.tensor(values, dtype=torch.long)
        for name, values in (("input_ids", ids), ("position_ids", positions), ("labels", labels))
    }


@torch.no_grad()
def prove_apart(model: Any, rows: Sequence[Row], filler: int) -> None:
    """Raises `UsageError` where a conversation reads the one before it in its row.

    Logits of a conversation alone, behind another in a pack, and behind it without the mark between them: the second
    must be the first, within a tenth of what the third differs by. A measure of the model's own, for any precision.
    """
    first, second = (sorted(rows, key=lambda row: len(row.ids))[:2] * 2)[:2]  # a single one, behind itself
    device, was = next(model.parameters()).device, model.training
    model.eval()
    size = len(second.ids)
    both = packed([Pack((first, second))], filler)
    running = torch.arange(both["input_ids"].shape[1])[None]

    def logits(ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = model(input_ids=ids.to(device), position_ids=positions.to(device)).logits
        return made[0, -size:].float()

    alone = logits(both["input_ids"][:, -size:], both["position_ids"][:, -size:])
    apart = float((logits(both["input_ids"], both["position_ids"]) - alone).abs().max())
    joined = float((logits(both["input_ids"], running) - alone).abs().max())
    model.train(was)
    if not apart < joined / 10:
        raise UsageError(
            f"packing: in this model a conversation reads the one before it in its row (logits differ by {apart:.3g})",
            "leave --packing out, or use --attention sdpa",
        )
