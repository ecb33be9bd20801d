"""Which CUDA devices there are, and who gets which. Asks the driver's own tool: torch would hold a context on each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"


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


def halves(devices: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two parts of which the first has the odd one more. Raises `ValueError` where there are not two devices."""
    if len(devices) < 2:
        raise ValueError(f"{len(devices)} devices cannot be halved")
    middle = (len(devices) + 1) // 2
    return tuple(devices[:middle]), tuple(devices[middle:])


def visible(devices: Sequence[str]) -> dict[str, str]:
    """The environment of a process that is to see these alone."""
    return {VARIABLE: ",".join(devices)}
