"""One trial of a sweep, or one track: a command of `python -m trainers` in a process that ends with its parent.

`python -m trainers.trial PARENT LOCK PROCESSES COMMAND ...`. Two processes that write one run would spoil it, and
a sweep that was killed leaves its trials behind: so each holds a lock on its folder, and gives up when its parent is
gone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from phi4bench.printable import printable
from phi4bench.run.child import signal_name
from trainers.child import environment_of, run, watch

LOG = "log.txt"
_TOLD = re.compile(r"trainers [a-z]+: (.+)")


def run_trial(folder: Path, arguments: Sequence[str], environment: Mapping[str, str], processes: int = 1) -> str:
    """Run one command of `python -m trainers`, its output added to `log.txt` in `folder`; what went wrong, in a line.

    Empty where nothing did. `environment`: what differs from ours. `processes`: started by torchrun, where several.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log = (folder / LOG).open("ab")
    except OSError as error:
        return f"'{printable(str(folder), 200)}' cannot be written ({error.strerror})"
    with log:
        began = log.tell()
        told = [str(os.getpid()), str(folder / ".lock"), str(processes)]
        command = [sys.executable, "-m", "trainers.trial", *told, *arguments]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=Path.cwd(), env=_environment(environment)
        )
        try:
            code = process.wait()
        finally:
            process.kill()
            process.wait()
    if not code:
        return ""
    return _reason(code, _last_words(folder / LOG, began))


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """This checkout first to be found; the settings come as options, so the variable that holds some is left out."""
    from trainers.settings import VARIABLE

    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return environment_of(kept) | dict(ours)


def _reason(code: int, said: str) -> str:
    if code < 0:
        hint = ", most often since memory ran out" if signal_name(-code) == "SIGKILL" else ""
        return f"ended by {signal_name(-code)}{hint}"
    return said or f"stopped with exit status {code}"


def _last_words(path: Path, start: int) -> str:
    """What this run said of its fault, else its last line. A progress bar may stand before and after it."""
    with path.open("rb") as file:
        file.seek(max(start, path.stat().st_size - 8000))
        text = file.read().decode("utf-8", "replace").replace("\r", "\n")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    told = [found[1] for line in lines if (found := _TOLD.search(line))]
    return printable((told or lines or [""])[-1], 300)


def main(arguments: Sequence[str]) -> int:
    parent, lock, processes, *command = arguments
    watch(int(parent))
    with open(lock, "ab") as held:  # noqa: PTH123 - a path that we were given as text
        _wait_for(held)
        if int(processes) > 1:
            return _launch(int(processes), command)
        run("trainers", command)  # ends this process, with the command's exit code
    return 0


def _launch(processes: int, command: Sequence[str]) -> int:
    """One process a device, by torchrun in this one; its workers end with it."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(["--standalone", f"--nproc_per_node={processes}", "-m", "trainers", *command])
    except ChildFailedError as error:
        return error.get_first_failure()[1].exitcode
    return 0


def _wait_for(file: IO[bytes]) -> None:
    """Until the process before us, whose sweep was killed, has seen it. The system frees a lock with its process."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock, and does not let two processes write one file
        return
    fcntl.flock(file, fcntl.LOCK_EX)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
