"""Prompts for the tiny decoders, and what the ONNX backend answers to them."""

from __future__ import annotations

import random
import shutil

import pytest

from phi4bench.backends.base import Decoding
from phi4bench.prompts import Prompt, Segment

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.backends import onnx
from phi4bench.backends.tokens import PromptTokenizer

NEW = 20
WORDS = ["read", "write", "the", "file", "again", "then", "show", "main.py", "please"]


def prompt(words: int, seed: int, tools: str = "read(file_path) write(file_path, content)") -> Prompt:
    said = " ".join(random.Random(seed).choices(WORDS, k=words))
    return Prompt(
        segments=(
            Segment("<|system|>", True),
            Segment(tools),
            Segment("<|end|><|user|>", True),
            Segment(said),
            Segment("<|end|><|assistant|>", True),
        ),
        shared=2,
        stop=("<|end|>", "<|endoftext|>"),
        call_opener="<tool_use>",
    )


PROMPTS = [prompt(2 + 3 * i % 14, i, "grep(pattern, path)" if i % 3 == 1 else "read(file_path)") for i in range(17)]


def opened(folder, **options):
    return onnx.OnnxBackend(
        folder / "model.onnx",
        PromptTokenizer.from_folder(folder),
        name=f"tiny-{folder.name}",
        weight_bytes=options.pop("weight_bytes", 1 << 20),
        **{"threads": 1, "batch": 1} | options,
    )


def completions(backend, prompts=PROMPTS, new=NEW):
    found = dict(backend.generate(prompts, Decoding(new)))
    backend.close()
    return [found[i] for i in range(len(prompts))]


def tokens(backend, prompts=PROMPTS, new=NEW):
    return [completion.token_ids for completion in completions(backend, prompts, new)]


def copy_of(folder, to):
    shutil.copytree(folder, to)
    return to
