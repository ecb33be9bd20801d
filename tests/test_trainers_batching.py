"""Batches of training rows: of about one length, in an order of the seed's, and padded without a trace."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "accelerate", "matplotlib"):
    pytest.importorskip(module, reason="needs the `train` extra")

from trainers.batching import ByLength, padded  # noqa: E402
from trainers.encoding import IGNORED  # noqa: E402
from trainers.loop import measure  # noqa: E402
from trainers.prepare import Row  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, PEFT and torch


def row(length: int) -> Row:
    return Row(tuple(range(length)), tuple([IGNORED] + [1] * (length - 1)), (1, length), "single")


def test_batches_have_rows_of_about_one_length_and_lose_none():
    lengths = [(37 * i) % 200 + 1 for i in range(403)]
    order = list(ByLength(lengths, 4, seed=1))
    assert sorted(order) == list(range(403))
    spread = [
        max(lengths[i] for i in order[at : at + 4]) - min(lengths[i] for i in order[at : at + 4])
        for at in range(0, 400, 4)
    ]
    assert sum(spread) / len(spread) < 20  # of a range of 200; unsorted, four draws spread over 120


def test_the_order_is_the_seeds_and_the_epochs():
    def order(seed, epoch):
        made = ByLength(list(range(100)), 4, seed)
        made.set_epoch(epoch)
        return list(made)

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_padding_is_neither_read_nor_learned():
    made = padded([row(3), row(5)], 0)
    assert made["attention_mask"].sum(1).tolist() == [3, 5]
    assert made["labels"][0].tolist() == [IGNORED, 1, 1, IGNORED, IGNORED]


def test_an_answer_is_right_only_in_every_token():
    class Says(torch.nn.Module):
        """Its likeliest next token is the present one plus one; plus two after 7."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, attention_mask):
            following = input_ids + 1 + (input_ids == 7)
            return type("Out", (), {"logits": 9.0 * torch.nn.functional.one_hot(following, 20)})

    def counted(start, end):
        ids = tuple(range(start, end))
        return Row(ids, (IGNORED, IGNORED, *ids[2:]), (2, len(ids)), "single")

    assert measure(Says(), [counted(0, 5)], 0, 2)[2] == 1
    assert measure(Says(), [counted(0, 5), counted(5, 10)], 0, 2)[2] == 1
    assert measure(Says(), [counted(7, 12)], 0, 2)[2] == 1  # the wrong token is asked for, not said
