"""A command in a fork is the command in a process of its own, and what may differ there is not run in a fork."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import forked
import pytest
from kit import ROOT, MakeFake, environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every command has a process of its own")

TELLS = """
import json, os, random, signal, sys, threading
told = {
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "name": __name__, "file": __file__,
    "folder": os.getcwd(), "environment": dict(os.environ), "umask": os.umask(0), "group": os.getpgrp(),
    "files": sorted(os.listdir("/proc/self/fd")), "stdin": os.readlink("/proc/self/fd/0"),
    "signals": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD)],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), "threads": threading.active_count(),
    "flags": list(sys.flags), "warnings": sys.warnoptions, "encoding": [sys.stdout.encoding, sys.stdout.errors],
    "buffered": [sys.stdout.line_buffering, sys.stdout.isatty()], "recursion": sys.getrecursionlimit(),
    "packages": "phi4bench" in sys.modules,
}
print(json.dumps(told))
"""


@pytest.fixture
def write(tmp_path: Path):
    """A module to be run from `tmp_path`."""

    def write(text: str) -> list[str]:
        (tmp_path / "told.py").write_text(text)
        return [sys.executable, "-m", "told", "a", "b c"]

    return write


def alone(command: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As `forked.run` has to be."""
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=env, timeout=60, check=False
    )


def test_a_fork_finds_what_a_process_of_its_own_finds(write, tmp_path: Path):
    command, env = write(TELLS), environment() | {"PYTEST_ADDOPTS": "its own", "COLUMNS": "33"}
    del env["PYTEST_CURRENT_TEST"]  # which what is forked had when it was started
    told = [
        json.loads(run.stdout)
        for run in (alone(command, tmp_path, env), forked.run(command, cwd=tmp_path, env=env, timeout_s=60))
    ]
    assert [one.pop("packages") for one in told] == [False, True]  # the second was a fork
    assert told[1] == told[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("import sys; sys.exit(7)", id="code"),
        pytest.param("import sys; sys.exit('a word')", id="word"),
        pytest.param("", id="nothing"),
        pytest.param("import os; os.kill(os.getpid(), 9)", id="killed"),
        pytest.param("import os; os.abort()", id="aborted"),
        pytest.param("import atexit; atexit.register(print, 'at the end'); print('first')", id="at-exit"),
        pytest.param(
            "import logging, os, sys; print('a'); sys.stderr.write('b'); os.write(1, b'c\\r\\n\\xc3\\xa9')", id="order"
        ),
        pytest.param("print('x' * 1_000_000)", id="long"),
        pytest.param("import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'])", id="of-its-child"),
    ],
)
def test_what_is_written_and_how_it_ends_are_the_same(write, tmp_path: Path, text: str):
    """Beside `logging`, which writes out standard error at the end, as does a pytest of its own."""
    command = write(text)
    one, other = (
        alone(command, tmp_path, environment()),
        forked.run(command, cwd=tmp_path, env=environment(), timeout_s=60),
    )
    assert (other.returncode, other.stdout) == (one.returncode, one.stdout)


def test_a_run_of_the_suites_is_the_same(suites_command: list[str], make_fake: MakeFake):
    command = [*suites_command, "--no-cache", "--model", str(make_fake("always_wrong"))]
    one, other = alone(command, ROOT, environment()), forked.run(command, cwd=ROOT, env=environment(), timeout_s=60)
    assert other.returncode == one.returncode == 1
    assert timeless(other.stdout) == timeless(one.stdout)


def timeless(out: str) -> list[str]:
    """Its lines, without what a clock or the memory says, and how often progress was told."""
    pattern = r"[\d.,]+ (cases/s|MiB|s\b)|[\d.]+s|=+"
    return [re.sub(pattern, "", line) for line in out.splitlines() if " left" not in line]


def test_nothing_goes_from_one_command_to_the_next(write, tmp_path: Path):
    text = """
import gc, os, sys, pytest
print(hasattr(pytest, "left"), "LEFT" in os.environ, os.getcwd(), "told" in sys.modules, gc.isenabled())
pytest.left = os.environ["LEFT"] = "here"
sys.modules["told"] = pytest
os.chdir("/")
gc.disable()
"""
    command = write(text)
    first, second = (forked.run(command, cwd=tmp_path, env=environment(), timeout_s=60).stdout for _ in range(2))
    assert first == second == f"False False {tmp_path} False True\n"


def test_two_commands_draw_other_numbers(write, tmp_path: Path):
    command = write("import random, uuid, tempfile; print(random.random(), uuid.uuid4(), tempfile.mktemp())")
    drawn = {forked.run(command, cwd=tmp_path, env=environment(), timeout_s=60).stdout for _ in range(2)}
    assert len(drawn) == 2


def test_one_that_takes_too_long_is_ended_and_the_next_one_runs(write, tmp_path: Path):
    forked.run(write(""), cwd=tmp_path, env=environment(), timeout_s=60)  # what is forked is there
    command = write("import time; open('begun', 'w'); time.sleep(10); open('ended', 'w')")
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run(command, cwd=tmp_path, env=environment(), timeout_s=2)
    assert (tmp_path / "begun").exists()
    assert not (tmp_path / "ended").exists()  # though what was forked has been waited for
    assert forked.run(write("print(1)"), cwd=tmp_path, env=environment(), timeout_s=60).stdout == "1\n"


@pytest.mark.parametrize(
    ("further", "forks"),
    [
        pytest.param({}, True, id="ours"),
        pytest.param({"COLUMNS": "7", "PYTEST_ADDOPTS": "-x"}, True, id="read-late"),
        pytest.param({"PYTHONPATH": "/elsewhere"}, False, id="pythons"),
        pytest.param({"OMP_NUM_THREADS": "3"}, False, id="anothers"),
        pytest.param({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}, False, id="plugins-looked-for"),
    ],
)
def test_only_what_no_import_reads_may_differ(further: dict[str, str], forks: bool):
    assert forked.may_fork([sys.executable, "-m", "pytest"], environment() | further) is forks


def test_an_environment_of_ours_that_has_changed_is_found(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By what is imported too, and not in the fork alone."""
    command = write("import os; print(os.getppid(), open(f'/proc/{os.getppid()}/environ').read().count('ANOTHER=3'))")
    told = [forked.run(command, cwd=tmp_path, env=environment(), timeout_s=60).stdout.split()]
    monkeypatch.setenv("ANOTHER", "3")
    told += [forked.run(command, cwd=tmp_path, env=environment(), timeout_s=60).stdout.split() for _ in range(2)]
    assert [count for _, count in told] == ["0", "1", "1"]
    assert told[0] != told[1] == told[2]


def test_what_is_no_module_of_this_python_is_not_forked():
    assert not forked.may_fork([sys.executable, "-c", "pass"], environment())
    assert not forked.may_fork(["/usr/bin/python3", "-m", "pytest"], environment())
    env = {name: value for name, value in environment().items() if name != "PATH"}
    assert not forked.may_fork([sys.executable, "-m", "pytest"], env)


def test_it_has_no_threads_and_none_of_the_modules_that_bring_some(write, tmp_path: Path):
    """A fork has its parent's locks and not its threads."""
    command = write("import os, sys; print(len(os.listdir('/proc/self/task')), os.getppid(), 'numpy' in sys.modules)")
    threads, parent, numpy = forked.run(command, cwd=tmp_path, env=environment(), timeout_s=60).stdout.split()
    assert (threads, numpy) == ("1", "False")
    assert len(list(Path("/proc", parent, "task").iterdir())) == 1
