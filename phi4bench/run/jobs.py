"""What a child process is asked to do, and the keys under which its completions are stored. Runs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from phi4bench.artifacts import Artifact
from phi4bench.artifacts.hashing import changed_file
from phi4bench.backends import BEST, Backend, Decoding, Provider, open_backend
from phi4bench.backends.guidance import mask_version
from phi4bench.calls import Json
from phi4bench.dialects import Dialect
from phi4bench.errors import ArtifactError
from phi4bench.prompts import Grammar, Prompt, Segment


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt and the key of its completion. `answer`: given to be read instead of being made; empty: made."""

    case_id: str
    key: str
    prompt: Prompt
    answer: tuple[Segment, ...] = ()


Handed = TypeVar("Handed")
LEAST_AT_A_TIME = 32
"""Cases handed to a backend together where a run may stop at any of them: two rounds of a large model's rows."""
MOST_AT_A_TIME = 512
"""Cases that a child holds at once, beside those in flight: its memory ends there."""


def portions(items: Iterable[Handed], in_order: bool) -> Iterator[tuple[int, list[Handed]]]:
    """What is handed over together, and the number of items before it; `in_order` where a run may stop early.

    A backend finishes what it was handed in an order of its own, so that on average half of it is made in vain; cases
    that begin alike share that only where they are handed over together. So where a run may stop, portions grow with
    what lies behind them.
    """
    start, coming = 0, iter(items)
    while some := list(islice(coming, _at_a_time(start) if in_order else MOST_AT_A_TIME)):
        yield start, some
        start += len(some)


def _at_a_time(start: int) -> int:
    return min(MOST_AT_A_TIME, max(LEAST_AT_A_TIME, start // 6))


@dataclass(frozen=True)
class Setup:
    """What a child opens: the artifact, how it is run, and where completions are kept.

    `batch`: cases at once; `None`: what suits the backend. `prune`: as `open_backend` has it.
    """

    artifact: Artifact
    decoding: Decoding
    threads: int | None
    cache_dir: Path | None
    batch: int | None = None
    provider: Provider = BEST
    prune: bool = True

    def open(self) -> Backend:
        """The artifact, loaded. Raises what `open_backend` raises, and ArtifactError where it is not what was hashed.

        Answers of other files would be stored, and promoted, under its sha256.
        """
        backend = open_backend(
            self.artifact, threads=self.threads, batch=self.batch, provider=self.provider, prune=self.prune
        )
        if name := changed_file(self.artifact, self.cache_dir):
            backend.close()
            raise ArtifactError(
                f"{self.artifact.id}: {name} has changed since it was hashed", "run again once nothing writes to it"
            )
        return backend

    def to_json(self) -> dict[str, Any]:
        return {
            "artifact": artifact_to_json(self.artifact),
            "max_new_tokens": self.decoding.max_new_tokens,
            "mode": self.decoding.mode,
            "threads": self.threads,
            "cache_dir": str(self.cache_dir) if self.cache_dir else None,
            "batch": self.batch,
            "provider": asdict(self.provider),
            "prune": self.prune,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Setup:
        folder = data["cache_dir"]
        decoding = Decoding(data["max_new_tokens"], data["mode"])
        place = Path(folder) if folder else None
        named = data["provider"]
        options = tuple((key, value) for key, value in named["options"])
        provider = Provider(named["name"], options, named["graph_optimization"])
        artifact = artifact_from_json(data["artifact"])
        return cls(artifact, decoding, data["threads"], place, data["batch"], provider, data["prune"])


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
    """One object for a beginning or a marker that thousands of prompts have: a child holds many of its prompts."""
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


def items_to_lines(items: Iterable[Item]) -> Iterator[str]:
    """Each as a line of JSON, then an empty line; made as they are sent, so that they are nowhere all at once."""
    for item in items:
        yield json.dumps(item_to_json(item)) + "\n"
    yield "\n"


def items_from_lines(lines: Iterable[str]) -> Iterator[Item]:
    """What `items_to_lines` wrote, each read when it is asked for; ends with the empty line, or with the lines."""
    for line in lines:
        if not line.strip():
            return
        yield item_from_json(json.loads(line))


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
