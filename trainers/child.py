"""A Python module in a process that ends with its parent: a killed command leaves no builder behind that writes on.

`python -m trainers.child PARENT MODULE ...` does what `python -m MODULE ...` does.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICK_S = 0.5
_PATIENCE_S = 20.0
_ORPHANED = 75  # EX_TEMPFAIL of sysexits.h: ask again


def command(module: str, *arguments: str) -> list[str]:
    """What starts it as a child of this process. Its environment is one of `environment_of`."""
    return [sys.executable, "-m", "trainers.child", str(os.getpid()), module, *arguments]


def environment_of(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment with this checkout as the first place to find modules in."""
    path = os.pathsep.join([str(ROOT), *filter(None, [ours.get("PYTHONPATH")])])
    return {**ours, "PYTHONPATH": path}


def watch(parent: int) -> None:
    """End this process, whatever it does, once it has another parent than the one that started it.

    Linux does so at once, also where native code lets no thread run; elsewhere a thread looks.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # Source: prctl(2)
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    """By SIGTERM first, upon which torchrun ends its workers."""
    while os.getppid() == parent:
        time.sleep(TICK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_S)
    os._exit(_ORPHANED)


def run(module: str, arguments: Sequence[str]) -> None:
    """What `python -m` does, in this process."""
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main(arguments: Sequence[str]) -> None:
    parent, module, *rest = arguments
    watch(int(parent))
    run(module, rest)


if __name__ == "__main__":
    main(sys.argv[1:])
