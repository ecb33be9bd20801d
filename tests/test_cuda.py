"""On an NVIDIA GPU: the same answers as on the CPU, from one place of memory. Skipped where there is none.

A GPU runner shows what no other test here can: that arrays stay where the kernels are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit import ROOT, RunSuites

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnxruntime", reason="needs phi4bench[gpu]")

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, Provider, open_backend
from phi4bench.backends.device_cache import caches_of
from phi4bench.datasets import load_cases
from phi4bench.errors import Phi4benchError
from phi4bench.nvidia import GpuWatch, free_bytes
from trainers.half import half

MODELS = ROOT / "fixtures" / "models"
CUDA = Provider("cuda")
FREE = Decoding(256)
CASES = 150


def there_is_cuda() -> bool:
    try:
        open_backend(open_artifact(str(MODELS / "nano-fp32")), threads=1, batch=1, provider=CUDA).close()
    except Phi4benchError:
        return False
    return True


pytestmark = pytest.mark.skipif(not there_is_cuda(), reason="onnxruntime can use no CUDA device here")


@pytest.fixture(scope="module", params=["fp32", "int8", "int4"])
def halved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return half(MODELS / f"nano-{request.param}", tmp_path_factory.mktemp("half") / f"{request.param}-half", samples=2)


def answers(
    spec: Path, provider: Provider, batch: int | None = None, decoding: Decoding = FREE
) -> tuple[list[Sequence[int]], Any]:
    artifact = open_artifact(str(spec))
    backend: Any = open_backend(artifact, threads=2, provider=provider, batch=batch)
    cases = load_cases(None).cases[:: 1500 // CASES][:CASES]
    prompts = [artifact.dialect.render(case.question()) for case in cases]
    if decoding.mode == "constrained":
        prompts = [
            replace(prompt, grammar=artifact.dialect.grammar(case.tools))
            for prompt, case in zip(prompts, cases, strict=True)
        ]
    found = dict(backend.generate(prompts, decoding))
    backend.close()
    return [found[index].token_ids for index in range(len(prompts))], backend


def a_prompt(spec: Path) -> Any:
    return open_artifact(str(spec)).dialect.render(load_cases(None).cases[0].question())


def alike(some: list[Sequence[int]], others: list[Sequence[int]]) -> float:
    return sum(a == b for a, b in zip(some, others, strict=True)) / len(some)


def test_a_gpu_answers_as_the_cpu_does_whatever_the_number_of_rows(halved: Path) -> None:
    on_cpu, _ = answers(halved, Provider("cpu"))
    together, backend = answers(halved, CUDA)
    assert backend.identity()["cache"].startswith("in place, rows together")
    assert backend.at_once > 1
    assert backend.notes == []
    assert alike(together, on_cpu) >= 0.97, "other kernels round otherwise, and some decisions hang by a hair"
    one_by_one, _ = answers(halved, CUDA, batch=1)
    assert alike(one_by_one, together) >= 0.97


def test_masks_reach_logits_that_lie_on_the_gpu(halved: Path) -> None:
    pytest.importorskip("llguidance", reason="needs phi4bench[constrained]")
    free, _ = answers(halved, CUDA)
    masked, _ = answers(halved, CUDA, decoding=Decoding(256, "constrained"))
    assert alike(masked, free) >= 0.9, "nano keeps to its grammar nearly always"


def test_a_file_for_the_cpu_is_run_there_by_auto_and_on_the_gpu_with_a_note() -> None:
    _, backend = answers(MODELS / "nano-int8", Provider())
    assert backend.identity()["provider"] == "CPUExecutionProvider"
    assert "leaves attention to the CPU" in backend.notes[-1]
    named: Any = open_backend(open_artifact(str(MODELS / "nano-int8")), threads=2, provider=CUDA)
    (note,) = named.notes
    assert note.startswith("cuda leaves attention to the CPU (4 of GroupQueryAttention): it takes fp16")


def test_a_limit_of_memory_is_kept_by_fewer_rows(halved: Path) -> None:
    free, _ = answers(halved, CUDA, batch=64)
    narrow = Provider("cuda", (("gpu_mem_limit", "40000000"),))
    kept, backend = answers(halved, narrow, batch=64)
    assert backend.at_once < 64
    assert "cases at once" in backend.notes[0]
    assert alike(kept, free) >= 0.97


def test_what_nvml_tells_is_of_this_device(halved: Path) -> None:
    pytest.importorskip("pynvml", reason="needs phi4bench[gpu]")
    before = free_bytes(0)
    assert before is not None
    with GpuWatch(0) as watch:
        answers(halved, CUDA)
    assert watch.peak_bytes
    assert watch.utilisation is not None


def test_memory_of_caches_goes_back_to_the_device_and_no_more_is_taken(halved: Path) -> None:
    pytest.importorskip("pynvml", reason="needs phi4bench[gpu]")
    backend: Any = open_backend(open_artifact(str(halved)), threads=1, batch=1, provider=CUDA)
    list(backend.generate([a_prompt(halved)], FREE))
    caches, before = caches_of(backend._decoder), free_bytes(0)
    made = caches.make(64, 20_000)
    size, taken = caches.kept, (before or 0) - (free_bytes(0) or 0)
    assert size > 1 << 30
    assert size - (16 << 20) < taken < size * 1.05, "at most the last, small cache was given back for it"
    del made
    caches.give_back()
    assert abs((before or 0) - (free_bytes(0) or 0)) < 16 << 20
    backend.close()


def test_a_device_that_is_not_there_is_an_error_in_one_line(run_suites: RunSuites, halved: Path) -> None:
    done = run_suites(
        "--model", halved, "--provider", "cuda", "--provider-option", "device_id=99", "--limit", "5"
    )  # fmt: skip
    assert "Invalid device ID: 99" in " ".join(done.out.split())
    assert "Traceback" not in done.out


def test_torch_answers_on_a_gpu_as_on_the_cpu() -> None:
    torch = pytest.importorskip("torch", reason="needs phi4bench[hf]")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    on_cpu, _ = answers(MODELS / "nano-hf", Provider("cpu"))
    on_gpu, backend = answers(MODELS / "nano-hf", CUDA)
    assert backend.at_once > 16
    assert alike(on_gpu, on_cpu) >= 0.97


def test_training_on_a_gpu_finds_the_loss_of_a_finished_nano(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the `train` extra")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    command = [sys.executable, "-m", "trainers.nano", "train", "--device", "cuda", "--start", MODELS / "nano-hf"]
    command += ["--out", tmp_path, "--minutes", "0.3", "--other-lr", "0", "--matrix-lr", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert last["loss"] < 1, "a finished nano finds its own conversations likely"
    assert f"one {torch.cuda.get_device_name()}, fed by" in last["on"]
