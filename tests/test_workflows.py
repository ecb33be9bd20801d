"""The reusable workflow: what an artifact's files are called cannot change who judges it, or what is reported."""

import os
import subprocess
import textwrap

import pytest
from kit import ROOT

GATE = (ROOT / ".github" / "workflows" / "gpu-gate.yml").read_text(encoding="utf-8")


def test_what_judges_is_installed_before_the_artifact_is_downloaded() -> None:
    assert GATE.index("bin/pip") < GATE.index("actions/download-artifact") < GATE.index("options[@]")


def test_what_judges_and_its_reports_lie_outside_the_folder_that_the_artifact_is_put_into() -> None:
    for name, kept in (("gate/bin", '"$RUNNER_TEMP/gate/bin'), ("gate-reports", "${{ runner.temp }}/gate-reports")):
        assert GATE.count(name) == GATE.count(kept) > 0


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param({}, [], id="nothing-but-the-model"),
        pytest.param({"BASELINE": "a b/fp32"}, ["--baseline", "a b/fp32"], id="a-baseline"),
        pytest.param(
            {"CASES": "mine.jsonl\n\nbfcl:d/*; $(id)\n", "DIALECT": "hermes", "SYSTEM_PROMPT": "p.txt"},
            ["--dialect", "hermes", "--system-prompt", "p.txt", "--cases", "mine.jsonl", "--cases", "bfcl:d/*; $(id)"],
            id="cases-a-line-each",
        ),
    ],
)
def test_what_a_caller_gives_reaches_the_judge_as_it_is(given, wanted, tmp_path) -> None:
    judge = tmp_path / "gate" / "bin" / "phi4bench"
    judge.parent.mkdir(parents=True)
    judge.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    judge.chmod(0o755)
    script = textwrap.dedent(GATE.partition("id: judge")[2].partition("run: |\n")[2].partition("      - name:")[0])
    inputs = dict.fromkeys(("BASELINE", "CASES", "DIALECT", "SYSTEM_PROMPT"), "") | given
    told = {"MODEL": "m", "TARGETS": "guide", "REPORTS": "r", "RUNNER_TEMP": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(["bash", "-e", "-c", script], env=told | inputs, capture_output=True, text=True, check=True)
    always = ["judge", "--model", "m", "--targets", "guide", "--report", "r", "--junitxml", "r/junit.xml"]
    assert done.stdout.split("\0")[:-1] == [*always, *wanted]
