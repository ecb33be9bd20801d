"""The words of a history file, and how it is read: a machine, its runs, their samples. Nothing in it is trusted."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.comparing import BLOCKS, Blocks, Sample
from phi4bench.counting import counted
from phi4bench.datasets.casejson import FormError
from phi4bench.datasets.strictjson import read_json
from phi4bench.errors import UsageError
from phi4bench.printable import printable

SCHEMA = "phi4bench.benchmarks/1"
MOST_BYTES = 64 << 20
MOST_BLOCKS = 16 * BLOCKS


@dataclass(frozen=True)
class Machine:
    """`hardware`: what makes it another machine. `software`: what may change on it, and is told when it did."""

    hardware: Mapping[str, Any]
    software: Mapping[str, Any]

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Machine:
        """From `phi4bench.machine.describe()`. A GPU's driver is software; memory counts in whole GiB."""
        gpus = [name.rpartition(",")[0] or name for name in described["gpus"]]
        memory = described["memory_bytes"]
        hardware = {
            **{name: described[name] for name in ("cpu", "architecture", "cores")},
            "memory_gib": None if memory is None else round(memory / 2**30),
            "gpus": gpus,
        }
        drivers = [name.rpartition(",")[2].strip() for name in described["gpus"]]
        software = {"python": described["python"], "os": described["os"], **described["packages"]}
        return cls(hardware, software | ({"driver": ", ".join(drivers)} if drivers else {}))

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(self.hardware, sort_keys=True).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        shown = printable(f"{self.hardware['cpu']}, {counted(self.hardware['cores'], 'core')}", 80)
        return shown + "".join(f", {printable(str(gpu), 60)}" for gpu in self.hardware["gpus"])


@dataclass(frozen=True)
class Run:
    """One run of the benchmarks. `at`: UTC, for people to read. `revision`: of phi4bench and its suites."""

    at: str
    revision: str
    software: Mapping[str, Any]
    samples: tuple[Sample, ...]


def read(path: Path) -> tuple[dict[str, Any], tuple[Run, ...]]:
    """A file's machine and its runs; `UsageError` in one line for whatever is no such file."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise FormError(f"larger than {MOST_BYTES >> 20} MiB")
        data = read_json(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or "schema" not in data:
            raise FormError(f"no {SCHEMA}")
        if data["schema"] != SCHEMA:
            raise FormError(f"its schema is {printable(str(data['schema']), 60)}, which this version does not read")
        return _hardware(data["machine"]), tuple(run_from_json(run) for run in data["runs"])
    except OSError as error:
        why = error.strerror or "unreadable"
    except UnicodeDecodeError:
        why = "no UTF-8"
    except KeyError as error:
        why = f"{error.args[0]!r} is missing"
    except (FormError, ValueError, TypeError, AttributeError, OverflowError) as error:
        why = str(error)
    raise UsageError(
        f"{shown(path)} is no history of benchmarks: {printable(why, 160)}",
        "it stays as it is: move it away, or give another folder with --history",
    )


def run_to_json(run: Run) -> dict[str, Any]:
    samples = [
        {
            "name": one.name,
            "artifact": one.artifact,
            "reference": one.reference,
            "cores": one.cores,
            "work": dict(one.work),
            "wall": {"work_s": one.wall.work_s, "reference_s": one.wall.reference_s},
            "cpu": {"work_s": one.cpu.work_s, "reference_s": one.cpu.reference_s},
            "others": round(one.others, 4),
            "idle": round(one.idle, 4),
        }
        for one in run.samples
    ]
    return {"at": run.at, "revision": run.revision, "software": dict(run.software), "samples": samples}


def run_from_json(data: Mapping[str, Any]) -> Run:
    return Run(
        _text(data["at"]),
        _text(data["revision"]),
        {_text(name): _text(value) for name, value in data["software"].items()},
        tuple(_sample(one) for one in data["samples"]),
    )


def _hardware(data: Mapping[str, Any]) -> dict[str, Any]:
    memory = data["memory_gib"]
    return {
        **{name: _text(data[name]) for name in ("cpu", "architecture")},
        "cores": _count(data["cores"]),
        "memory_gib": None if memory is None else _count(memory),
        "gpus": [_text(gpu) for gpu in data["gpus"]],
    }


def _sample(data: Mapping[str, Any]) -> Sample:
    return Sample(
        name=_text(data["name"]),
        artifact=_text(data["artifact"]),
        reference=_text(data["reference"]),
        cores=_count(data["cores"]),
        work=tuple((_text(what), _count(count)) for what, count in data["work"].items()),
        wall=_blocks(data["wall"]),
        cpu=_blocks(data["cpu"]),
        others=_number(data["others"], 0.0),
        idle=_number(data["idle"], 0.0),
    )


def _blocks(data: Mapping[str, Any]) -> Blocks:
    work, reference = data["work_s"], data["reference_s"]
    if len(work) not in range(BLOCKS, MOST_BLOCKS + 1, BLOCKS) or len(reference) != len(work):
        raise FormError(f"{len(work)} blocks, but should be {BLOCKS}, or {BLOCKS} of each process")
    least = 1e-12  # what took no time at all has no ratio
    return Blocks(*(tuple(_number(one, least) for one in seconds) for seconds in (work, reference)))


def _number(value: object, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise FormError(f"{value!r}, but should be a number of at least {least:g}")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FormError(f"{value!r}, but should be a count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FormError(f"{value!r}, but should be text")
    return value


def shown(path: Path) -> str:
    return f"'{printable(str(path), 300)}'"
