"""`promotion.json`: the statement that one artifact may be promoted, with all that it rests on. Pure.

Source: in-toto Attestation Framework, Statement v1 (`_type`, `subject`, `predicateType`, `predicate`). It is not
signed here, so it proves no author: docs/promotion.md says how to sign it. All but `created`, `command` and `suite`
follows from the transcripts, which is how `phi4bench verify` finds an edited number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi4bench.report.figures import baseline_figures, gate_line
from phi4bench.report.known import known_figures
from phi4bench.report.levels import level_figures
from phi4bench.report.speed import crashes
from phi4bench.report.stable import stability_figures
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import Conclusion

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:phi4bench:promotion:1"


def promotion(
    judgement: Judgement,
    conclusion: Conclusion,
    transcripts: Mapping[str, str],
    created: str,
    command: str,
    suite: Mapping[str, str],
) -> dict[str, Any]:
    """`transcripts`: artifact id to the sha256 of its file, the candidate and its baseline.

    `created`: UTC, ISO 8601. `suite`: what judged: the version of phi4bench and the sha256 of its code and suites.
    Whether there is anything to promote is the caller's to know.
    """
    run, targets = judgement.run, judgement.targets
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
            "parent": baseline_figures(judgement),
            "no_baseline": judgement.waived,
            "cases": {
                "path": run.dataset.path,
                "sha256": run.dataset.sha256,
                "count": len(run.dataset.cases),
                "groups": len(set(run.dataset.groups)),
                "notes": list(run.dataset.notes),
            },
            "targets": {
                "names": list(targets.names),
                "sha256": targets.sha256,
                "alpha": targets.alpha,
                "files": [
                    {"name": name, "sha256": sha256}
                    for name, sha256 in zip(targets.names, targets.sha256s, strict=True)
                ],
            },
            "known_failures": known_figures(judgement.known),
            "determinism": stability_figures(judgement),
            "accuracy_level": level_figures(judgement),
            "slo": {"crashed": crashes(judgement)} if judgement.slo else None,
            "suite": dict(suite),
            "decoding": dict(run.decoding),
            "dialect_sha256": run.dialect.digest(),
            "gates": [gate_line(gate) for gate in judgement.required],
            "seed": run.facts.get("seed"),
            "runtime": (run.facts.get("generation") or {}).get("runtime"),
            "machine": dict(run.machine),
            "versions": dict(run.versions),
            "transcripts": [
                {
                    "name": f"{name}.jsonl",
                    "sha256": sha256,
                    "role": "candidate" if name == judgement.id else "baseline",
                }
                for name, sha256 in transcripts.items()
            ],
        },
    }
