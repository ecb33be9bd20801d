"""What NVML would say, by a stand-in for it: this project's own tests run without a GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from phi4bench.nvidia import GpuWatch, free_bytes


class Nvml:
    """Two devices. `looks`: for each look, (bytes in use, percent busy, {process: bytes}) of each device."""

    def __init__(self, looks: list[list[tuple[int, int, dict[int, int | None]]]], fails: str = "") -> None:
        self.looks, self.fails, self.at, self.closed = looks, fails, 0, False

    def nvmlInit(self) -> None:
        if self.fails == "init":
            raise RuntimeError("no driver")

    def nvmlShutdown(self) -> None:
        self.closed = True

    def nvmlDeviceGetCount(self) -> int:
        return len(self.looks[0])

    def nvmlDeviceGetHandleByIndex(self, at: int) -> int:
        return at

    def nvmlDeviceGetHandleByUUID(self, name: str) -> int:
        return ["GPU-a", "GPU-b"].index(name)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        used = self.looks[self.at][handle][0]
        return SimpleNamespace(used=used, free=1000 - used)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=self.looks[self.at][handle][1])

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        if self.fails == "processes":
            raise RuntimeError("not permitted")
        found = self.looks[self.at][handle][2].items()
        at_last = handle == len(self.looks[0]) - 1
        self.at += 1 if at_last and self.at < len(self.looks) - 1 else 0
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in found]


def watched(nvml: Nvml, looks: int) -> GpuWatch:
    watch = GpuWatch(nvml, pid=7)
    watch._handles = watch._open()
    for _ in range(looks):
        watch.look()
    return watch


def test_the_most_that_this_process_held_on_all_devices() -> None:
    looks = [
        [(900, 10, {7: 100, 8: 700}), (500, 0, {7: 50})],
        [(900, 90, {7: 300, 8: 500}), (500, 30, {7: 50})],
        [(900, 50, {7: 200, 8: 600}), (500, 0, {})],
    ]
    watch = watched(Nvml(looks), 3)
    assert watch.peak_bytes == 350
    assert watch.utilisation == pytest.approx((0.1 + 0.9 + 0.5) / 3)


def test_where_the_process_is_not_listed_the_fullest_device_stands_for_it() -> None:
    assert watched(Nvml([[(900, 0, {4711: 800}), (500, 0, {})]]), 1).peak_bytes == 900
    assert watched(Nvml([[(900, 0, {7: None}), (500, 0, {})]]), 1).peak_bytes == 900
    assert watched(Nvml([[(900, 0, {7: 100})]], fails="processes"), 1).peak_bytes == 900


def test_without_a_driver_there_are_no_figures_and_no_error() -> None:
    with GpuWatch(Nvml([[(1, 1, {})]], fails="init")) as watch:
        pass
    assert (watch.peak_bytes, watch.utilisation) == (None, None)


def test_it_looks_while_something_runs_and_lets_go_after() -> None:
    nvml = Nvml([[(900, 50, {7: 100})]])
    with GpuWatch(nvml, pid=7) as watch:
        pass  # the first look is not waited for, but it is always made
    assert watch.peak_bytes == 100
    assert nvml.closed


@pytest.mark.parametrize(
    ("device", "visible", "free"),
    [
        pytest.param(0, "", 100, id="as-nvml-counts"),
        pytest.param(1, "", 500, id="the-second"),
        pytest.param(0, "1", 500, id="cuda-sees-only-the-second"),
        pytest.param(1, "1,0", 100, id="cuda-counts-otherwise"),
        pytest.param(0, "GPU-b", 500, id="by-name"),
        pytest.param(1, "1", None, id="not-visible"),
        pytest.param(7, "", None, id="not-there"),
    ],
)
def test_what_is_free_is_that_of_the_device_as_cuda_counts(device: int, visible: str, free: int | None) -> None:
    nvml = Nvml([[(900, 0, {}), (500, 0, {})]])
    assert free_bytes(device, nvml, visible) == free
    assert nvml.closed


def test_without_a_driver_nobody_says_what_is_free() -> None:
    assert free_bytes(0, Nvml([[(1, 1, {})]], fails="init"), "") is None
