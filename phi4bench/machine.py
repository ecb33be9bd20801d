"""The machine that a run was made on, as far as its figures depend on it. No host name, no user name, no paths.

Reads /proc and asks nvidia-smi; imports no runtime, since versions can be read without.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from phi4bench.calls import Json

_RUNTIMES = (
    "onnxruntime", "onnxruntime-gpu", "onnxruntime-genai", "onnxruntime-genai-cuda", "torch", "transformers",
    "tokenizers", "numpy",
)  # fmt: skip
_NVIDIA_SMI_SECONDS = 5.0


def describe() -> dict[str, Json]:
    """`cores` is how many this process may use, which containers and affinity make fewer than the machine has."""
    return {
        "cpu": cpu_model(_read(Path("/proc/cpuinfo"))) or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "cores": usable_cores(),
        "memory_bytes": memory_bytes(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version for name in _RUNTIMES if (version := _version(name))},
        "gpus": list[Json](gpus()),
    }


def load_average() -> float | None:
    """How many processes wanted a core over the last minute; `None` where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def usable_cores() -> int:
    """Cores that this process may run on whole, by its affinity and by its control group's quota; as many threads run.

    Of a quota of 1.5 that is 1: two threads that wait for each other would both be stopped for part of every period.
    """
    try:
        affinity = len(os.sched_getaffinity(0))
    except AttributeError:
        affinity = os.cpu_count() or 1
    quota, _, period = _limit("cpu.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        return max(1, min(affinity, int(quota) // int(period)))
    return affinity


def memory_bytes() -> int | None:
    """What this process may use, the control group's limit included; `None` where nothing says."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    limit = _limit("memory.max", "memory/memory.limit_in_bytes")
    return min(total, int(limit)) if limit.isdigit() else total


def free_memory_bytes() -> int | None:
    """What this process may still take without being killed for it; `None` where nothing says.

    The least of what the system has to give and of what is left of the control group's limit, in both of which files
    that were read and lie idle in memory count as free. Source: `MemAvailable` in proc_meminfo(5) and the working
    set of https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline.
    """
    told = _numbers(_read(Path("/proc/meminfo")))
    free = [told["MemAvailable:"] * 1024] if "MemAvailable:" in told else []
    limit = _limit("memory.max", "memory/memory.limit_in_bytes")
    used = _limit("memory.current", "memory/memory.usage_in_bytes")
    if limit.isdigit() and used.isdigit():
        idle = _numbers(_limit("memory.stat", "memory/memory.stat"))
        free.append(int(limit) - int(used) + idle.get("total_inactive_file", idle.get("inactive_file", 0)))
    return max(0, min(free)) if free else None


def _numbers(text: str) -> dict[str, int]:
    """Of lines of a name and a number, whatever follows."""
    lines = (line.split() for line in text.splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _limit(file: str, *older: str) -> str:
    """What the control group's `file` says, or where control groups are version 1, the `older` files that stood for it.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html; scheduler/sched-bwc.html and cgroup-v1/memory.html.
    """
    folder = Path("/sys/fs/cgroup")
    return _read(folder / file).strip() or " ".join(_read(folder / one).strip() for one in older)


def cpu_model(cpuinfo: str) -> str:
    """The processor's name out of /proc/cpuinfo; empty where it has none (as on many ARM machines)."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return " ".join(value.split())
    return ""


def gpus(ask: Callable[[], str] | None = None) -> list[str]:
    """Name, memory and driver of each NVIDIA GPU; empty without one or where nvidia-smi does not answer in time."""
    lines = (ask or _nvidia_smi)().splitlines()
    return [" ".join(line.split())[:120] for line in lines if line.count(",") == 2]


def _nvidia_smi() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=_NVIDIA_SMI_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
