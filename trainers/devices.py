"""Which CUDA devices there are, which of them torch can use, and who gets which. Imports no torch.

The driver's own tool is asked first, then torch in a process of its own, which is gone with all that it held.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from phi4bench.counting import counted

VARIABLE = "CUDA_VISIBLE_DEVICES"
_COUNT = "import torch; print(torch.cuda.device_count(), torch.__version__)"


def there(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Names that `CUDA_VISIBLE_DEVICES` takes: those that it lists, else numbers of all that the driver lists."""
    if VARIABLE in environment:
        named = [name.strip() for name in environment[VARIABLE].split(",")]
        return tuple(name for name in named if name and name != "-1")
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    try:
        done = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    lines = [line for line in done.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(number) for number in range(len(lines))) if done.returncode == 0 else ()


def seen_by_torch(environment: Mapping[str, str]) -> tuple[int, str]:
    """How many devices torch can use, and its version; 0 of one that does not start."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _COUNT], capture_output=True, text=True, env=environment, timeout=300, check=False
        )
        count, version = done.stdout.split()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0, "(which does not start)"
    return int(count), version


def usable(
    environment: Mapping[str, str] = os.environ, ask: Callable[[Mapping[str, str]], tuple[int, str]] = seen_by_torch
) -> tuple[tuple[str, ...], str]:
    """Those of `there` that torch can use, and a line where they are not all; else it is empty.

    Devices that are named behind one that torch cannot use are lost to it, so what is left are the first ones.
    """
    names = there(environment)
    count, version = ask(environment) if names else (0, "")
    if count >= len(names):
        return names, ""
    can = f"only {count}" if count else "none"
    return names[:count], f"{counted(len(names), 'CUDA device')}, but torch {version} can use {can} of them"


def halves(devices: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two parts of which the first has the odd one more. Raises `ValueError` where there are not two devices."""
    if len(devices) < 2:
        raise ValueError(f"{len(devices)} devices cannot be halved")
    middle = (len(devices) + 1) // 2
    return tuple(devices[:middle]), tuple(devices[middle:])


def visible(devices: Sequence[str]) -> dict[str, str]:
    """The environment of a process that is to see these alone."""
    return {VARIABLE: ",".join(devices)}
