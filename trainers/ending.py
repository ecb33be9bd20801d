"""How a command ends: its exit code, and one line for what went wrong or for Ctrl-C, without a traceback. No torch."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, EEXIST, EISDIR, ENAMETOOLONG, ENOTDIR, EPERM, EROFS
from typing import Any, NoReturn

from phi4bench.cli import without_output
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.printable import printable
from trainers.disk import is_full
from trainers.faults import SharedError

USAGE_EXIT = 4
BROKE_EXIT = 3
INTERRUPTED_EXIT = 130
_PLACES = (EACCES, EEXIST, EISDIR, ENAMETOOLONG, ENOTDIR, EPERM, EROFS)
"""Errors of a path that the user named."""
_TRAIN = (
    "accelerate", "bitsandbytes", "matplotlib", "onnx", "onnx_ir", "onnxruntime_genai", "peft", "safetensors", "torch",
    "transformers",
)  # fmt: skip
"""Modules of the extra `train`."""


class Parser(argparse.ArgumentParser):
    """argparse, with one line for what is wrong and the exit code that stands for it."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_EXIT, f"{self.prog}: {message} (--help lists what there is)\n")


def ended(name: str, work: Callable[[], object], kept: str, speaks: Callable[[], bool]) -> int:
    """Do the work; returns its exit code. `name`: what each line begins with. `kept`: what Ctrl-C leaves.

    `speaks`: whether this process tells what all processes of a launch meet at once.
    """
    with _interrupts() as presses:
        try:
            code = work()
            return _flushed(name, code if isinstance(code, int) else 0)
        except KeyboardInterrupt:
            presses.stopped = True
            told, code, shared = "", INTERRUPTED_EXIT, True
        except BrokenPipeError as error:  # who read our output is gone
            return without_output(name, error)
        except Exception as error:
            presses.stopped = True
            told, code = ("", INTERRUPTED_EXIT) if presses.count else _told(error)
            if not told and not presses.count:
                traceback.print_exc()
                return BROKE_EXIT  # Python's own 1 is promote's for a reject
            shared = bool(presses.count) or isinstance(error, (UsageError, SharedError))
        gc.collect()  # what the work held is let go of: a progress bar draws itself a last time then, above the line
        if not shared or speaks():
            stopped = f"interrupted; {kept} is kept, and the same command goes on"
            sys.stderr.write(f"{name}: {told}\n" if told else f"\n{name}: {stopped}\n")  # ^C stands on the line
        presses.told = True
    return code


def _flushed(name: str, code: int) -> int:
    """The exit code, once all that was printed is out: Python would tell of it at its end, in its own words."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return without_output(name, error)
    return code


class _Presses:
    """How often Ctrl-C was pressed. `stopped`: the work has stopped for it; `told`: and it was said.

    A press after that ends at once what is left, which can take seconds: Python's own end, libraries' threads.
    """

    def __init__(self) -> None:
        self.count, self.stopped, self.told = 0, False, False

    def press(self, _number: int, _frame: Any) -> None:
        if self.stopped and self.told:
            os._exit(INTERRUPTED_EXIT)
        if not self.stopped:
            self.count += 1
            raise KeyboardInterrupt


@contextmanager
def _interrupts() -> Iterator[_Presses]:
    """What counts Ctrl-C: a library that is being imported may make another error of its exception, as transformers
    does, and at the end a second one would be a traceback."""
    presses = _Presses()
    try:
        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where it is ignored, as by nohup
        if ours:
            signal.signal(signal.SIGINT, presses.press)
    except ValueError:  # only the main thread may ask for signals
        ours = False
    try:
        yield presses
    finally:
        if ours and not presses.count:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _told(error: Exception) -> tuple[str, int]:
    """What to say of an error that a user can cause, and its exit code; no words of any other."""
    from phi4bench.backends.memory import is_out_of_memory
    from phi4bench.backends.reasons import one_line

    if isinstance(error, Phi4benchError):
        lines = "\n".join(printable(line) for line in str(error).split("\n"))
        return lines, USAGE_EXIT if isinstance(error, UsageError) else BROKE_EXIT
    if isinstance(error, ModuleNotFoundError) and error.name in _TRAIN:
        return f"this needs {error.name}, not installed; pip install 'phi4bench[train]'", USAGE_EXIT
    full = is_full(error)  # safetensors has an error of its own for a full disk
    if full is not None:
        return f"{full} ({printable(str(error), 120)}); make room, and run the same command again", BROKE_EXIT
    if is_out_of_memory(error):
        hint = "take less at a time (--batch, --length, --threads), and run the same command again"
        return f"memory ran out ({printable(one_line(error), 200)}); {hint}", BROKE_EXIT
    if isinstance(error, OSError) and error.errno in _PLACES:
        return f"'{printable(str(error.filename), 200)}' cannot be used ({error.strerror})", USAGE_EXIT
    return "", BROKE_EXIT
