"""Steps of training, timed for `benchmarks.training`: by their phases, and in three kinds of batches."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers import TrainerCallback

from phi4bench import machine
from trainers.base import Base, open_base
from trainers.batching import ByLength, padded
from trainers.data import generated, write_examples
from trainers.engines import adapted
from trainers.loop import Loop, Pace, Rows, arguments
from trainers.packing import pack, packed
from trainers.prepare import Prepared, Row, prepare
from trainers.settings import Training

WANTED_SHARE = 0.8
WANTED_RATIO = 2.0
LENGTH = 1024
PHASES = ("data", "forward", "backward", "optimizer")
WAYS = ("padded to 1,024", "by length", "packed")
SEED = 20261125


@dataclass(frozen=True)
class Step:
    """One optimizer step: its seconds by the clock, and how many of them each phase took."""

    seconds: float
    phases: tuple[float, ...]

    def share(self, *names: str) -> float:
        return sum(self.phases[PHASES.index(name)] for name in names) / self.seconds


class Watch(TrainerCallback):
    """Adds up the time of each phase, and notes the sums at the end of every step."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(PHASES, 0.0)
        self.marks: list[tuple[float, tuple[float, ...]]] = []

    def timed(self, phase: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            started = perf_counter()
            try:
                return action(*given, **named)
            finally:
                self.spent[phase] += perf_counter() - started

        return run

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.began = perf_counter()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.spent["optimizer"] += perf_counter() - self.began

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.marks.append((perf_counter(), tuple(self.spent.values())))

    def steps(self) -> list[Step]:
        """From the end of one to the end of the next; the first one warms up."""
        return [
            Step(end - begin, tuple(b - a for a, b in zip(before, after, strict=True)))
            for (begin, before), (end, after) in pairwise(self.marks)
        ]


def steps_of(base: Base, ready: Prepared, training: Training) -> list[Step]:
    """One epoch of the real loop."""
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder, quiet():
        model, filler = adapted(base, training, "cpu", False)
        loop = Loop(
            learned=ready.train[:1],
            held=ready.validation[:1],
            filler=filler,
            training=training,
            model=model,
            args=arguments(training, Path(folder), "cpu", False, ""),
            train_dataset=Rows(ready.train, filler),
            eval_dataset=Rows(ready.validation, filler),
            data_collator=lambda rows: padded(rows, filler),
            callbacks=[Pace(0), watch],
        )
        for name, phase in (
            ("get_batch_samples", "data"),
            ("compute_loss", "forward"),
            ("_clip_grad_norm", "optimizer"),
        ):
            setattr(loop, name, watch.timed(phase, getattr(loop, name)))
        loop.accelerator.backward = watch.timed("backward", loop.accelerator.backward)
        loop.train()
    return watch.steps()


@dataclass(frozen=True)
class Round:
    """Seconds of one step over the same conversations, and the tokens that were computed, in the order of `WAYS`."""

    examples: int
    seconds: tuple[float, ...]
    tokens: tuple[int, ...]

    def ratio(self, way: str, against: str) -> float:
        """How many times as many examples a second."""
        return self.seconds[WAYS.index(against)] / self.seconds[WAYS.index(way)]


def batches_of(rows: Sequence[Row], filler: int, batch: int) -> dict[str, list[dict[str, torch.Tensor]]]:
    """The same rows in the order of a sorted epoch, in three ways."""
    groups = [rows[at : at + batch] for at in range(0, len(rows), batch)]
    sized = [padded(group, filler) for group in groups]
    packs = pack(rows, LENGTH, SEED)
    return {
        WAYS[0]: [widened(one, filler) for one in sized],
        WAYS[1]: sized,
        WAYS[2]: [packed(packs[at : at + batch], filler) for at in range(0, len(packs), batch)],
    }


def widened(fed: dict[str, torch.Tensor], filler: int) -> dict[str, torch.Tensor]:
    """A batch padded to `LENGTH` tokens."""
    with_ = {"input_ids": filler, "attention_mask": 0, "labels": -100}
    missing = LENGTH - fed["input_ids"].shape[1]
    return {name: torch.nn.functional.pad(value, (0, missing), value=with_[name]) for name, value in fed.items()}


def rounds_of(base: Base, ready: Prepared, training: Training, count: int, examples: int) -> list[Round]:
    """The order of the ways moves on from round to round; the first round warms up and is left out."""
    with quiet():
        model, filler = adapted(base, training, "cpu", False)
    model.train()
    learned = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=training.lr)

    def step(batches: Sequence[dict[str, torch.Tensor]]) -> float:
        started = perf_counter()
        answers = sum(int((fed["labels"][:, 1:] != -100).sum()) for fed in batches)
        for fed in batches:
            model(**fed, num_items_in_batch=answers).loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return perf_counter() - started

    order = ByLength([len(row.ids) for row in ready.train], training.batch, SEED)
    made = []
    for number in range(count + 1):
        order.set_epoch(number)
        rows = [ready.train[index] for index in list(order)[:examples]]
        ways = batches_of(rows, filler, training.batch)
        turn = number % len(WAYS)
        spent = {way: step(ways[way]) for way in (*WAYS[turn:], *WAYS[:turn])}
        tokens = tuple(sum(fed["input_ids"].numel() for fed in ways[way]) for way in WAYS)
        made.append(Round(len(rows), tuple(spent[way] for way in WAYS), tokens))
    return made[1:]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What the Trainer prints goes nowhere."""
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def step_table(steps: Sequence[Step]) -> list[str]:
    both = [one.share("forward", "backward") for one in steps]
    held = "yes" if statistics.median(both) >= WANTED_SHARE else "NO"
    rows = [(name, [one.share(name) for one in steps]) for name in PHASES]
    rows.append(("the rest", [1 - one.share(*PHASES) for one in steps]))
    return [
        f"Of {len(steps)} steps of {statistics.median(one.seconds for one in steps):.2f} s, median (least to most):",
        "",
        "| part of a step | share | wanted | held |",
        "| --- | ---: | ---: | --- |",
        f"| **forward and backward** | {spread(both, '.1%')} | {WANTED_SHARE:.0%} | {held} |",
        *(f"| {name} | {spread(values, '.1%')} | | |" for name, values in rows),
    ]


def way_table(rounds: Sequence[Round]) -> list[str]:
    lines = [
        f"{rounds[0].examples} conversations a round, {len(rounds)} rounds in turns, median (least to most):",
        "",
        "| batches | examples/s | tokens an example | times padded to 1,024 | times by length | wanted | held |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for at, way in enumerate(WAYS):
        pace = spread([one.examples / one.seconds[at] for one in rounds], ".2f")
        tokens = statistics.mean(one.tokens[at] / one.examples for one in rounds)
        times = [spread([one.ratio(way, other) for one in rounds], ".2f") if way != other else "" for other in WAYS[:2]]
        judged = statistics.median(one.ratio(way, WAYS[0]) for one in rounds) >= WANTED_RATIO
        wanted = f"{WANTED_RATIO:.0f} | {'yes' if judged else 'NO'}" if way == WAYS[1] else " |"
        lines.append(f"| {way} | {pace} | {tokens:,.0f} | {times[0]} | {times[1]} | {wanted} |")
    return lines


def report(model: str, steps: int, rounds: int, examples: int) -> str:
    """Both tables, and what they are of. `rounds`: of so many `examples` each."""
    training = Training(device="cpu", epochs=1.0, patience=0, evaluate_every=10_000)
    a_step = training.batch * training.accumulation
    base = open_base(model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.jsonl"
        write_examples(file, generated(max((steps + 1) * a_step, 4 * examples) * 5 // 4, SEED))
        ready = prepare(base, [str(file)], length=LENGTH, validation=0.1, seed=SEED)
    few = Prepared(ready.train[: (steps + 1) * a_step], ready.validation, ready.sha256, ready.told)
    by_phase = step_table(steps_of(base, few, training))
    by_way = way_table(rounds_of(base, ready, training, rounds, examples))
    here = machine.describe()
    about = (
        f"LoRA of rank {training.rank} on {Path(model).name}, fp32, batches of {training.batch},"
        f" {training.accumulation} a step, on {here['cores']} cores of {here['cpu']}, torch {torch.__version__}."
        " Loss on the assistant's tokens alone, in every way."
    )
    return "\n".join([about, "", *by_phase, "", *by_way])
