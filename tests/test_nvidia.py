"""What NVML would say, by a stand-in for it: this project's own tests run without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, Provider
from phi4bench.backends.providers import PROVIDERS
from phi4bench.datasets import load_cases
from phi4bench.nvidia import GpuWatch, device_name, free_bytes
from phi4bench.run import timing_worker
from phi4bench.run.jobs import Setup, prompt_to_json
from phi4bench.run.timing_worker import Bench


class Nvml:
    """Two devices. `looks`: for each look, (bytes in use, percent busy, {process: bytes}) of each device."""

    def __init__(self, looks: list[list[tuple[int, int, dict[int, int | None]]]], fails: str = "") -> None:
        self.looks, self.fails, self.at, self.closed = looks, fails, 0, False

    def nvmlInit(self) -> None:
        if self.fails == "init":
            raise RuntimeError("no driver")

    def nvmlShutdown(self) -> None:
        self.closed = True

    def nvmlDeviceGetHandleByIndex(self, at: int) -> int:
        return at

    def nvmlDeviceGetHandleByUUID(self, name: str) -> int:
        return ["GPU-a", "GPU-b"].index(name)

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:
        return ["the first", b"the second"][handle]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        used = self.looks[self.at % len(self.looks)][handle][0]
        return SimpleNamespace(used=used, free=1000 - used)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=self.looks[self.at % len(self.looks)][handle][1])

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        if self.fails == "processes":
            raise RuntimeError("not permitted")
        found = self.looks[self.at % len(self.looks)][handle][2].items()
        self.at += 1
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in found]


def watched(nvml: Nvml, looks: int, device: int = 0, visible: str = "") -> GpuWatch:
    watch = GpuWatch(device, nvml, pid=7, visible=visible)
    watch.open()
    for _ in range(looks):
        watch.look()
    return watch


LOOKS: list[list[tuple[int, int, dict[int, int | None]]]] = [
    [(900, 10, {7: 100, 8: 700}), (500, 0, {7: 50})],
    [(900, 90, {7: 300, 8: 500}), (500, 30, {7: 70})],
    [(900, 50, {7: 200, 8: 600}), (500, 0, {})],
]


@pytest.mark.parametrize(
    ("device", "visible", "peak", "busy"),
    [
        pytest.param(0, "", 300, 0.5, id="the-first"),
        pytest.param(1, "", 70, 0.1, id="the-second"),
        pytest.param(0, "1", 70, 0.1, id="cuda-sees-only-the-second"),
        pytest.param(0, "GPU-b", 70, 0.1, id="by-name"),
    ],
)
def test_the_most_that_this_process_held_on_the_device_that_the_run_used(
    device: int, visible: str, peak: int, busy: float
) -> None:
    watch = watched(Nvml(LOOKS), 3, device, visible)
    assert (watch.peak_bytes, watch.by_all) == (peak, False)
    assert watch.utilisation == pytest.approx(busy)


@pytest.mark.parametrize(
    ("processes", "fails"),
    [({4711: 100}, ""), ({7: None}, ""), ({7: 100}, "processes")],
    ids=["not-listed", "listed-without-its-memory", "not-permitted"],
)
def test_where_only_the_sum_of_all_processes_is_known_it_is_told_as_that(
    processes: dict[int, int | None], fails: str
) -> None:
    others_fill_the_first = [[(900, 100, {8: 900}), (500, 0, processes)]]
    watch = watched(Nvml(others_fill_the_first, fails), 1, device=1)
    assert (watch.peak_bytes, watch.by_all, watch.utilisation) == (500, True, 0.0)


def test_a_device_that_is_not_there_has_no_figures() -> None:
    nvml = Nvml(LOOKS)
    with GpuWatch(1, nvml, visible="0") as watch:
        pass
    assert (watch.peak_bytes, watch.by_all, watch.utilisation) == (None, False, None)
    assert nvml.closed


def test_without_a_driver_there_are_no_figures_and_no_error() -> None:
    with GpuWatch(nvml=Nvml([[(1, 1, {})]], fails="init")) as watch:
        pass
    assert (watch.peak_bytes, watch.utilisation) == (None, None)


def test_it_looks_while_something_runs_and_lets_go_after() -> None:
    nvml = Nvml([[(900, 50, {7: 100})]])
    with GpuWatch(0, nvml, pid=7, visible="") as watch:
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


class Watched(GpuWatch):
    """Notes which device the child watches, over two devices that are busy with others' work."""

    devices: ClassVar[list[int]] = []

    def __init__(self, device: int) -> None:
        super().__init__(device, Nvml([[(900, 100, {8: 900}), (500, 40, {})]]), visible="")
        self.devices.append(device)


def test_the_child_watches_the_device_that_was_asked_for_one_by_one_and_under_load(
    make_fake: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_fake()
    (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    artifact = open_artifact(str(folder))
    cuda, said = Provider("cuda", (("device_id", "1"),)), list[Any]()
    bench = Bench(Setup(artifact, Decoding(), 1, None, provider=cuda), said.append)
    bench.open(batch=8)
    monkeypatch.setattr(bench._backend, "identity", lambda: {"provider": PROVIDERS["cuda"]})
    monkeypatch.setattr(timing_worker, "GpuWatch", Watched)
    cases = load_cases([str(folder / "answers.jsonl")]).cases[:3]
    prompts = [prompt_to_json(artifact.dialect.render(case.question())) for case in cases]
    one_by_one = {**bench.latency(prompts, seconds=60.0), "calls": said[-1]["calls"]}
    loaded = bench.load(prompts, seconds=60.0, clients=2, rate=None, seed=0)
    bench.close()
    assert Watched.devices == [1, 1]
    for found in (one_by_one, loaded):
        assert len(found["calls"]) == 3
        assert (found["gpu_bytes"], found["gpu_by_all"], found["gpu_utilisation"]) == (500, True, 0.4)


OPENVINO: dict[str, Any] = {"provider": PROVIDERS["openvino"], "provider_options": {"device_type": "GPU"}}


@pytest.mark.parametrize(
    ("runtime", "peak"),
    [
        ({"provider": PROVIDERS["cuda"]}, 900),
        ({"provider": PROVIDERS["tensorrt"]}, 900),
        ({"device": "NVIDIA H100"}, 900),
        (OPENVINO, None),
        ({"provider": PROVIDERS["migraphx"]}, None),
        ({"provider": PROVIDERS["cpu"]}, None),
    ],
    ids=["cuda", "tensorrt", "torch", "openvino-on-its-gpu", "migraphx", "cpu"],
)
def test_no_nvidia_device_speaks_for_one_of_another_maker(
    runtime: dict[str, Any], peak: int | None, make_fake: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_fake()
    (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    bench = Bench(Setup(open_artifact(str(folder)), Decoding(), 1, None), [].append)
    bench.open(batch=1)
    monkeypatch.setattr(bench._backend, "identity", lambda: runtime)
    busy = Nvml([[(900, 100, {8: 900})]])
    monkeypatch.setattr(timing_worker, "GpuWatch", lambda device: GpuWatch(device, busy, visible=""))
    assert bench.latency([], seconds=1.0)["gpu_bytes"] == peak
    bench.close()


@pytest.mark.parametrize(("visible", "device", "name"), [("", 0, "the first"), ("1", 0, "the second"), ("", 9, "")])
def test_a_device_is_named_as_cuda_counts(visible: str, device: int, name: str) -> None:
    """Kernels round by the device, so what it answered is kept under its name."""
    assert device_name(device, Nvml(LOOKS), visible) == name
    assert device_name(device, Nvml(LOOKS, fails="init"), visible) == ""


class Parts(Nvml):
    """Of which the second device is cut: its parts are the handles 2 and 3."""

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetUUID(self, handle: int) -> str | bytes:
        return ["GPU-a", b"GPU-b"][handle]

    def nvmlDeviceGetHandleByUUID(self, name: str) -> int:
        return ["GPU-a", "GPU-b", "MIG-c", "MIG-d"].index(name)

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        if handle not in (0, 1):
            raise RuntimeError("not supported")
        return [handle, 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: int) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: int, at: int) -> int:
        if at not in (4, 5):
            raise RuntimeError("not found")
        return at - 2


@pytest.mark.parametrize(
    ("device", "visible", "free"),
    [
        pytest.param(0, "", 100, id="whole"),
        pytest.param(1, "", 900, id="the-first-of-its-parts"),
        pytest.param(0, "GPU-b", 900, id="of-the-one-by-name"),
        pytest.param(1, "MIG-c,MIG-d", 800, id="a-part-by-name"),
    ],
)
def test_of_a_device_that_is_cut_into_parts_only_that_of_cuda_is_looked_at(
    device: int, visible: str, free: int
) -> None:
    nvml = Parts([[(900, 0, {}), (500, 0, {}), (100, 0, {}), (200, 0, {})]])
    assert free_bytes(device, nvml, visible) == free


@pytest.mark.parametrize(
    ("visible", "name"), [("GPU", "the first"), ("GPU-b", "the second"), ("GPU-a,GPU-c", "the first")]
)
def test_a_device_is_found_by_the_first_letters_of_its_name(visible: str, name: str) -> None:
    nvml = Parts(LOOKS)
    nvml.nvmlDeviceGetMigMode = lambda handle: [0, 0]  # type: ignore[method-assign]
    assert device_name(0, nvml, visible) == name
    assert device_name(1, nvml, visible) == ""
