"""The key-value cache of cases in flight, and the forward passes over it. Knows tokens as numbers only.

Two kinds. `SharedRows` keeps all rows in one preallocated buffer a layer that is past and present at once, which
GroupQueryAttention updates in place: nothing is copied from step to step, and a finished row's prefix stays where it
is for the next case. `GrowingRow` feeds each step's outputs to the next: any decoder, one case at a time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from phi4bench.backends.likeliest import Array, Logits
from phi4bench.backends.rowmemory import Copied, Layout, Mapped, RowMemory
from phi4bench.backends.session import Decoder, onnxruntime

Kept = TypeVar("Kept")

LOGITS_BYTES = 256 << 20
"""Prompts are read in pieces whose logits stay below this: a file may compute them for every position."""


class Rows(Protocol):
    """Cases in flight, in slots 0..n-1 without gaps."""

    def enter(self, slot: int, ids: Array, shared: int) -> Logits:
        """Read a prompt (int64, at least one token more than `shared`) into a slot; logits (vocabulary,) at its end,
        valid until the next call.

        `slot` is taken or the next free one. The first `shared` tokens are computed once for all that begin so.
        """

    def step(self, tokens: Sequence[int]) -> Logits:
        """Append one token to each row; logits (rows, vocabulary), valid until the next call."""

    def leave(self, slot: int) -> None:
        """Free a slot; the last row moves into it."""


class PrefixStore(Generic[Kept]):
    """The last few prefixes that were computed, shared by all lanes."""

    def __init__(self, limit: int = 4) -> None:
        self._limit = limit
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes, compute: Callable[[], Kept]) -> Kept:
        with self._lock:  # held while computing, so that two lanes never compute the same prefix
            if key not in self._kept:
                self._kept[key] = compute()
                if len(self._kept) > self._limit:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


class SharedRows:
    """Rows that decode together, all of at most `tokens` tokens, written in place.

    For `Decoder.in_place_possible`: on the CPU (`device_rows` has those of a device), and without position_ids, which
    attention of this kind does not need. `together`: rows are stepped in multiples of it, empty ones filling up, for
    kernels that round a row by itself otherwise than a row of several. `mapped`: prefixes lie in memory once.
    """

    def __init__(
        self,
        decoder: Decoder,
        rows: int,
        tokens: int,
        prefixes: PrefixStore[Any],
        together: int = 1,
        mapped: bool = False,
    ) -> None:
        rows = -(-rows // together) * together
        self._together = together
        self._decoder = decoder
        self._value = onnxruntime().OrtValue.ortvalue_from_numpy  # on CPU it aliases the array
        self._adapter = adapter_values(decoder)
        self._prefixes = prefixes
        self._kv: list[Any] = self._new_cache(rows, max([tokens, *(one.window for one in decoder.cache)]), mapped)
        self._held = [b""] * rows  # the prefix that lies at the start of each row
        self._prefix_of: list[Any] = [None] * rows
        self._lengths = np.zeros((rows, 1), np.int64)
        self._mask = np.zeros((rows, tokens), np.int64)
        self._starts = np.arange(rows) * tokens  # of each row in the mask
        # Beyond the switch of rotary tables: a file takes the number of tokens so far from the mask's width.
        self._widening = decoder.table_switch is not None and tokens > decoder.table_switch
        self._tokens = np.zeros((rows, 1), np.int64)
        self._logits = self._new_logits(rows)
        self._read_logits = self._new_logits(0)
        self._reading: dict[int, Any] = {}  # slot -> binding that reads a prompt into it
        self._stepping: dict[int, Any] = {}  # number of rows -> binding that steps them
        self._count = 0

    def _new_cache(self, rows: int, tokens: int, mapped: bool) -> list[Any]:
        layouts = [Layout(tensor.heads, tensor.head_size, tensor.dtype) for tensor in self._decoder.cache]
        self._memory: RowMemory = (Mapped if mapped else Copied)(layouts, rows, tokens)
        return self._memory.arrays

    def _new_logits(self, positions: int) -> Any:
        return np.zeros((positions, 1, self._decoder.vocabulary), self._decoder.logits_dtype)

    def enter(self, slot: int, ids: Array, shared: int) -> Logits:
        key = ids[:shared].tobytes()
        if shared and self._held[slot] != key:
            self._held[slot], self._prefix_of[slot] = b"", None
            prefix = self._prefixes.get(key, lambda: self._prefix(slot, ids[:shared]))
            self._memory.put(slot, prefix)
            self._held[slot], self._prefix_of[slot] = key, prefix
        elif not shared:
            self._held[slot], self._prefix_of[slot] = b"", None
        self._count = max(self._count, slot + 1)
        return self._read(slot, ids, shared)

    def step(self, tokens: Sequence[int]) -> Logits:
        taken = len(tokens)
        count = -(-taken // self._together) * self._together
        self._tokens[:taken, 0] = tokens
        for empty in range(taken, count):  # it writes over the start of its row, where a prefix may lie
            self._held[empty], self._prefix_of[empty] = b"", None
            self._set_length(empty, 0)
        lengths = self._lengths[:count]
        self._mask.put(self._starts[:count] + lengths[:, 0], 1)
        lengths += 1
        binding = self._stepping.get(count) or self._bind_step(count)
        if self._widening:
            mask = np.ascontiguousarray(self._mask[:count, : lengths.max()])
            binding.bind_cpu_input("attention_mask", mask)
        self._decoder.session.run_with_iobinding(binding)
        logits: Array = self._logits[:taken, 0]
        return logits

    def leave(self, slot: int) -> None:
        self._count -= 1
        last = self._count
        if slot != last:
            length = int(self._lengths[last, 0])
            self._held[slot], self._prefix_of[slot] = self._held[last], self._prefix_of[last]
            self._memory.move(last, slot, length, self._prefix_of[slot])
            self._set_length(slot, length)

    def _set_length(self, slot: int, length: int) -> None:
        self._lengths[slot] = length
        self._mask[slot, :length], self._mask[slot, length:] = 1, 0

    def _prefix(self, slot: int, ids: Array) -> Any:
        self._read(slot, ids, 0)
        return self._memory.keep(slot, len(ids))

    def _read(self, slot: int, ids: Array, start: int) -> Logits:
        """Feed ids[start:] at batch 1, the only one at which GroupQueryAttention takes several tokens with a past."""
        binding = self._reading.get(slot) or self._bind_read(slot)
        logits: Logits = np.empty(0)
        for begin, end in pieces(start, len(ids), self._decoder):
            # Held until the pass is over: a binding does not keep arrays alive in every version.
            inputs = reading_inputs(self._decoder, ids[None, begin:end], begin)
            for name, array in inputs.items():
                binding.bind_cpu_input(name, array)
            positions = 1 if self._decoder.last_logits_only else end - begin
            self._bind_read_logits(binding, positions)
            self._decoder.session.run_with_iobinding(binding)
            logits = self._last_read(positions)
        self._set_length(slot, len(ids))
        return logits

    def _bind_read_logits(self, binding: Any, positions: int) -> None:
        """Where the logits of a piece go; those of the next one are written over them."""
        if len(self._read_logits) < positions:
            self._read_logits = self._new_logits(positions)
        read = self._read_logits[:positions].reshape(1, positions, -1)
        binding.bind_ortvalue_output("logits", self._value(read))

    def _last_read(self, positions: int) -> Logits:
        last: Array = self._read_logits[positions - 1, 0]
        return last

    def _bind_cache(self, first: int, end: int) -> Any:
        binding = self._decoder.session.io_binding()
        for tensor, array in zip(self._decoder.cache, self._kv, strict=True):
            value = self._value(array[first:end])
            binding.bind_ortvalue_input(tensor.past, value)
            binding.bind_ortvalue_output(tensor.present, value)
        for name, weights in self._adapter.items():
            binding.bind_ortvalue_input(name, weights)
        return binding

    def _bind_read(self, slot: int) -> Any:
        self._reading[slot] = self._bind_cache(slot, slot + 1)
        return self._reading[slot]

    def _bind_step(self, count: int) -> Any:
        binding = self._bind_cache(0, count)
        binding.bind_ortvalue_input("input_ids", self._value(self._tokens[:count]))
        binding.bind_ortvalue_input("attention_mask", self._value(self._mask[:count]))
        self._bind_step_logits(binding, count)
        self._stepping[count] = binding
        return binding

    def _bind_step_logits(self, binding: Any, count: int) -> None:
        binding.bind_ortvalue_output("logits", self._value(self._logits[:count]))


class GrowingRow:
    """One case whose cache is each step's output: for decoders whose attention does not update it in place.

    The cache stays on the decoder's device; only the logits come to main memory.

    `whole`: prompts are read in one pass with no prefix shared, for those that take several tokens only without a past.
    """

    def __init__(self, decoder: Decoder, prefixes: PrefixStore[list[Any]], whole: bool = False) -> None:
        self._decoder = decoder
        self._whole = whole
        self._value = onnxruntime().OrtValue.ortvalue_from_numpy
        self._adapter = adapter_values(decoder)
        self._prefixes = prefixes
        self._past: list[Any] = []
        self._length = 0

    def enter(self, slot: int, ids: Array, shared: int) -> Array:
        assert slot == 0
        if self._whole or not shared:
            return self._read(ids, 0, self._empty())
        past = self._prefixes.get(ids[:shared].tobytes(), lambda: self._prefix(ids[:shared]))
        return self._read(ids, shared, past)

    def step(self, tokens: Sequence[int]) -> Array:
        ids = np.asarray([tokens], np.int64)
        logits = self._forward(ids, self._length, self._past)
        self._length += 1
        return logits[None]

    def leave(self, slot: int) -> None:
        self._past = []

    def _empty(self) -> list[Any]:
        return [self._value(np.zeros((1, c.heads, c.window, c.head_size), c.dtype)) for c in self._decoder.cache]

    def _prefix(self, ids: Array) -> list[Any]:
        self._read(ids, 0, self._empty())
        return self._past

    def _read(self, ids: Array, start: int, past: list[Any]) -> Array:
        logits = np.empty(0)
        for begin, end in [(0, len(ids))] if self._whole else pieces(start, len(ids), self._decoder):
            logits = self._forward(ids[None, begin:end], begin, past)
            past = self._past
        self._length = len(ids)
        return logits

    def _forward(self, ids: Array, start: int, past: list[Any]) -> Array:
        binding = self._decoder.session.io_binding()
        inputs = reading_inputs(self._decoder, ids, start)
        for name, array in inputs.items():
            binding.bind_cpu_input(name, array)
        for name, weights in self._adapter.items():
            binding.bind_ortvalue_input(name, weights)
        for tensor, value in zip(self._decoder.cache, past, strict=True):
            binding.bind_ortvalue_input(tensor.past, value)
            binding.bind_output(tensor.present, self._decoder.device, self._decoder.device_id)
        binding.bind_output("logits", "cpu")
        self._decoder.session.run_with_iobinding(binding)
        *self._past, logits = binding.get_outputs()
        last: Array = logits.numpy()[0, -1]
        return last


def adapter_values(decoder: Decoder) -> dict[str, Any]:
    """Where the decoder's arrays lie, since a binding copies what lies elsewhere, each for itself; no copy on a CPU."""
    make = onnxruntime().OrtValue.ortvalue_from_numpy
    return {name: make(weights, decoder.device, decoder.device_id) for name, weights in decoder.adapter.items()}


def reading_inputs(decoder: Decoder, ids: Array, start: int) -> dict[str, Array]:
    """What one row's forward pass takes besides the cache; `ids` (1, tokens) follow `start` cached ones."""
    end = start + ids.shape[1]
    inputs = {"input_ids": ids, "attention_mask": np.ones((1, end), np.int64)}
    if decoder.position_ids:
        inputs["position_ids"] = np.arange(start, end, dtype=np.int64)[None]
    return inputs


def pieces(start: int, end: int, decoder: Decoder) -> list[tuple[int, int]]:
    """Split a prompt so that no forward pass computes more than `LOGITS_BYTES` of logits.

    Of a prompt beyond the switch of rotary tables the first piece reaches beyond it too: each is rotated by the table
    of the tokens so far.
    """
    size = end - start
    if not decoder.last_logits_only:
        size = max(1, LOGITS_BYTES // (decoder.vocabulary * np.dtype(decoder.logits_dtype).itemsize))
    if decoder.table_switch is not None and start <= decoder.table_switch < end:
        first = max(size, decoder.table_switch + 1 - start)
        return [(start, min(start + first, end)), *pieces(start + first, end, decoder)]
    return [(begin, min(begin + size, end)) for begin in range(start, end, max(1, size))]
