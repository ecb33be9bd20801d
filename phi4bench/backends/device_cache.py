"""Memory for caches on a device, and small sessions beside the decoder's, which are kept as long as that is.

What onnxruntime's Python module makes on a device lies in an arena of the process, which doubles as it grows and keeps
for good all that it ever had: on an H100 caches for 80% of what was free left a third of the rest to the layers, and
rows that were halved for want of memory freed nothing. The arena of a session can be told to take what is asked for,
and to give back what is idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from phi4bench.backends.graphs import zeros_graph
from phi4bench.backends.providers import PROVIDERS
from phi4bench.backends.session import QUIET, Decoder, onnxruntime
from phi4bench.nvidia import free_bytes

_EXACT = {"arena_extend_strategy": "kSameAsRequested"}
_SHRINK = "memory.enable_memory_arena_shrinkage"
"""Of a run: when it ends, arenas give back what holds no value (onnxruntime_run_options_config_keys.h)."""


def session_beside(graph: bytes, decoder: Decoder, options: Mapping[str, str] = {}) -> Any:
    """Over a small graph, where the decoder's arrays lie. `options`: of the device's provider."""
    ort = onnxruntime()
    own = ort.SessionOptions()
    own.log_severity_level = QUIET
    own.intra_op_num_threads = 1  # or it keeps one for each core, whatever --threads says
    given = {} if decoder.device == "cpu" else {**options, "device_id": str(decoder.device_id)}
    names = dict.fromkeys((decoder.device, "cpu"))
    links = [(PROVIDERS[name], given if name == decoder.device else {}) for name in names]
    return ort.InferenceSession(graph, own, providers=links, enable_fallback=0)


class Caches:
    """Makes the caches of one decoder's rows, filled with zeros where they lie.

    `kept`: bytes that the device does not have back though the rows that had them are gone; the next rows take them.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._device, self._device_id, self._tensors = decoder.device, decoder.device_id, decoder.cache
        self._sessions = {c.dtype: session_beside(zeros_graph(c.dtype), decoder, _EXACT) for c in decoder.cache}
        self._shrinking = onnxruntime().RunOptions()
        arena = "cpu" if decoder.device == "cpu" else "gpu"
        self._shrinking.add_run_config_entry(_SHRINK, f"{arena}:{decoder.device_id}")
        self.kept = 0

    def make(self, rows: int, tokens: int) -> list[Any]:
        """OrtValues (rows, heads, tokens, size), one for each of the decoder's cache tensors, in its order.

        They lie where caches of rows that are gone did, unless those were too small, or twice as large and more.
        """
        size = rows * tokens * sum(one.heads * one.head_size * np.dtype(one.dtype).itemsize for one in self._tensors)
        if not self.kept / 2 < size <= self.kept:
            self.give_back()
            # Asked first: a run that fails for want of memory loses its stream, and the next needs memory for another.
            # One row is tried in any case, since NVML may mean another device than CUDA does.
            free = None if self._device == "cpu" or rows == 1 else free_bytes(self._device_id)
            if free is not None and size > free:
                raise MemoryError(f"caches of {size:,} bytes, where {free:,} are free")
        made = [self._zeros(one.dtype, (rows, one.heads, tokens, one.head_size)) for one in self._tensors]
        self.kept = max(self.kept, size)
        return made

    def give_back(self) -> None:
        """Let the device have what no value lies in."""
        self.kept = 0
        for dtype in self._sessions:
            self._zeros(dtype, (1, 1, 1, 1), self._shrinking)

    def _zeros(self, dtype: type[np.generic], shape: tuple[int, ...], how: Any = None) -> Any:
        session = self._sessions[dtype]
        binding = session.io_binding()
        binding.bind_cpu_input("shape", np.array(shape, np.int64))
        binding.bind_output("zeros", self._device, self._device_id)
        session.run_with_iobinding(binding, how)
        (made,) = binding.get_outputs()
        return made


_CACHES: WeakKeyDictionary[Any, Caches] = WeakKeyDictionary()
"""By the decoder's session."""


def caches_of(decoder: Decoder) -> Caches:
    if decoder.session not in _CACHES:
        _CACHES[decoder.session] = Caches(decoder)
    return _CACHES[decoder.session]


def kept_bytes(decoder: Decoder) -> int:
    """Of the device's memory, taken for this decoder's caches; where no rows of it are in use, the next may have it."""
    return _CACHES[decoder.session].kept if decoder.session in _CACHES else 0
