"""What would decide an undecided gate: the commands that generate the families it lacks, and judge with them. Pure.

A gate says how many more families it needs. Which kind they are follows from what the gate counts.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from phi4bench.datasets import SHIPPED
from phi4bench.gates import Outcome
from phi4bench.generating import MOST_FAMILIES
from phi4bench.printable import printable
from phi4bench.run.judgement import REGRESSION, Judgement
from phi4bench.targets import SCORE_GATES, STRUCTURED_GATES
from phi4bench.verdicts import Judged

_SCENARIOS = {"selection": "selection", "multi_turn": "multi_turn", "error_recovery": "missing_info"}
"""Gates over the cases of one scenario; the others count whatever expects a call, abstention what expects prose."""
_GENERATED = frozenset(SCORE_GATES) - frozenset(STRUCTURED_GATES)
"""Gates whose cases the grammar can write."""

_ANSWERS = {"call": "a call", "prose": "prose"}
COMMAND = "phi4bench cases"

Kind = tuple[str, str]
"""(what the right answer is, the scenario or nothing), as `phi4bench cases` names them."""


def to_decide(judgement: Judgement, gate: str = "") -> tuple[str, ...]:
    """A line for each step, commands on lines of their own.

    Empty where no gate (or not `gate`) lacks families, or where none would be enough. Cases of the user's own are not
    of our grammar, and nothing here can write more of them.
    """
    needed = _needed(one for one in judgement.required if not gate or one.name == gate)
    sources = judgement.run.facts.get("sources")
    if not needed or not isinstance(sources, list):
        return ()
    if judgement.run.facts.get("limit"):
        return ("to decide, give the same command without --limit, which leaves families out",)
    sources = [str(one) for one in sources] or [SHIPPED]
    if SHIPPED not in sources:
        told = " and ".join(f"{count:,} that expect {_ANSWERS[kind[0]]}" for kind, count in needed.items())
        return (f"to decide, bring more families of your own: {told}",)
    lines, files = ["to decide, generate the missing families:"], []
    for kind, count in needed.items():
        held = MOST_FAMILIES[kind[1] or kind[0]]
        files.append(_fresh(f"more-{kind[1] or kind[0]}".replace("_", "-"), sources))
        lines.append(_command(kind, min(count, held), files[-1], sources))
        if count > held:
            lines.append(
                f"(of the {count:,} the grammar holds some {held:,}; bring case files of your own for the rest)"
            )
    named = " ".join(f"--cases {_quoted(one)}" for one in (*sources, *files))
    return (*lines, f"and judge them too, by the same command with {named}")


def _needed(gates: Iterable[Judged]) -> dict[Kind, int]:
    """How many more families of each kind would decide all of them."""
    needed: dict[Kind, int] = {}
    for gate in gates:
        name = gate.name.removeprefix(REGRESSION)
        if gate.outcome is Outcome.INCONCLUSIVE and gate.more_groups and name in _GENERATED:
            kind = ("prose", "") if name == "abstention" else ("call", _SCENARIOS.get(name, ""))
            needed[kind] = max(needed.get(kind, 0), gate.more_groups)
    return needed


def _command(kind: Kind, count: int, out: str, sources: list[str]) -> str:
    """`--seed` counts the case files that there are, so that ids differ from round to round."""
    parts = [f"{COMMAND} --families {count} --expecting {kind[0]}"]
    parts += [f"--scenario {kind[1]}"] if kind[1] else []
    if sources != [SHIPPED]:
        parts += [f"--beside {_quoted(one)}" for one in sources]
        parts.append(f"--seed {len(sources)}")
    return " ".join([*parts, f"--out {out}"])


def _quoted(source: str) -> str:
    return printable(shlex.quote(source), 200)


def _fresh(stem: str, sources: list[str]) -> str:
    """A file name that no case file has yet."""
    names = [f"{stem}.jsonl", *(f"{stem}-{number}.jsonl" for number in range(2, len(sources) + 3))]
    return next(name for name in names if not any(source.endswith(name) for source in sources))
