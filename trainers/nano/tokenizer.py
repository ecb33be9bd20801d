"""Builds nano's and nano-base's tokenizers from generated requests: byte-level BPE; copying is pure induction.

A pre-token is a run of letters and underscores, one digit, or one other character (the space too), and no merge crosses
one. So a string becomes the same tokens in the request and in the call, whatever stands around it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from phi4bench.dialects import Dialect
from phi4bench.phrasing import echo, example
from phi4bench.tools import Tool
from trainers.nano import general

PAD, END = "<pad>", "<|end|>"


def control_tokens(dialect: Dialect) -> list[str]:
    """Padding first (id 0), then every turn and call marker of `dialect`, each one token."""
    turns = ["<|system|>", "<|user|>", "<|assistant|>", "<|tool_response|>", END]
    return [PAD, *turns, *(marker for marker in dialect.markers if marker not in turns)]


def corpus(dialect: Dialect, tools: Sequence[Tool], examples: int, seed: int) -> Iterator[str]:
    """Texts of the training split, control segments left out, `examples` of them and as many echoes."""
    rng = random.Random(seed)
    for _ in range(examples):
        made = example(rng, "train", tools)
        prompt = dialect.render(made.case.question())
        yield "".join(segment.text for segment in prompt.segments[prompt.shared :] if not segment.control)
        yield made.reply
        yield echo(rng)
    yield from (
        "".join(s.text for s in dialect.render(made.case.question()).segments if not s.control) for _ in range(50)
    )


def general_corpus(dialect: Dialect, examples: int, seed: int) -> Iterator[str]:
    """The same of general calls, with the tools of every eighth: nothing of the six, which the base never learns."""
    rng = random.Random(seed)
    for number in range(examples):
        offered = general.offers(rng)
        made = general.example(rng, offered)
        prompt = dialect.render(made.case.question())
        told = prompt.segments[0 if number % 8 == 0 else prompt.shared :]
        yield "".join(segment.text for segment in told if not segment.control)
        yield made.reply
        yield general.echo(rng)


def build(dialect: Dialect, texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train the BPE. `vocabulary` counts control tokens and the 256 bytes too."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[A-Za-z_]+|[\s\S]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=control_tokens(dialect),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


FILES = ("tokenizer.json", "tokenizer_config.json")


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` and the small configuration that transformers and onnxruntime-genai read beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / FILES[0]))
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
    }
    (folder / FILES[1]).write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
