"""Modules of others that a command starts: they run as by `python -m`, and end when the command is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from trainers import child
from trainers.export import run_builder
from trainers.nano import card, tables
from trainers.promote import judge

SLEEPER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
BUSY = "import os, re; print(os.getpid(), flush=True); re.fullmatch('(a|a)*b', 'a' * 30)"
"""In native code for more than a minute, which lets no other thread of its process run."""
PARENT = "import subprocess; from trainers import child; subprocess.run(child.command('sleeper'))"


def module(folder: Path, name: str, code: str) -> dict[str, str]:
    """The environment in which it is found."""
    (folder / f"{name}.py").write_text(code)
    return child.environment_of(os.environ | {"PYTHONPATH": str(folder)})


def test_a_module_runs_as_by_python_m_and_gives_its_exit_code(tmp_path: Path):
    environment = module(tmp_path, "told", "import sys; print(__name__, sys.argv[1:]); sys.exit(7)")
    done = subprocess.run(child.command("told", "-m", "x"), capture_output=True, text=True, env=environment)
    assert (done.stdout, done.returncode) == ("__main__ ['-m', 'x']\n", 7)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, to see which processes there are")
@pytest.mark.parametrize("code", [SLEEPER, BUSY], ids=["asleep", "in-native-code"])
def test_a_module_ends_when_the_command_that_started_it_is_killed(code, tmp_path: Path):
    environment = module(tmp_path, "sleeper", code)
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    with parent.stdout:
        sleeper = Path("/proc", parent.stdout.readline().strip())
        assert sleeper.exists()
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 20
        while is_running(sleeper) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_running(sleeper)


def is_running(process: Path) -> bool:
    """Not gone, and not a zombie that nobody asks for."""
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (lambda: run_builder(Path("model"), Path("out/fp32"), "fp32"), "onnxruntime_genai.models.builder"),
        (lambda: judge(["model"], Path("reports"), []), "phi4bench"),
        (lambda: tables.judge(Path("model"), Path("reports"), []), "pytest"),
        (lambda: card.judged(Path("models"), Path("cases.jsonl")), "pytest"),
    ],
    ids=["builder", "gate", "nano-tables", "nano-card"],
)
def test_what_works_for_long_is_started_so(start, name, monkeypatch):
    begun = []
    done = type("Done", (), {"returncode": 0})
    monkeypatch.setattr("subprocess.run", lambda command, **_: begun.append(command) or done)
    with suppress(FileNotFoundError):  # the card then reads a report
        start()
    assert begun[0][:5] == child.command(name)
