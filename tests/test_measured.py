"""What was timed, as figures: means and their bounds."""

from __future__ import annotations

import pytest

from phi4bench.measured import Latency, TimedCall, spread


def of_totals(*totals: float, prompts: int | None = None) -> Latency:
    return Latency(tuple(TimedCall(total, 1.0, 1.0, total, 9) for total in totals), 1, len(totals), 1.0, prompts)


def test_a_mean_has_bounds() -> None:
    found = spread(of_totals(1.0, 2.0, 3.0, 4.0), "latency", 0.05)
    assert found is not None
    assert found.mean_interval is not None
    # sd 1.29099, error 0.645497, t(0.95, 3) = 2.353363
    assert (found.mean, found.mean_interval.low) == (2.5, pytest.approx(2.5 - 1.519089, abs=1e-5))


def test_a_prompt_that_is_sent_again_makes_them_no_narrower() -> None:
    once = of_totals(1.0, 2.0, 3.0, 4.0).mean_bounds("latency", 0.05)
    again = of_totals(1.0, 2.0, 3.0, 4.0, *[1.0, 2.0, 3.0, 4.0] * 9, prompts=4).mean_bounds("latency", 0.05)
    new = of_totals(1.0, 2.0, 3.0, 4.0, *[1.0, 2.0, 3.0, 4.0] * 9).mean_bounds("latency", 0.05)
    assert once is not None
    assert again is not None
    assert new is not None
    assert again.high == pytest.approx(once.high)
    assert new.high - 2.5 < (again.high - 2.5) / 3


@pytest.mark.parametrize(
    "latency",
    [
        pytest.param(of_totals(7.0), id="one-call"),
        pytest.param(of_totals(7.0, 8.0, 9.0, prompts=1), id="one-prompt"),
    ],
)
def test_one_prompt_tells_no_bounds(latency: Latency) -> None:
    assert latency.mean_bounds("latency", 0.05) is None


def test_an_answer_that_never_held_a_call_leaves_no_mean() -> None:
    calls = tuple(TimedCall(5.0, 1.0, 1.0, first, 9) for first in (4.0, None, 3.0))
    found = spread(Latency(calls, 1, 3, 1.0), "first_call", 0.05)
    assert found is not None
    assert (found.mean, found.mean_interval) == (float("inf"), None)
