"""How much of the time is ours and not the runtime's: `python -m benchmarks.share [--model FOLDER ...]`.

Each model answers the shipped cases as a run's child does, with each completion stored. What its sessions computed,
over the lanes, is the runtime's; everything else is our share: reading and writing text, choosing tokens, masks, the
store, lanes that wait for each other. A second line is the whole of `pytest suites/accuracy --no-cache`, with its
start, scoring and reports: of the seconds in which its own child generated, the share that the first line found is the
runtime's, and so is what its session took to load. Where weights are random, answers never end: those are cut at 32
tokens, and the cases are a sample.

A lane on one thread counts its own CPU seconds in the runtime, since it may wait there for the interpreter, which is
ours; so the figures need a machine with nothing else on it. Our share of the CPU seconds stands beside: it counts no
waiting, and is less upset by other work; where several threads share a step it is not known.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.commands import as_a_child, at_least_one, given, open_onnx, told
from benchmarks.evaluator import process
from benchmarks.readme import put_section
from phi4bench.backends import Decoding
from phi4bench.backends.onnx import OnnxBackend
from phi4bench.backends.session import onnxruntime
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Case
from phi4bench.counting import counted
from phi4bench.datasets import load_cases, subset
from phi4bench.dialects import dialect_named
from phi4bench.machine import describe
from phi4bench.store import TranscriptStore

WANTED = 0.10
NEW = 256
SAMPLE, ANSWER = 150, 32
"""Cases and new tokens of a model of random weights; the latter is the median over the shipped cases."""
PARTS = ("tokenizing", "text", "store")


class Clock:
    """Seconds of several threads in one place."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._lock = now, threading.Lock()
        self.seconds = 0.0

    def timed(self, action: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            started = self._now()
            try:
                return action(*arguments, **named)
            finally:
                spent = self._now() - started
                with self._lock:
                    self.seconds += spent

        return run


class Timed:
    """An object whose methods of some names are timed; everything else is its own."""

    def __init__(self, inner: Any, clocks: dict[str, Clock]) -> None:
        self._inner = inner
        for name, clock in clocks.items():
            setattr(self, name, clock.timed(getattr(inner, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass(frozen=True)
class Asked:
    """What one model answers, with so many new tokens at most."""

    cases: tuple[Case, ...]
    new: int
    random_weights: bool = False

    def __str__(self) -> str:
        shape = "random weights, " if self.random_weights else ""
        return f"{shape}{counted(len(self.cases), 'case')}, at most {counted(self.new, 'new token')}"


@dataclass(frozen=True)
class Whole:
    """One whole command, and the part of it in which its child generated."""

    wall_s: float
    generating_s: float

    def ours(self, of_generating: float, loading_s: float) -> float:
        """Our share of all of it, by our share of generating and what the runtime took to load."""
        return 1 - ((1 - of_generating) * self.generating_s + loading_s) / self.wall_s


@dataclass(frozen=True)
class Shares:
    """One run. `runtime_s`: of all lanes together, as are the parts. `cpu_s`: of the whole process, where lanes have a
    thread each; where several share a step, how much of theirs is the runtime's is not known.

    `loading_s`: of the runtime's session, before the run.
    """

    wall_s: float
    cpu_s: float | None
    lanes: int
    runtime_s: float
    parts: dict[str, float]
    loading_s: float = 0.0

    @property
    def ours(self) -> float:
        """Of wall time over all lanes."""
        return 1 - self.runtime_s / (self.wall_s * self.lanes)

    @property
    def ours_of_cpu(self) -> float | None:
        return None if self.cpu_s is None else 1 - self.runtime_s / self.cpu_s

    def part(self, name: str) -> float:
        return self.parts[name] / (self.wall_s * self.lanes)


def measure(folder: Path, asked: Asked, dialect: str) -> Shares:
    """One run over the cases with a model opened for it, which is counted by itself."""
    clocks = {name: Clock(time.thread_time) for name in PARTS}
    clocks["tokenizing"] = Clock(time.perf_counter)  # on threads of the library's own
    tokenizer: Any = Timed(
        PromptTokenizer.from_folder(folder), {"encode_all": clocks["tokenizing"], "decode": clocks["text"]}
    )
    size = sum(path.stat().st_size for path in folder.glob("model.onnx*"))
    loading, ort = Clock(time.perf_counter), onnxruntime()
    with patch.object(ort, "InferenceSession", loading.timed(ort.InferenceSession)):
        backend = OnnxBackend(folder / "model.onnx", tokenizer, name=folder.name, weight_bytes=size)
    plan = backend.identity()
    alone = plan["intra_op"] == 1
    runtime = Clock(time.thread_time if alone else time.perf_counter)
    assert backend._decoder is not None
    session = Timed(backend._decoder.session, {"run_with_iobinding": runtime})
    backend._decoder = replace(backend._decoder, session=session)
    prompts = [dialect_named(dialect).render(case.question()) for case in asked.cases]
    with tempfile.TemporaryDirectory() as place, TranscriptStore.open(Path(place), plan, reads=False) as store:
        put = clocks["store"].timed(store.put)
        started, before = time.perf_counter(), time.process_time()
        for index, completion in backend.generate(prompts, Decoding(asked.new)):
            put(str(index), asked.cases[index].id, completion)
        wall, cpu = time.perf_counter() - started, time.process_time() - before
    backend.close()
    lanes = min(int(plan["lanes"]), len(asked.cases))  # type: ignore[call-overload]  # a number in JSON
    parts = {name: clock.seconds for name, clock in clocks.items()}
    parts["tokenizing"] *= lanes  # which all wait for it
    return Shares(wall, cpu if alone else None, lanes, runtime.seconds, parts, loading.seconds)


def asked_of(folder: Path, limit: int | None, new: int | None) -> Asked:
    """All cases as a run takes them, unless told otherwise; fewer and shorter where the weights are random."""
    random = open_onnx(folder).random_weights
    limit, new = limit or (SAMPLE if random else None), new or (ANSWER if random else NEW)
    dataset = load_cases(None)
    return Asked((dataset if limit is None else subset(dataset, limit, 0)).cases, new, random)


def names_of(folders: Sequence[Path]) -> dict[Path, str]:
    """The shortest end of each that no other has: a page need not tell where on a machine they lie."""

    def end(folder: Path, parts: int) -> str:
        return "/".join(folder.parts[-parts:])

    names = {}
    for folder in folders:
        lengths, others = range(1, len(folder.parts) + 1), [other for other in folders if other != folder]
        own = (end(folder, parts) for parts in lengths if end(folder, parts) not in [end(o, parts) for o in others])
        names[folder] = next(own, str(folder))
    return names


def whole_run(folder: Path, asked: Asked) -> Whole:
    """`pytest suites/accuracy` with nothing stored."""
    with tempfile.TemporaryDirectory() as reports:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "suites/accuracy", "--no-cache"]
        command += [f"--model={folder}", f"--limit={len(asked.cases)}", f"--max-new-tokens={asked.new}"]
        wall_s, _ = process([*command, f"--report={reports}"], dict(os.environ))
        report = json.loads((Path(reports) / "report.json").read_text(encoding="utf-8"))
    return Whole(wall_s, report["artifacts"][0]["generation"]["seconds"])


def row(name: str, ours: list[float], parts: list[str]) -> str:
    """The median of the rounds beside what is wanted, and further cells."""
    middle = statistics.median(ours)
    held = "yes" if middle <= WANTED else "NO"
    cells = [name, f"{middle:.1%}", f"{min(ours):.1%} to {max(ours):.1%}", f"≤ {WANTED:.0%}", held, *parts]
    return f"| {' | '.join(cells)} |"


def table(runs: Mapping[str, Sequence[Shares]], wholes: Mapping[str, Sequence[Whole]]) -> str:
    """A row for each model, and one for the whole command where that was timed; keys are the models' names."""
    head = ["run", "our share", "rounds", "wanted", "held", "of its CPU time", *PARTS, "loading"]
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    for name, made in runs.items():
        parts = [statistics.median(run.part(part) for run in made) for part in PARTS]
        of_cpu = [run.ours_of_cpu for run in made if run.ours_of_cpu is not None]
        cells = [f"{statistics.median(of_cpu):.1%}" if of_cpu else "", *(f"{part:.1%}" for part in parts)]
        cells.append(f"{statistics.median(run.loading_s for run in made):.2f} s")
        lines.append(row(f"{name}, generating, {made[0].lanes} lanes", [run.ours for run in made], cells))
        if wholes.get(name):
            ours = [whole.ours(run.ours, run.loading_s) for run, whole in zip(made, wholes[name], strict=True)]
            lines.append(row(f"{name}, `pytest suites/accuracy`", ours, [""] * (2 + len(PARTS))))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.share", description=__doc__)
    parser.add_argument("--model", type=Path, action="append", help="a folder; default: the nano in INT8 and fp32")
    parser.add_argument("--dialect", default="tool_use", help="(default: tool_use)")
    parser.add_argument(
        "--limit", type=at_least_one, help=f"a seeded sample of so many cases; default: all, {SAMPLE} of random weights"
    )
    parser.add_argument("--new", type=at_least_one, help=f"cap on new tokens; default: 256, {ANSWER} of random weights")
    parser.add_argument("--rounds", type=at_least_one, default=3, help="(default: 3)")
    parser.add_argument("--no-whole", action="store_true", help="leave out the whole command")
    parser.add_argument("--no-readme", action="store_true", help="leave benchmarks/README.md alone")
    options = parser.parse_args(arguments)
    folders = options.model or [Path("fixtures/models/nano-int8"), Path("fixtures/models/nano-fp32")]
    names = names_of(list(dict.fromkeys(folders)))
    runs: dict[str, list[Shares]] = {name: [] for name in names.values()}
    wholes: dict[str, list[Whole]] = {name: [] for name in names.values()}
    with told(parser):
        asked = {folder: asked_of(folder, options.limit, options.new) for folder in names}
        for _ in range(options.rounds):
            for folder, name in names.items():
                runs[name].append(measure(folder, asked[folder], options.dialect))
                if not options.no_whole:
                    wholes[name].append(whole_run(folder, asked[folder]))
    here = describe()
    told_of = "; ".join(f"{names[folder]}: {one}" for folder, one in asked.items())
    text = "\n".join([table(runs, wholes), "", f"{told_of}. On {here['cores']} cores of {here['cpu']}."])
    print(text)
    if not options.no_readme:
        about = (
            "What of the time is not the runtime's own computing, loading the model included, and the parts of it that"
            " can be told apart."
        )
        command = f"python -m benchmarks.share{given(options.model)}"
        put_section("share", f"## Our share of the time: `{command}`\n\n{about}\n\n{text}")


if __name__ == "__main__":
    as_a_child()
    main()
