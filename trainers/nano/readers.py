"""Batches made by several processes for the one that trains: a GPU takes more of them than one core makes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from trainers import child
from trainers.nano.batches import Batch

AHEAD = 8
"""Batches that each reader makes before they are asked for."""


class _Streams(IterableDataset[Batch]):
    def __init__(self, stream: Callable[[int], Iterator[Batch]]) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[Batch]:
        reader = get_worker_info()
        assert reader is not None
        # Or it waits to hand over what it made, though nobody takes it: for ever where the trainer was killed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's, which ends us
        child.watch(os.getppid())
        return self.stream(reader.id)


def read(stream: Callable[[int], Iterator[Batch]], readers: int) -> Iterator[Batch]:
    """The batches of `stream(0)` to `stream(readers - 1)`, one of each in turn; every stream has its own process."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the readers are as many as there is work for
    # Forked, since a stream's source is a closure over the tokenizer; a reader touches no device.
    return iter(
        DataLoader(
            _Streams(stream),
            batch_size=None,
            num_workers=readers,
            prefetch_factor=AHEAD,
            multiprocessing_context="fork",
        )
    )
