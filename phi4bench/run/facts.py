"""What is written down of a run besides its completions, as JSON: which artifact, what was asked, what made them.

Reads an artifact's files for their sizes, and runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from phi4bench import __version__
from phi4bench.artifacts import Artifact
from phi4bench.artifacts.parts import weigh
from phi4bench.calls import Json
from phi4bench.errors import Phi4benchError
from phi4bench.printable import printable
from phi4bench.run.generation import Generation
from phi4bench.run.plan import Plan, Subject
from phi4bench.sizes import Size, size_to_json


def card(artifact: Artifact) -> dict[str, Any]:
    """What reports say of an artifact."""
    return {
        "id": artifact.id,
        "spec": artifact.spec,
        "sha256": artifact.sha256,
        "format": artifact.format,
        "bytes": artifact.bytes,
        "precision": artifact.precision,
        "dialect": artifact.dialect.name,
        "turns": artifact.dialect.turns.name,
        "inferred": list(artifact.dialect_inferred),
        "parent": artifact.parent,
        "parent_sha256": artifact.parent_sha256,
        "random_weights": artifact.random_weights,
        "files": [{"name": name, "sha256": sha256, "bytes": size} for name, sha256, size in artifact.files],
    }


def asked_facts(subject: Subject, plan: Plan) -> dict[str, Any]:
    """What a candidate was to be judged by, and how it was to be run."""
    return {
        "role": "candidate",
        "repair": plan.options.repair,
        "baseline": subject.baseline.id if subject.baseline else None,
        "baseline_missing": subject.no_baseline,
        "no_baseline_given": plan.options.no_baseline,
        "targets": [list(text) for text in plan.target_texts],
        "seed": plan.options.seed,
        "asked": {
            "provider": plan.options.provider.name,
            "provider_options": dict(plan.options.provider.options),
            "graph_optimization": plan.options.provider.graph_optimization,
            "threads": plan.options.threads,
        },
        "sources": list(plan.options.cases),
        "limit": plan.options.limit,
        "xfails": plan.xfails,
    }


def generation_facts(made: Generation) -> dict[str, Any]:
    return {
        "from_cache": made.from_cache,
        "generated": made.generated,
        "missing": made.missing,
        "seconds": made.seconds,
        "peak_rss_bytes": made.peak_rss_bytes,
        "runtime": dict(made.runtime),
        "notes": list(made.notes),
    }


def versions(machine: Mapping[str, Json]) -> dict[str, Any]:
    """Of phi4bench, Python and the packages that a machine has."""
    packages = machine.get("packages")
    known = packages if isinstance(packages, dict) else {}
    return {"phi4bench": __version__, "python": machine.get("python"), **known}


def parameters(subject: Subject) -> int | None:
    """Of the model; `None` where its files do not say."""
    try:
        own, baseline = weigh(subject.artifact), None
        with suppress(Phi4benchError):
            baseline = weigh(subject.baseline) if subject.baseline else None
        return Size(own, baseline).parameters
    except Phi4benchError:
        return None


def sizes(subject: Subject) -> dict[str, Any]:
    """What the files' parts take, as JSON, or `{"missing": why}` where that cannot be read."""
    try:
        baseline = weigh(subject.baseline) if subject.baseline else None
        return size_to_json(Size(weigh(subject.artifact), baseline))
    except Phi4benchError as error:
        return {"missing": printable(str(error), 300)}
