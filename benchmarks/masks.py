"""What the mask of `--decode constrained` costs of the time per token: `python -m benchmarks.masks [--model FOLDER]`.

Free and constrained decoding of the same prompts in turns (A B, B A, ...), in one process over one loaded model, so
that whatever else the machine does falls on both. Two figures: the time per token in either mode and their ratio over
the rounds, which on a busy machine scatters; and the time spent in the mask itself, which is inside of it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from phi4bench.backends import Decoding, Mode
from phi4bench.backends.masks import Mask, Masks
from phi4bench.backends.onnx import OnnxBackend
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.datasets import load_cases
from phi4bench.dialects import dialect_named
from phi4bench.prompts import Prompt

WANTED = 0.10
LAYOUTS = {"one at a time, one thread": (1, 1), "default layout": (None, None)}


@dataclass(frozen=True)
class Round:
    """One pass over the prompts. `masked_s`: in the mask, over all threads; `seconds` of the clock."""

    mode: str
    seconds: float
    tokens: int
    masked_s: float

    @property
    def token_us(self) -> float:
        return self.seconds / self.tokens * 1e6


class Clock:
    """Adds up the time spent in `Mask.choose`."""

    def __init__(self) -> None:
        self.spent = 0.0
        choose = Mask.choose

        def timed(mask: Mask, *given: object) -> int:
            started = perf_counter()
            try:
                return choose(mask, *given)  # type: ignore[arg-type]
            finally:
                self.spent += perf_counter() - started

        Mask.choose = timed  # type: ignore[assignment, method-assign]


def once(backend: OnnxBackend, prompts: Sequence[Prompt], mode: Mode, clock: Clock) -> Round:
    before, started = clock.spent, perf_counter()
    found = dict(backend.generate(prompts, Decoding(256, mode)))
    spent = perf_counter() - started
    return Round(mode, spent, sum(len(one.token_ids) for one in found.values()), clock.spent - before)


def rounds(backend: OnnxBackend, prompts: Sequence[Prompt], count: int, clock: Clock) -> list[tuple[Round, Round]]:
    """(free, constrained), in turns; the first of each is a warm-up and left out."""
    pairs = []
    modes: list[Mode] = ["free", "constrained"]
    for number in range(count + 1):
        order = modes if number % 2 else modes[::-1]
        made = {mode: once(backend, prompts, mode, clock) for mode in order}
        if number:
            pairs.append((made["free"], made["constrained"]))
    return pairs


def compile_ms(folder: Path, prompt: Prompt, vocabulary: int) -> float:
    """Of one grammar, the vocabulary being read already."""
    tokenizer = PromptTokenizer.from_folder(folder)
    masks = Masks("grammar", tokenizer, vocabulary)
    assert prompt.grammar is not None
    stop = tokenizer.id_of(prompt.stop[0])
    assert stop is not None
    masks.open(prompt.grammar, frozenset({stop}))
    other = replace(prompt.grammar, text=prompt.grammar.text + "\n")
    started = perf_counter()
    masks.open(other, frozenset({stop}))
    return (perf_counter() - started) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.masks", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("fixtures/models/nano-int8"))
    parser.add_argument("--dialect", default="tool_use")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    dialect = dialect_named(options.dialect)
    cases = load_cases(None).cases
    cases = cases[:: max(1, len(cases) // options.limit)][: options.limit]
    prompts = [replace(dialect.render(one.question()), grammar=dialect.grammar(one.tools)) for one in cases]
    size = sum(path.stat().st_size for path in options.model.glob("model.onnx*"))
    clock = Clock()
    print(
        f"{options.model.name}: {len(prompts)} prompts, {options.rounds} rounds in turns, wanted at most {WANTED:.0%}"
    )
    print(f"{'layout':28} {'free':>10} {'masked':>10} {'more, median':>13} {'least to most':>16} {'in the mask':>12}")
    for name, (threads, batch) in LAYOUTS.items():
        tokenizer = PromptTokenizer.from_folder(options.model)
        backend = OnnxBackend(
            options.model / "model.onnx", tokenizer, name="x", weight_bytes=size, threads=threads, batch=batch
        )
        pairs = rounds(backend, prompts, options.rounds, clock)
        backend.close()
        free, masked = (statistics.median(one[side].token_us for one in pairs) for side in (0, 1))
        more = [masked_one.token_us / free_one.token_us - 1 for free_one, masked_one in pairs]
        lanes = 1 if batch == 1 else backend.identity()["lanes"]
        inside = statistics.median(one.masked_s / (one.seconds * lanes) for _, one in pairs)
        held = "" if statistics.median(more) <= WANTED else "  NOT HELD"
        print(
            f"{name:28} {free:>7.0f} us {masked:>7.0f} us {statistics.median(more):>13.1%}"
            f" {f'{min(more):.1%} to {max(more):.1%}':>16} {inside:>12.1%}{held}"
        )
    print(
        f"a grammar is compiled in {compile_ms(options.model, prompts[0], 1 << 18):.1f} ms, once for each set of tools"
    )


if __name__ == "__main__":
    main()
