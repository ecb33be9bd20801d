"""How long from the command to the verdict's gates: cold, and with every completion stored?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from phi4bench.datasets import suites_dir
from phi4bench.machine import usable_cores
from phi4bench.runfile import read_run

CASES = 150
GATED = (0, 1, 10)
"""Exit codes of a run that judged; which of them is the artifact's business."""


@pytest.mark.parametrize("stored", [pytest.param(False, id="cold"), pytest.param(True, id="stored")])
def test_accuracy_of_150_cases(timed, artifact, tmp_path: Path, stored):
    model = (artifact.model_file if artifact.format == "onnx" else artifact.path).resolve()

    def judge():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suites_dir() / "accuracy")]
        command += [f"--model={model}", f"--limit={CASES}", f"--report={tmp_path / 'reports'}"]
        command += ["--cache-dir", str(tmp_path / "cache")] if stored else ["--no-cache"]
        done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
        assert done.returncode in GATED, done.stdout[-2000:]
        return done

    judge()
    [made] = (tmp_path / "reports" / "transcripts").glob("*.jsonl")
    tokens = sum(len(one.token_ids) for one in read_run(made).completions if one)
    cores = 1 if stored else usable_cores()
    judged = timed(judge, reference="process", cores=cores, artifact=artifact, cases=CASES, tokens=tokens)
    assert f"{CASES} cases" in judged.stdout
