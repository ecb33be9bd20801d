"""One artifact, judged: its rates, its gates, and what was measured of it, read and judged when it is asked for.

Runs nothing, writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from phi4bench.cases import Case
from phi4bench.errors import StoreError
from phi4bench.fidelity import Decision, Fidelity, fidelity_from_json, fragile, judge_fidelity
from phi4bench.gates import GateResult, Outcome, RegressionResult, per_scenario, per_tool
from phi4bench.header import misfit
from phi4bench.levels import Level, Score
from phi4bench.measured import Slo, slo_from_json
from phi4bench.rejection import Rejection
from phi4bench.run.answered import Answered
from phi4bench.run.besides import Beside, besides
from phi4bench.run.rereading import flips_from_json
from phi4bench.runfile import SavedRun
from phi4bench.runtime_flips import RuntimeFlips
from phi4bench.sizes import Size, exempt, judge_size, size_from_json
from phi4bench.slo import exempt_speedups, judge_slo, untold
from phi4bench.stability import Stability
from phi4bench.stats import Interval
from phi4bench.targets import FIDELITY_GATES, SIZE_GATE, TIMED_GATES, Targets, Tier
from phi4bench.timing import device_of
from phi4bench.transcripts import Completion
from phi4bench.verdicts import Judged, required_gates, tier
from phi4bench.xfails import KnownFailures

Read = TypeVar("Read")
REGRESSION = "regression."


@dataclass(frozen=True)
class Judgement:
    """One artifact, judged. `scores` are those of the cases that have a completion, in the cases' order, without the
    families that are `known` to fail. A case whose calls are not stable counts as wrong in them.

    `gates`: every rate by name, and `regression` every paired comparison, both with outcomes where there are targets.
    `incomplete`: why no gate may be decided; empty where every completion is there. `rejection`: of an artifact that
    was rejected early, where and why; its gates are then the only ones decided.
    """

    run: SavedRun
    baseline: SavedRun | None
    targets: Targets
    scores: tuple[Score, ...]
    baseline_scores: tuple[Score, ...]
    gates: Mapping[str, GateResult]
    regression: Mapping[str, RegressionResult]
    incomplete: str = ""
    known: KnownFailures | None = None
    stability: Stability | None = None
    rejection: Rejection | None = None

    @property
    def id(self) -> str:
        return str(self.run.artifact["id"])

    @property
    def precision(self) -> str:
        return str(self.run.artifact["precision"])

    @property
    def waived(self) -> bool:
        """Whether the user gave up the comparison with a baseline."""
        return bool(self.run.facts.get("no_baseline_given"))

    @property
    def untrained(self) -> str:
        """Why nothing here may be promoted, where weights were drawn and not trained; else empty."""
        named = [one.artifact["id"] for one in (self.run, self.baseline) if one and one.artifact.get("random_weights")]
        if not named:
            return ""
        return f"{' and '.join(named)}: random weights (a shape); speed and memory are real, accuracy is not"

    @property
    def unpromoting(self) -> str:
        """Why nothing is promoted by these targets, where one of their files says so; else empty."""
        if self.targets.promotes:
            return ""
        return f"targets {', '.join(self.targets.names)} promote nothing, whatever they show"

    @cached_property
    def required(self) -> tuple[Judged, ...]:
        """Each required gate, those that nothing measured too."""
        reason = str(self.run.facts.get("baseline_missing") or "")
        unpaired = f"no baseline: {reason}" if reason else ""
        if not reason and self.run.facts.get("baseline"):
            unpaired = f"no test of this run compares it with {self.run.facts['baseline']}"
        why = {gate.name: unpaired for gate in self.targets.gates if unpaired and gate.kind == "margin"}
        missing = self.fidelity_missing or reason
        why |= {name: f"fidelity was not measured: {missing}" for name in FIDELITY_GATES if missing}
        unsized = self.size_missing or reason
        why |= {SIZE_GATE: f"its size was not compared: {unsized}"} if unsized else {}
        untimed = untold(self.slo) if self.slo else {}
        if self.rejection is not None:
            untimed = dict.fromkeys(TIMED_GATES, f"{self.id} was rejected early")
        why |= {name: f"it was not measured: {reason}" for name, reason in untimed.items()}
        gates = required_gates(
            self._measured.values(), self.targets, self.precision, self.device, self.waived, why, self.exempt
        )
        skipped = self._stored("gates_skipped")
        return tuple(undecided(gate, skipped[gate.name], None) if gate.name in skipped else gate for gate in gates)

    @property
    def unconcerned(self) -> str:
        """Why nothing can be decided, where no required gate concerns such an artifact; else empty."""
        if self.required:
            return ""
        return f"none of the gates that {', '.join(self.targets.names)} names concerns {self.id}"

    @cached_property
    def fidelity(self) -> Fidelity | None:
        """How closely reference answers are followed beside the baseline; `None` where it was not measured."""
        data = self._stored("fidelity")
        return _read_back("fidelity", fidelity_from_json, data, Fidelity) if data and "missing" not in data else None

    @property
    def fidelity_missing(self) -> str:
        """Why fidelity could not be measured; empty where it was, or where nobody asked."""
        return str(self._stored("fidelity").get("missing", ""))

    @cached_property
    def fidelity_gates(self) -> Mapping[str, GateResult]:
        return judge_fidelity(self.fidelity, self.targets, self.precision) if self.fidelity else {}

    @cached_property
    def size(self) -> Size | None:
        """What its parts take, beside the baseline's; `None` where nobody asked, or nothing could be read."""
        data = self._stored("size")
        return _read_back("size", size_from_json, data, Size) if data and "missing" not in data else None

    @property
    def size_missing(self) -> str:
        """Why no size could be read; empty where it was, or where nobody asked."""
        return str(self._stored("size").get("missing", ""))

    @cached_property
    def size_gates(self) -> Mapping[str, GateResult]:
        return judge_size(self.size, self.targets, self.precision) if self.size else {}

    @property
    def exempt(self) -> frozenset[str]:
        """Gates that targets name and that do not concern this very artifact."""
        return exempt(self.size, self.targets) | exempt_speedups(self.slo, self.targets)

    @cached_property
    def slo(self) -> Slo | None:
        """How fast it is and what it takes; `None` where nobody asked."""
        data = self._stored("slo")
        return _read_back("slo", slo_from_json, data, Slo) if data else None

    @cached_property
    def slo_gates(self) -> Mapping[str, GateResult]:
        return judge_slo(self.slo, self.targets, self.precision) if self.slo else {}

    def _stored(self, name: str) -> Mapping[str, Any]:
        """What was measured under a name, as JSON; empty where nothing was."""
        return _read_back(name, dict, self.run.facts.get(name) or {}, dict[str, Any])

    @property
    def device(self) -> str:
        """`gpu` or `cpu`: where it was timed, or where no call was, where its completions were made."""
        if self.slo and "device" in self._stored("slo"):
            return self.slo.device
        runtime = self._stored("generation").get("runtime")
        return device_of(runtime) if isinstance(runtime, dict) else "cpu"

    @cached_property
    def beside(self) -> tuple[Beside, ...]:
        """Rates of the same cases got in another way, which no gate reads."""
        return besides(self.run, self.targets, self.known.groups if self.known else ())

    @cached_property
    def fragile(self) -> tuple[Decision, ...]:
        """Cases that call, or hold back, as the baseline does, but by a margin near zero."""
        called = {one.case_id: one.level > Level.NOTHING for one in self.scores}
        before = {one.case_id: one.level > Level.NOTHING for one in self.baseline_scores}
        return tuple(
            fragile(
                Decision(
                    case_id,
                    self.answered[case_id][1].margin,
                    self.baseline_answered[case_id][1].margin,
                    called[case_id] == before[case_id],
                )
                for case_id in called
                if case_id in before
            )
        )

    @cached_property
    def runtime_flips(self) -> RuntimeFlips | None:
        """What accuracy level 0 changes; `None` where nobody asked, or where nothing was run."""
        data = self.run.facts.get("accuracy_level")
        if not data:
            return None
        own, parent = _completions(self.run), _completions(self.baseline) if self.baseline else None
        return flips_from_json(data, self.run.dataset.cases, own, parent, self.run.dialect)

    @property
    def stability_missing(self) -> str:
        """Why the determinism checks that were asked for are not complete; empty where they are, or nobody asked."""
        return str((self.run.facts.get("determinism") or {}).get("missing", ""))

    @cached_property
    def tools(self) -> Mapping[str, Mapping[str, GateResult]]:
        return per_tool(self.scores, self.targets.alpha)

    @cached_property
    def scenarios(self) -> Mapping[str, Mapping[str, GateResult]]:
        return per_scenario(self.scores, self.targets.alpha)

    @property
    def tier(self) -> Tier | None:
        return tier(self.gates, self.targets)

    @cached_property
    def answered(self) -> Mapping[str, tuple[Case, Completion]]:
        return Answered(self.run)

    @cached_property
    def baseline_answered(self) -> Mapping[str, tuple[Case, Completion]]:
        return Answered(self.baseline) if self.baseline else {}

    def result(self, name: str) -> Judged | None:
        """What is known of a gate; `None` for one that does not concern this artifact."""
        return {**self._measured, **{gate.name: gate for gate in self.required}}.get(name)

    @property
    def _measured(self) -> Mapping[str, Judged]:
        return {**self.gates, **self.regression, **self.fidelity_gates, **self.size_gates, **self.slo_gates}


def undecided(gate: Any, reason: str, rejection: Rejection | None) -> Any:
    """The same figures, and no outcome but INCONCLUSIVE, or a FAIL that was certain early.

    An interval that was made for one look does not hold where looking decided the end: in its place comes the bound
    that holds at all looks, of the gates that have one.
    """
    if rejection is not None:
        least = -1.0 if gate.name.startswith(REGRESSION) else 0.0
        upper = rejection.upper.get(gate.name)
        gate = replace(gate, interval=None if upper is None else Interval(least, upper))
        if rejection.gate(gate.name):
            return replace(gate, outcome=Outcome.FAIL, more_groups=None, reason=rejection.line)
    if gate.outcome is None:
        return gate
    return replace(gate, outcome=Outcome.INCONCLUSIVE, more_groups=None, reason=reason)


def _read_back(name: str, read: Callable[[Any], Read], data: Any, form: Any) -> Read:
    """What is stored, read; `StoreError` where it is not what a run stores: transcripts come from anywhere."""
    try:
        found = read(data)
        if fault := misfit(found, form):
            raise ValueError(fault)
        return found
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StoreError(f"the {name} stored with the run cannot be read", "run it again") from None


def _completions(run: SavedRun) -> dict[str, Completion]:
    return {name: made for name, made in zip(run.dataset.ids, run.completions, strict=True) if made is not None}
