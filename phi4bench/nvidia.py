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
    try:
        if nvml is None:
            import pynvml

            nvml = pynvml
        nvml.nvmlInit()
        try:
            return int(nvml.nvmlDeviceGetMemoryInfo(_handle(nvml, device, visible)).free)
        finally:
            nvml.nvmlShutdown()
    except Exception:  # not installed, no driver, no such device
        return None


def device_name(device: int, nvml: Any = None, visible: str | None = None) -> str:
    """Of the device that CUDA counts as `device`, such as `NVIDIA H100 80GB HBM3`; empty where NVML does not say."""
    try:
        if nvml is None:
            import pynvml

            nvml = pynvml
        nvml.nvmlInit()
        try:
            name = nvml.nvmlDeviceGetName(_handle(nvml, device, visible))
        finally:
            nvml.nvmlShutdown()
    except Exception:  # not installed, no driver, no such device
        return ""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


class GpuWatch:
    """Looks at the device that CUDA counts as `device` now and then, for the length of a `with` block.

    `peak_bytes`: the most that this process held there. Where NVML does not list it (in a container, process ids
    differ), the most that all processes held there together, and `by_all` is true: a bound, with what others hold in
    it. `utilisation`: the mean share of the time in which the device had work. Both are `None` without a device.
    """

    def __init__(self, device: int = 0, nvml: Any = None, pid: int | None = None, visible: str | None = None) -> None:
        self._device, self._nvml, self._visible = device, nvml, visible
        self._pid = os.getpid() if pid is None else pid
        self._begun = self._open = False
        self._own, self._used = 0, 0
        self._busy: list[float] = []
        self._stop = threading.Event()

    @property
    def peak_bytes(self) -> int | None:
        return (self._own or self._used) or None

    @property
    def by_all(self) -> bool:
        return self._used > 0 and not self._own

    @property
    def utilisation(self) -> float | None:
        return sum(self._busy) / len(self._busy) if self._busy else None

    def __enter__(self) -> GpuWatch:
        self.open()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if self._open:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._open:
            self._thread.join()
        if self._begun:
            with suppress(Exception):
                self._nvml.nvmlShutdown()

    def open(self) -> None:
        """Finds the device; without the package, a driver or the device there is nothing to look at."""
        with suppress(Exception):
            if self._nvml is None:
                import pynvml

                self._nvml = pynvml
            self._nvml.nvmlInit()
            self._begun = True
            self._handle = _handle(self._nvml, self._device, self._visible)
            self._open = True

    def look(self) -> None:
        """One look at the device; what NVML does not tell is left out."""
        if not self._open:
            return
        with suppress(Exception):  # the package's errors share a base class, which only it knows
            self._used = max(self._used, int(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used))
        with suppress(Exception):
            self._busy.append(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100)
        with suppress(Exception):
            listed = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
            own = sum(int(process.usedGpuMemory or 0) for process in listed if process.pid == self._pid)
            self._own = max(self._own, own)

    def _watch(self) -> None:
        self.look()
        while not self._stop.wait(EVERY_S):
            self.look()


def _handle(nvml: Any, device: int, visible: str | None) -> Any:
    """NVML's of the device that CUDA counts as `device`; raises where there is none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    name = visible.split(",")[device].strip() if visible else str(device)
    if name.isdecimal():
        return _used_part(nvml, nvml.nvmlDeviceGetHandleByIndex(int(name)))
    return _used_part(nvml, nvml.nvmlDeviceGetHandleByUUID(_whole(nvml, name)))


def _whole(nvml: Any, name: str) -> str:
    """The name of a device of which CUDA takes the first letters too, and NVML does not."""
    with suppress(Exception):
        for at in range(nvml.nvmlDeviceGetCount()):
            uuid = nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(at))
            full = uuid.decode() if isinstance(uuid, bytes) else str(uuid)
            if full.startswith(name):
                return full
    return name


def _used_part(nvml: Any, handle: Any) -> Any:
    """Of a device that is cut into parts (MIG) the first, which is the one that CUDA uses: the whole one's free memory
    is that of all parts.

    Source: https://docs.nvidia.com/datacenter/tesla/mig-user-guide/, CUDA Device Enumeration.
    """
    with suppress(Exception):  # not every device and driver knows of parts
        if nvml.nvmlDeviceGetMigMode(handle)[0]:
            for at in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
                with suppress(Exception):  # no part there
                    return nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, at)
    return handle
