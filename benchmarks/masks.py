"""What the mask of `--decode constrained` costs of the time per token: `python -m benchmarks.masks [--model PATH ...]`.

Free and constrained decoding of the same prompts in turns (A B, B A, ...), in one process over one loaded model, so
that whatever else the machine does falls on both: the time of each token after the first in either mode, their ratio
over the rounds, and what of the whole time is spent in the mask itself. A mask is computed only where the likeliest
token is not allowed; so a last figure says what it takes at every token of the right answers, as for a model that
strays at each. A shape has random weights and entries in its vocabulary that no text leads to: the width of its masks
is real, what its tokens say is not.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.commands import as_a_child, at_least_one, given, open_onnx, told
from benchmarks.readme import put_section
from benchmarks.roofline import section
from phi4bench.artifacts.artifact import Artifact
from phi4bench.backends import Decoding, Mode, open_backend
from phi4bench.backends.masks import Mask, Masks
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Case
from phi4bench.counting import counted
from phi4bench.datasets import load_cases
from phi4bench.dialects import Dialect, dialect_named
from phi4bench.errors import UsageError
from phi4bench.machine import describe
from phi4bench.printable import printable
from phi4bench.prompts import Prompt
from phi4bench.transcripts import Completion

WANTED = 0.10
LAYOUTS = {"one at a time, one thread": (1, 1), "default layout": (None, None)}
NANO = Path("fixtures/models/nano-int8")


@dataclass(frozen=True)
class Round:
    """One pass over the prompts. `token_us`: of each token after a completion's first, which the prompt is read for.

    `masked_s`: in the mask, over all threads; `seconds` of the clock.
    """

    token_us: float
    seconds: float
    masked_s: float


@dataclass(frozen=True)
class Straying:
    """What reading a vocabulary and compiling a grammar take, and a mask at each token of the right answers."""

    vocabulary: int
    read_ms: float
    compile_ms: float
    mask_us: tuple[float, ...]


class Clock:
    """Adds up the time spent in `Mask.choose` inside of a `with` block, by all lanes."""

    def __init__(self) -> None:
        self._each: list[float] = []  # appended to by several threads, which a sum would lose additions of

    @property
    def spent(self) -> float:
        return sum(self._each)

    def __enter__(self) -> Clock:
        self._choose = choose = Mask.choose

        def timed(mask: Mask, *given: object) -> int:
            started = perf_counter()
            try:
                return choose(mask, *given)  # type: ignore[arg-type]
            finally:
                self._each.append(perf_counter() - started)

        Mask.choose = timed  # type: ignore[assignment, method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Mask.choose = self._choose  # type: ignore[method-assign]


def once(backend: Any, prompts: Sequence[Prompt], mode: Mode, new: int) -> Round:
    with Clock() as clock:
        started = perf_counter()
        found = [completion for _, completion in backend.generate(prompts, Decoding(new, mode))]
        spent = perf_counter() - started
    return Round(token_us(found), spent, clock.spent)


def token_us(found: Sequence[Completion]) -> float:
    """The mean over all tokens but the first of each; `UsageError` where there are none."""
    further = [(len(one.token_ids) - 1, one.token_ms) for one in found if one.token_ms is not None]
    if not further:
        raise UsageError(
            "no answer has a second token, and without one no time per token", "give more with --new or --limit"
        )
    return 1e3 * sum(count * each_ms for count, each_ms in further) / sum(count for count, _ in further)


def rounds(backend: Any, prompts: Sequence[Prompt], count: int, new: int) -> list[tuple[Round, Round]]:
    """(free, constrained), in turns; the first of each is a warm-up and left out."""
    pairs = []
    modes: list[Mode] = ["free", "constrained"]
    for number in range(count + 1):
        order = modes if number % 2 else modes[::-1]
        made = {mode: once(backend, prompts, mode, new) for mode in order}
        if number:
            pairs.append((made["free"], made["constrained"]))
    return pairs


def straying(artifact: Artifact, vocabulary: int, dialect: Dialect, cases: Sequence[Case]) -> Straying:
    """`vocabulary`: width of the logits."""
    tokenizer = PromptTokenizer.from_folder(artifact.tokenizer_dir)
    end = dialect.render(cases[0].question()).stop[0]
    if (stop := tokenizer.id_of(end)) is None:
        raise UsageError(
            f"{artifact.id}: its tokenizer has no token {printable(end, 60)!r}, with which {dialect.name} ends a turn",
            "give a --dialect that it was trained for",
        )
    masks, logits = Masks(artifact.id, tokenizer, vocabulary), np.zeros(vocabulary, np.float32)
    stops = frozenset({stop})
    refused = min(tokenizer.control_ids(dialect.markers) - stops)  # no text, so allowed nowhere
    grammar = dialect.grammar(cases[0].tools)
    read = _ms(lambda: masks.open(grammar, stops))
    compiled = _ms(lambda: masks.open(replace(grammar, text=grammar.text + "\n"), stops))
    spent = []
    for case in cases:
        mask = masks.open(dialect.grammar(case.tools), stops)
        for token in tokenizer.encode_segments(dialect.call_segments(case.expected.calls)):
            aside = Mask(mask._matcher.deep_copy(), vocabulary, artifact.id)
            spent.append(1e3 * _ms(lambda aside=aside: aside.choose(lambda: logits, refused)))  # type: ignore[misc]
            mask.choose(lambda: logits, token)
    return Straying(vocabulary, read - compiled, compiled, tuple(spent))


def _ms(run: Any) -> float:
    began = perf_counter()
    run()
    return (perf_counter() - began) * 1e3


def row(name: str, pairs: Sequence[tuple[Round, Round]], lanes: int) -> str:
    """The time per token of either mode, what it grew by, and the share of the mask in the whole time."""
    free, masked = (statistics.median(one[side].token_us for one in pairs) for side in (0, 1))
    more = [masked_one.token_us / free_one.token_us - 1 for free_one, masked_one in pairs]
    inside = statistics.median(one.masked_s / (one.seconds * lanes) for _, one in pairs)
    middle = statistics.median(more)
    return (
        f"{name:28}{free:>9,.0f} us{masked:>9,.0f} us{middle:>14.1%}{f'{min(more):.1%} to {max(more):.1%}':>18}"
        f"{inside:>13.1%}  {f'<= {WANTED:.0%}':8}{'yes' if middle <= WANTED else 'NO'}"
    )


def measure(artifact: Artifact, options: argparse.Namespace) -> list[str]:
    """An artifact's lines."""
    dialect = dialect_named(options.dialect) if options.dialect else artifact.dialect
    cases = load_cases(None).cases
    cases = cases[:: max(1, len(cases) // options.limit)][: options.limit]
    prompts = [replace(dialect.render(one.question()), grammar=dialect.grammar(one.tools)) for one in cases]
    calling = [case for case in load_cases(None).cases if case.expected.calls][: options.limit]
    strays = straying(artifact, _vocabulary(artifact), dialect, calling)
    weights = ", random weights" if artifact.random_weights else ""
    lines = [
        f"{artifact.id}{weights}, vocabulary {strays.vocabulary:,}, {dialect.name}: {counted(len(prompts), 'prompt')},"
        f" at most {options.new} new tokens, {counted(options.rounds, 'round')} in turns",
        f"{'layout':28}{'free':>12}{'masked':>12}{'more, median':>14}{'least to most':>18}{'in the mask':>13}"
        f"  {'wanted':8}held",
    ]
    for name, (threads, batch) in LAYOUTS.items():
        backend = open_backend(artifact, threads=threads, batch=batch)
        pairs = rounds(backend, prompts, options.rounds, options.new)
        lanes = 1 if batch == 1 else int(str(backend.identity()["lanes"]))
        backend.close()
        lines.append(row(name, pairs, lanes))
    each = sorted(strays.mask_us)
    return [
        *lines,
        f"a mask at every token of {counted(len(calling), 'right answer')}: {statistics.mean(each):,.0f} us each"
        f" (median {statistics.median(each):,.0f} us, at most {each[-1]:,.0f} us)",
        f"the vocabulary is read in {strays.read_ms:,.0f} ms, once;"
        f" a grammar is compiled in {strays.compile_ms:,.1f} ms, once for each set of tools",
    ]


def _vocabulary(artifact: Artifact) -> int:
    """Width of the logits."""
    if artifact.logits_size is not None:
        return artifact.logits_size
    return PromptTokenizer.from_folder(artifact.tokenizer_dir).vocabulary_size


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.masks", description=__doc__)
    parser.add_argument("--model", action="append", type=Path, metavar="PATH", help="repeatable (default: nano-int8)")
    parser.add_argument("--dialect", metavar="NAME", help="(default: the artifact's)")
    parser.add_argument("--limit", type=at_least_one, default=200, metavar="N", help="prompts (default: 200)")
    parser.add_argument(
        "--new", type=at_least_one, default=256, metavar="N", help="tokens, which a shape always reaches (default: 256)"
    )
    parser.add_argument("--rounds", type=at_least_one, default=10, metavar="N", help="(default: 10)")
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md too")
    options = parser.parse_args(arguments)
    here, lines = describe(), list[str]()
    with told(parser):
        for artifact in [open_onnx(path) for path in options.model or [NANO]]:
            lines += [*measure(artifact, options), ""]
    lines.append(f"On {here['cores']} cores of {here['cpu']}.")
    print("\n".join(lines))
    if options.write:
        asked = f"--limit {options.limit} --new {options.new} --rounds {options.rounds}"
        command = f"python -m benchmarks.masks{given(options.model)} {asked}"
        put_section("masks", section("What masks cost", f"{command} --write", lines))


if __name__ == "__main__":
    as_a_child()
    main()
