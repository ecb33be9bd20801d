"""Caches on a device: zeros in the shapes of the decoder's, in memory that comes back."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from kit import ROOT

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.artifacts import open_artifact
from phi4bench.backends import device_cache, onnx, open_backend
from phi4bench.backends.device_cache import Caches, caches_of, kept_bytes
from phi4bench.backends.session import CacheTensor, Decoder

NANO = ROOT / "fixtures" / "models" / "nano-int8" / "model.onnx"
TOKEN = 2 * 3 * 4 * 2
"""Bytes of a token in the caches of `decoder`."""


class Session:
    """Stands for a decoder's: caches are kept for as long as it is there."""


def decoder(*kinds: type[np.generic]) -> Decoder:
    cache = tuple(CacheTensor(f"past.{at}", f"present.{at}", 3, 4, kind) for at, kind in enumerate(kinds))
    return Decoder(Session(), cache, False, np.float32, 8, True, True, device="cpu")


def test_caches_are_zeros_of_the_decoders_shapes_and_numbers() -> None:
    made = Caches(decoder(np.float16, np.float32, np.int8, np.uint8)).make(5, 6)
    assert [one.shape() for one in made] == [[5, 3, 6, 4]] * 4
    assert [one.numpy().dtype for one in made] == [np.float16, np.float32, np.int8, np.uint8]
    assert not any(one.numpy().any() for one in made)


@pytest.mark.parametrize(
    ("sizes", "given_back", "kept"),
    [
        pytest.param([(10, 10), (10, 10)], 1, 100, id="the-same-again"),
        pytest.param([(10, 10), (1, 51), (10, 10)], 1, 100, id="more-than-half-is-used"),
        pytest.param([(10, 10), (5, 10)], 2, 50, id="half-as-many-rows-leave-half-to-the-layers"),
        pytest.param([(10, 10), (10, 11)], 2, 110, id="what-is-too-small-goes-before-more-is-taken"),
    ],
)
def test_memory_is_used_again_or_given_back_before_more_is_taken(
    sizes: list[tuple[int, int]], given_back: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []
    real = Caches.give_back
    monkeypatch.setattr(Caches, "give_back", lambda self: times.append(real(self)))
    caches = Caches(decoder(np.float16, np.float16))
    for rows, tokens in sizes:
        caches.make(rows, tokens)
    assert len(times) == given_back
    assert caches.kept == kept * TOKEN


def test_after_memory_ran_out_all_of_it_is_given_back_first(monkeypatch: pytest.MonkeyPatch) -> None:
    caches = Caches(decoder(np.float16))
    caches.make(4, 4)
    asked = list[tuple[int, ...]]()
    real = Caches._zeros

    def short(self: Caches, dtype: Any, shape: tuple[int, ...], how: Any = None) -> Any:
        asked.append(shape)
        if shape[0] > 4:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 1")
        return real(self, dtype, shape, how)

    monkeypatch.setattr(Caches, "_zeros", short)
    with pytest.raises(RuntimeError):
        caches.make(8, 4)
    caches.make(4, 4)
    assert asked == [(1, 1, 1, 1), (8, 3, 4, 4), (1, 1, 1, 1), (4, 3, 4, 4)]


def test_more_than_is_free_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are planned by what is free; another process may have taken it since."""
    caches = Caches(decoder(np.float16))
    caches._device = "cuda"
    asked = list[tuple[int, ...]]()
    monkeypatch.setattr(Caches, "_zeros", lambda self, dtype, shape, how=None: asked.append(shape))
    monkeypatch.setattr(device_cache, "free_bytes", lambda device: 16 * TOKEN // 2 - 1 if device == 0 else None)
    with pytest.raises(MemoryError, match="caches of 384 bytes, where 383 are free"):
        caches.make(4, 4)
    caches.make(3, 4)
    assert asked == [(1, 1, 1, 1), (1, 1, 1, 1), (3, 3, 4, 4)]
    caches.make(1, 400)
    assert asked[-1] == (1, 3, 400, 4), "one row is all that can be done; NVML may be wrong"


def test_they_are_one_decoders_and_go_with_it() -> None:
    one = decoder(np.float16)
    assert kept_bytes(one) == 0
    caches = weakref.ref(caches_of(one))
    assert caches_of(one) is caches()
    caches_of(one).make(2, 2)
    assert kept_bytes(one) == 4 * TOKEN / 2
    del one
    assert caches() is None


def test_what_is_kept_for_caches_is_planned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken by us, so NVML does not count it as free."""
    backend: Any = open_backend(open_artifact(str(NANO)), threads=1)
    monkeypatch.setattr(onnx, "free_bytes", lambda device: 6_000)
    monkeypatch.setattr(onnx, "kept_bytes", lambda decoder: 4_000 if decoder is backend._decoder else 0)
    backend._decoder = replace(backend._decoder, device="cuda")
    assert backend._cache_bytes() == 8_000


def test_a_device_is_asked_for_what_is_needed_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Any]()
    ort = device_cache.onnxruntime()
    monkeypatch.setattr(ort, "InferenceSession", lambda graph, options, providers, **_: asked.append(providers))
    Caches(replace(decoder(np.float16), device="cuda", device_id=3))
    (cuda, _) = asked[0]
    assert cuda == ("CUDAExecutionProvider", {"arena_extend_strategy": "kSameAsRequested", "device_id": "3"})
