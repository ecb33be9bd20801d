"""Where to damage a model, and how strongly, so that it loses about as much as is wanted. Runs no model itself."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.planted.damage import Damage
from benchmarks.planted.weights import Weights
from phi4bench.artifacts import open_artifact
from phi4bench.backends.genai_config import read_model_config
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Case

MOST_TRIES = 7
DAMAGES = ("noise", "head", "name", "embedding")
FIRST = {"noise": 0.5, "head": 0.5, "name": 0.4, "embedding": 0.5}
"""Strengths to begin with, where nothing is known of the model."""


def sites(kind: str, source: Path, cases: Sequence[Case]) -> Iterator[Damage]:
    """Places for one kind of damage, each other than those before it; the strength is still to be found.

    `cases` tell which tools there are and which tokens are read. Noise never ends: after all matrices, other seeds.
    """
    weights = Weights(source)
    layers = sorted({site.rpartition(".attn")[0] for site in weights.sites if ".attn." in site})
    if kind == "noise":
        parts = ("mlp.down_proj", "attn.qkv_proj", "attn.o_proj", "mlp.up_proj", "mlp.gate_proj")
        places = [f"{layer}.{part}" for part in parts for layer in layers] + ["lm_head"]
        yield from (Damage(kind, place, seed=seed) for seed in itertools.count() for place in places)
    elif kind == "head":
        size = read_model_config(source / "genai_config.json").head_size
        heads = len(weights.matrix(f"{layers[0]}.attn.o_proj")) // size
        yield from (Damage(kind, f"{layer}.head.{head}") for head in range(heads) for layer in layers)
    elif kind == "name":
        tools = sorted({tool.name for case in cases for tool in case.tools})
        known = PromptTokenizer.from_folder(source).vocabulary()
        pairs = list(itertools.combinations([tool for tool in tools if tool in known], 2))
        pairs.sort(key=lambda pair: (tools.index(pair[1]) - tools.index(pair[0])) % len(tools))
        yield from (Damage(kind, ">".join(pair), seed=seed) for seed in range(4) for pair in pairs)
    else:
        yield from (Damage(kind, str(token)) for token in _tokens_read(source, cases))


def _tokens_read(source: Path, cases: Sequence[Case]) -> list[int]:
    """Ids in the conversations after what all prompts share, those of most cases first; control tokens left out."""
    dialect, tokenizer = open_artifact(str(source)).dialect, PromptTokenizer.from_folder(source)
    control = {number for text, number in tokenizer.vocabulary().items() if text.startswith("<")}
    seen: Counter[int] = Counter()
    for case in cases:
        ids, shared = tokenizer.encode(dialect.render(case.question(), None))
        seen.update(set(ids[shared:]) - control)
    return [token for token, count in seen.most_common() if count >= len(cases) // 50]


def find_strength(
    loss_at: Callable[[float], float], window: tuple[float, float], first: float, most: float | None
) -> float | None:
    """A strength at which the loss lies within `window`, grown or halved from `first`.

    `None` where even `most` does too little, or `MOST_TRIES` were not enough.
    """
    low, high, strength = 0.0, None, first if most is None else min(first, most)
    for _ in range(MOST_TRIES):
        loss = loss_at(strength)
        if window[0] <= loss <= window[1]:
            return strength
        if loss > window[1]:
            high = strength
        elif strength == most:
            return None
        else:
            low = strength
        strength = 2 * strength if high is None else (low + high) / 2
        if most is not None:
            strength = min(strength, most)
    return None
