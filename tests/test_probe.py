"""Which way of keeping the cache is chosen, on rows whose logits are told beforehand; no model."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.backends import probe

VOCABULARY = 100
PLAINEST = 1.0


class Told:
    """Rows that give `value` as each logit."""

    def __init__(self, value: float, prefixes: Any, read: list[bytes]) -> None:
        self._value, self._prefixes, self._read = value, prefixes, read

    def enter(self, slot: int, ids: np.ndarray, shared: int) -> np.ndarray:
        self._prefixes.get(ids[:shared].tobytes(), lambda: self._read.append(ids[:shared].tobytes()))
        return np.full(VOCABULARY, self._value)

    def step(self, tokens: list[int]) -> np.ndarray:
        return np.full((len(tokens), VOCABULARY), self._value)


InPlace = Callable[[int, int], float]
"""The logits of so many rows, stepped in multiples of the second number."""


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, list[bytes]]]:
    """The mode that the probe finds, and the beginnings that were read in place."""

    def run(
        in_place: InPlace, growing: float = PLAINEST, device: str = "cpu", possible: bool = True
    ) -> tuple[str, list[bytes]]:
        read = list[bytes]()

        def rows(decoder: Any, count: int, tokens: int, prefixes: Any, together: int) -> Told:
            return Told(in_place(count, together), prefixes, read)

        def one_row(decoder: Any, prefixes: Any, whole: bool = False) -> Told:
            return Told(PLAINEST if whole else growing, prefixes, [])

        monkeypatch.setattr(probe, "rows_in_place", rows)
        monkeypatch.setattr(probe, "GrowingRow", one_row)
        decoder: Any = SimpleNamespace(vocabulary=VOCABULARY, device=device, in_place_possible=possible)
        return probe.probe(decoder), read

    return run


def refused(count: int, together: int) -> float:
    raise ValueError("no such shape")


def no_room(count: int, together: int) -> float:
    raise RuntimeError("Failed to allocate memory for requested buffer of size 4096")


CASES: dict[str, tuple[str, InPlace, dict[str, Any]]] = {
    "all alike": ("in place, rows together", lambda *_: PLAINEST, {}),
    "rounded otherwise than the plainest": ("in place, rows together", lambda *_: PLAINEST + 1e-6, {}),
    "three rows otherwise than one": ("in place, one row", lambda count, _: PLAINEST + 1e-6 * (count > 2), {}),
    "one row otherwise than pairs": (
        "in place, rows in pairs",
        lambda count, together: PLAINEST + 1e-6 * (count > 1 or together > 1),
        {},
    ),
    "four rows otherwise than two": (
        "in place, one row",
        lambda count, together: PLAINEST + 1e-6 * (count > 1 or together > 1) + 1e-6 * (count > 3),
        {},
    ),
    "other keys in place": ("growing", lambda *_: 2 * PLAINEST, {}),
    "refused in place": ("growing", refused, {}),
    "in place not possible": ("growing", lambda *_: PLAINEST, {"possible": False}),
    "other keys in both": ("growing, prompts whole", lambda *_: 2 * PLAINEST, {"growing": 2 * PLAINEST}),
    "rows of a device rounded": (
        "in place, rows together up to rounding",
        lambda count, _: PLAINEST + 1e-6 * count,
        {"device": "cuda"},
    ),
    "rows of a device otherwise": ("in place, one row", lambda count, _: PLAINEST * count, {"device": "cuda"}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_fastest_way_that_agrees_is_chosen(case: str, chosen: Callable[..., tuple[str, list[bytes]]]) -> None:
    mode, in_place, settings = CASES[case]
    assert chosen(in_place, **settings)[0] == mode


def test_no_memory_to_try_rows_in_place_is_no_reason_to_run_one_case_at_a_time(
    chosen: Callable[..., tuple[str, list[bytes]]],
) -> None:
    with pytest.raises(RuntimeError, match="Failed to allocate"):
        chosen(no_room)


def test_each_beginning_is_read_once_in_main_memory(chosen: Callable[..., tuple[str, list[bytes]]]) -> None:
    """Of up to four rows; a device's rows each read their own."""
    _, read = chosen(lambda count, together: PLAINEST + 1e-6 * (count > 1 or together > 1))
    assert len(read) == len(set(read)) == 4
    _, read = chosen(lambda *_: PLAINEST, device="cuda")
    assert len(read) == 1 + 2 + 3
