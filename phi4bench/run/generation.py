"""From an artifact and cases to completions: what the store has is taken, only the rest is generated, in a child.

Knows prompts and the store; knows no scores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

from phi4bench import __version__
from phi4bench.artifacts import Artifact
from phi4bench.backends import BEST, Decoding, Mode, Provider
from phi4bench.calls import Json
from phi4bench.cases import Case
from phi4bench.prompts import Grammar, Prompt
from phi4bench.run.child import Ran, run_child
from phi4bench.run.files import write_text
from phi4bench.run.jobs import Item, Setup, prompt_key, store_identity
from phi4bench.run.progress import Progress
from phi4bench.run.sequential import Lookout
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
    provider: Provider = BEST

    def setup(self, artifact: Artifact) -> Setup:
        """What a child is to open."""
        return Setup(artifact, self.decoding, self.threads, self.cache_dir, self.batch, self.provider)


@dataclass(frozen=True)
class Generation:
    """The completions of one artifact, in the cases' order; cases that the time limit left out are missing.

    `seconds` and `peak_rss_bytes` are the child's; `None` where nothing had to be generated. `notes`: what its backend
    has to say of how it ran.
    """

    transcripts: Mapping[str, Transcript]
    total: int
    generated: int = 0
    seconds: float | None = None
    peak_rss_bytes: int | None = None
    runtime: Mapping[str, Json] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        return self.total - len(self.transcripts)

    @property
    def from_cache(self) -> int:
        return len(self.transcripts) - self.generated


def render(artifact: Artifact, cases: Sequence[Case], system_prompt: str | None, mode: Mode = "free") -> list[Item]:
    """The prompts, from questions alone: the answer key stays here. `mode`: `constrained` gives each its grammar.

    Raises `UsageError` for tools that no grammar can be made of.
    """
    items = []
    grammars: dict[int, Grammar] = {}  # by the identity of a tuple of tools, which cases of one set share
    for case in cases:
        prompt: Prompt = artifact.dialect.render(case.question(), system_prompt)
        if mode == "constrained":
            if id(case.tools) not in grammars:
                grammars[id(case.tools)] = artifact.dialect.grammar(case.tools)
            prompt = replace(prompt, grammar=grammars[id(case.tools)])
        items.append(Item(case.id, prompt_key(prompt), prompt))
    return items


def generate(
    artifact: Artifact,
    items: Sequence[Item],
    settings: Settings,
    progress: Progress,
    deadline: float | None = None,
    lookout: Lookout | None = None,
) -> Generation:
    """Everything that is missing, each completion stored as it is made. Raises what `run_child` raises, StoreError.

    With a `lookout`, in its order and until it has seen enough; where everything is stored, there is nothing to stop.
    """
    setup = settings.setup(artifact)
    memory = _runtime_memory(setup, settings)
    runtime = _recall(memory)
    if runtime is not None:
        found = _stored(setup, runtime, items)
        if len(found) == len(items) or (lookout and lookout.saw_all(found)):
            return Generation(found, len(items), 0, None, None, runtime)
    if lookout:
        items = lookout.ordered(items)
    with ExitStack() as until_made:
        store: TranscriptStore
        stored_before = 0

        def lacking(runtime: Mapping[str, Json]) -> list[Item]:
            nonlocal store, stored_before
            there = _stored(setup, runtime, items)
            stored_before = len(there)
            if lookout:
                store = until_made.enter_context(TranscriptStore.open(setup.cache_dir, store_identity(setup, runtime)))
                if lookout.saw_all(there):
                    return []
            return [item for item in items if item.case_id not in there]

        def enough(item: Item) -> bool:
            store.refresh()
            completion = store.get(item.key)
            return lookout is not None and completion is not None and lookout.saw(item.case_id, completion)

        ran: Ran = run_child(
            setup,
            lacking,
            len(items),
            progress,
            deadline,
            settings.keeps,
            order={"in_order": True} if lookout else None,
            enough=enough if lookout else None,
        )
    if ran.runtime and not ran.notes:  # what went otherwise than asked may go as asked next time
        with suppress(OSError):
            write_text(memory, json.dumps(ran.runtime))
    found = _stored(setup, ran.runtime, items) if ran.runtime else {}
    # The child may have stored more than it was heard of before it was stopped.
    return Generation(
        found, len(items), len(found) - stored_before, ran.seconds, ran.peak_rss_bytes, ran.runtime, ran.notes
    )


def stored(artifact: Artifact, items: Sequence[Item], settings: Settings) -> Mapping[str, Transcript]:
    """What the store has of them, without a child; nothing where the runtime is not known."""
    setup = settings.setup(artifact)
    runtime = _recall(_runtime_memory(setup, settings))
    return _stored(setup, runtime, items) if runtime is not None else {}


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
        asdict(setup.provider),
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
    """Over our own backends, and what writes their graphs: a change in how tokens are made is another runtime."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for file in (*sorted((package / "backends").glob("*.py")), package / "artifacts" / "protobuf.py"):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
