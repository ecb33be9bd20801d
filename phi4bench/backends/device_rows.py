"""Rows that decode together over a cache that lies on a device and never leaves it. Knows tokens as numbers only.

A device's memory is not copied from row to row here: a case that is done leaves its place idle, still holding the
prefix, until the next case enters it. Steps run over idle places too, up to the last one that is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phi4bench.backends.kv import Array, PrefixStore, Rows, SharedRows
from phi4bench.backends.session import Decoder, onnxruntime


def rows_in_place(
    decoder: Decoder, rows: int, tokens: int, prefixes: PrefixStore[list[Any]], together: int = 1
) -> Rows:
    """Of the kind that suits where the decoder's arrays lie.

    A device has one lane, which shares no `prefixes`, and steps any number of rows, not multiples of `together`.
    """
    if decoder.device == "cpu":
        return SharedRows(decoder, rows, tokens, prefixes, together)
    return DeviceRows(decoder, rows, tokens)


class DeviceRows(SharedRows):
    """As `SharedRows`, on `decoder.device`. Each place reads a prefix for itself, and keeps it from case to case."""

    def __init__(self, decoder: Decoder, rows: int, tokens: int) -> None:
        super().__init__(decoder, rows, tokens, PrefixStore())
        self._places: list[int] = []  # of each slot
        self._idle: list[int] = []
        self._fresh = 0  # places from here on were never taken

    def enter(self, slot: int, ids: Array, shared: int) -> Array:
        key = ids[:shared].tobytes()
        if slot == len(self._places):
            self._places.append(self._free_place(key))
        place = self._places[slot]
        start = shared if shared and self._held[place] == key else 0
        self._held[place] = key
        return self._read(place, ids, start)

    def step(self, tokens: Sequence[int]) -> Array:
        count = max(self._places) + 1
        self._tokens[:count] = 0
        self._tokens[self._places, 0] = tokens
        lengths = self._lengths[:count] + 1  # an idle place writes behind its prefix, again and again
        self._lengths[self._places] += 1
        logits: Array = self._stepped(lengths)[self._places]
        return logits

    def _stepped(self, lengths: Array) -> Array:
        # onnxruntime copies what lies in main memory to the device when it is bound (`IOBinding::BindInput`), and not
        # again when it runs: a binding that is kept would step the tokens of its first time for ever.
        count = len(lengths)
        binding = self._stepping.get(count) or self._bind_step(count)
        binding.bind_cpu_input("input_ids", self._tokens[:count])
        return super()._stepped(lengths)

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

    def _new_cache(self, rows: int, tokens: int) -> list[Any]:
        device, number = self._decoder.device, self._decoder.device_id
        return [
            self._value(np.zeros((rows, c.heads, tokens, c.head_size), c.dtype), device, number)
            for c in self._decoder.cache
        ]

    def _bind_cache(self, first: int, end: int) -> Any:
        """A binding of places by their addresses: whole rows lie one after the other."""
        binding = self._decoder.session.io_binding()
        for tensor, value in zip(self._decoder.cache, self._kv, strict=True):
            _, *row = value.shape()
            address = value.data_ptr() + first * int(np.prod(row)) * np.dtype(tensor.dtype).itemsize
            where = (self._decoder.device, self._decoder.device_id, tensor.dtype, [end - first, *row], address)
            binding.bind_input(tensor.past, *where)
            binding.bind_output(tensor.present, *where)
        for name, weights in self._decoder.adapter.items():
            binding.bind_ortvalue_input(name, onnxruntime().OrtValue.ortvalue_from_numpy(weights))
        return binding
