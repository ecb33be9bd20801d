"""Batches of rows of about one length, in an order that the seed and the epoch alone decide. Needs torch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import torch

from trainers.encoding import IGNORED
from trainers.prepare import Row

WINDOW = 32
"""Batches' worth of rows that are sorted together: long enough for little padding, short enough for chance."""


class ByLength(torch.utils.data.Sampler[int]):
    """Indices in which each run of `batch` has about one length; another order every epoch, the same for the same seed.

    No state but the epoch, which the Trainer sets: a resumed run reads what an undisturbed one would. Of `processes`,
    each takes every so manyeth batch. They need equally many whole ones: what lacks is index `len(lengths)`, which
    stands for a row that teaches nothing. (accelerate would give rows of the epoch's beginning a second time.)
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, processes: int = 1) -> None:
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0
        self.lacking = -len(lengths) % (batch * processes) if processes > 1 else 0

    def __len__(self) -> int:
        return len(self.lengths) + self.lacking

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        rng = random.Random(f"trainers order {self.seed} {self.epoch}")
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        batches = []
        for start in range(0, len(order), WINDOW * self.batch):
            window = sorted(order[start : start + WINDOW * self.batch], key=self.lengths.__getitem__)
            batches += [window[at : at + self.batch] for at in range(0, len(window), self.batch)]
        short = [one for one in batches if len(one) < self.batch]
        whole = [one for one in batches if len(one) == self.batch]
        rng.shuffle(whole)
        return iter([index for one in whole + short for index in one] + [len(self.lengths)] * self.lacking)


def padded(rows: Sequence[Row], filler: int) -> dict[str, torch.Tensor]:
    """`input_ids`, `attention_mask`, `labels`, each (rows, longest row), padded on the right."""
    width = max(len(row.ids) for row in rows)

    def filled(values: Sequence[Sequence[int]], with_: int) -> torch.Tensor:
        return torch.tensor([[*one, *([with_] * (width - len(one)))] for one in values], dtype=torch.long)

    return {
        "input_ids": filled([row.ids for row in rows], filler),
        "attention_mask": filled([[1] * len(row.ids) for row in rows], 0),
        "labels": filled([row.labels for row in rows], IGNORED),
    }


def by_length(rows: Sequence[Row], batch: int) -> Iterator[list[Row]]:
    """The rows in batches, sorted by length, for reading without learning."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    for start in range(0, len(ordered), batch):
        yield ordered[start : start + batch]
