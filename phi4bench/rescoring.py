"""Scores a finished run again from its transcripts alone: no model, no tokenizer. The same code as a fresh run's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from phi4bench.errors import StoreError, UsageError
from phi4bench.printable import printable
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import SUITE_GATES, Conclusion, assess, conclude
from phi4bench.run.plan import read_targets
from phi4bench.runfile import SavedRun, read_run, read_runs
from phi4bench.targets import Targets, targets_of


def rescore(place: Path, targets: Sequence[str] = ()) -> list[tuple[Judgement, Conclusion]]:
    """Every artifact that was judged in the report folder `place`, in the report's order.

    `targets`: names or files to hold them to; none: the texts that were stored with the run.
    Raises StoreError for what is no finished run, TargetsError.
    """
    runs = {str(run.artifact["id"]): run for run in _runs(place)}
    results = []
    for run in (runs[name] for name in _candidates(place, runs)):
        name = run.facts.get("baseline") if run.facts.get("compared") else None
        baseline = runs.get(name) if isinstance(name, str) else None
        if name and baseline is None:
            raise StoreError(f"the transcripts of the baseline {printable(str(name))!r} are missing", f"see {place}")
        results.append(judge_again(run, baseline, targets))
    return results


def judge_again(run: SavedRun, baseline: SavedRun | None, targets: Sequence[str] = ()) -> tuple[Judgement, Conclusion]:
    """What `rescore` says of one artifact. `UsageError` for a baseline that is no fair one."""
    if baseline is not None:
        _check_fair(run, baseline)
    judgement = assess(run, baseline, _targets(run, targets))
    ran = run.facts.get("gates_run")
    return judgement, conclude(judgement, ran if isinstance(ran, list) else SUITE_GATES)


def _check_fair(run: SavedRun, baseline: SavedRun) -> None:
    """The suites run both alike; what lies in the folder later may be of another run."""
    one, other = (f"{printable(str(some.artifact['id']), 80)}" for some in (run, baseline))
    if run.artifact["sha256"] == baseline.artifact["sha256"]:
        raise UsageError(f"{one} and its baseline {other} are one artifact (same sha256): there is nothing to judge")
    odd = [
        what
        for what, ours, theirs in (
            ("cases", run.dataset.sha256, baseline.dataset.sha256),
            ("dialect", run.dialect.digest(), baseline.dialect.digest()),
            ("decoding", dict(run.decoding), dict(baseline.decoding)),
        )
        if ours != theirs
    ]
    if odd:
        raise UsageError(
            f"{one} and its baseline {other} differ in their {' and '.join(odd)}, but should be run alike",
            "run the suites again, both together",
        )


def judged_runs(place: Path) -> list[SavedRun]:
    """The runs of the artifacts that were judged in a report folder, without their baselines; or the run of a file."""
    if place.is_file():
        return [read_run(place)]
    runs = {str(run.artifact["id"]): run for run in _runs(place)}
    return [runs[name] for name in _candidates(place, runs)]


def _runs(place: Path) -> tuple[SavedRun, ...]:
    """Those of a folder; of a file its run, and that of its baseline where it lies beside it."""
    if not place.is_file():
        return read_runs(place)
    run = read_run(place)
    name = run.facts.get("baseline") if run.facts.get("compared") else None
    # Looked for and not made into a path: whatever the file says, it is some text.
    return (run, *(read_run(path) for path in place.parent.glob("*.jsonl") if path.stem == name))


def _candidates(place: Path, runs: dict[str, SavedRun]) -> list[str]:
    """The ids that the folder's report lists, or where there is no report, those that were no baseline."""
    try:
        data = json.loads((place / "report.json").read_text(encoding="utf-8"))
        listed = [str(entry["artifact"]["id"]) for entry in data["artifacts"] if not entry.get("fault")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        listed = [name for name, run in runs.items() if run.facts.get("role") != "baseline"]
    missing = [name for name in listed if name not in runs]
    if missing or not listed:
        what = f"no transcripts of {printable(str(missing[0]))!r}" if missing else "no artifact was judged"
        raise StoreError(f"{printable(str(place))}: {what}", "name the folder that --report named")
    return listed


def _targets(run: SavedRun, names: Sequence[str]) -> Targets:
    if names:
        texts = read_targets(names)
    else:
        stored = run.facts.get("targets")
        if not isinstance(stored, list):
            raise StoreError(f"the run of {run.artifact['id']} stores no targets", "name them with --targets")
        texts = tuple((str(name), str(text)) for name, text in stored)
    return targets_of(texts)
