"""Out of memory: the batch shrinks and goes on, nothing is lost or told twice, and what cannot fit at all is named."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from kit import ROOT

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, open_backend
from phi4bench.backends.base import CaseError
from phi4bench.backends.handout import Handout
from phi4bench.backends.job import Job
from phi4bench.backends.memory import halved, is_out_of_memory, with_fewer_rows
from phi4bench.backends.parallel import side_by_side
from phi4bench.cases import Message, Question
from phi4bench.traffic import Traffic

MODEL = ROOT / "fixtures" / "models" / "nano-int8" / "model.onnx"


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        pytest.param(MemoryError(), True, id="python"),
        pytest.param(
            RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
            True,
            id="onnxruntime-arena",
        ),
        pytest.param(
            RuntimeError("Available memory of 1024 is smaller than requested bytes of 4096"), True, id="arena-limit"
        ),
        pytest.param(RuntimeError("Failed to find a free memory block despite calling Extend"), True, id="arena-block"),
        pytest.param(RuntimeError("std::bad_alloc"), True, id="c++"),
        pytest.param(RuntimeError("can't start new thread"), True, id="a-thread"),
        pytest.param(RuntimeError("CUDA failure 2: out of memory ; GPU=0"), True, id="cuda"),
        pytest.param(RuntimeError("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"), True, id="cublas"),
        pytest.param(RuntimeError("CUDNN failure 2: CUDNN_STATUS_ALLOC_FAILED ; GPU=0"), True, id="cudnn"),
        pytest.param(
            RuntimeError("CUBLAS failure 3: the resource allocation failed ; GPU=0 ; expr=cublasCreate(&handle_);"),
            True,
            id="cublas-in-words",
        ),
        pytest.param(
            RuntimeError("CUDNN failure 4000: CUDNN_STATUS_INTERNAL_ERROR ; GPU=0 ; expr=cudnnCreate(&handle_);"),
            True,
            id="cudnn-that-cannot-begin",
        ),
        pytest.param(
            RuntimeError("CUDNN failure 4000: CUDNN_STATUS_INTERNAL_ERROR ; GPU=0 ; expr=cudnnSoftmax(handle_);"),
            False,
            id="cudnn-that-fails",
        ),
        pytest.param(
            RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True, id="cudnn-9"
        ),
        pytest.param(RuntimeError("CUDA error: HIPBLAS_STATUS_ALLOC_FAILED when calling"), True, id="hipblas"),
        pytest.param(RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling"), False, id="a-kernel"),
        pytest.param(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True, id="torch"),
        pytest.param(RuntimeError("INVALID_ARGUMENT : Got invalid dimensions for input"), False, id="a-shape"),
        pytest.param(ValueError("memory_pattern is not known"), False, id="an-option"),
    ],
)
def test_out_of_memory_is_told_from_other_faults(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory


def test_rows_go_before_lanes() -> None:
    found = [(4, 8)]
    while found[-1] != (1, 1):
        found.append(halved(*found[-1]))
    assert found == [(4, 8), (4, 4), (4, 2), (4, 1), (2, 1), (1, 1)]


def job(index: int) -> Job:
    return Job(index, np.arange(3), 0, 5, frozenset())


class Machine:
    """Holds `fits` cases at once; some come back before it notices."""

    def __init__(self, fits: int, fails: Exception) -> None:
        self.fits, self.fails, self.tried, self.again = fits, fails, list[tuple[int, int]](), 0

    def run(self, next_job: Callable[[], Job | None], lanes: int, rows: int) -> Iterator[tuple[int, str]]:
        self.tried.append((len(self.jobs.left), lanes * rows))
        for number in itertools.count():
            if (one := next_job()) is None:
                return
            if number == 2 and lanes * rows > self.fits:
                raise self.fails
            if not self.fits:
                raise self.fails
            yield one.index, f"answer {one.index}"

    def all(self, count: int, lanes: int, rows: int) -> tuple[list[tuple[int, str]], list[str]]:
        notes: list[str] = []

        def again() -> None:
            self.again += 1

        self.jobs = Handout([job(index) for index in reversed(range(count))])
        return list(with_fewer_rows(self.jobs, lanes, rows, self.run, notes.append, again, "m")), notes


def test_the_batch_shrinks_until_it_fits_and_every_case_is_told_once() -> None:
    machine = Machine(3, MemoryError())
    found, notes = machine.all(10, 2, 4)
    assert sorted(found) == [(index, f"answer {index}") for index in range(10)]
    assert machine.tried == [(10, 8), (8, 4), (6, 2)]
    assert machine.again == 2
    assert notes == [
        "out of memory with 8 cases at once: went on with 4",
        "out of memory with 4 cases at once: went on with 2",
    ]


def test_one_case_that_does_not_fit_is_named() -> None:
    with pytest.raises(CaseError) as caught:
        Machine(0, RuntimeError("bad allocation: std::bad_alloc")).all(3, 1, 2)
    assert caught.value.index == 2  # the first that was left
    assert "out of memory with one case at once, of 3 tokens and up to 5 new ones" in str(caught.value)


def test_why_one_case_does_not_fit_is_told_without_the_places_in_the_runtimes_source() -> None:
    """As onnxruntime 1.32 told it, behind the node and a function of its arena."""
    said = "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running MatMulNBits node. Name:'/model/"
    said += "layers.0/attn/qkv_proj/MatMul_Q4' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena."
    said += "cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) "
    said += "Failed to allocate memory for requested buffer of size 8796093022208\n"
    with pytest.raises(CaseError, match=r"\(Failed to allocate memory for requested buffer of size 8796093022208\)"):
        Machine(0, RuntimeError(said)).all(1, 1, 1)


def test_another_fault_is_not_tried_again() -> None:
    machine = Machine(1, RuntimeError("invalid dimensions"))
    with pytest.raises(RuntimeError, match="invalid dimensions"):
        machine.all(10, 1, 8)
    assert machine.tried == [(10, 8)]


def test_requests_that_were_dropped_are_handed_out_again_with_their_wait() -> None:
    now = [0.0]
    traffic = Traffic(3, lambda: now[0], seconds=10.0, clients=2)
    assert (traffic.take(), traffic.take(), traffic.take()) == (0, 1, None)
    now[0] = 1.0
    traffic.done(1)
    now[0] = 11.0  # the time is over, but what was begun is finished
    traffic.put_back()
    assert traffic.left
    assert (traffic.take(), traffic.take()) == (0, None)
    now[0] = 12.0
    traffic.done(0)
    assert not traffic.left
    assert [(one.index, one.arrived_s, one.finished_s) for one in traffic.served] == [(1, 0.0, 1.0), (0, 0.0, 12.0)]


def test_a_server_that_runs_out_of_memory_answers_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    from phi4bench.backends.kv import SharedRows

    artifact = open_artifact(str(MODEL))
    said = [(Message("user", "Read main.py" + "!" * number),) for number in range(6)]
    prompts = [artifact.dialect.render(Question("", (), one)) for one in said]
    backend: Any = open_backend(artifact, threads=1, batch=4)
    step = SharedRows.step

    def step_of_two(self: SharedRows, tokens: Sequence[int]) -> Any:
        if len(tokens) > 2:
            raise MemoryError
        return step(self, tokens)

    monkeypatch.setattr(SharedRows, "step", step_of_two)
    traffic = Traffic(len(prompts), perf_counter, seconds=600.0, clients=4)
    served = dict(backend.serve(prompts, Decoding(6), traffic))
    assert sorted(served) == sorted(one.index for one in traffic.served) == list(range(6))
    assert backend.notes == ["out of memory with 4 cases at once: went on with 2"]
    assert backend.at_once == 2
    alone = dict(backend.generate(prompts, Decoding(6)))
    assert {index: one.token_ids for index, one in served.items()} == {i: one.token_ids for i, one in alone.items()}


def test_what_other_lanes_make_while_one_fails_is_yielded_before_the_failure() -> None:
    failed = threading.Event()

    def failing() -> Iterator[str]:
        yield "first"
        failed.set()
        raise MemoryError

    def finishing() -> Iterator[str]:
        failed.wait(30)
        time.sleep(0.05)  # so that the failure is heard of first; in the other order there is nothing to lose
        yield "late"
        yield "not asked for any more"

    found: list[str] = []
    with pytest.raises(MemoryError):
        found.extend(side_by_side([failing(), finishing()]))  # `extend` keeps what came before the error
    assert found == ["first", "late"]


def test_a_lane_whose_thread_cannot_start_ends_the_others_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, list[threading.Thread]()

    def start_one(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    def working() -> Iterator[str]:
        yield "made"
        while True:
            time.sleep(0.01)
            yield "made"

    monkeypatch.setattr(threading.Thread, "start", start_one)
    found: list[str] = []
    with pytest.raises(RuntimeError, match="can't start new thread"):
        found.extend(side_by_side([working(), working()]))
    assert found[0] == "made"
    assert not started[0].is_alive()


@pytest.mark.parametrize("clients", [1, 4])
def test_a_lane_that_runs_out_of_memory_holds_no_client_up(clients: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other lane must not wait for a client whose answer the failed one owes: that would be until time is over."""
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    from phi4bench.backends.kv import SharedRows

    artifact = open_artifact(str(MODEL))
    said = [(Message("user", "Read main.py" + "!" * number),) for number in range(6)]
    prompts = [artifact.dialect.render(Question("", (), one)) for one in said]
    backend: Any = open_backend(artifact, threads=2, batch=2)
    assert backend.identity()["lanes"] == 2
    step, fail = SharedRows.step, [True]

    def step_but_once(self: SharedRows, tokens: Sequence[int]) -> Any:
        if fail:
            fail.clear()
            raise MemoryError
        return step(self, tokens)

    monkeypatch.setattr(SharedRows, "step", step_but_once)
    now = [0.0]
    traffic = Traffic(len(prompts), lambda: now[0], seconds=30.0, clients=clients)
    watch = threading.Timer(20.0, now.__setitem__, (0, 31.0))  # ends the traffic of a backend that hangs
    watch.start()
    served = dict(backend.serve(prompts, Decoding(6), traffic))
    watch.cancel()
    assert sorted(served) == sorted(one.index for one in traffic.served) == list(range(6))
    assert backend.notes == ["out of memory with 2 cases at once: went on with 1"]
    assert backend.at_once == 1


CHILD = """
import json, resource, sys
from pathlib import Path
from phi4bench.artifacts import open_artifact
from phi4bench.backends import BEST, Decoding, open_backend
from phi4bench.cases import Message, Question

artifact = open_artifact(sys.argv[1])
prompts = [artifact.dialect.render(Question("", (), (Message("user", "Read " + "x/" * n),))) for n in range(1, 17)]
backend = open_backend(artifact, threads=1, batch=16)
def made():
    found = dict(backend.generate(prompts, Decoding(200)))
    return [found[index].token_ids for index in range(len(prompts))]
whole = made()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(float(sys.argv[2]) * 2**20),) * 2)
print(json.dumps([made() == whole, backend.notes]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits its own address space, as Linux lets it")
def test_a_process_that_may_hold_little_more_answers_all_the_same() -> None:
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(MODEL), "6"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    same, notes = json.loads(done.stdout)
    assert same
    assert notes[0].startswith("out of memory with 16 cases at once")
