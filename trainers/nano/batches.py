"""Turns generated examples into training batches; every assistant token is supervised, nothing else is.

The stream is a pure function of the seed and the pool's number, so a resumed run reads what an undisturbed one would.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer

from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Case
from phi4bench.dialects import Dialect
from phi4bench.phrasing import Example, echo, example
from phi4bench.prompts import Prompt, Segment
from phi4bench.tools import Tool

IGNORED = -100


@dataclass(frozen=True)
class Mix:
    """What the stream is made of. Shares are of examples; `shuffled` and `subset` are of the tool lists shown."""

    echo_share: float = 0.10
    shuffled_share: float = 0.25
    subset_share: float = 0.15


def offered(rng: random.Random, case: Case, mix: Mix) -> Case:
    """The case with its tools in file order, shuffled, or a shuffled subset that still holds what it needs."""
    draw = rng.random()
    if draw > mix.shuffled_share + mix.subset_share:
        return case
    tools = list(case.tools)
    rng.shuffle(tools)
    if draw > mix.shuffled_share and (case.expects_call or case.scenario == "irrelevant"):
        needed = {call.name for call in case.expected.calls} | {c.name for m in case.messages for c in m.calls}
        spare = [tool for tool in tools if tool.name not in needed]
        dropped = {tool.name for tool in rng.sample(spare, rng.randint(0, len(spare)))}
        tools = [tool for tool in tools if tool.name not in dropped] or tools
    return replace(case, tools=tuple(tools))


@dataclass(frozen=True)
class Encoder:
    """Renders and tokenizes with the evaluator's own code, so that training and judging see the same ids."""

    dialect: Dialect
    tokenizer: PromptTokenizer
    assistant: int
    end: int

    @classmethod
    def of(cls, dialect: Dialect, tokenizer: PromptTokenizer) -> Encoder:
        assistant, end = tokenizer.id_of("<|assistant|>"), tokenizer.id_of("<|end|>")
        if assistant is None or end is None:
            raise ValueError("the tokenizer lacks <|assistant|> or <|end|>; build it with trainers.nano.tokenizer")
        return cls(dialect, tokenizer, assistant, end)

    def example(self, made: Example, case: Case) -> list[int]:
        prompt = self.dialect.render(case.question())
        reply = self.dialect.reply(case.expected.calls, made.reply)
        return self.tokenizer.encode(replace(prompt, segments=(*prompt.segments, *reply, Segment("<|end|>", True))))[0]

    def echo(self, text: str) -> list[int]:
        control = lambda token: Segment(token, True)  # noqa: E731  (one token, three uses)
        segments = (control("<|user|>"), Segment(text), control("<|end|>"), control("<|assistant|>"), Segment(text), control("<|end|>"))
        return self.tokenizer.encode(Prompt(segments))[0]

    def labels(self, ids: Sequence[int]) -> list[int]:
        """`ids` where the assistant speaks (its closing token included), `IGNORED` elsewhere."""
        labels, speaking = [], False
        for token in ids:
            labels.append(token if speaking else IGNORED)
            if token == self.assistant:
                speaking = True
            elif token == self.end:
                speaking = False
        return labels


def batches(
    encoder: Encoder, tools: Sequence[Tool], mix: Mix, seed: int, *, first_pool: int = 0, pool: int = 2048,
    tokens: int = 8192, longest: int = 640, echo_only: bool = False,
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Endless (pool number, ids, labels), ids and labels of shape `(rows, length)`, padded on the right with 0.

    Examples of a pool are sorted by length and cut into batches of about `tokens` tokens, then shuffled.
    """
    number = first_pool
    while True:
        rng = random.Random(f"{seed}/{number}/{echo_only}")
        sequences = []
        for _ in range(pool):
            if echo_only or rng.random() < mix.echo_share:
                sequences.append(encoder.echo(echo(rng)))
            else:
                made = example(rng, "train", tools)
                sequences.append(encoder.example(made, offered(rng, made.case, mix)))
        sequences = sorted((ids for ids in sequences if len(ids) <= longest), key=len)
        cut: list[list[list[int]]] = []
        rows: list[list[int]] = []
        for ids in sequences:
            if rows and (len(rows) + 1) * len(ids) > tokens:
                cut.append(rows)
                rows = []
            rows.append(ids)
        cut.append(rows)
        rng.shuffle(cut)
        for rows in cut:
            width = max(map(len, rows))
            ids = torch.zeros(len(rows), width, dtype=torch.long)
            labels = torch.full((len(rows), width), IGNORED)
            for row, sequence in enumerate(rows):
                ids[row, : len(sequence)] = torch.tensor(sequence)
                labels[row, : len(sequence)] = torch.tensor(encoder.labels(sequence))
            yield number, ids, labels
        number += 1


def raw_tokenizer(tokenizer: PromptTokenizer) -> Tokenizer:
    return tokenizer.tokenizer
