"""`python -m trainers sweep`: many runs of `sft`, side by side or one after the other, and what they came to.

The folder explains itself: `sweep.json` (what was asked), `trials/NAME/` (each an ordinary run, with its `log.txt`),
`results.{txt,md,csv,json}` and `pareto.png`, written anew after each trial. The same command goes on with what is not
finished, trials that failed included. No torch: each trial is a process of its own.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue

from phi4bench.counting import counted
from phi4bench.errors import UsageError
from phi4bench.nearby import expanded
from phi4bench.printable import printable
from phi4bench.run.files import write_text
from trainers import tables
from trainers.alone import alone_in
from trainers.base import check_free, read_json_file, write_json
from trainers.devices import usable, visible
from trainers.grid import Over, Runner, Sweep, Trial
from trainers.results import FAILED, FINISHED, Result, is_finished, read_result
from trainers.trial import run_trial

CLAIM, PICTURE = "sweep.json", "pareto.png"
SCHEMA = "phi4bench.sweep/1"
ENDINGS = {"text": "txt", "markdown": "md", "csv": "csv", "json": "json"}
"""Of the tables, by their form."""
EXTRA = "pip install 'phi4bench[sweep]'"


def sweep(asked: Sweep, run: Runner, clock: Callable[[], float] = time.monotonic) -> list[Result]:
    """Run what is not finished; returns a row for each trial. Raises `UsageError` where `out` holds another sweep."""
    with alone_in(asked.out, "sweep"):
        _claim(asked)
        return _carried_out(asked, run, clock)


def _carried_out(asked: Sweep, run: Runner, clock: Callable[[], float]) -> list[Result]:
    reasons: dict[str, str] = {}
    todo = [trial for trial in asked.trials if not is_finished(trial, asked.folder(trial))]
    before = len(asked.trials) - len(todo)
    _say(f"{counted(len(asked.trials), 'trial')}, {before} finished already")
    _write(asked, reasons)
    began = clock()

    def over(trial: Trial, reason: str) -> None:
        reasons[trial.name] = reason
        done = f"trial {before + len(reasons)} of {len(asked.trials)}"
        _tell(read_result(trial, asked.folder(trial), reason), done, clock() - began)
        _write(asked, reasons)

    if todo:
        run(todo, over)
    return _write(asked, reasons)


def one_by_one(asked: Sweep, parallel: int) -> Runner:
    """`parallel` trials at a time in child processes of this one, on this machine. GPUs are dealt out, one each."""

    def run(trials: Sequence[Trial], over: Over) -> None:
        devices, lacking = usable() if parallel > 1 else ((), "")
        if lacking:
            _say(lacking)
        lanes: SimpleQueue[dict[str, str]] = SimpleQueue()
        for lane in _lanes(parallel, devices):
            lanes.put(lane)

        def one(trial: Trial) -> tuple[Trial, str]:
            lane = lanes.get()
            try:
                return trial, run_trial(asked.folder(trial), asked.arguments(trial), lane)
            finally:
                lanes.put(lane)

        with ThreadPoolExecutor(parallel) as pool:
            try:
                for waiting in as_completed([pool.submit(one, trial) for trial in trials]):
                    over(*waiting.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # else an interrupt would begin the next trial
                raise

    return run


def _lanes(parallel: int, devices: Sequence[str]) -> list[dict[str, str]]:
    """What each trial that runs at the same time finds in its environment. One alone has all threads."""
    if parallel == 1:
        return [{}]
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // parallel))}
    return [threads | (visible([devices[at % len(devices)]]) if devices else {}) for at in range(parallel)]


def runner_of(asked: Sweep, name: str, parallel: int, address: str | None) -> Runner:
    """`auto` is Ray where it is installed, or is needed for an address. Raises `UsageError` where it is not there."""
    if parallel < 1:
        raise UsageError(f"--parallel={parallel}, but should be at least 1")
    if address is not None and name == "local":
        raise UsageError("--address names a Ray cluster, but --runner is local", "leave one of them out")
    installed = find_spec("ray") is not None
    if not installed and (name == "ray" or address is not None):
        raise UsageError("a sweep on Ray needs ray[tune], not installed", f"{EXTRA}, or use --runner local")
    if name == "local" or not installed:
        if name == "auto":
            _say(f"Ray is not installed ({EXTRA}): the trials run as processes of this machine")
        return one_by_one(asked, parallel)
    from trainers.on_ray import on_ray

    return on_ray(asked, parallel, address)


def _claim(asked: Sweep) -> None:
    """Write `sweep.json`, or check that what is there asked the same of its trials; a grid may grow."""
    files = {name: _digest(expanded(name)) for name in asked.data}
    ours = {"command": list(asked.command), "data_sha256": files, **asked.identity}
    file = asked.out / CLAIM
    held = read_json_file(file) if file.is_file() else {}
    if held.get("schema") != SCHEMA:
        check_free(asked.out, (CLAIM, *(f"results.{ending}" for ending in ENDINGS.values()), PICTURE), "sweep")
    else:
        differs = [name for name, value in ours.items() if held.get(name, value) != value]
        if differs:
            raise UsageError(
                f"--out='{printable(str(asked.out), 200)}' holds a sweep of another model or data ({differs[0]})",
                "name another folder, or remove this one",
            )
    trials = {trial.name: dict(trial.values) for trial in asked.trials}
    try:
        write_json(file, {"schema": SCHEMA, **ours, "quality": asked.quality, "trials": trials})
    except OSError as error:
        raise UsageError(f"--out='{printable(str(asked.out), 200)}' cannot be written ({error.strerror})") from None


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"--data='{printable(str(path), 200)}' cannot be read ({error.strerror})") from None


def _write(asked: Sweep, reasons: dict[str, str]) -> list[Result]:
    results = [read_result(trial, asked.folder(trial), reasons.get(trial.name, "")) for trial in asked.trials]
    for form, ending in ENDINGS.items():
        write_text(asked.out / f"results.{ending}", tables.FORMS[form](results, asked.quality))
    if any(one.state == FINISHED for one in results) and find_spec("matplotlib") is not None:
        tables.draw(results, asked.quality, asked.out / PICTURE)
    return results


def _tell(one: Result, which: str, seconds: float) -> None:
    what = f"accuracy {100 * one.accuracy:.1f}%, loss {one.loss:.4f}" if one.accuracy is not None else one.state
    why = f": {one.reason}" if one.state == FAILED else ""
    _say(f"{which}: {one.name}: {what}{why} (after {seconds:,.0f} s)")


def _say(line: str) -> None:
    """To the side, so that the table alone is what the command prints."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
