"""Targets: the figures an artifact must reach, each with its source, read from TOML text. Pure: the caller reads files.

The format::

    alpha = 0.05                      # one-sided, of every gate; 0.05 where left out
    promotes = true                   # false: a verdict by this file is never `promote`

    [[gate]]                          # each gate named is required
    name = "tool"                     # one of GATES
    floor = 0.95                      # or `ceiling`; rates are fractions
    source = "where the figure comes from"

    [[gate]]
    name = "slo.latency_p95_ms"
    ceiling = { gpu = 50, cpu = 200 } # by precision, and of what is timed by device; an artifact of another precision
                                      # has no such gate, and where it names no such device the verdict stays open
    source = "..."

    [[gate]]
    name = "size_ratio"
    ceiling = { int8 = 0.27 }
    least_parameters = 200_000_000    # of size and speed-up alone: smaller models are measured and not judged
    source = "..."

    [regression]                      # paired with the baseline; for quantized artifacts
    levels = ["tool", "abstention"]   # of the four levels and abstention
    margins = { int8 = 0.02 }         # the loss that is too much, as a fraction, by precision
    source = "..."

    [price]                           # of the machine, for the costs in the report; no gate. May stand in a file alone
    per_hour = 1.20
    currency = "EUR"
    source = "..."

    [[tier]]                          # best first; the rate of each level named must be above its figure
    name = "EXCELLENT"
    above = { tool = 0.95, parameter = 0.90 }
    advice = "deploy"
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from phi4bench.errors import TargetsError

LEVEL_GATES = ("detection", "parsing", "tool", "parameter")
PAIRED_GATES = (*LEVEL_GATES, "abstention")
STRUCTURED_GATES = ("structured.parsing", "structured.tool", "structured.parameter")
"""Of the cases that want a JSON value: it is one, satisfies its schema, and is the expected one."""
SCORE_GATES = (
    *PAIRED_GATES, "argument_accuracy", "schema_validity", "selection", "multi_turn", "error_recovery",
    *STRUCTURED_GATES,
)  # fmt: skip
"""Rates that are computed from scores."""
FIDELITY_GATES = ("perplexity_ratio", "top1_agreement", "kl_mean")
"""How closely reference answers are followed, beside the baseline; only for quantized artifacts."""
SIZE_GATE = "size_ratio"
"""Bytes as a share of the baseline's at 32 bits a weight."""
PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
LATENCIES = ("latency", "first_token", "token", "first_call")
"""Of the whole answer, of its first token, of each further one, and of the first call that could be read, in ms."""
LATENCY_GATES = tuple(f"slo.{name}_{percentile}_ms" for name in LATENCIES for percentile in PERCENTILES)
THROUGHPUT_GATES = ("slo.tokens_per_s", "slo.calls_per_s", "slo.goodput_per_s")
MEMORY_GATES = ("slo.memory_gb", "slo.gpu_memory_gb")
DISK_GATE = "slo.size_gb"
SLO_GATES = (*LATENCY_GATES, *THROUGHPUT_GATES, *MEMORY_GATES, DISK_GATE)
"""Figures that a stopwatch and the machine give."""
SPEEDUP_GATES = ("speedup.decode", "speedup.call")
"""How many times as fast as the baseline: tokens after the first, and whole calls."""
TIMED_GATES = (*SLO_GATES, *SPEEDUP_GATES)
COMPARED_GATES = (*FIDELITY_GATES, *SPEEDUP_GATES, SIZE_GATE)
"""Figures of a quantized artifact beside the one that it was made from."""
OTHER_GATES = (*FIDELITY_GATES, *TIMED_GATES, SIZE_GATE)
"""Figures that something else measures; a required one that was not measured is INCONCLUSIVE."""
GATES = (*SCORE_GATES, *OTHER_GATES)
MORE_IS_BETTER = (*SCORE_GATES, "top1_agreement", *THROUGHPUT_GATES, *SPEEDUP_GATES)
LESS_IS_BETTER = ("perplexity_ratio", "kl_mean", *LATENCY_GATES, *MEMORY_GATES, DISK_GATE, SIZE_GATE)

EVERYWHERE = ""
"""The key of a figure that holds for every precision and device."""

DEVICES = ("cpu", "gpu")
PRECISIONS = ("fp32", "fp16", "bf16", "int8", "int4")

_MOST, _MOST_GB = 1e300, 1e6
"""Figures are finite, and more memory than any machine has would pass whatever a model takes, on disk too."""
_QUANTIZED = re.compile(r"u?int\d|fp[48]|nf4|q\d", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """One required figure. `kind`: the rate must be at least it, at most it, or (margin) lose less than it.

    `figures`: by precision or device, or under `EVERYWHERE`. `file`: the targets file that names it.
    `least_parameters`: the smallest model that it concerns.
    """

    name: str
    kind: Literal["floor", "ceiling", "margin"]
    figures: Mapping[str, float]
    source: str
    file: str
    least_parameters: int = 0

    @property
    def needs_baseline(self) -> bool:
        """Whether it compares the artifact with the one that it was made from."""
        return self.kind == "margin" or self.name in COMPARED_GATES

    def absent(self, precision: str, device: str) -> str:
        """The hardware that it is for and that `device` is not, such as `gpu`; empty where it concerns no artifact of
        that precision on any, and where it has a figure here.
        """
        if self.figure(precision, device) is not None:
            return ""
        return next((other for other in DEVICES if self.figure(precision, other) is not None), "")

    def figure(self, precision: str = "", device: str = "cpu") -> float | None:
        """The figure for an artifact; `None` where the target does not concern it.

        What needs a baseline is for quantized artifacts. A margin of a precision that is not listed is the tightest.
        """
        if self.needs_baseline and not is_quantized(precision):
            return None
        fitting = [key for key in self.figures if key in (EVERYWHERE, device) or precision.startswith(key)]
        if fitting:
            return self.figures[max(fitting, key=len)]
        return min(self.figures.values()) if self.kind == "margin" else None


@dataclass(frozen=True)
class Tier:
    """A name for how good an artifact is. `above`: level to the rate that must be exceeded; the last has none."""

    name: str
    above: Mapping[str, float]
    advice: str


@dataclass(frozen=True)
class Price:
    """What the machine costs an hour. `currency`: as the file writes it. `file`: the targets file that says so."""

    per_hour: float
    currency: str
    source: str
    file: str


@dataclass(frozen=True)
class Targets:
    """What one run is judged by. `names` and `sha256s`: of each file, in the order given; `sha256`: of all of them."""

    names: tuple[str, ...]
    gates: tuple[Target, ...]
    tiers: tuple[Tier, ...]
    alpha: float
    promotes: bool
    sha256s: tuple[str, ...]
    price: Price | None = None

    @property
    def sha256(self) -> str:
        """Of the text of a single file; of the files' hashes, a line each, where there are several."""
        if len(self.sha256s) == 1:
            return self.sha256s[0]
        return hashlib.sha256("".join(f"{one}\n" for one in self.sha256s).encode()).hexdigest()

    @property
    def sources(self) -> Mapping[str, str]:
        """Gate name to the source of its figure."""
        return {gate.name: gate.source for gate in self.gates}

    def gate(self, name: str) -> Target | None:
        return next((gate for gate in self.gates if gate.name == name), None)

    def required(self, precision: str = "", device: str = "cpu") -> tuple[Target, ...]:
        """The targets that concern such an artifact; also those for hardware that is not there, which none can pass."""
        return tuple(
            gate for gate in self.gates if gate.figure(precision, device) is not None or gate.absent(precision, device)
        )


def is_quantized(precision: str) -> bool:
    """Whether a precision such as `int4` or `int8` calls for a comparison with the parent; `fp32` or none does not."""
    return _QUANTIZED.match(precision) is not None


def parse_targets(text: str, name: str) -> Targets:
    """Read one file's text. `name` is what messages and reports call it. `TargetsError` for whatever is wrong."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # no TOML, an integer of thousands of digits, nested without end
        raise TargetsError(
            f"{name}: {error}, but should be TOML", "see the shipped guide.toml for the format"
        ) from None
    _only(table, ("alpha", "promotes", "gate", "regression", "tier", "price"), name)
    alpha = _number(table.get("alpha", 0.05), f"{name}: alpha")
    if not 0.0 < alpha < 0.5:
        raise TargetsError(f"{name}: {alpha=}, but should lie between 0 and 0.5", "0.05 is customary")
    promotes = table.get("promotes", True)
    if not isinstance(promotes, bool):
        raise TargetsError(f"{name}: {promotes=}, but should be true or false")
    gates = [_gate(entry, name) for entry in _tables(table, "gate", name)]
    if "regression" in table:
        gates += _margins(table["regression"], name)
    tiers = tuple(_tier(entry, name) for entry in _tables(table, "tier", name))
    seen: set[str] = set()
    for gate in gates:
        if gate.name in seen:
            raise TargetsError(f"{name}: gate {gate.name!r} is named twice", "name each gate once")
        seen.add(gate.name)
    if not gates and set(table) != {"price"}:
        raise TargetsError(f"{name}: it names no gate, but should name at least one", f"one of {', '.join(GATES)}")
    price = _price(table["price"], name) if "price" in table else None
    return Targets((name,), tuple(gates), tiers, alpha, promotes, (hashlib.sha256(text.encode()).hexdigest(),), price)


def targets_of(texts: Iterable[tuple[str, str]]) -> Targets:
    """All gates of several files, each (name, TOML text). `TargetsError` as of `parse_targets` and `merge_targets`."""
    return merge_targets([parse_targets(text, name) for name, text in texts])


def merge_targets(several: Sequence[Targets]) -> Targets:
    """All gates of all files. The same figure twice is fine; two different ones are a `TargetsError` naming both.

    A file that holds nothing but a price adds that to the others.
    """
    if not several:
        raise TargetsError("no targets were given", "name at least one, such as guide")
    judging = [targets for targets in several if targets.gates]
    if not judging:
        raise TargetsError(
            f"{several[0].names[0]}: it holds a price and no gate", "name targets beside it, such as guide"
        )
    first, gates, tiers = judging[0], dict[str, Target](), judging[0].tiers
    priced = [targets.price for targets in several if targets.price]
    for price in priced:
        if (price.per_hour, price.currency) != (priced[0].per_hour, priced[0].currency):
            raise TargetsError(f"{priced[0].file} and {price.file} differ in their price", "give only one")
    for targets in judging:
        for gate in targets.gates:
            known = gates.setdefault(gate.name, gate)
            if (known.kind, known.figures, known.least_parameters) != (gate.kind, gate.figures, gate.least_parameters):
                raise TargetsError(
                    f"gate {gate.name!r} has {_demanded(known)} in {known.file} but {_demanded(gate)} in {gate.file}",
                    "give only one of the two files",
                )
        for what, one, other in (("alpha", first.alpha, targets.alpha), ("tiers", tiers, targets.tiers)):
            if one and other and one != other:
                raise TargetsError(f"{first.names[0]} and {targets.names[0]} differ in their {what}", "give only one")
        tiers = tiers or targets.tiers
    return Targets(
        tuple(name for targets in several for name in targets.names),
        tuple(gates.values()),
        tiers,
        first.alpha,
        all(targets.promotes for targets in several),
        tuple(one for targets in several for one in targets.sha256s),
        priced[0] if priced else None,
    )


def _gate(entry: Mapping[str, Any], file: str) -> Target:
    name = _text(entry, "name", f"{file}: a gate")
    where = f"{file}: gate {name!r}"
    if name not in GATES:
        paired = name.startswith("regression.")  # as reports call them
        hint = "write [regression] with margins, as guide.toml does" if paired else f"known gates: {', '.join(GATES)}"
        raise TargetsError(f"{where} is not known", hint)
    sized = name in (SIZE_GATE, *SPEEDUP_GATES)
    _only(entry, ("name", "floor", "ceiling", "source", *(["least_parameters"] if sized else [])), where)
    if ("floor" in entry) == ("ceiling" in entry):
        raise TargetsError(f"{where} has to have a floor or a ceiling, and not both")
    kind: Literal["floor", "ceiling"] = "floor" if "floor" in entry else "ceiling"
    if name in (MORE_IS_BETTER if kind == "ceiling" else LESS_IS_BETTER):
        other, way = ("floor", "more") if kind == "ceiling" else ("ceiling", "less")
        raise TargetsError(f"{where} has a {kind}, but should have a {other}: the {way} of it, the better")
    given = entry[kind]
    known = (*PRECISIONS, *DEVICES) if name in TIMED_GATES else PRECISIONS
    if isinstance(given, dict):
        figures = _by_name(given, known, where, compared=name in COMPARED_GATES)
    else:
        figures = _figures({EVERYWHERE: given}, where)
    if name in SCORE_GATES and not all(0.0 < figure < 1.0 for figure in figures.values()):
        raise TargetsError(
            f"{where} has {kind} {_shown(figures)}, but a rate lies between 0 and 1", "write 95% as 0.95"
        )
    if name in (*TIMED_GATES, SIZE_GATE) and not all(figure > 0.0 for figure in figures.values()):
        raise TargetsError(f"{where} has {kind} {_shown(figures)}, but should be more than 0")
    if name in (*MEMORY_GATES, DISK_GATE) and any(figure > _MOST_GB for figure in figures.values()):
        raise TargetsError(f"{where} has {kind} {_shown(figures)}, but is in GB", "write 12 GB as 12")
    least = _number(entry.get("least_parameters", 0), f"{where}: least_parameters")
    if not 0 <= least < 1e18 or least != int(least):
        raise TargetsError(f"{where} has least_parameters={least:g}, but should be a whole number of at least 0")
    return Target(name, kind, figures, _text(entry, "source", where), file, int(least))


def _price(entry: Any, file: str) -> Price:
    where = f"{file}: [price]"
    if not isinstance(entry, dict):
        raise TargetsError(f"{where} should be a table")
    _only(entry, ("per_hour", "currency", "source"), where)
    if "per_hour" not in entry:
        raise TargetsError(f"{where}: 'per_hour' is missing", "what an hour costs: per_hour = 1.20")
    per_hour = _number(entry["per_hour"], f"{where}: per_hour")
    if not 0.0 <= per_hour < 1e12:
        raise TargetsError(f"{where} has {per_hour=:g}, but should be what an hour costs, at least 0")
    return Price(per_hour, _text(entry, "currency", where), _text(entry, "source", where), file)


def _margins(entry: Any, file: str) -> list[Target]:
    where = f"{file}: [regression]"
    if not isinstance(entry, dict):
        raise TargetsError(f"{where} should be a table")
    _only(entry, ("levels", "margins", "source"), where)
    levels = entry.get("levels", list(PAIRED_GATES))
    if not isinstance(levels, list) or not levels or any(level not in PAIRED_GATES for level in levels):
        raise TargetsError(f"{where} has {levels=}", f"known levels: {', '.join(PAIRED_GATES)}")
    margins = entry.get("margins")
    if not isinstance(margins, dict) or not margins:
        raise TargetsError(f"{where} has no margins", "for example margins = { int8 = 0.02, int4 = 0.03 }")
    figures = _by_name(margins, PRECISIONS, where, compared=True)
    if not all(0.0 < figure < 1.0 for figure in figures.values()):
        raise TargetsError(f"{where} has margins {_shown(figures)}, but should be fractions", "write 2 points as 0.02")
    source = _text(entry, "source", where)
    return [Target(f"regression.{level}", "margin", figures, source, file) for level in levels]


def _tier(entry: Mapping[str, Any], file: str) -> Tier:
    name = _text(entry, "name", f"{file}: a tier")
    where = f"{file}: tier {name!r}"
    _only(entry, ("name", "above", "advice"), where)
    above = entry.get("above", {})
    if not isinstance(above, dict):
        raise TargetsError(f"{where} has {above=}, but should map levels to rates")
    _only(above, LEVEL_GATES, where)
    return Tier(name, _figures(above, where), _text(entry, "advice", where))


def _tables(table: Mapping[str, Any], key: str, file: str) -> list[dict[str, Any]]:
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise TargetsError(f"{file}: {key!r} should be written as [[{key}]]")
    return entries


def _only(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = [key for key in table if key not in known]
    if unknown:
        raise TargetsError(f"{where}: {unknown[0]!r} is not a known key", f"known keys: {', '.join(known)}")


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise TargetsError(f"{where}: {key!r} is missing or is no text", f'every one has {key} = "..."')
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _MOST:
        raise TargetsError(f"{where} is {value!r}, but should be a number")
    return float(value)


def _by_name(table: Mapping[str, Any], known: Sequence[str], where: str, *, compared: bool) -> dict[str, float]:
    """Under a name that no artifact has, a required gate would concern none and be left out in silence.

    `compared`: with a baseline, which only quantized artifacts are.
    """
    _only(table, known, where)
    floats = [key for key in table if compared and key in PRECISIONS and not is_quantized(key)]
    if floats:
        raise TargetsError(
            f"{where}: {floats[0]!r} would concern no artifact",
            "only quantized ones are compared with a baseline: name int8 or int4",
        )
    if not table:
        raise TargetsError(f"{where} has no figure", f"one by name, of {', '.join(known)}, or one for all")
    return _figures(table, where)


def _figures(table: Mapping[str, Any], where: str) -> dict[str, float]:
    return {key: _number(value, f"{where}: {key or 'its figure'}") for key, value in table.items()}


def _demanded(gate: Target) -> str:
    least = f" from {gate.least_parameters:,} parameters on" if gate.least_parameters else ""
    return f"{gate.kind} {_shown(gate.figures)}{least}"


def _shown(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {figure:g}".strip() for key, figure in figures.items())
