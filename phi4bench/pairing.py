"""Two finished runs on disk, as a pair over the cases that both answered; refuses what cannot be compared fairly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.cases import Case
from phi4bench.counting import counted
from phi4bench.datasets import case_to_json
from phi4bench.errors import StoreError, UsageError
from phi4bench.levels import Score
from phi4bench.printable import printable
from phi4bench.rescoring import judged_runs
from phi4bench.run.judging import score_run, stability_of
from phi4bench.runfile import SavedRun


@dataclass(frozen=True)
class Pair:
    """Runs A and B with the scores of the cases that both have, in A's order. `warnings`: what was left out."""

    a: SavedRun
    b: SavedRun
    a_scores: tuple[Score, ...]
    b_scores: tuple[Score, ...]
    warnings: tuple[str, ...]


def pair_runs(a: Path, b: Path) -> Pair:
    """The runs at two places, each a report folder or a transcript file.

    `UsageError` for the same artifact twice, another dialect, other decoding, no shared case, or a run that was stopped
    before its end: what is there of it is no fair sample.
    """
    first, second = _only_run(a, "RUN_A"), _only_run(b, "RUN_B")
    if first.artifact["sha256"] == second.artifact["sha256"] and not _decoding_differences(first, second):
        raise UsageError(
            f"RUN_A and RUN_B are runs of the same artifact ({_id(first)}, same sha256), so there is nothing to judge",
            "name the runs of two artifacts",
        )
    _check_alike(first, second)
    shared, warnings = _shared(first, second)
    for name, run in (("RUN_A", first), ("RUN_B", second)):
        if run.facts.get("xfails"):
            warnings.append(f"{name} was judged without its known failures; they are counted here, as in the other run")
        stability = stability_of(run)
        if stability and (unstable := stability.unstable.keys() & set(shared)):
            warnings.append(
                f"{name}: {counted(len(unstable), 'case')} of {stability.cases:,} not stable (--determinism); gates"
                f" take {'them' if len(unstable) > 1 else 'it'} for wrong, here the answer that was judged counts"
            )
        if run.artifact.get("random_weights"):
            warnings.append(f"{name} has random weights (a shape): its speed and memory are real, its accuracy is not")
    scores = [{one.case_id: one for one in score_run(run)} for run in (first, second)]
    a_scores, b_scores = (tuple(some[case_id] for case_id in shared) for some in scores)
    return Pair(first, second, a_scores, b_scores, tuple(warnings))


def _only_run(place: Path, name: str) -> SavedRun:
    """The one artifact that was judged there."""
    runs = judged_runs(place)
    if len(runs) > 1:
        ids = ", ".join(_id(run) for run in runs)
        example = printable(str(place / "transcripts" / f"{runs[0].artifact['id']}.jsonl"), 200)
        raise UsageError(f"{name} holds the runs of several artifacts: {ids}", f"name one file, such as {example}")
    missing = runs[0].missing
    if missing:
        raise StoreError(
            f"{name}: {_id(runs[0])} lacks {missing:,} of {counted(len(runs[0].completions), 'completion')},"
            " and what is there is no fair sample",
            _to_have_all(runs[0].facts),
        )
    return runs[0]


def _to_have_all(facts: Mapping[str, Any]) -> str:
    """What makes the completions that a run lacks; not the same command, where it made all that was wanted of it."""
    if facts.get("needed") is False:
        return "run suites/accuracy too"
    return "judge it without --sequential" if facts.get("stopped_early") else "run the same command to its end"


def _check_alike(a: SavedRun, b: SavedRun) -> None:
    if a.dialect.digest() != b.dialect.digest():
        one, other = (f"{run.dialect.name} in {run.dialect.turns.name} turns" for run in (a, b))
        if one == other:
            one, other = (f"{name} ({run.dialect.digest()[:12]})" for name, run in ((one, a), (other, b)))
        raise UsageError(
            f"RUN_A speaks {one} and RUN_B {other}, but should speak the same", "judge both in one dialect"
        )
    differing = _decoding_differences(a, b)
    if differing:
        raise UsageError(f"RUN_A and RUN_B were decoded differently: {'; '.join(differing)}", "judge both alike")


def _decoding_differences(a: SavedRun, b: SavedRun) -> list[str]:
    one, other = a.decoding, b.decoding
    return [
        f"{printable(str(key), 40)} {_shown(one, key)} and {_shown(other, key)}"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    ]


def _shown(decoding: Mapping[str, Any], key: str) -> str:
    return printable(repr(decoding[key]), 60) if decoding.get(key) is not None else "none"


def _shared(a: SavedRun, b: SavedRun) -> tuple[list[str], list[str]]:
    """The ids of cases that both have with the same content, and warnings about the others."""
    if a.dataset.sha256 == b.dataset.sha256:
        return list(a.dataset.ids), []
    others = {case.id: case for case in b.dataset.cases}
    same_id = [case for case in a.dataset.cases if case.id in others]
    shared = [case.id for case in same_id if _content(case) == _content(others[case.id])]
    edited = len(same_id) - len(shared)
    if not shared:
        why = f"{edited:,} share an id, but not their content" if edited else "not one id is in both"
        raise UsageError(f"RUN_A and RUN_B share no case ({why})", "judge both with the same --cases")
    warnings = [
        f"only {counted(len(shared), 'case')} in both runs, of {len(a.dataset.cases):,} in A and {len(others):,} in B"
    ]
    if edited:
        warnings.append(f"left out for one id with different contents: {counted(edited, 'case')}")
    return shared, warnings


def _content(case: Case) -> tuple[Any, Any]:
    return case_to_json(case), case.tools


def _id(run: SavedRun) -> str:
    return printable(str(run.artifact["id"]), 80)
