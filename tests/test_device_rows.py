"""Where the cache lies: on a device it never moves, and the tokens are those of a cache that does."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from kit import ROOT

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, Provider, device_rows, onnx, open_backend, probe, session
from phi4bench.cases import Message, Question
from phi4bench.prompts import Prompt

NANO = ROOT / "fixtures" / "models" / "nano-int8" / "model.onnx"


def prompts(count: int) -> list[Prompt]:
    dialect = open_artifact(str(NANO)).dialect
    said = ["Read main.py", "Find TODO in src", "What is a monad?", "Run the tests", "List all Python files in lib"]
    return [dialect.render(Question("", (), (Message("user", said[at % 5] + "!" * (at // 5)),))) for at in range(count)]


def tokens(backend: Any, asked: list[Prompt]) -> list[tuple[int, ...]]:
    made = dict(backend.generate(asked, Decoding(12)))
    backend.close()
    return [made[at].token_ids for at in range(len(asked))]


class CopyingBinding:
    """Takes its inputs when they are bound, as onnxruntime takes those of a device from main memory."""

    def __init__(self, real: Any) -> None:
        self.real, self._copies = real, dict[str, Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def bind_cpu_input(self, name: str, array: Any) -> None:
        self._copies[name] = array.copy()
        self.real.bind_cpu_input(name, self._copies[name])

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self.bind_cpu_input(name, value.numpy())


class CopyingSession:
    def __init__(self, real: Any) -> None:
        self._real = real

    def io_binding(self) -> CopyingBinding:
        return CopyingBinding(self._real.io_binding())

    def run_with_iobinding(self, binding: CopyingBinding) -> None:
        self._real.run_with_iobinding(binding.real)


@pytest.fixture
def device_of_main_memory(monkeypatch: pytest.MonkeyPatch) -> list[device_rows.DeviceRows]:
    """Decoders that are opened run on a device's rows, with main memory for the device; those rows, as they are made.

    The caches are bound by their addresses, and stay; all other inputs are copied.
    """
    made = []

    def on_device(decoder: Any, rows: int, length: int, *_: Any) -> Any:
        made.append(device_rows.DeviceRows(decoder, rows, length))
        return made[-1]

    opened = onnx.open_decoder

    def copying(*given: Any, **options: Any) -> Any:
        decoder = opened(*given, **options)
        return replace(decoder, session=CopyingSession(decoder.session))

    for module in (onnx, probe):
        monkeypatch.setattr(module, "rows_in_place", on_device)
    monkeypatch.setattr(onnx, "open_decoder", copying)
    return made


def test_a_cache_that_never_moves_gives_the_tokens_of_one_that_does(request: pytest.FixtureRequest) -> None:
    """The device's rows: addresses, idle places, prefixes, and what a binding takes are the same there."""
    asked = [prompt if at % 3 else replace(prompt, shared=0) for at, prompt in enumerate(prompts(11))]
    expected = tokens(open_backend(open_artifact(str(NANO)), threads=1, batch=4), asked)
    assert len(set(expected)) > 3, "much the same is said to all; this would prove little"
    made = request.getfixturevalue("device_of_main_memory")
    assert tokens(open_backend(open_artifact(str(NANO)), threads=1, batch=4), asked) == expected
    assert made[-1]._fresh == 4


def test_what_finds_the_likeliest_token_is_made_once_and_goes_with_its_decoder(
    device_of_main_memory: list[device_rows.DeviceRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a session of the device's own: made for each call, it would be in each latency that is measured."""
    choosers = list[Any]()

    class Noted(device_rows.Chooser):
        def __init__(self, decoder: Any) -> None:
            super().__init__(decoder)
            choosers.append(weakref.ref(self))

    monkeypatch.setattr(device_rows, "Chooser", Noted)
    backend: Any = open_backend(open_artifact(str(NANO)), threads=1, batch=1)
    for _ in range(3):
        dict(backend.generate(prompts(1), Decoding(3)))
    assert len(choosers) == 1
    device_of_main_memory.clear()
    backend.close()
    assert choosers[0]() is None


def test_rows_that_step_a_stale_token_are_found_out(
    device_of_main_memory: list[device_rows.DeviceRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh: Any = open_backend(open_artifact(str(NANO)), threads=1, batch=4)
    assert fresh.identity()["cache"] == "in place, rows together"
    monkeypatch.setattr(device_rows.DeviceRows, "_renew_tokens", lambda *_: None)
    stale: Any = open_backend(open_artifact(str(NANO)), threads=1, batch=4)
    assert stale.identity()["cache"] == "growing"


class Binding:
    """Notes where outputs are bound."""

    def __init__(self, said: list[tuple[str, Any]]) -> None:
        self._said = said

    def bind_cpu_input(self, name: str, array: Any) -> None: ...

    def bind_ortvalue_input(self, name: str, value: Any) -> None: ...

    def bind_output(self, name: str, device: str = "cpu", device_id: int = 0) -> None:
        self._said.append((name, (device, device_id)))

    def get_outputs(self) -> list[Any]:
        logits = type("Value", (), {"numpy": lambda self: np.zeros((1, 1, 8), np.float32)})
        return ["present", logits()]


def test_a_growing_cache_stays_on_the_device_and_only_logits_leave_it() -> None:
    from phi4bench.backends.kv import GrowingRow, PrefixStore

    bound: list[tuple[str, Any]] = []
    fake = type("Session", (), {"io_binding": lambda _: Binding(bound), "run_with_iobinding": lambda *_: None})()
    cache = (session.CacheTensor("past_key_values.0.key", "present.0.key", 1, 2, np.float32),)
    decoder = session.Decoder(fake, cache, False, np.float32, 8, False, False, device="cuda", device_id=1)
    row = GrowingRow(decoder, PrefixStore())
    row.enter(0, np.arange(4), 0)
    row.step([1])
    assert dict(bound) == {"present.0.key": ("cuda", 1), "logits": ("cpu", 0)}


def test_an_adapter_is_copied_to_the_device_once_for_all_its_rows() -> None:
    """A binding copies what lies in main memory to the device and keeps it: 64 rows would hold it 64 times over."""
    bound: list[Any] = []

    class Noting(Binding):
        def bind_input(self, *_: Any) -> None: ...

        def bind_output(self, *_: Any) -> None: ...

        def bind_ortvalue_input(self, name: str, value: Any) -> None:
            bound.append((name, value))

    fake = type("Session", (), {"io_binding": lambda _: Noting([])})()
    cache = (session.CacheTensor("past_key_values.0.key", "present.0.key", 1, 2, np.float32),)
    adapter = {"lora_A": np.ones((4, 2), np.float32)}
    decoder = session.Decoder(fake, cache, False, np.float32, 8, False, True, adapter=adapter)
    rows = device_rows.DeviceRows(decoder, 3, 16)
    for place in range(3):
        rows._bind_read(place)
    assert [name for name, _ in bound] == ["lora_A"] * 3
    assert len({id(value) for _, value in bound}) == 1
    assert bound[0][1].device_name() == decoder.device


@pytest.mark.parametrize(
    ("free", "limit", "bytes_"),
    [
        pytest.param(10_000_000_000, "", 8_000_000_000, id="most-of-what-is-free"),
        pytest.param(10_000_000_000, "5000000000", 4_000_000_000, id="within-the-limit-less-the-weights"),
        pytest.param(10_000_000_000, "500000000", 0, id="a-limit-that-the-weights-fill"),
        pytest.param(None, "", onnx.KV_BYTES, id="nobody-says-what-is-free"),
    ],
)
def test_caches_take_what_is_free_on_the_device(
    free: int | None, limit: str, bytes_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend: Any = open_backend(open_artifact(str(NANO)), threads=1)
    assert backend._cache_bytes() == onnx.KV_BYTES
    monkeypatch.setattr(onnx, "free_bytes", lambda device: free if device == 1 else -1)
    backend._decoder = replace(backend._decoder, device="cuda", device_id=1)
    backend._provider = Provider("cuda", (("gpu_mem_limit", limit),) if limit else ())
    backend._weight_bytes = 1_000_000_000
    assert backend._cache_bytes() == bytes_
