"""Which process of a launch this one is. `torchrun` and `accelerate launch` start one for each device. No torch.

A step is the same however many processes share it: `accumulation` counts its batches over all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from phi4bench.errors import UsageError
from phi4bench.printable import printable


def processes(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes train together; 1 without a launcher. Raises `UsageError`."""
    world = _number(environment, "WORLD_SIZE", 1)
    if world < 1:
        raise UsageError(f"WORLD_SIZE={world}, but should be at least 1")
    return world


def rank(environment: Mapping[str, str] = os.environ) -> int:
    return _number(environment, "RANK", 0)


def local_rank(environment: Mapping[str, str] = os.environ) -> int:
    """Among the processes of this machine: the CUDA device that is this one's."""
    return _number(environment, "LOCAL_RANK", 0)


def sharding(environment: Mapping[str, str] = os.environ) -> str:
    """What `accelerate launch` was configured to share the weights or the optimizer's state out with; or nothing."""
    asked = {"DeepSpeed": "ACCELERATE_USE_DEEPSPEED", "FSDP": "ACCELERATE_USE_FSDP"}
    return next((name for name, key in asked.items() if environment.get(key, "").lower() in ("true", "1")), "")


def is_first() -> bool:
    """Whether this process writes and speaks for all."""
    return rank() == 0


def say(line: str) -> None:
    """Print a line once, however many processes there are."""
    if is_first():
        print(printable(line), flush=True)


def share_of(accumulation: int, world: int) -> int:
    """Batches a step of each process. Raises `UsageError` where they cannot share a step evenly."""
    if accumulation % world:
        raise UsageError(
            f"accumulation={accumulation}, but should be a multiple of the {world} processes: they share the batches"
            " of a step",
            f"use --accumulation {world * max(1, round(accumulation / world))}, and --batch for the size of one",
        )
    return accumulation // world


def leave() -> None:
    """Take leave of the other processes, before this one ends. One that does not is at times aborted at its very end,
    when all is done: gloo's threads are still at work. Other backends are left to torch: where a process has failed,
    theirs may wait for it.
    """
    torch = sys.modules.get("torch.distributed")
    if torch is not None and torch.is_available() and torch.is_initialized() and torch.get_backend() == "gloo":
        torch.destroy_process_group()


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f"{name}={printable(repr(text), 40)}, but should be a number, as a launcher sets it")
    return int(text)
