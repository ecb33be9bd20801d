"""Puts a run's reports into its folder, each file whole or not at all, and takes stale ones away."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from phi4bench.report.figures import report, targets_facts
from phi4bench.report.page import page
from phi4bench.report.promotion import promotion
from phi4bench.revision import suite_revision
from phi4bench.run.files import write_text
from phi4bench.run.judge import Fault
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import Conclusion
from phi4bench.runfile import SavedRun, write_run
from phi4bench.targets import Targets
from phi4bench.verdicts import Verdict

Result = tuple[Judgement, Conclusion] | Fault


def remove_stale_promotions(folder: Path) -> None:
    """Whatever this run finds, no earlier promotion may stand beside its report, under whatever id it was made."""
    for path in (folder / "promotion.json", *folder.glob("*/promotion.json")):
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def remove_stale_reports(folder: Path) -> None:
    """Where a run is stopped before it has written its own, an earlier report would read as what it found."""
    for name in ("report.json", "report.html"):
        (folder / name).unlink(missing_ok=True)


def now() -> str:
    """The time that reports bear: UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def write_reports(
    folder: Path, results: Sequence[Result], targets: Targets, created: str, command: str = "", promotions: bool = True
) -> tuple[Path, ...]:
    """Writes everything; returns the files that a person would open. `promotions`: whether one may be stated."""
    promoted = all(not isinstance(one, Fault) and one[1].verdict is Verdict.promote for one in results)
    if promotions or not promoted:  # another run into the same folder may have ended since this one began
        remove_stale_promotions(folder)
    hashes = _write_transcripts(folder, results)
    figures = report(results, targets_facts(targets))
    write_text(folder / "report.json", to_json(figures))
    write_text(folder / "report.html", page(results, targets, created))
    written = [folder / "report.html", folder / "report.json"]
    for result in results:
        if isinstance(result, Fault) or result[1].verdict is not Verdict.promote or not promotions:
            continue
        judgement, conclusion = result
        place = folder if len(results) == 1 else folder / judgement.id
        ids = [judgement.id, *([str(judgement.baseline.artifact["id"])] if judgement.baseline else [])]
        own = {name: hashes[name] for name in ids}
        stated = promotion(judgement, conclusion, own, created, command, suite_revision())
        write_text(place / "promotion.json", to_json(stated))
        written.append(place / "promotion.json")
    return tuple(written)


def to_json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def _write_transcripts(folder: Path, results: Sequence[Result]) -> dict[str, str]:
    """Artifact id to the sha256 of its transcripts."""
    runs: dict[str, SavedRun] = {}
    for result in results:
        if not isinstance(result, Fault):
            judgement = result[0]
            if judgement.baseline:
                baseline = judgement.baseline
                known = runs.setdefault(str(baseline.artifact["id"]), baseline)
                if _made(known) < _made(baseline):  # another candidate may have needed less of it
                    runs[str(baseline.artifact["id"])] = baseline
            runs[judgement.id] = judgement.run
    return {name: _sha256(write_run(folder, run)) for name, run in runs.items()}


def _made(run: SavedRun) -> int:
    return len(run.completions) - run.missing


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
