"""Planted damage: 40 artifacts that truly lose too much, and 10 that lose nothing, before the regression gate.

    python -m benchmarks.planted --out runs/planted

Each damaged artifact is made in one place of the INT8 nano, at a strength that a search over some hundred cases finds.
Its truth comes from 10,000 cases of the test split's grammar that the gate does not see, paired with the fp32 parent's
answers to them. It counts where that loss less two standard errors is at least 2 points over the margin, at any level
that the gate judges. Then the gate judges it as `pytest suites/quantization` does, on the shipped cases under `guide`.
It must pass none of them, and all equivalent ones. A run that was stopped goes on when it is started again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmarks.commands import at_least_one, from_zero, told
from benchmarks.planted import table
from benchmarks.planted.damage import Damage, plant
from benchmarks.planted.sameness import TOLERANCE, difference_of_equivalent, prompts_of
from benchmarks.planted.search import DAMAGES, FIRST, find_strength, sites
from benchmarks.planted.table import Judged, Result
from benchmarks.planted.truth import answer, asked, losses, unseen_cases
from phi4bench import machine
from phi4bench.artifacts import open_artifact
from phi4bench.cases import Case
from phi4bench.datasets import fixtures_dir, load_cases
from phi4bench.run.judge import Fault, Judge
from phi4bench.run.judgement import REGRESSION
from phi4bench.run.judging import conclude
from phi4bench.run.options import RunOptions
from phi4bench.run.plan import make_plan
from phi4bench.run.progress import Silent

BEYOND = 0.02
"""How far the true loss of a damaged artifact is over the margin, at least."""
WINDOW = (0.035, 0.085)
"""Where the search wants the loss of parameters: so much over the margin. It is a guess; the truth decides."""
LOOK = 3000
"""Truth cases after which an artifact is given up that will not count."""


@dataclass(frozen=True)
class Experiment:
    """What is asked for, and where it is kept. `like`: another run's folder, whose strengths are tried first."""

    out: Path
    source: Path
    cases: int
    screen: int
    wanted: int
    equivalents: int
    seed: int
    threads: int | None
    batch: int | None
    like: Path | None

    @cached_property
    def parent(self) -> Path:
        parent = open_artifact(str(self.source)).parent
        if parent is None:
            raise SystemExit(f"{self.source}: its manifest names no parent, and without one there is no loss")
        return Path(parent).resolve()

    @cached_property
    def truth_cases(self) -> tuple[Case, ...]:
        return unseen_cases(self.out / "truth.jsonl", self.cases, self.seed, self._asked_by_the_gate)

    @cached_property
    def screen_cases(self) -> tuple[Case, ...]:
        """For the search alone, so that no truth is chosen for its luck."""
        avoid = self._asked_by_the_gate | {asked(case) for case in self.truth_cases}
        return unseen_cases(self.out / "screen.jsonl", self.screen, self.seed + 1, avoid)

    @cached_property
    def _asked_by_the_gate(self) -> frozenset[str]:
        return frozenset(asked(case) for case in load_cases(None).cases)

    @cached_property
    def parents_truth(self) -> str:
        return self._marks_of_parent("parent-truth.txt", self.truth_cases)

    @cached_property
    def parents_screen(self) -> str:
        return self._marks_of_parent("parent-screen.txt", self.screen_cases)

    @cached_property
    def margins(self) -> dict[str, float]:
        plan = make_plan(RunOptions(models=(str(self.source),), report_dir=self.out / "reports", cache=False))
        precision = plan.subjects[0].artifact.precision
        figures = {gate.name: gate.figure(precision, "cpu") for gate in plan.targets.gates if gate.kind == "margin"}
        return {name.removeprefix(REGRESSION): figure for name, figure in figures.items() if figure is not None}

    def folder(self, damage: Damage) -> Path:
        return self.out / "artifacts" / damage.name

    def result(self, damage: Damage) -> Result:
        return table.read(self._file(damage)) or Result(damage)

    def save(self, result: Result) -> Result:
        table.write(self._file(result.damage), result)
        return result

    def results(self) -> list[Result]:
        found = [table.read(path) for path in sorted((self.out / "results").glob("*.json"))]
        return [one for one in found if one is not None]

    def make(self, damage: Damage) -> Path:
        folder = self.folder(damage)
        shutil.rmtree(folder, ignore_errors=True)
        plant(self.source, folder, damage, self.parent)
        return folder

    def check_same(self) -> None:
        """What is kept in `out` belongs to these models and cases; other ones need another folder."""
        about = {
            "source": open_artifact(str(self.source)).sha256,
            "parent": open_artifact(str(self.parent)).sha256,
            "cases": self.cases,
            "screen": self.screen,
            "seed": self.seed,
        }
        file = self.out / "about.json"
        if not file.exists():
            self.out.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        elif json.loads(file.read_text(encoding="utf-8")) != about:
            raise SystemExit(f"{self.out} holds the results of other models or cases; name another --out")

    def _file(self, damage: Damage) -> Path:
        return self.out / "results" / f"{damage.name}.json"

    def _marks_of_parent(self, name: str, cases: Sequence[Case]) -> str:
        file = self.out / name
        known = file.read_text("ascii") if file.exists() else ""

        def keep(marks: str) -> bool:
            file.write_text(marks, "ascii")
            say(f"{self.parent.name}: {len(marks):,} of {len(cases):,} cases for {name}")
            return True

        return answer(self.parent, cases, known, self.threads, self.batch, keep)


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def judge(experiment: Experiment, result: Result) -> Result:
    """What `pytest suites/quantization --model FOLDER` says, on the shipped cases: the same plan and the same judge."""
    options = RunOptions(
        models=(str(experiment.folder(result.damage)),),
        report_dir=experiment.out / "reports",
        cache_dir=experiment.out / "cache",
        threads=experiment.threads,
    )
    plan = make_plan(options)
    names = [gate.name for gate in plan.targets.gates]
    found = Judge(plan, machine.describe(), lambda line: None, Silent()).judge(plan.subjects[0], names)
    if isinstance(found, Fault):
        raise SystemExit(f"{result.damage.name} could not be judged: {found.line}")
    gates = {}
    for name, paired in found.regression.items():
        assert paired.difference is not None
        assert paired.interval is not None
        assert paired.margin is not None
        low, high = -paired.interval.high, -paired.interval.low
        gates[name.removeprefix(REGRESSION)] = Judged(-paired.difference, low, high, paired.margin, str(paired.outcome))
    return replace(result, gate=gates, verdict=str(conclude(found, names).verdict))


def measure(experiment: Experiment, result: Result, may_stop: bool) -> Result:
    """The truth; with `may_stop` only as much of it as shows that it will not count. Saved as it grows."""
    cases, before = experiment.truth_cases, experiment.parents_truth

    def hopeless(marks: str) -> bool:
        return (
            may_stop
            and len(marks) >= LOOK
            and not any(
                loss.points + loss.error >= experiment.margins[gate] + BEYOND
                for gate, loss in losses(cases, before, marks).items()
            )
        )

    def keep(marks: str) -> bool:
        experiment.save(replace(result, marks=marks))
        return not hopeless(marks)

    if hopeless(result.marks):
        return result
    marks = answer(experiment.folder(result.damage), cases, result.marks, experiment.threads, experiment.batch, keep)
    whole = len(marks) == len(cases)
    return replace(result, marks=marks, truth=losses(cases, before, marks) if whole else {})


def counts(experiment: Experiment, result: Result) -> bool:
    """Whether the artifact is surely too bad: two standard errors of its truth leave it 2 points over the margin."""
    return any(loss.points - 2 * loss.error >= experiment.margins[gate] + BEYOND for gate, loss in result.truth.items())


def screened(experiment: Experiment, damage: Damage) -> float:
    """The loss of parameters on the cases of the search, remembered."""
    memory = experiment.out / "screened.json"
    known: dict[str, float] = json.loads(memory.read_text("utf-8")) if memory.exists() else {}
    if damage.name not in known:
        folder = experiment.make(damage)
        marks = answer(folder, experiment.screen_cases, threads=experiment.threads, batch=experiment.batch)
        shutil.rmtree(folder)
        known[damage.name] = losses(experiment.screen_cases, experiment.parents_screen, marks)["parameter"].points
        draft = memory.with_suffix(".part")
        draft.write_text(json.dumps(known), "utf-8")
        draft.replace(memory)
    return known[damage.name]


def candidates(experiment: Experiment, kind: str) -> Iterator[Damage]:
    """Damages of one kind whose strength is about right by the search, those that another run found first."""
    low, high = (experiment.margins["parameter"] + one for one in WINDOW)
    found = [] if experiment.like is None else [one for one in _found(experiment.like) if one.kind == kind]
    first = {replace(damage, strength=0.0): damage.strength for damage in found}
    last = FIRST[kind]
    fresh = (one for one in sites(kind, experiment.source, experiment.screen_cases) if one not in first)
    for site in itertools.chain(first, fresh):

        def loss_at(strength: float, site: Damage = site) -> float:
            loss = screened(experiment, replace(site, strength=strength))
            say(f"{site.kind} {site.site} at {strength:.3f}: loses {100 * loss:.1f} points on the search's cases")
            return loss

        strength = find_strength(loss_at, (low, high), first.get(site, last), None if kind == "noise" else 1.0)
        if strength is not None:
            last = strength
            damage = replace(site, strength=strength)
            _remember(experiment.out, damage)
            yield damage


def _found(out: Path) -> list[Damage]:
    """What the search of a run found, in the order in which it was found."""
    file = out / "found.jsonl"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [Damage(**json.loads(line)) for line in lines]


def _remember(out: Path, damage: Damage) -> None:
    if damage not in _found(out):
        with (out / "found.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(damage)) + "\n")


def damaged(experiment: Experiment) -> Iterator[Result]:
    """One of each kind in turn, until as many count as are wanted; noise fills in for kinds that run out."""
    streams = {kind: candidates(experiment, kind) for kind in DAMAGES}
    quotas = Counter(itertools.islice(itertools.cycle(DAMAGES), experiment.wanted))
    found: Counter[str] = Counter()
    while found.total() < experiment.wanted:
        for kind in [kind for kind in streams if found[kind] < quotas[kind]]:
            damage = next(streams[kind], None)
            if damage is None:
                del streams[kind]
                quotas["noise"] += quotas[kind] - found[kind]
                quotas[kind] = found[kind]
                continue
            result = experiment.result(damage)
            if not result.truth:
                experiment.make(damage)
                result = experiment.save(measure(experiment, result, may_stop=True))
            if not counts(experiment, result):
                shutil.rmtree(experiment.folder(damage), ignore_errors=True)
                say(f"{damage.name}: its true loss does not count")
                continue
            found[kind] += 1
            if not result.gate:
                result = experiment.save(judge(experiment, result))
            yield result


def equivalents(experiment: Experiment) -> Iterator[Result]:
    """Judged, and before that shown to be the same function; their truth is still to be measured."""
    prompts = prompts_of(experiment.source, experiment.screen_cases[:: max(1, len(experiment.screen_cases) // 8)])
    for number in range(experiment.equivalents):
        damage = Damage("equivalent", ("blocks", "requantized")[number % 2], seed=number)
        result = experiment.result(damage)
        if not result.gate:
            folder = experiment.make(damage)
            difference = difference_of_equivalent(folder, experiment.source, experiment.parent, damage, prompts)
            if difference > TOLERANCE:
                raise SystemExit(f"{damage.name} is not equivalent: its logits differ by {difference:.3g}")
            result = experiment.save(judge(experiment, replace(result, difference=difference)))
        yield result


def run(experiment: Experiment) -> None:
    """The parent, the equivalents, the damaged ones, and last the truth of the equivalents, which is the least news."""
    began = time.monotonic()
    assert len(experiment.parents_truth) == len(experiment.truth_cases)
    assert len(experiment.parents_screen) == len(experiment.screen_cases)
    alike = []
    for result in equivalents(experiment):
        alike.append(result)
        say(f"{result.damage.name}: {result.outcome}")
    for number, result in enumerate(damaged(experiment), start=1):
        level, spent = result.worst(), time.monotonic() - began
        say(
            f"{number} of {experiment.wanted}: {result.damage.name} loses {100 * result.truth[level].points:.1f} points"
            f" at {level}; {result.outcome}; {spent / 60:.0f} min, about"
            f" {spent / 60 / number * (experiment.wanted - number):.0f} min left for the damaged ones"
        )
    for result in alike:
        if not result.truth:
            if not experiment.folder(result.damage).exists():
                experiment.make(result.damage)
            experiment.save(measure(experiment, result, may_stop=False))
            say(f"{result.damage.name}: its truth is known")


def report(experiment: Experiment) -> None:
    results = experiment.results()
    lines = [
        *table.table(results),
        "",
        *table.totals(results, experiment.wanted, experiment.equivalents, BEYOND),
    ]
    (experiment.out / "table.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    models = fixtures_dir() / "models"
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.planted", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="where everything is kept; a stopped run goes on there")
    parser.add_argument(
        "--source", type=Path, default=models / "nano-int8", help="a quantized artifact (default: nano-int8)"
    )
    parser.add_argument("--cases", type=at_least_one, default=10_000, help="truth cases (default: 10,000)")
    parser.add_argument(
        "--screen", type=at_least_one, default=800, help="cases of the search for strengths (default: 800)"
    )
    parser.add_argument("--wanted", type=at_least_one, default=40, help="damaged artifacts (default: 40)")
    parser.add_argument("--equivalents", type=at_least_one, default=10, help="equivalent artifacts (default: 10)")
    parser.add_argument("--seed", type=from_zero, default=7, help="of the cases (default: 7)")
    parser.add_argument("--threads", type=at_least_one, help="of the runtime (default: all)")
    parser.add_argument(
        "--batch", type=at_least_one, help="cases at once, for the truth (default: the backend's own choice)"
    )
    parser.add_argument("--like", type=Path, metavar="FOLDER", help="begin with the strengths that another run found")
    parser.add_argument("--table", action="store_true", help="print what there is, and run nothing")
    options = vars(parser.parse_args(arguments))
    show = options.pop("table")
    experiment = Experiment(**options)
    with told(parser):
        experiment.check_same()
        if not show:
            run(experiment)
        report(experiment)


if __name__ == "__main__":
    main()
