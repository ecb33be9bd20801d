"""`promotion.json`: the statement that one artifact may be promoted, with all that it rests on. Pure.

Source: in-toto Attestation Framework, Statement v1 (`_type`, `subject`, `predicateType`, `predicate`). It is not
signed here, so it proves no author.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi4bench.report.figures import gate_line
from phi4bench.run.judging import Conclusion, Judgement
from phi4bench.verdicts import Verdict

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "phi4bench.promotion/1"


def promotion(
    judgement: Judgement, conclusion: Conclusion, transcripts: Mapping[str, str], created: str, command: str
) -> dict[str, Any]:
    """`transcripts`: file name to sha256, of the candidate and of its baseline. `created`: UTC, ISO 8601."""
    assert conclusion.verdict is Verdict.promote
    run, baseline = judgement.run, judgement.baseline
    return {
        "_type": STATEMENT,
        "subject": [{"name": item["name"], "digest": {"sha256": item["sha256"]}} for item in run.artifact["files"]],
        "predicateType": PREDICATE,
        "predicate": {
            "verdict": str(conclusion.verdict),
            "advice": conclusion.advice or None,
            "tier": judgement.tier.name if judgement.tier else None,
            "created": created,
            "command": command,
            "artifact": {
                key: run.artifact[key] for key in ("id", "spec", "sha256", "format", "bytes", "precision", "dialect")
            },
            "parent": {key: baseline.artifact[key] for key in ("id", "spec", "sha256")} if baseline else None,
            "no_baseline": judgement.waived,
            "cases": {"path": run.dataset.path, "sha256": run.dataset.sha256, "count": len(run.dataset.cases)},
            "targets": {
                "names": list(judgement.targets.names),
                "sha256": judgement.targets.sha256,
                "alpha": judgement.targets.alpha,
            },
            "decoding": dict(run.decoding),
            "dialect_sha256": run.dialect.digest(),
            "gates": [gate_line(gate) for gate in judgement.required],
            "seed": run.facts.get("seed"),
            "runtime": (run.facts.get("generation") or {}).get("runtime"),
            "machine": dict(run.machine),
            "versions": dict(run.versions),
            "transcripts": [{"name": name, "sha256": sha256} for name, sha256 in transcripts.items()],
        },
    }
