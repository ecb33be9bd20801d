"""A benchmark measured once more, in a fresh process: some processes are slower as a whole.

Where their memory came to lie and what the machine did beside them is another's in the next; a change of the code is
in all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from benchmarks.comparing import Sample
from benchmarks.records import read
from phi4bench.errors import BackendError
from phi4bench.printable import printable

_AGAIN = "PHI4BENCH_MEASURED_AGAIN"
"""Set in a process that measures again, which starts no further one."""


def is_again() -> bool:
    return _AGAIN in os.environ


def measured_again(nodes: Collection[str], called_from: Path, options: Collection[str]) -> dict[str, Sample]:
    """The benchmarks of these pytest `nodes`, by their names. `BackendError` where nothing was measured."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-only"]
        command += ["--benchmark-quiet", *nodes, f"--history={folder}", *options]
        done = subprocess.run(
            command,
            cwd=called_from,
            env=os.environ | {_AGAIN: "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        for path in Path(folder).glob("machine-*.json"):
            _, (run,) = read(path)
            return {sample.name: sample for sample in run.samples}
    words = (printable(line, 160) for line in reversed(done.stdout.splitlines()) if line.strip())
    raise BackendError(f"a further process measured nothing: exit status {done.returncode} ({next(words, 'no word')})")
