"""What a child process is asked to do, and the keys under which its completions are stored. Runs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.backends import BEST, Backend, Decoding, Provider, open_backend
from phi4bench.backends.masks import mask_version
from phi4bench.calls import Json
from phi4bench.dialects import Dialect
from phi4bench.prompts import Grammar, Prompt, Segment


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt and the key of its completion. `answer`: given to be read instead of being made; empty: made."""

    case_id: str
    key: str
    prompt: Prompt
    answer: tuple[Segment, ...] = ()


LEAST_AT_A_TIME = 32
"""Cases handed to a backend together where a run may stop at any of them: two rounds of a large model's rows."""


def portions(count: int) -> Iterator[tuple[int, int]]:
    """(start, end) of what is handed over together, in order, where a run may stop early.

    A backend finishes what it was handed in an order of its own, so that on average half of it is made in vain; each
    end leaves rows idle. So portions grow with what lies behind them.
    """
    start = 0
    while start < count:
        end = min(count, start + max(LEAST_AT_A_TIME, start // 6))
        yield start, end
        start = end


@dataclass(frozen=True)
class Setup:
    """What a child opens: the artifact, how it is run, and where completions are kept.

    `batch`: cases at once; `None`: what suits the backend.
    """

    artifact: Artifact
    decoding: Decoding
    threads: int | None
    cache_dir: Path | None
    batch: int | None = None
    provider: Provider = BEST

    def open(self) -> Backend:
        """The artifact, loaded. Raises what `open_backend` raises."""
        return open_backend(self.artifact, threads=self.threads, batch=self.batch, provider=self.provider)

    def to_json(self) -> dict[str, Any]:
        return {
            "artifact": artifact_to_json(self.artifact),
            "max_new_tokens": self.decoding.max_new_tokens,
            "mode": self.decoding.mode,
            "threads": self.threads,
            "cache_dir": str(self.cache_dir) if self.cache_dir else None,
            "batch": self.batch,
            "provider": asdict(self.provider),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Setup:
        folder = data["cache_dir"]
        decoding = Decoding(data["max_new_tokens"], data["mode"])
        place = Path(folder) if folder else None
        named = data["provider"]
        options = tuple((key, value) for key, value in named["options"])
        provider = Provider(named["name"], options, named["graph_optimization"])
        return cls(artifact_from_json(data["artifact"]), decoding, data["threads"], place, data["batch"], provider)


def store_identity(setup: Setup, runtime: Mapping[str, Json]) -> dict[str, Json]:
    """All that a completion depends on besides its prompt: weights, tokenizer, decoding, and the runtime itself."""
    artifact, decoding = setup.artifact, setup.decoding
    masks: dict[str, Json] = {"llguidance": mask_version()} if decoding.mode == "constrained" else {}
    return {
        "weights": artifact.weights_sha256,
        "tokenizer": artifact.tokenizer_sha256,
        "format": artifact.format,
        "decoding": {"mode": decoding.mode, "max_new_tokens": decoding.max_new_tokens, **masks},
        "runtime": dict(runtime),
    }


def prompt_key(prompt: Prompt) -> str:
    """sha256 of the prompt with its control segments marked.

    With the tokenizer's sha256, which the store's identity holds, it determines the token ids; and it can be had
    without a tokenizer, so that a run that finds everything stored loads nothing.
    """
    return hashlib.sha256(json.dumps(prompt_to_json(prompt)).encode()).hexdigest()


def prompt_to_json(prompt: Prompt) -> list[Any]:
    segments = [[segment.text, segment.control] for segment in prompt.segments]
    grammar = [[prompt.grammar.text, list(prompt.grammar.markers)]] if prompt.grammar else []
    return [segments, prompt.shared, list(prompt.stop), prompt.call_opener, *grammar]


def prompt_from_json(data: list[Any]) -> Prompt:
    segments, shared, stop, opener, *rest = data
    grammar = Grammar(rest[0][0], tuple(rest[0][1])) if rest else None
    kept = [
        _same(text, control) if at < shared or control else Segment(text, control)
        for at, (text, control) in enumerate(segments)
    ]
    return Prompt(tuple(kept), shared, _texts(tuple(stop)), opener, grammar)


@lru_cache(maxsize=1024)
def _same(text: str, control: bool) -> Segment:
    """One object for a beginning or a marker that thousands of prompts have: a child holds all of its prompts."""
    return Segment(text, control)


@lru_cache(maxsize=64)
def _texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return texts


def item_to_json(item: Item) -> list[Any]:
    answer = [[[segment.text, segment.control] for segment in item.answer]] if item.answer else []
    return [item.case_id, item.key, prompt_to_json(item.prompt), *answer]


def item_from_json(data: list[Any]) -> Item:
    answer = tuple(Segment(text, control) for text, control in data[3]) if len(data) > 3 else ()
    return Item(data[0], data[1], prompt_from_json(data[2]), answer)


def items_to_line(items: Iterable[Item]) -> str:
    """All of them as one JSON list, without a second copy of them on the way."""
    return f"[{', '.join(json.dumps(item_to_json(item)) for item in items)}]"


def items_from_line(line: str) -> list[Item]:
    """What `items_to_line` wrote, item by item, so that what JSON makes of all is never in memory at once."""
    items: list[Item] = []
    at, decoder = 1, json.JSONDecoder()
    while at < len(line) and line[at] != "]":
        data, at = decoder.raw_decode(line, at)
        items.append(item_from_json(data))
        at += 2 if line.startswith(", ", at) else 0
    return items


def artifact_to_json(artifact: Artifact) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for field in fields(artifact):
        value = getattr(artifact, field.name)
        if isinstance(value, Path):
            value = str(value.resolve())
        data[field.name] = value.to_json() if isinstance(value, Dialect) else value
    return data


def artifact_from_json(data: Mapping[str, Any]) -> Artifact:
    values = dict(data)
    for name in ("path", "model_file", "tokenizer_dir", "answers", "adapter"):
        values[name] = Path(values[name]) if values[name] is not None else None
    values["files"] = tuple((name, sha256, size) for name, sha256, size in values["files"])
    values["dialect"] = Dialect.from_json(values["dialect"])
    values["dialect_inferred"] = tuple(values["dialect_inferred"])
    return Artifact(**values)
