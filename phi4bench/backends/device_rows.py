"""Rows that decode together over a cache that lies on a device and never leaves it. Knows tokens as numbers only.

A device's memory is not copied from row to row here: a case that is done leaves its place idle, still holding the
prefix, until the next case enters it. Steps run over idle places too, up to the last one that is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from phi4bench.backends.device_cache import caches_of, session_beside
from phi4bench.backends.graphs import highest_graph
from phi4bench.backends.kv import PrefixStore, Rows, SharedRows
from phi4bench.backends.likeliest import MOST, Array, Highest, Logits
from phi4bench.backends.session import Decoder, onnxruntime


def rows_in_place(
    decoder: Decoder,
    rows: int,
    tokens: int,
    prefixes: PrefixStore[Any],
    together: int = 1,
    mapped: bool = False,
) -> Rows:
    """Of the kind that suits where the decoder's arrays lie.

    A device has one lane, which shares no `prefixes`, and steps any number of rows, not multiples of `together`.
    """
    if decoder.device == "cpu":
        return SharedRows(decoder, rows, tokens, prefixes, together, mapped)
    return DeviceRows(decoder, rows, tokens)


class DeviceRows(SharedRows):
    """As `SharedRows`, on `decoder.device`. Each place reads a prefix for itself, and keeps it from case to case."""

    def __init__(self, decoder: Decoder, rows: int, tokens: int) -> None:
        super().__init__(decoder, rows, tokens, PrefixStore())
        self._places: list[int] = []  # of each slot
        self._idle: list[int] = []
        self._fresh = 0  # places from here on were never taken
        self._chooser = _chooser_of(decoder)

    def enter(self, slot: int, ids: Array, shared: int) -> Logits:
        key = ids[:shared].tobytes()
        if slot == len(self._places):
            self._places.append(self._free_place(key))
        place = self._places[slot]
        start = shared if shared and self._held[place] == key else 0
        self._held[place] = key
        return self._read(place, ids, start)

    def step(self, tokens: Sequence[int]) -> Logits:
        count = max(self._places) + 1
        self._tokens[:count] = 0
        self._tokens[self._places, 0] = tokens
        lengths = self._lengths[:count] + 1  # an idle place writes behind its prefix, again and again
        self._lengths[self._places] += 1
        self._run_step(lengths)
        return LogitsOnDevice(self._chooser, self._logits, 0, count, list(self._places))

    def _run_step(self, lengths: Array) -> None:
        count, total = len(lengths), int(lengths.max())
        binding = self._stepping.get(count) or self._bind_step(count)
        mask = (np.arange(total) < lengths).astype(np.int64)
        binding.bind_cpu_input("attention_mask", mask)
        self._renew_tokens(binding, count)
        self._decoder.session.run_with_iobinding(binding)

    def _renew_tokens(self, binding: Any, count: int) -> None:
        """onnxruntime copies what lies in main memory to the device when it is bound (`IOBinding::BindInput`), and not
        again when it runs: a binding that is kept would step the tokens of its first time for ever."""
        binding.bind_cpu_input("input_ids", self._tokens[:count])

    def leave(self, slot: int) -> None:
        place, last = self._places[slot], self._places.pop()
        if slot < len(self._places):
            self._places[slot] = last
        self._lengths[place] = len(self._held[place]) // 8  # bytes of an int64
        self._idle.append(place)

    def _free_place(self, key: bytes) -> int:
        """One that holds the prefix, before one that holds another, before a new one."""
        if self._idle:
            place = next((idle for idle in self._idle if self._held[idle] == key), self._idle[0])
            self._idle.remove(place)
            return place
        self._fresh += 1
        return self._fresh - 1

    def _new_cache(self, rows: int, tokens: int, mapped: bool) -> list[Any]:
        return caches_of(self._decoder).make(rows, tokens)

    def _new_logits(self, positions: int) -> Any:
        decoder, shape = self._decoder, [positions, 1, self._decoder.vocabulary]
        make = onnxruntime().OrtValue.ortvalue_from_shape_and_type
        return make(shape, decoder.logits_dtype, decoder.device, decoder.device_id) if positions else None

    def _bind_read_logits(self, binding: Any, positions: int) -> None:
        if self._read_logits is None or self._read_logits.shape()[0] < positions:
            self._read_logits = self._new_logits(positions)
        self._bind_logits(binding, self._read_logits, [1, positions, self._decoder.vocabulary])

    def _last_read(self, positions: int) -> Logits:
        return LogitsOnDevice(self._chooser, self._read_logits, positions - 1, 1, [0])

    def _bind_step_logits(self, binding: Any, count: int) -> None:
        self._bind_logits(binding, self._logits, [count, 1, self._decoder.vocabulary])

    def _bind_logits(self, binding: Any, value: Any, shape: list[int]) -> None:
        decoder = self._decoder
        binding.bind_output("logits", decoder.device, decoder.device_id, decoder.logits_dtype, shape, value.data_ptr())

    def _bind_cache(self, first: int, end: int) -> Any:
        """A binding of places by their addresses: whole rows lie one after the other."""
        binding = self._decoder.session.io_binding()
        for tensor, value in zip(self._decoder.cache, self._kv, strict=True):
            _, *row = value.shape()
            address = value.data_ptr() + first * int(np.prod(row)) * np.dtype(tensor.dtype).itemsize
            where = (self._decoder.device, self._decoder.device_id, tensor.dtype, [end - first, *row], address)
            binding.bind_input(tensor.past, *where)
            binding.bind_output(tensor.present, *where)
        for name, weights in self._adapter.items():
            binding.bind_ortvalue_input(name, weights)
        return binding


class Chooser:
    """Finds the highest of logits where they lie: a few numbers a row are fetched, and not the vocabulary.

    Rows are made anew for each call, so it is kept as long as the decoder's session, to which it holds nothing.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._device, self._dtype, self._vocabulary = decoder.device, decoder.logits_dtype, decoder.vocabulary
        self._device_id = decoder.device_id
        self.row_bytes = decoder.vocabulary * np.dtype(decoder.logits_dtype).itemsize
        most = min(MOST, decoder.vocabulary)
        self._session = session_beside(highest_graph(decoder.logits_dtype, most), decoder)

    def highest(self, address: int, rows: int, watched: int | None, row: int) -> Highest:
        """Of `rows` rows that lie one after the other from `address`; `watched`: of `row`."""
        binding, shape = self._session.io_binding(), [rows, self._vocabulary]
        binding.bind_input("logits", self._device, self._device_id, self._dtype, shape, address)
        asked = watched is not None and 0 <= watched < self._vocabulary
        binding.bind_cpu_input("watched", np.asarray([watched if asked else 0], np.int64))
        for name in ("values", "tokens", "spoiled", "seen"):
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        values, tokens, spoiled, seen = (value.numpy() for value in binding.get_outputs())
        return Highest(values, tokens, ~np.isfinite(spoiled), float(seen[row, 0]) if asked else None)


_CHOOSERS: WeakKeyDictionary[Any, Chooser] = WeakKeyDictionary()
"""By the decoder's session."""


def _chooser_of(decoder: Decoder) -> Chooser:
    if decoder.session not in _CHOOSERS:
        _CHOOSERS[decoder.session] = Chooser(decoder)
    return _CHOOSERS[decoder.session]


class LogitsOnDevice:
    """`rows` rows of `value`, an OrtValue (positions, 1, vocabulary), from position `first` on; `order`: which of them.

    Valid until the next step or prompt.
    """

    def __init__(self, chooser: Chooser, value: Any, first: int, rows: int, order: list[int]) -> None:
        self._chooser, self._value, self._first, self._rows, self._order = chooser, value, first, rows, order
        self._fetched: Array | None = None

    def highest(self, watched: int | None) -> Highest:
        order, address = self._order, self._value.data_ptr() + self._first * self._chooser.row_bytes
        found = self._chooser.highest(address, self._rows, watched, order[0])
        return Highest(found.values[order], found.tokens[order], found.spoiled[order], found.watched)

    def row(self, at: int) -> Array:
        if self._fetched is None:
            self._fetched = self._value.numpy()
        row: Array = self._fetched[self._first + self._order[at], 0]
        return row
