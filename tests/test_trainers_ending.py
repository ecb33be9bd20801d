"""How a command ends: Ctrl-C is one line and 130, even while a library is being imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from kit import ROOT

from trainers.ending import ended
from trainers.faults import TrainingError

TOLD = "interrupted; every file is kept, and the same command goes on"


def of(work, speaks=True) -> int:
    return ended("trainers try", work, "every file", lambda: speaks)


@pytest.fixture(autouse=True)
def handler():
    """What the tests found, put back: after a Ctrl-C a command leaves its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def import_that_is_interrupted():
    """As transformers imports: what goes wrong below is another error above."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as stop:
        raise ModuleNotFoundError("Could not import module 'Trainer'") from stop


def test_ctrl_c_that_a_library_made_another_error_of_is_ctrl_c(capsys):
    assert of(import_that_is_interrupted) == 130
    assert capsys.readouterr().err == f"\ntrainers try: {TOLD}\n"


@pytest.mark.parametrize("name", ["onnx", "torch"])
def test_a_library_that_is_not_installed_is_a_line(name, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    assert of(lambda: __import__(name)) == 4
    told = f"trainers try: this needs {name}, not installed; pip install 'phi4bench[train]'\n"
    assert capsys.readouterr().err == told


def test_memory_that_ran_out_is_told_with_what_takes_less(capsys):
    def work():
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    assert of(work) == 3
    assert "memory ran out (CUDA out of memory. Tried to allocate 20.00 GiB); take less at a" in capsys.readouterr().err


class Bar:
    """As of tqdm: in a circle with what holds it, and drawn a last time when it is let go of."""

    def __init__(self):
        self.holder = self

    def __del__(self):
        sys.stderr.write("3 of 9 steps\n")


@pytest.mark.parametrize(
    ("stop", "code", "line"),
    [(KeyboardInterrupt, 130, f"\ntrainers try: {TOLD}\n"), (TrainingError, 3, "trainers try: full\n")],
    ids=["ctrl-c", "fault"],
)
def test_the_line_stands_below_a_progress_bar(stop, code, line, capsys):
    def work():
        _bar = Bar()
        raise stop("full")

    assert of(work) == code
    assert capsys.readouterr().err == f"3 of 9 steps\n{line}"


def test_a_second_ctrl_c_ends_at_once_and_not_before_the_line(monkeypatch, capsys):
    ends = []
    monkeypatch.setattr("os._exit", ends.append)

    def speaks():
        signal.raise_signal(signal.SIGINT)  # while the first one is told
        return True

    assert ended("trainers try", import_that_is_interrupted, "every file", speaks) == 130
    assert capsys.readouterr().err == f"\ntrainers try: {TOLD}\n"
    assert ends == []
    signal.raise_signal(signal.SIGINT)
    assert ends == [130]


def test_a_fault_of_ours_keeps_its_traceback_and_is_no_reject(capsys):
    assert of(lambda: 1 / 0) == 3
    assert capsys.readouterr().err.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device there")
@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("reads", "code", "says"),
    [(False, 141, ""), (True, 3, "No space left on device")],
    ids=["its-reader-is-gone", "a-full-disk"],
)
def test_output_that_nobody_takes_ends_as_that_of_phi4bench(reads, code, says, buffered, tmp_path: Path):
    script = (
        "import sys; from trainers.ending import ended; sys.exit(ended('try', lambda: print('x'), '', lambda: True))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    if reads:
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    done = subprocess.run(
        [sys.executable, *([] if buffered else ["-u"]), "-c", script],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"},
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1 if says else 0)
    assert says in done.stderr


def test_one_process_of_a_launch_tells_of_ctrl_c_and_each_of_its_own_fault(capsys):
    def interrupted():
        raise KeyboardInterrupt

    def broken():
        raise TrainingError("loss=nan")

    assert (of(interrupted, speaks=False), of(broken, speaks=False)) == (130, 3)
    assert capsys.readouterr().err == "trainers try: loss=nan\n"


def test_where_ctrl_c_is_ignored_it_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert of(lambda: signal.raise_signal(signal.SIGINT)) == 0
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
@pytest.mark.skipif(find_spec("onnx") is None, reason="needs the `train` extra")
@pytest.mark.parametrize(
    ("launched", "codes", "says"),
    [
        # A shell makes 130 of both.
        ({}, (130, -2), "\ntrainers.nano: interrupted; the last checkpoint is kept, and the same command goes on\n"),
        ({"PHI4BENCH_NANO_RANK": "0"}, (1,), "torch is here\n"),
    ],
    ids=["alone", "worker-whose-parent-tells"],
)
def test_ctrl_c_while_nano_imports_torch_is_told_once(launched, codes, says, tmp_path: Path):
    interrupted = "import os, signal, sys, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.1)\n"
    (tmp_path / "torch.py").write_text(f"{interrupted}sys.exit('torch is here')\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "trainers.nano", "base", "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path} | launched,
        cwd=tmp_path,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode in codes
    assert done.stderr == says
