"""Reference answers read by an artifact and by its baseline, each in a child of its own, and compared line by line.

The answers are the answer key's, written in the dialect; a backend sees them only here, after it has been judged.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from phi4bench import __version__
from phi4bench.artifacts import Artifact
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Case
from phi4bench.datasets.packing import pack_cases
from phi4bench.datasets.sampling import sample
from phi4bench.errors import BackendError, Phi4benchError
from phi4bench.fidelity import CaseFidelity, compare_case, fidelity_to_json, summarise
from phi4bench.printable import printable
from phi4bench.run.child import run_child
from phi4bench.run.generation import Settings, code_sha256
from phi4bench.run.jobs import Item, Setup, item_to_json, prompt_key
from phi4bench.run.process import WorkerProcess
from phi4bench.run.progress import Progress
from phi4bench.run.scoring_worker import read_cases
from phi4bench.store import default_cache_dir

MOST_CASES = 300
"""Reference answers that are read, a seeded sample where there are more: some 7,000 tokens tell a change of 1%."""
FORMAT = 2
"""Of the files between the children; raise it when they say something else."""


def measure(
    candidate: Artifact,
    baseline: Artifact,
    cases: Sequence[Case],
    system_prompt: str | None,
    settings: Settings,
    progress: Progress,
    seed: int = 0,
    alpha: float = 0.05,
    deadline: float | None = None,
) -> dict[str, Any]:
    """The figures of `Fidelity` as JSON, or `{"missing": why}` where they cannot be had: they judge nothing alone."""
    calling = pack_cases(case for case in cases if case.expected.calls)
    if not calling:
        return {"missing": "no case expects a call"}
    chosen = sample(calling, MOST_CASES, seed)
    items = [_item(candidate, case, system_prompt) for case in chosen]
    try:
        why = _incomparable(candidate, baseline, items)
        if why:
            return {"missing": why}
        before = _read(baseline, items, None, settings, progress, deadline)
        after = _read(candidate, items, before, settings, progress, deadline)
        groups = {case.id: case.group for case in chosen}
        found = _compared(before, after, groups)
    except (Phi4benchError, OSError, ValueError) as error:
        return {"missing": printable(str(error), 300)}
    return fidelity_to_json(summarise(found, alpha))


def _incomparable(candidate: Artifact, baseline: Artifact, items: Sequence[Item]) -> str:
    """Why the two cannot be compared token for token; empty where they can."""
    for artifact in (candidate, baseline):
        if artifact.format == "fake":
            return f"{artifact.id} is a fake and has no logits"
    if candidate.logits_size != baseline.logits_size:
        return f"{candidate.id} and {baseline.id} have vocabularies of different sizes"
    # An export writes tokenizer.json anew, so that its bytes may differ and its tokens not.
    ours, theirs = (PromptTokenizer.from_folder(artifact.tokenizer_dir) for artifact in (candidate, baseline))
    same = ours.vocabulary() == theirs.vocabulary() and all(
        ours.encode(item.prompt) == theirs.encode(item.prompt)
        and ours.encode_segments(item.answer) == theirs.encode_segments(item.answer)
        for item in items
    )
    return "" if same else f"{candidate.id} and {baseline.id} read the same text as different tokens"


def _item(artifact: Artifact, case: Case, system_prompt: str | None) -> Item:
    prompt = artifact.dialect.render(case.question(), system_prompt)
    return Item(case.id, prompt_key(prompt), prompt, tuple(artifact.dialect.call_segments(case.expected.calls)))


def _read(
    artifact: Artifact,
    items: Sequence[Item],
    against: Path | None,
    settings: Settings,
    progress: Progress,
    deadline: float | None,
) -> Path:
    """The file of what `artifact` thinks of the answers: the one that lies in the cache, or a new one."""
    setup = replace(settings, batch=None).setup(artifact)
    folder = (settings.cache_dir or default_cache_dir()) / "fidelity"
    path = folder / f"{_key(setup, items, against, settings)}.jsonl"
    if _whole(path, items):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(descriptor)
    try:
        order = {"out": name, "against": str(against) if against else None}
        ran = run_child(
            setup,
            lambda runtime: items,
            len(items),
            progress,
            deadline,
            keeps=False,
            start=lambda: WorkerProcess("phi4bench.run.scoring_worker"),
            order=order,
        )
        if not ran.complete:
            raise BackendError(f"{artifact.id}: the time limit was reached before all reference answers were read")
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return path


def _whole(path: Path, items: Sequence[Item]) -> bool:
    """Whether the file is there and tells of every item: a power cut leaves a part of what was just written."""
    try:
        with path.open(encoding="utf-8") as file:
            first = json.JSONDecoder().raw_decode  # the id alone: what follows is long, and read later
            return {first(line, 1)[0] for line in file if line.endswith("]\n")} == {item.case_id for item in items}
    except (OSError, ValueError, TypeError):
        return False


def _key(setup: Setup, items: Sequence[Item], against: Path | None, settings: Settings) -> str:
    """Over all that the file follows from."""
    artifact = setup.artifact
    parts = [__version__, FORMAT, code_sha256(), artifact.sha256, artifact.format, setup.threads]
    runs_on = [asdict(setup.provider), dict(settings.machine)]
    rest = [*runs_on, [item_to_json(item) for item in items], against.stem if against else None]
    return hashlib.sha256(json.dumps([*parts, *rest], sort_keys=True).encode()).hexdigest()


def _compared(before: Path, after: Path, groups: Mapping[str, str]) -> list[CaseFidelity]:
    """Both files hold the same cases, few enough to be in memory, but backends finish them in any order."""
    places = dict(read_cases(after))
    return [
        compare_case(case_id, groups[case_id], positions, places.pop(case_id))
        for case_id, positions in read_cases(before)
    ]
