"""Several processes that train one model, each on batches of its own: on few cores faster than threads within a step.

A step's gradients are averaged over gloo; nothing here knows what is trained.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainers.faults import TrainingError

if TYPE_CHECKING:
    import torch

RANK, WORKERS, MEETING = "PHI4BENCH_NANO_RANK", "PHI4BENCH_NANO_WORKERS", "PHI4BENCH_NANO_MEETING"


@dataclass(frozen=True)
class Crew:
    """This process among `size`; `rank` 0 speaks and saves."""

    rank: int = 0
    size: int = 1

    def average(self, parameters: Iterable[torch.nn.Parameter], number: float) -> float:
        """Average every gradient, and `number`, over the crew; returns the averaged number."""
        if self.size == 1:
            return number
        import torch

        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        *totals, spent = self.summed([*gradients, torch.tensor([number])])
        for gradient, total in zip(gradients, totals, strict=True):
            gradient.copy_(total / self.size)
        return float(spent) / self.size

    def summed(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Each of `tensors` summed over the crew, in one exchange."""
        if self.size == 1:
            return list(tensors)
        import torch.distributed

        flat = torch.cat([tensor.flatten() for tensor in tensors])
        torch.distributed.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def join() -> Crew:
    """The crew that this process was started for; a crew of one where it was started alone."""
    if RANK not in os.environ:
        return Crew()
    import torch.distributed

    watch()
    crew = Crew(int(os.environ[RANK]), int(os.environ[WORKERS]))
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{os.environ[MEETING]}", rank=crew.rank, world_size=crew.size
    )
    return crew


def watch() -> None:
    """End this process once its parent is gone: a killed one cannot end its workers, and a resumed run has its own."""
    parent = os.getppid()

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def is_member() -> bool:
    return RANK in os.environ


def is_first() -> bool:
    return os.environ.get(RANK, "0") == "0"


def start(arguments: list[str], workers: int, folder: Path) -> None:
    """Run `python -m trainers.nano` with `arguments` in `workers` processes, and wait.

    Raises `TrainingError` where one fails.
    """
    meeting = (folder / "meeting").resolve()
    meeting.unlink(missing_ok=True)
    shared = {**os.environ, WORKERS: str(workers), MEETING: str(meeting), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "trainers.nano", *arguments]
    crew = [subprocess.Popen(command, env={**shared, RANK: str(rank)}) for rank in range(workers)]
    try:
        failed = [rank for rank, member in enumerate(crew) if member.wait() != 0]
    finally:
        for member in crew:
            member.terminate()
        meeting.unlink(missing_ok=True)
    if failed:
        raise TrainingError(
            f"worker {failed[0]} of {workers} failed", "the same command goes on from the last checkpoint"
        )
