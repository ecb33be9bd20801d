"""Runs a sample of cases again and again, afresh and otherwise laid out, each time in a child of its own.

Knows runs and completions; what they say is `stability`'s. Nothing comes from a cache, and nothing is left in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from phi4bench.artifacts import Artifact
from phi4bench.calls import Json
from phi4bench.cases import Case
from phi4bench.dialects import Dialect
from phi4bench.errors import StoreError
from phi4bench.run.generation import Generation, Settings, generate
from phi4bench.run.progress import Progress
from phi4bench.run.prompting import render
from phi4bench.run.scratch import scratch_folder
from phi4bench.stability import AGAIN, ALONE, COMPARED, FIRST, JUDGED, THREADS, Answers, Comparison, Stability, compare
from phi4bench.store import completion_from_json, completion_to_json
from phi4bench.transcripts import Completion


def repeat(
    artifact: Artifact,
    cases: Sequence[Case],
    judged: Answers,
    system_prompt: str | None,
    settings: Settings,
    folder: Path,
    progress: Progress,
    deadline: float | None = None,
) -> dict[str, Any]:
    """What the comparisons found, as JSON for a run's facts; `missing` says why it is not all there.

    `judged`: the completions that the scores rest on. `folder`: where generations may lie for the while.
    Raises what `generate` raises.
    """
    items = render(artifact, cases, system_prompt, settings.decoding.mode)
    answers: dict[str, Answers] = {JUDGED: judged}
    runtimes: dict[str, Mapping[str, Json]] = {}

    def run(name: str, threads: int | None, batch: int | None) -> Generation:
        with scratch_folder(folder, "repeated") as fresh:
            own = replace(settings, threads=threads, cache_dir=fresh, keeps=False, batch=batch)
            made = generate(artifact, items, own, progress, deadline)
        found = zip(items.case_ids, made.completions, strict=True)
        answers[name] = {case_id: completion for case_id, completion in found if completion is not None}
        runtimes[name] = made.runtime
        return made

    missing = ""
    threads = settings.threads
    for name in (FIRST, AGAIN, ALONE, THREADS):
        if name == THREADS:
            threads = _others(runtimes[ALONE].get("threads", threads))
        made = run(name, threads, 1 if name in (ALONE, THREADS) else None)
        if made.missing:
            missing = f"the time limit was reached in the run {name!r}, with {made.missing:,} of {made.total:,} to go"
            break
    comparisons = [
        compare(cases, one, answers[one], other, answers[other], artifact.dialect)
        for one, other in COMPARED
        if one in answers and other in answers
    ]
    return {
        "cases": len(cases),
        "missing": missing,
        "runs": {name: dict(runtime) for name, runtime in runtimes.items()},
        "comparisons": [_to_json(comparison) for comparison in comparisons],
    }


def stability_from_json(data: Mapping[str, Any], cases: Mapping[str, Case], dialect: Dialect) -> Stability:
    """What `repeat` stored, its calls compared again. `StoreError` for what it does not write."""
    try:
        return Stability(int(data["cases"]), tuple(_from_json(entry, cases, dialect) for entry in data["comparisons"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StoreError("the determinism checks stored with the run cannot be read", "run it again") from None


def _others(threads: Json) -> int:
    """Another number of threads than that."""
    return 1 if isinstance(threads, int) and threads > 1 else 2


def _to_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "one": comparison.one,
        "other": comparison.other,
        "cases": comparison.cases,
        "differing": [
            {"case_id": one.case_id, "one": completion_to_json(one.one), "other": completion_to_json(one.other)}
            for one in comparison.differences
        ],
    }


def _from_json(entry: Mapping[str, Any], cases: Mapping[str, Case], dialect: Dialect) -> Comparison:
    one, other = str(entry["one"]), str(entry["other"])
    if (one, other) not in COMPARED:
        raise ValueError(one, other)
    pairs: dict[str, tuple[Completion, Completion]] = {
        str(found["case_id"]): (completion_from_json(found["one"]), completion_from_json(found["other"]))
        for found in entry["differing"]
    }
    left, right = ({name: pair[side] for name, pair in pairs.items()} for side in (0, 1))
    differing = compare([cases[name] for name in pairs], one, left, other, right, dialect)
    return replace(differing, cases=int(entry["cases"]))
