"""What each part of a model takes, beside its baseline at 32 bits a weight, and the gate on it. Pure: no files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from phi4bench.gates import GateResult, Outcome
from phi4bench.targets import SIZE_GATE, Targets

EMBEDDINGS, HEAD, SCALES, ADAPTER = "embeddings", "LM head", "scales and zero points", "adapter"
GRAPH = "graph and padding"
PARTS = (EMBEDDINGS, HEAD, "attention", "MLP", "norms", "position tables", SCALES, ADAPTER, "other", GRAPH)
"""In the order in which reports list them."""
FP32_BYTES = 4


@dataclass(frozen=True)
class Part:
    """One part of a model's files, in bytes as stored, and as they would be at 32 bits a weight.

    `weights`: how many numbers training sets, whatever they are packed in; scales, tables and constants are none, and
    an adapter beside its base is not counted either.
    """

    name: str
    bytes: int
    weights: int
    fp32_bytes: int


@dataclass(frozen=True)
class Weighed:
    """The files of one artifact, by parts. `tied`: one table is the embeddings' and the LM head's.

    `beside`: bytes of the tokenizer and the configuration, which no sum here counts.
    """

    parts: tuple[Part, ...]
    tied: bool
    beside: int

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def weights(self) -> int:
        return sum(part.weights for part in self.parts)

    @property
    def fp32_bytes(self) -> int:
        return sum(part.fp32_bytes for part in self.parts)

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)


@dataclass(frozen=True)
class Size:
    """An artifact's size, and its baseline's where there is one."""

    artifact: Weighed
    baseline: Weighed | None

    @property
    def parameters(self) -> int:
        """Weights of the model: the smaller count of the two, since a quantized file may hold a tied table twice."""
        counts = [one.weights for one in (self.artifact, self.baseline) if one is not None]
        return min(counts)

    @property
    def ratio(self) -> float | None:
        """The artifact's bytes over its baseline's at 32 bits a weight; `None` without a baseline."""
        whole = self.baseline.fp32_bytes if self.baseline else 0
        return self.artifact.bytes / whole if whole else None


def weighed(parts: Iterable[Part], tied: bool, beside: int) -> Weighed:
    """Parts of one name added up, in the order of `PARTS`; empty ones are left out."""
    sums: dict[str, list[int]] = {name: [0, 0, 0] for name in PARTS}
    for part in parts:
        for place, amount in enumerate((part.bytes, part.weights, part.fp32_bytes)):
            sums[part.name][place] += amount
    return Weighed(tuple(Part(name, *three) for name, three in sums.items() if any(three)), tied, beside)


def exempt(size: Size | None, targets: Targets) -> frozenset[str]:
    """The gate's name where the model is smaller than its target speaks of: then it is measured, and not judged."""
    target = targets.gate(SIZE_GATE)
    small = target is not None and size is not None and size.parameters < target.least_parameters
    return frozenset({SIZE_GATE} if small else ())


def judge_size(size: Size, targets: Targets, precision: str) -> dict[str, GateResult]:
    """The ratio as a gate: it is counted, so it has no interval. Empty where there is nothing to compare with."""
    ratio, target = size.ratio, targets.gate(SIZE_GATE)
    if ratio is None:
        return {}
    figure = target.figure(precision) if target else None
    outcome, reason = None, ""
    if target is not None and figure is not None:
        if SIZE_GATE in exempt(size, targets):
            reason = (
                f"{size.parameters / 1e6:,.1f}M parameters, and {figure:g} is required from"
                f" {target.least_parameters / 1e6:,g}M on: measured only"
            )
            figure = None
        else:
            outcome = Outcome.PASS if ratio <= figure else Outcome.FAIL
            reason = "" if ratio <= figure else f"{ratio:.4f}, but should be at most {figure:g}"
    return {SIZE_GATE: GateResult(SIZE_GATE, 0, 0, ratio, None, figure, outcome, reason=reason)}


def size_to_json(size: Size) -> dict[str, Any]:
    """As it stands in a stored run."""
    return asdict(size)


def size_from_json(data: Mapping[str, Any]) -> Size:
    """What `size_to_json` gave; raises `ValueError`, among others, for anything else."""
    one, other = (
        Weighed(tuple(Part(**part) for part in some["parts"]), some["tied"], some["beside"]) if some else None
        for some in (data["artifact"], data["baseline"])
    )
    if one is None:
        raise ValueError("no artifact")
    return Size(one, other)
