"""The description of the machine says what figures depend on, and nothing about whose it is."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
import sys

import pytest
from kit import ROOT

from phi4bench import machine


def test_it_says_what_figures_depend_on() -> None:
    said = machine.describe()
    assert {"cpu", "cores", "memory_bytes", "os", "python", "packages", "gpus"} <= said.keys()
    assert json.loads(json.dumps(said)) == said
    assert said["cores"] >= 1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        pytest.param("max 100000", 3, id="no-quota"),
        pytest.param("150000 100000", 1, id="one-and-a-half"),
        pytest.param("200000 100000", 2, id="two"),
        pytest.param("50000 100000", 1, id="half-a-core"),
        pytest.param("900000 100000", 3, id="more-than-there-are"),
        pytest.param("", 3, id="no-control-group"),
    ],
)
def test_as_many_threads_run_as_the_report_says_cores(quota: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    from phi4bench.artifacts import open_artifact
    from phi4bench.backends import Provider, open_backend

    monkeypatch.setattr(machine, "_read", lambda path: quota if path.name == "cpu.max" else "")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert machine.describe()["cores"] == cores
    nano = open_artifact(str(ROOT / "fixtures" / "models" / "nano-int8"))
    backend = open_backend(nano, provider=Provider("cpu"), batch=1)
    assert backend.identity()["threads"] == cores


VERSION_1 = {"cpu.cfs_quota_us": "200000\n", "cpu.cfs_period_us": "100000\n", "memory.limit_in_bytes": "4096\n"}
NO_LIMIT = {**VERSION_1, "cpu.cfs_quota_us": "-1\n", "memory.limit_in_bytes": "9223372036854771712\n"}


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        pytest.param({"cpu.max": "100000 100000\n", "memory.max": "8192\n"}, 1, 8192, id="version-2"),
        pytest.param(VERSION_1, 2, 4096, id="version-1"),
        pytest.param({"cpu.max": "max 100000\n", "memory.max": "max\n"}, 3, None, id="version-2-without-a-limit"),
        pytest.param(NO_LIMIT, 3, None, id="version-1-without-a-limit"),
    ],
)
def test_limits_are_read_of_both_versions_of_control_groups(
    files: dict[str, str], cores: int, memory: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_read", lambda path: files.get(path.name, ""))
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 10_000, raising=False)
    assert machine.usable_cores() == cores
    assert machine.memory_bytes() == (memory or 10_000**2)


MEMORY = "MemTotal:       9000 kB\nMemFree:        100 kB\nMemAvailable:   8 kB\n"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        pytest.param({}, None, id="nothing-says"),
        pytest.param({"meminfo": MEMORY}, 8192, id="the-system"),
        pytest.param({"meminfo": MEMORY, "memory.max": "max\n", "memory.current": "9"}, 8192, id="no-limit"),
        pytest.param(
            {
                "meminfo": MEMORY,
                "memory.max": "5000\n",
                "memory.current": "4000\n",
                "memory.stat": "inactive_file 500\n",
            },
            1500,
            id="version-2",
        ),
        pytest.param(
            {
                "memory.limit_in_bytes": "5000",
                "memory.usage_in_bytes": "4000",
                "memory.stat": "inactive_file 1\ntotal_inactive_file 700",
            },
            1700,
            id="version-1-with-those-below-it",
        ),
        pytest.param({"meminfo": MEMORY, "memory.max": "5000", "memory.current": "6000"}, 0, id="more-than-allowed"),
    ],
)
def test_free_memory_is_what_system_and_control_group_have_left(
    files: dict[str, str], free: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_read", lambda path: files.get(path.name, ""))
    assert machine.free_memory_bytes() == free


def test_it_names_neither_host_nor_user() -> None:
    said = json.dumps(machine.describe())
    for secret in (platform.node(), getpass.getuser()):
        assert len(secret) < 4 or secret not in said


def test_it_imports_no_runtime() -> None:
    code = "import sys; from phi4bench.machine import describe; describe(); print('onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        pytest.param("processor\t: 0\nmodel name\t: AMD  EPYC 7B13\n", "AMD EPYC 7B13", id="x86"),
        pytest.param("processor\t: 0\nBogoMIPS\t: 50\n", "", id="arm-without-a-name"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_processors_name_is_read(cpuinfo: str, name: str) -> None:
    assert machine.cpu_model(cpuinfo) == name


@pytest.mark.parametrize(
    ("said", "gpus"),
    [
        pytest.param("NVIDIA H200, 143771 MiB, 570.1\n", ["NVIDIA H200, 143771 MiB, 570.1"], id="one"),
        pytest.param("", [], id="none"),
        pytest.param("NVIDIA-SMI has failed because it couldn't communicate\n", [], id="broken"),
    ],
)
def test_gpus_are_read_from_what_nvidia_smi_says(said: str, gpus: list[str]) -> None:
    assert machine.gpus(lambda: said) == gpus


def test_a_silent_nvidia_smi_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 5)

    monkeypatch.setattr(machine.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(machine.subprocess, "run", hangs)
    assert machine.gpus() == []
