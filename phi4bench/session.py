"""One request for judgement from its options to its exit code, as the plugin drives it. Knows no pytest."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from phi4bench import machine
from phi4bench.artifacts import Artifact
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.printable import printable, wrapped
from phi4bench.report.findings import Finding, finding
from phi4bench.report.terminal import Line, summary, where
from phi4bench.report.writing import Result, now, remove_stale_promotions, remove_stale_reports, write_reports
from phi4bench.run.generation import Settings, may_be_stored
from phi4bench.run.judge import Fault, Judge, Say
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import CRASHED_EXIT, SUITE_GATES, conclude
from phi4bench.run.options import RunOptions, options_from
from phi4bench.run.plan import Plan, make_plan
from phi4bench.run.process import Ahead
from phi4bench.run.progress import Bar
from phi4bench.run.scratch import remove_abandoned
from phi4bench.verdicts import USAGE_EXIT, worst_exit

SKIPPED = "its test was chosen and not run to its end: a mark, a fixture or a plugin of yours skips it"
BROKE = "{} failed otherwise than by its gate: see its error above, in the harness, or a test, mark or plugin of yours"
BROKE_WHOLE = "{}, which may have changed what was judged: see the error above"


class JudgingSession:
    """What was asked, what each artifact is worth, and which gates were looked at.

    `error`: why the request cannot be carried out, in one line; then there is nothing else. `names`: of the artifacts.
    """

    def __init__(self, plan: Plan | None, error: str = "", ahead: Ahead | None = None) -> None:
        self.plan, self.error = plan, error
        self._ahead = ahead or Ahead()
        self.names: tuple[str, ...] = tuple(subject.artifact.id for subject in plan.subjects) if plan else ()
        self.concluded = False
        self._selected: dict[int, set[str]] = {}
        self._found: dict[int, Judgement | Fault] = {}
        self._ran: dict[int, set[str]] = {}
        self._skipped: dict[int, set[str]] = {}
        self._broke: dict[int, str] = {}
        self._results: dict[int, Result] = {}
        self._written: tuple[Path, ...] = ()
        self._told: dict[int, str] = {}
        self._fault = ""

    @classmethod
    def open(cls, get: Callable[[str], Any], runs: bool = True) -> JudgingSession:
        """Never raises for what the user asked: `error` holds it, to be told when there is somebody to tell.

        `runs`: the artifacts are going to be run; what runs the first one is started while the cases are read.
        """
        ahead = Ahead()
        try:
            options = options_from(get)
            return cls(make_plan(options, partial(_start, ahead, options) if runs else None), ahead=ahead)
        except Phi4benchError as error:
            ahead.close()
            return cls(None, printable(str(error)))
        except OSError as error:  # of a path that can be none, such as one with a name that is too long
            ahead.close()
            return cls(None, printable(f"'{error.filename}' cannot be used ({error.strerror})"))

    def close(self) -> None:
        """End what was started for a run that did not take place."""
        self._ahead.close()

    @property
    def judged(self) -> bool:
        return bool(self._found)

    def select(self, artifact: int, gate: str) -> None:
        """A test of this gate is going to run. UsageError for a gate that nobody knows."""
        if gate not in SUITE_GATES:
            raise UsageError(f"a test judges {gate!r}, but should judge one of {', '.join(SUITE_GATES)}")
        self._selected.setdefault(artifact, set()).add(gate)

    def judge(self, say: Say, stream: TextIO) -> None:
        """Run and judge every artifact that a selected test asks for. UsageError where an earlier report cannot go."""
        plan = self._plan
        try:
            remove_stale_promotions(plan.options.report_dir)
            remove_stale_reports(plan.options.report_dir)
        except OSError as error:
            shown = printable(str(error.filename), 200)
            why = f"'{shown}' cannot be taken away ({error.strerror})"
            raise UsageError(why, "name another folder with --report") from None
        remove_abandoned(plan.options.report_dir)
        judge = Judge(plan, machine.describe(), say, Bar(stream), ahead=self._ahead)
        for artifact in sorted(self._selected):
            self._found[artifact] = judge.judge(plan.subjects[artifact], self._selected[artifact])

    def fault(self, artifact: int) -> str:
        """Why the artifact could not be judged; empty where it was."""
        found = self._found[artifact]
        return found.line if isinstance(found, Fault) else ""

    def told_by(self, artifact: int, test: str) -> str:
        """The test that tells the artifact's fault: the first that asks. The others only point to it."""
        return self._told.setdefault(artifact, test)

    def finding(self, artifact: int, gate: str) -> Finding:
        found = self._found[artifact]
        assert isinstance(found, Judgement)
        return finding(found, gate)

    def ran(self, artifact: int, gate: str) -> None:
        """The gate's test has run to its end."""
        self._ran.setdefault(artifact, set()).add(gate)

    def skipped(self, artifact: int, gate: str) -> None:
        """The gate's test was skipped by somebody else than its gate."""
        self._skipped.setdefault(artifact, set()).add(gate)

    def broke(self, test: str, artifact: int | None) -> None:
        """The test failed otherwise than by its gate: pytest's own exit code for that would read as a reject.

        `artifact`: the one that it judges; `None`: none, so that no artifact of the run is promoted past it.
        """
        for one in self._found if artifact is None else [artifact]:
            self._broke.setdefault(one, BROKE.format(test))

    def broke_whole(self, what: str) -> None:
        """Something around the tests broke, and no artifact of the run is judged."""
        for artifact in self._found:
            self._broke.setdefault(artifact, BROKE_WHOLE.format(what))

    def conclude(self, status: int) -> int:
        """Verdicts over what ran, and the reports. `status`: the code that pytest would exit with; returns ours."""
        for index, found in self._found.items():
            if index in self._broke and not isinstance(found, Fault):
                self._results[index] = Fault(found.id, self._broke[index], usage=False)
            elif not isinstance(found, Fault):
                ran = self._ran.get(index, set())
                # Where pytest stopped early, what it did not come to was not skipped.
                skipped = self._selected[index] - ran if status == 0 else self._skipped.get(index, set())
                ran = ran | skipped
                facts = {**found.run.facts, "gates_run": sorted(ran), "compared": found.baseline is not None}
                facts |= {"gates_skipped": dict.fromkeys(sorted(skipped), SKIPPED)} if skipped else {}
                found = replace(found, run=replace(found.run, facts=facts))
                self._results[index] = found, conclude(found, ran)
            else:
                self._results[index] = found
        codes = [status]
        for result in self._results.values():
            if isinstance(result, Fault):
                codes.append(USAGE_EXIT if result.usage else CRASHED_EXIT)
            elif (code := result[1].exit_code) is not None:
                codes.append(code)
        results = [self._results[index] for index in sorted(self._results)]
        plan = self._plan
        try:
            command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
            self._written = write_reports(plan.options.report_dir, results, plan.targets, now(), command)
        except (OSError, Phi4benchError) as error:
            self.withdraw()
            self._fault = f"nothing is promoted: the reports could not be written: {printable(str(error))}"
            codes.append(USAGE_EXIT if isinstance(error, UsageError) else CRASHED_EXIT)
        self.concluded = True
        return worst_exit(codes)

    def withdraw(self) -> None:
        """Take away what was written: the run broke, and it would read as what came of it."""
        if self.plan is not None and self.judged:
            with suppress(OSError):
                remove_stale_promotions(self.plan.options.report_dir)
                remove_stale_reports(self.plan.options.report_dir)

    def summary(self) -> Iterable[Line]:
        """What the run ends with on a terminal."""
        for index in sorted(self._results):
            result = self._results[index]
            if isinstance(result, Fault):
                yield f"{result.artifact_id}: not judged", "bold red"
                yield from ((line, "red") for line in wrapped(result.line, first="  "))
            else:
                yield from summary(*result, written=not self._fault)
            yield "", ""
        if self._fault:
            yield from ((line, "red") for line in wrapped(self._fault))
        elif self._written:
            yield from where(self._written)

    @property
    def _plan(self) -> Plan:
        assert self.plan is not None
        return self.plan


def _start(ahead: Ahead, options: RunOptions, artifact: Artifact) -> None:
    """A process for the artifact, unless all that is asked of it may lie in the store, or it has no runtime to load."""
    stored = options.cache and may_be_stored(artifact, Settings.of(options, machine.describe()))
    if artifact.format != "fake" and not stored:
        ahead.start(artifact.format)
