"""What the commands of `benchmarks/` have in common: options, artifacts, faults told in a line. Measures nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.artifact import Artifact
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.printable import printable
from phi4bench.run.environment import with_huge_pages


def at_least_one(text: str) -> int:
    """argparse's `type` of rounds, threads and cases."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{printable(text, 60)!r}, but should be at least 1")
    return number


def from_zero(text: str) -> int:
    """argparse's `type` of seeds, which numpy takes from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{printable(text, 60)!r}, but should be a whole number from 0 on")
    return int(text)


def open_onnx(path: Path) -> Artifact:
    """The artifact at `path`; `UsageError` where it is none of ONNX, which alone is measured by its parts."""
    artifact = open_artifact(str(path))
    if artifact.format != "onnx":
        shown = printable(str(path), 200)
        raise UsageError(f"--model={shown!r} is of the format {artifact.format!r}, but should be an ONNX file")
    return artifact


def given(models: Sequence[Path] | None) -> str:
    """`--model` as it was typed, for a page: of an absolute path, which is this machine's, the last two parts."""
    shown = (Path(*path.parts[-2:]) if path.is_absolute() else path for path in models or ())
    return "".join(f" --model {path}" for path in shown)


def as_a_child() -> None:
    """Begin again with the memory of a child that runs an artifact, where this process was started without it."""
    environment = with_huge_pages(os.environ)
    if environment != os.environ:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


@contextmanager
def told(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Ends the command with one line: with exit code 4 where a path, a name, an artifact or a package is amiss, 130 of
    Ctrl-C."""
    try:
        yield
    except Phi4benchError as error:
        parser.exit(4, f"{printable(str(error))}\n")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "benchmarks", "phi4bench", "trainers"):
            raise  # ours
        parser.exit(4, f"this needs {error.name}, not installed; pip install 'phi4bench[train]'\n")
    except OSError as error:
        if error.filename is None:
            raise  # no file of the user's
        parser.exit(4, f"{printable(f'{error.filename}: {error.strerror}', 300)}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted\n")
