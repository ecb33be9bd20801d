"""How long until something happens: a command, a suite, the cases, an artifact?"""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import pytest

from phi4bench.artifacts import open_artifact
from phi4bench.backends import open_backend
from phi4bench.datasets import load_cases

COMMANDS = {
    "help": ["-m", "phi4bench", "--help"],
    "judging": ["-c", "import phi4bench.session, phi4bench.rescoring"],
    "worker": ["-c", "import phi4bench.run.worker, phi4bench.backends.onnx"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_process(timed, command):
    start = partial(subprocess.run, [sys.executable, *COMMANDS[command]], capture_output=True, check=True)
    assert timed(start, reference="process").returncode == 0


def test_shipped_cases(timed):
    cases = load_cases(None).cases
    assert timed(lambda: load_cases(None), cases=len(cases)).cases == cases


def test_opening(timed, artifact):
    assert timed(lambda: open_artifact(artifact.spec), artifact=artifact).sha256 == artifact.sha256


def test_loading(timed, artifact):
    def load():
        open_backend(artifact, threads=1).close()

    timed(load, reference="arrays", artifact=artifact)
