"""Turns generated examples into training batches; every assistant token is supervised, nothing else is.

The stream is a pure function of the seed and the pool's number, so a resumed run reads what an undisturbed one would.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Case, Question, Scenario
from phi4bench.dialects import Dialect
from phi4bench.phrasing import Example, echo, example
from phi4bench.prompts import Prompt, Segment
from phi4bench.tools import Tool
from trainers.nano import general

IGNORED = -100


@dataclass(frozen=True)
class Mix:
    """What the stream is made of. Shares are of examples; `shuffled` and `subset` are of the tool lists shown."""

    echo_share: float = 0.05
    shuffled_share: float = 0.12
    subset_share: float = 0.10
    scenarios: tuple[tuple[Scenario, int], ...] = (
        ("single", 24), ("selection", 16), ("multi_turn", 26), ("parallel", 24), ("missing_info", 10),
        ("irrelevant", 16),
    )  # fmt: skip
    """More parallel requests than the test split has: they are the hardest to learn."""


def listings(rng: random.Random, tools: Sequence[Tool]) -> tuple[tuple[Tool, ...], ...]:
    """The three tool lists that a pool shows: in file order, shuffled, and a shuffled part of at least two."""
    shuffled, part = list(tools), list(tools)
    rng.shuffle(shuffled)
    rng.shuffle(part)
    return tuple(tools), tuple(shuffled), tuple(part[: rng.randint(2, len(part) - 1)])


def fits(case: Case, tools: Sequence[Tool]) -> bool:
    """Whether the case can be asked with `tools`: it needs the tools it calls, and all of them where it asks back."""
    names = {tool.name for tool in tools}
    called = {call.name for call in case.expected.calls} | {c.name for message in case.messages for c in message.calls}
    return called <= names if case.expects_call else case.scenario == "irrelevant" and called <= names


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

    def example(self, made: Example, tools: Sequence[Tool]) -> list[int]:
        """Token ids of the whole conversation and its right answer."""
        prompt = self.dialect.render(Question(made.case.id, tuple(tools), made.case.messages))
        reply = self.dialect.call_segments(made.case.expected.calls) or [Segment(made.reply)]
        return self.tokenizer.encode(replace(prompt, segments=(*prompt.segments, *reply, Segment("<|end|>", True))))[0]

    def telling(self, ids: Sequence[int], prose: bool) -> list[bool]:
        """Where in `ids` a token tells whether the last answer is right; see `Batch`."""
        start = len(ids) - 1 - list(reversed(ids)).index(self.assistant) + 1
        return [start <= index and (not prose or index == start) for index in range(len(ids))]

    def system(self, tools: Sequence[Tool]) -> list[int]:
        """Token ids of the system turn that lists `tools`, with which every example of theirs begins."""
        prompt = self.dialect.render(Question("", tuple(tools), ()))
        return self.tokenizer.encode(replace(prompt, segments=prompt.segments[: prompt.shared]))[0]

    def echo(self, text: str) -> list[int]:
        control = [Segment(token, True) for token in ("<|user|>", "<|end|><|assistant|>", "<|end|>")]
        return self.tokenizer.encode(Prompt((control[0], Segment(text), control[1], Segment(text), control[2])))[0]

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


@dataclass(frozen=True)
class Row:
    """Token ids of one conversation after its system turn; `prose`: the last answer is words, not a call."""

    ids: list[int]
    prose: bool


@dataclass(frozen=True)
class Batch:
    """`system`: ids, (tokens,), with which each row begins, not in the rows. `ids`, `labels`: (rows, length).

    `telling`: (rows, length), true where a label tells whether the row's last answer is right: every token of a call,
    the first one of prose (which of several fitting sentences follows is chance).
    """

    pool: int
    system: torch.Tensor
    ids: torch.Tensor
    labels: torch.Tensor
    telling: torch.Tensor

    def to(self, device: str) -> Batch:
        parts = (self.system, self.ids, self.labels, self.telling)
        return Batch(self.pool, *(part.to(device, non_blocking=True) for part in parts))

    def rows(self, kept: torch.Tensor) -> Batch:
        """The rows where `kept`, (rows,), is true, without padding that none of them needs."""
        labels = self.labels[kept]
        width = int((labels != IGNORED).any(0).nonzero()[-1]) + 1
        return Batch(self.pool, self.system, self.ids[kept, :width], labels[:, :width], self.telling[kept, :width])


Group = tuple[list[int], list[Row]]
"""Ids of a system turn, and the rows that begin with it."""
Source = Callable[[random.Random, int, bool], list[Group]]
"""What a pool is drawn from: randomness, how many rows, and whether they are all echoes, to the rows by system turn."""


def six_tools(encoder: Encoder, tools: Sequence[Tool], mix: Mix) -> Source:
    """Requests of the grammar's train split, to `tools` in three listings a pool."""

    def source(rng: random.Random, size: int, echo_only: bool) -> list[Group]:
        lists = listings(rng, tools)
        systems = [[], *(encoder.system(shown) for shown in lists)]
        rows: list[list[Row]] = [[] for _ in systems]
        for _ in range(size):
            if echo_only or rng.random() < mix.echo_share:
                rows[0].append(Row(encoder.echo(echo(rng)), False))
                continue
            scenario = rng.choices(*zip(*mix.scenarios, strict=True))[0]
            made, draw = example(rng, "train", tools, scenario), rng.random()
            shown = 2 if draw < mix.shuffled_share else 3 if draw < mix.shuffled_share + mix.subset_share else 1
            shown = shown if fits(made.case, lists[shown - 1]) else 1
            ids = encoder.example(made, lists[shown - 1])[len(systems[shown]) :]
            rows[shown].append(Row(ids, prose=not made.case.expects_call))
        return list(zip(systems, rows, strict=True))

    return source


def general_calls(encoder: Encoder, mix: Mix, rows_a_set: int = 96) -> Source:
    """Requests to tools other than the six, in sets that are new every time."""

    def source(rng: random.Random, size: int, echo_only: bool) -> list[Group]:
        echoes = size if echo_only else round(size * mix.echo_share)
        groups: list[Group] = [([], [Row(encoder.echo(general.echo(rng)), False) for _ in range(echoes)])]
        for _ in range((size - echoes) // rows_a_set):
            offered = general.offers(rng)
            tools = tuple(one.tool for one in offered)
            system = encoder.system(tools)
            made = [general.example(rng, offered) for _ in range(rows_a_set)]
            rows = [Row(encoder.example(one, tools)[len(system) :], not one.case.expects_call) for one in made]
            groups.append((system, rows))
        return groups

    return source


def batches(
    encoder: Encoder,
    source: Source,
    seed: int,
    *,
    first_pool: int = 0,
    pool: int = 3072,
    tokens: int = 8192,
    longest: int = 640,
    echo_only: bool = False,
) -> Iterator[Batch]:
    """Endless batches, padded on the right with 0.

    Rows of a batch share one system turn, which is computed once a batch. Examples of a pool are sorted by length and
    cut into batches of about `tokens` tokens, then shuffled.
    """
    for number in itertools.count(first_pool):
        rng = random.Random(f"{seed}/{number}/{echo_only}")
        cut = [
            (system, part)
            for system, rows in source(rng, pool, echo_only)
            for part in cuts([row for row in rows if len(row.ids) <= longest], tokens)
        ]
        rng.shuffle(cut)
        for system, part in cut:
            yield Batch(
                number,
                torch.tensor(system, dtype=torch.long),
                padded([row.ids for row in part], 0),
                padded([encoder.labels(row.ids) for row in part], IGNORED),
                padded([encoder.telling(row.ids, row.prose) for row in part], False).bool(),
            )


def cuts(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    """`rows`, sorted by length, in parts whose padded size is about `tokens`."""
    part: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if part and (len(part) + 1) * len(row.ids) > tokens:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def padded(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    """Shape (rows, longest row)."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *([filler] * (width - len(row)))] for row in rows], dtype=torch.long)
