"""From an artifact and cases to completions: what the store has is taken, only the rest is generated, in a child.

Knows prompts and the store; knows no scores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from phi4bench import __version__
from phi4bench.artifacts import Artifact
from phi4bench.backends import BEST, Decoding, Provider
from phi4bench.calls import Json
from phi4bench.completions import missing, pack_completions
from phi4bench.run.child import Ran, run_child
from phi4bench.run.files import write_text
from phi4bench.run.jobs import Item, Setup, store_identity
from phi4bench.run.options import RunOptions
from phi4bench.run.process import WorkerProcess
from phi4bench.run.progress import Progress
from phi4bench.run.prompting import Prompts
from phi4bench.run.sequential import Lookout
from phi4bench.store import TranscriptStore, default_cache_dir
from phi4bench.transcripts import Completion


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

    @classmethod
    def of(cls, options: RunOptions, machine: Mapping[str, Json], scratch: Path | None = None) -> Settings:
        """What the options ask for. `scratch`: the folder of what is not to outlive the run."""
        decoding, place = Decoding(options.max_new_tokens, options.decode), scratch or options.cache_dir
        return cls(decoding, options.threads, place, machine, scratch is None, provider=options.provider)

    def setup(self, artifact: Artifact) -> Setup:
        """What a child is to open."""
        return Setup(artifact, self.decoding, self.threads, self.cache_dir, self.batch, self.provider)


@dataclass(frozen=True)
class Generation:
    """The completions of one artifact, in the cases' order; `None` for those that the time limit left out.

    `seconds` and `peak_rss_bytes` are the child's; `None` where nothing had to be generated. `notes`: what its backend
    has to say of how it ran.
    """

    completions: Sequence[Completion | None]
    generated: int = 0
    seconds: float | None = None
    peak_rss_bytes: int | None = None
    runtime: Mapping[str, Json] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        return missing(self.completions)

    @property
    def total(self) -> int:
        return len(self.completions)

    @property
    def from_cache(self) -> int:
        return self.total - self.missing - self.generated


def generate(
    artifact: Artifact,
    items: Prompts,
    settings: Settings,
    progress: Progress,
    deadline: float | None = None,
    lookout: Lookout | None = None,
    start: Callable[[], WorkerProcess] = WorkerProcess,
) -> Generation:
    """Everything that is missing, each completion stored as it is made. Raises what `run_child` raises, StoreError.
    `start`: gives the process for it, if one is needed.

    With a `lookout`, in its order and until it has seen enough; where everything is stored, there is nothing to stop.
    """
    setup = settings.setup(artifact)
    memory = _runtime_memory(setup, settings)
    runtime = _recall(memory)
    if runtime is not None:
        found = _stored(setup, runtime, items)
        if not missing(found) or (lookout and lookout.saw_all(zip(items.case_ids, found, strict=True))):
            return Generation(found, 0, None, None, runtime)
        del found  # what is stored is looked up again once the child says which runtime it is
    wanted = lookout.ordered(items) if lookout else items
    with ExitStack() as until_made:
        store: TranscriptStore
        stored_before = 0

        def lacking(runtime: Mapping[str, Json]) -> Prompts:
            nonlocal store, stored_before
            there = _stored(setup, runtime, wanted)
            stored_before = len(there) - missing(there)
            if lookout:
                store = until_made.enter_context(TranscriptStore.open(setup.cache_dir, store_identity(setup, runtime)))
                if lookout.saw_all(zip(wanted.case_ids, there, strict=True)):
                    return wanted[:0]
            lacked = wanted.chosen(at for at, completion in enumerate(there) if completion is None)
            return lacked if lookout else lacked.longest_first()

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
            start=start,
            order={"in_order": True} if lookout else None,
            enough=enough if lookout else None,
            stored=lambda runtime: len(items) - missing(_stored(setup, runtime, items)),
        )
    if ran.runtime and not ran.notes:  # what went otherwise than asked may go as asked next time
        with suppress(OSError):
            write_text(memory, json.dumps(ran.runtime))
    found = _stored(setup, ran.runtime, items) if ran.runtime else (None,) * len(items)
    # The child may have stored more than it was heard of before it was stopped.
    made = len(found) - missing(found) - stored_before
    return Generation(found, made, ran.seconds, ran.peak_rss_bytes, ran.runtime, ran.notes)


def stored(artifact: Artifact, items: Prompts, settings: Settings) -> dict[str, Completion]:
    """What the store has of them, by case id, without a child; nothing where the runtime is not known."""
    setup = settings.setup(artifact)
    runtime = _recall(_runtime_memory(setup, settings))
    found = _stored(setup, runtime, items) if runtime is not None else ()
    return {case_id: made for case_id, made in zip(items.case_ids, found, strict=False) if made is not None}


def may_be_stored(artifact: Artifact, settings: Settings) -> bool:
    """Whether an artifact has been run in this way before; told without a look at its completions."""
    return _recall(_runtime_memory(settings.setup(artifact), settings)) is not None


def _stored(setup: Setup, runtime: Mapping[str, Json], items: Prompts) -> Sequence[Completion | None]:
    with TranscriptStore.open(setup.cache_dir, store_identity(setup, runtime)) as store:
        return pack_completions(map(store.get, items.keys), len(items))


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
