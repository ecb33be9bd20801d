"""How the size of an artifact is told: a line, a table for people, and the figures of report.json. Pure."""

from __future__ import annotations

from typing import Any

from phi4bench.report.wording import size
from phi4bench.run.judgement import Judgement
from phi4bench.sizes import EMBEDDINGS, HEAD, PARTS, Size, Weighed
from phi4bench.targets import SIZE_GATE


def size_headline(found: Size) -> str:
    """`37.2%: 5.2 MB, where its baseline has 13.9 MB in fp32`."""
    whole = size(found.baseline.fp32_bytes) if found.baseline else "-"
    return f"{100 * (found.ratio or 0):.1f}%: {size(found.artifact.bytes)}, where its baseline has {whole} in fp32"


def size_rows(found: Size) -> list[tuple[str, str, str, str, str]]:
    """What each part takes: name, bytes, share of all, the baseline's bytes in fp32, and the ratio of the two."""
    one, other = found.artifact, found.baseline
    rows = []
    for name in PARTS:
        part, before = one.part(name), other.part(name) if other else None
        in_twin = name in (EMBEDDINGS, HEAD) and any(some.tied for some in (one, other) if some)
        if part or in_twin or (before and before.fp32_bytes):
            own, whole = (part.bytes if part else 0), (before.fp32_bytes if before else 0)
            share = f"{100 * own / one.bytes:.1f}%" if one.bytes else "-"
            ratio = f"{100 * own / whole:.1f}%" if part and whole else "-"
            rows.append((name, _cell(name, own, one), share, _cell(name, whole, other), ratio))
    whole = other.fp32_bytes if other else 0
    total = f"{100 * (found.ratio or 0):.1f}%" if whole else "-"
    return [*rows, ("all", size(one.bytes), "100.0%", size(whole) if other else "-", total)]


def _cell(name: str, amount: int, weighed: Weighed | None) -> str:
    """Bytes of a part; of one without any, which other part holds it."""
    if amount or weighed is None:
        return size(amount) if weighed else "-"
    twin = {EMBEDDINGS: HEAD, HEAD: EMBEDDINGS}.get(name)
    return f"in {twin}" if twin and weighed.tied else "-"


def size_beside(found: Size) -> str:
    """What no sum counts."""
    beside = f"tokenizer and configuration ({size(found.artifact.beside)}) not counted"
    return f"{found.parameters / 1e6:,.1f}M parameters; {beside}"


def size_table(found: Size) -> list[str]:
    """The rows of `size_rows` for a terminal, under their heads."""
    rows = [("size of", "bytes", "share", "in fp32", "ratio"), *size_rows(found)]
    lines = [f"  {name:<24}{own:>14}{share:>8}{whole:>14}{ratio:>8}" for name, own, share, whole, ratio in rows]
    return [*lines, f"  {size_beside(found)}"]


def size_figures(judgement: Judgement) -> dict[str, Any] | None:
    """What each part takes; `None` where nobody asked; `missing` says why it could not be read."""
    found = judgement.size
    if found is None:
        return {"missing": judgement.size_missing} if judgement.size_missing else None
    own, other = found.artifact, found.baseline
    gate = judgement.size_gates.get(SIZE_GATE)
    return {
        "bytes": own.bytes,
        "baseline_fp32_bytes": other.fp32_bytes if other else None,
        "ratio": found.ratio,
        "target": gate.target if gate else None,
        "outcome": str(gate.outcome) if gate and gate.outcome else None,
        "reason": (gate.reason or None) if gate else None,
        "parameters": found.parameters,
        "parts": _parts(own),
        "tied": own.tied,
        "beside_bytes": own.beside,
        "baseline": {"bytes": other.bytes, "parts": _parts(other), "tied": other.tied} if other else None,
    }


def _parts(weighed: Weighed) -> list[dict[str, Any]]:
    return [
        {"name": part.name, "bytes": part.bytes, "weights": part.weights, "fp32_bytes": part.fp32_bytes}
        for part in weighed.parts
    ]
