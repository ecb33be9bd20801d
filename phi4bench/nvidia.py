"""What an NVIDIA GPU holds, has free, and how busy it is, as NVML tells it. Needs `nvidia-ml-py`, if at all.

Without the package, without a device, or where NVML fails, there are simply no figures.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

EVERY_S = 0.05


def free_bytes(device: int, nvml: Any = None, visible: str | None = None) -> int | None:
    """Memory that nobody holds of the device that CUDA counts as `device`; `None` where NVML does not say.

    `visible`: `CUDA_VISIBLE_DEVICES`, by which CUDA counts other devices than NVML does.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    try:
        if nvml is None:
            import pynvml

            nvml = pynvml
        nvml.nvmlInit()
        try:
            name = visible.split(",")[device].strip() if visible else str(device)
            by_number = name.isdecimal()
            handle = nvml.nvmlDeviceGetHandleByIndex(int(name)) if by_number else nvml.nvmlDeviceGetHandleByUUID(name)
            return int(nvml.nvmlDeviceGetMemoryInfo(handle).free)
        finally:
            nvml.nvmlShutdown()
    except Exception:  # not installed, no driver, no such device
        return None


class GpuWatch:
    """Looks at every device now and then, for the length of a `with` block.

    `peak_bytes`: the most that this process held on all of them; where NVML does not list it (in a container, process
    ids differ), the most that was in use on any one, by whomever. `utilisation`: the mean share of the time in which
    the busiest device had work. Both are `None` without a device.
    """

    def __init__(self, nvml: Any = None, pid: int | None = None) -> None:
        self._nvml = nvml
        self._pid = os.getpid() if pid is None else pid
        self._handles: list[Any] = []
        self._own, self._used = 0, 0
        self._busy: list[float] = []
        self._stop = threading.Event()

    @property
    def peak_bytes(self) -> int | None:
        return (self._own or self._used) or None

    @property
    def utilisation(self) -> float | None:
        return sum(self._busy) / len(self._busy) if self._busy else None

    def __enter__(self) -> GpuWatch:
        self._handles = self._open()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if self._handles:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._handles:
            self._thread.join()
            with suppress(Exception):
                self._nvml.nvmlShutdown()

    def look(self) -> None:
        """One look at every device; what NVML does not tell is left out."""
        own, used, busy = 0, 0, 0.0
        for handle in self._handles:
            with suppress(Exception):  # the package's errors share a base class, which only it knows
                used = max(used, int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used))
                busy = max(busy, self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
                for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle):
                    own += int(process.usedGpuMemory or 0) if process.pid == self._pid else 0
        self._own, self._used = max(self._own, own), max(self._used, used)
        self._busy.append(busy)

    def _open(self) -> list[Any]:
        try:
            if self._nvml is None:
                import pynvml

                self._nvml = pynvml
            self._nvml.nvmlInit()
            return [self._nvml.nvmlDeviceGetHandleByIndex(at) for at in range(self._nvml.nvmlDeviceGetCount())]
        except Exception:  # not installed, no driver, no device
            return []

    def _watch(self) -> None:
        self.look()
        while not self._stop.wait(EVERY_S):
            self.look()
