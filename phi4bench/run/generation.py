"""From an artifact and cases to completions: what the store has is taken, only the rest is generated, in a child.

Knows prompts and the store; knows no scores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from phi4bench import __version__
from phi4bench.artifacts import Artifact
from phi4bench.backends import Decoding
from phi4bench.calls import Json
from phi4bench.cases import Case
from phi4bench.prompts import Prompt
from phi4bench.run.child import Ran, run_child
from phi4bench.run.files import write_text
from phi4bench.run.jobs import Item, Setup, prompt_key, store_identity
from phi4bench.run.progress import Progress
from phi4bench.store import TranscriptStore, default_cache_dir
from phi4bench.transcripts import Completion, Transcript


@dataclass(frozen=True)
class Settings:
    """How completions are made and kept, the same for all artifacts of a run. `machine`: what `describe()` said.

    `keeps`: the store outlives the run. `batch`: cases at once; `None`: what suits the backend.
    """

    decoding: Decoding
    threads: int | None
    cache_dir: Path | None
    machine: Mapping[str, Json]
    keeps: bool = True
    batch: int | None = None


@dataclass(frozen=True)
class Generation:
    """The completions of one artifact, in the cases' order; cases that the time limit left out are missing.

    `seconds` and `peak_rss_bytes` are the child's; `None` where nothing had to be generated.
    """

    transcripts: Mapping[str, Transcript]
    total: int
    generated: int
    seconds: float | None
    peak_rss_bytes: int | None
    runtime: Mapping[str, Json]

    @property
    def missing(self) -> int:
        return self.total - len(self.transcripts)

    @property
    def from_cache(self) -> int:
        return len(self.transcripts) - self.generated


def render(artifact: Artifact, cases: Sequence[Case], system_prompt: str | None) -> list[Item]:
    """The prompts, from questions alone: the answer key stays here."""
    items = []
    for case in cases:
        prompt: Prompt = artifact.dialect.render(case.question(), system_prompt)
        items.append(Item(case.id, prompt_key(prompt), prompt))
    return items


def generate(
    artifact: Artifact, items: Sequence[Item], settings: Settings, progress: Progress, deadline: float | None = None
) -> Generation:
    """Everything that is missing, each completion stored as it is made. Raises what `run_child` raises, StoreError."""
    setup = Setup(artifact, settings.decoding, settings.threads, settings.cache_dir, settings.batch)
    memory = _runtime_memory(setup, settings)
    runtime = _recall(memory)
    if runtime is not None:
        found = _stored(setup, runtime, items)
        if len(found) == len(items):
            return Generation(found, len(items), 0, None, None, runtime)

    def lacking(runtime: Mapping[str, Json]) -> list[Item]:
        there = _stored(setup, runtime, items)
        return [item for item in items if item.case_id not in there]

    ran: Ran = run_child(setup, lacking, len(items), progress, deadline, settings.keeps)
    if ran.runtime:
        with suppress(OSError):
            write_text(memory, json.dumps(ran.runtime))
    found = _stored(setup, ran.runtime, items) if ran.runtime else {}
    return Generation(found, len(items), ran.done, ran.seconds, ran.peak_rss_bytes, ran.runtime)


def _stored(setup: Setup, runtime: Mapping[str, Json], items: Sequence[Item]) -> dict[str, Transcript]:
    found: dict[str, Transcript] = {}
    with TranscriptStore.open(setup.cache_dir, store_identity(setup, runtime)) as store:
        for item in items:
            completion: Completion | None = store.get(item.key)
            if completion is not None:
                found[item.case_id] = Transcript(item.case_id, item.key, completion)
    return found


def _runtime_memory(setup: Setup, settings: Settings) -> Path:
    """Where the runtime's identity is remembered, under all that it follows from without loading the model."""
    artifact = setup.artifact
    follows_from = [
        __version__,
        code_sha256(),
        artifact.sha256,
        artifact.format,
        setup.threads,
        setup.batch,
        dict(settings.machine),
    ]
    key = hashlib.sha256(json.dumps(follows_from, sort_keys=True).encode()).hexdigest()
    return (setup.cache_dir or default_cache_dir()) / "runtimes" / f"{key}.json"


def _recall(memory: Path) -> dict[str, Json] | None:
    try:
        runtime = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return runtime if isinstance(runtime, dict) and runtime else None


@cache
def code_sha256() -> str:
    """Over our own backends: a change in how tokens are made is another runtime."""
    digest = hashlib.sha256()
    for file in sorted((Path(__file__).resolve().parents[1] / "backends").glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
