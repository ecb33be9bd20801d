"""Rows of a transformers model that decode together, padded on the left. The cache is made anew at every step."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from phi4bench.backends.kv import PrefixStore
from phi4bench.backends.likeliest import MOST, Array, Highest, Logits


def cache_argument(model: Any) -> str:
    """As what a model takes its cache: the second was the name before transformers 5.24. Empty where it takes none."""
    takes = inspect.signature(model.forward).parameters
    return next((name for name in ("cache", "past_key_values") if name in takes), "")


def takes_positions(model: Any) -> bool:
    """Whether it is told where each token stands. Others, such as BART's decoder, count what is in the cache."""
    return "position_ids" in inspect.signature(model.forward).parameters


class PaddedRows:
    """Rows that decode together: their keys and values end in one column, shorter ones begin with padding."""

    def __init__(self, model: Any) -> None:
        import torch  # by now the model's own libraries are loaded
        from transformers import DynamicCache

        self._torch, self._new_cache = torch, DynamicCache
        self._model = model
        self._cache_argument = cache_argument(model)
        self._past: list[tuple[Any, Any]] = []  # a layer's keys and values, each (rows, heads, tokens, size)
        self._lengths: list[int] = []
        self._prefixes: PrefixStore[list[tuple[Any, Any]]] = PrefixStore()

    def enter(self, slot: int, ids: Array, shared: int) -> Logits:
        past: list[tuple[Any, Any]] = []
        if shared:
            past = self._prefixes.get(ids[:shared].tobytes(), lambda: self._read(ids[:shared], 0, [])[1])
        logits, read = self._read(ids[shared:], shared, past)
        with self._torch.inference_mode():
            self._put(slot, read, len(ids))
        return self._as_logits(logits)

    def step(self, tokens: Sequence[int]) -> Logits:
        self._lengths = [length + 1 for length in self._lengths]
        lengths = np.asarray(self._lengths)[:, None]
        mask = (np.arange(lengths.max())[None] >= lengths.max() - lengths).astype(np.int64)
        logits, self._past = self._forward(np.asarray(tokens, np.int64)[:, None], mask, lengths - 1, self._past)
        return self._as_logits(logits)

    def leave(self, slot: int) -> None:
        with self._torch.inference_mode():
            self._lengths[slot] = self._lengths[-1]
            del self._lengths[-1]
            width = max(self._lengths, default=0)
            for at, pair in enumerate(self._past):
                for tensor in pair:
                    tensor[slot] = tensor[-1]
                self._past[at] = tuple(tensor[:-1, :, tensor.shape[2] - width :] for tensor in pair)

    def _as_logits(self, tensor: Any) -> Logits:
        if tensor.device.type != "cpu":
            return TorchLogits(self._torch, tensor)
        logits: Array = tensor.numpy()
        return logits

    def _read(self, ids: Array, start: int, past: list[tuple[Any, Any]]) -> tuple[Any, list[tuple[Any, Any]]]:
        mask = np.ones((1, start + len(ids)), np.int64)
        positions = np.arange(start, start + len(ids))[None]
        return self._forward(ids[None], mask, positions, past)

    def _put(self, slot: int, read: list[tuple[Any, Any]], length: int) -> None:
        before = list(self._lengths)
        self._lengths[slot : slot + 1] = [length]
        width = max(self._lengths)
        placed = []
        for at, pair in enumerate(read):
            both = []
            for part, new in enumerate(pair):
                whole = new.new_zeros((len(self._lengths), new.shape[1], width, new.shape[3]))
                if before:
                    old = self._past[at][part]
                    kept = min(old.shape[2], width)
                    whole[: len(before), :, width - kept :] = old[:, :, old.shape[2] - kept :]
                whole[slot] = 0
                whole[slot, :, width - length :] = new[0]
                both.append(whole)
            placed.append((both[0], both[1]))
        self._past = placed

    def _forward(
        self, ids: Array, mask: Array, positions: Array, past: list[tuple[Any, Any]]
    ) -> tuple[Any, list[tuple[Any, Any]]]:
        """Logits (rows, vocabulary) at the last position where the model lies, in fp32, and the cache after it. `past`
        itself is not changed.
        """
        torch, device = self._torch, self._model.device
        with torch.inference_mode():
            cache = self._new_cache()
            for layer, (keys, values) in enumerate(past):
                cache.update(keys, values, layer)
            out = self._model(
                input_ids=torch.as_tensor(ids, device=device),
                attention_mask=torch.as_tensor(mask, device=device),
                position_ids=torch.as_tensor(positions, device=device),
                **{self._cache_argument: cache},
                use_cache=True,
                logits_to_keep=1,
            )
            return out.logits[:, -1].float(), [(layer.keys, layer.values) for layer in cache.layers]


class TorchLogits:
    """Logits (rows, vocabulary) on a device."""

    def __init__(self, torch: Any, tensor: Any) -> None:
        self._torch, self._tensor = torch, tensor

    def highest(self, watched: int | None) -> Highest:
        tensor = self._tensor
        with self._torch.inference_mode():
            values, tokens = tensor.topk(min(MOST, tensor.shape[1]))
            spoiled = ~tensor.isfinite().all(-1)
            seen = float(tensor[0, watched]) if watched is not None and 0 <= watched < tensor.shape[1] else None
            return Highest(values.cpu().numpy(), tokens.cpu().numpy(), spoiled.cpu().numpy(), seen)

    def row(self, at: int) -> Array:
        row: Array = self._tensor[at].cpu().numpy()
        return row
