"""Attention over a window of tokens, and what room its cache must have. Reads what a file says of itself.

The builder marks such layers with `sliding_window_cache` since onnxruntime-genai 0.18: they then take a cache of the
window's size, or larger, and move it on when it is full. In one that has room for all of a case nothing ever moves.
Source: onnxruntime, docs/ContribOperators.md, com.microsoft.GroupQueryAttention, "Windowed KV Cache".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from phi4bench.artifacts.onnxfile import OnnxFile
from phi4bench.backends.session import Decoder

_PAST = slice(3, 5)
"""The inputs of GroupQueryAttention that are the cache."""


def windows_of(onnx: OnnxFile) -> Mapping[str, int]:
    """By the names of the inputs, the tokens that a layer's cache has room for at least, however short a case is."""
    return {
        name: node.whole.get("local_window_size", 0)
        for node in onnx.nodes
        if node.operator == "GroupQueryAttention" and node.whole.get("sliding_window_cache")
        for name in node.inputs[_PAST]
    }


def with_windows(decoder: Decoder, onnx: OnnxFile) -> Decoder:
    """The decoder, which knows its windows. On a device the cache is to be just as large: rows in place are larger."""
    windows = windows_of(onnx)
    return replace(
        decoder,
        cache=tuple(replace(tensor, window=windows.get(tensor.past, 0)) for tensor in decoder.cache),
        in_place_possible=decoder.in_place_possible and (decoder.device == "cpu" or not windows),
    )
