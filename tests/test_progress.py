"""The progress of a run: one live line on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest

from phi4bench.run.progress import Bar, clock_time


class Screen(io.StringIO):
    def __init__(self, live: bool) -> None:
        super().__init__()
        self.live = live

    def isatty(self) -> bool:
        return self.live


def ticking(step: float) -> Callable[[], float]:
    def ticks() -> Iterator[float]:
        now = 100.0
        while True:
            yield now
            now += step

    clock = ticks()
    return lambda: next(clock)


class TestProgress:
    def test_a_terminal_shows_one_live_line_with_the_rate_and_the_time_left(self) -> None:
        screen = Screen(live=True)
        bar = Bar(screen, ticking(1.0))
        bar.start("nano", 100, 20)
        for done in range(41):
            bar.update(done)
        lines = screen.getvalue().split("\r")
        assert "60/100 cases  1.0 cases/s  00:40 left" in lines[-1]
        assert all(len(line) < 80 for line in lines)
        assert "\n" not in screen.getvalue()

    def test_elsewhere_a_line_comes_after_the_first_cases_and_then_every_few_seconds(self) -> None:
        screen = Screen(live=False)
        bar = Bar(screen, ticking(0.25))
        bar.start("nano", 1000, 0)
        for done in range(61):
            bar.update(done)
        lines = screen.getvalue().splitlines()
        assert [line.split("cases")[0].split()[-1] for line in lines] == ["16/1,000", "36/1,000", "56/1,000"]
        assert lines[0].endswith("04:06 left")  # 984 cases at 4 a second

    def test_a_name_with_its_load_is_shown_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        screen = Screen(live=True)
        bar = Bar(screen, ticking(1.0))
        bar.start("nano-int8 10 clients", 1530, 0)
        bar.update(1197)
        assert "nano-int8 10 clients [" in screen.getvalue()

    def test_a_line_is_ended_once(self) -> None:
        screen = Screen(live=True)
        bar = Bar(screen, ticking(1.0))
        bar.start("a", 20, 0)
        bar.update(1)
        bar.finish()
        bar.finish()
        assert screen.getvalue().count("\n") == 1

    def test_nothing_is_shown_where_nothing_is_to_be_done(self) -> None:
        screen = Screen(live=True)
        bar = Bar(screen, ticking(1.0))
        bar.start("nano", 10, 10)
        bar.update(0)
        bar.finish()
        assert screen.getvalue() == ""

    @pytest.mark.parametrize(("seconds", "shown"), [(0.4, "00:00"), (62.3, "01:02"), (3605, "1:00:05")])
    def test_times_are_read_off_a_clock(self, seconds: float, shown: str) -> None:
        assert clock_time(seconds) == shown
