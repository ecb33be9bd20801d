"""The child process that times one artifact: opens its backend as told, and carries out one command after the other.

A command is a line of JSON on standard input, its result a line on standard output. Nothing is read from a store and
nothing is kept. Errors are told as `worker` tells them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from phi4bench.dialects import Dialect
from phi4bench.nvidia import GpuWatch
from phi4bench.run.jobs import Setup, prompt_from_json
from phi4bench.run.peak import peak_rss_bytes
from phi4bench.run.worker import Say, main, notes_teller
from phi4bench.timing import (
    Clock,
    TextOf,
    Timing,
    seen_by_nvml,
    serve_load,
    time_calls,
    tokens_to_first_call,
    warm_up,
)
from phi4bench.traffic import Traffic, poisson

TELL_S = 0.2
"""Between two words on how far it is: each costs the machine that is being timed."""


class Bench:
    """The backend that is open, and what can be asked of it."""

    def __init__(self, setup: Setup, say: Say) -> None:
        self._setup, self._say = setup, say
        self._backend: Any = None

    def open(self, batch: int | None) -> dict[str, Any]:
        """Load the artifact to run so many calls at once; whatever was open before is closed."""
        self.close()
        self._backend = replace(self._setup, batch=batch).open()
        self._tell_notes = notes_teller(self._backend, self._say)
        self._tell_notes()
        return {"identity": self._backend.identity(), "peak": peak_rss_bytes()}

    def warm_up(self, prompts: list[Any], seconds: float) -> dict[str, Any]:
        """Calls that no figure tells of: how many there were, and the seconds that they took."""
        requests = [prompt_from_json(prompt) for prompt in prompts]
        calls = warm_up(self._backend, requests, self._setup.decoding, clock=self._clock(), seconds=seconds)
        spent = list(self._telling(calls))
        return {"done": len(spent), "seconds": max(spent, default=0.0)}

    def latency(self, prompts: list[Any], seconds: float) -> dict[str, Any]:
        """Calls one after the other, each `[total, first token, each further token, first call, tokens]`.

        They are told while it goes on, so that what was timed is there whatever comes after it.
        """
        requests = [prompt_from_json(prompt) for prompt in prompts]
        with self._watch() as watch:
            calls = time_calls(
                self._backend,
                requests,
                self._setup.decoding,
                clock=self._clock(),
                seconds=seconds,
            )
            self._tell_calls(calls)
        return {"peak": peak_rss_bytes(), **gpu_figures(watch)}

    def load(self, prompts: list[Any], seconds: float, clients: int, rate: float | None, seed: int) -> dict[str, Any]:
        """Many calls at once; each as `[index, arrived, finished, tokens, text, how it ended]`, times in seconds."""
        traffic = Traffic(
            len(prompts),
            self._clock(),
            seconds=seconds,
            clients=clients,
            arrivals_s=poisson(rate, len(prompts), seed) if rate else None,
        )
        requests = [prompt_from_json(prompt) for prompt in prompts]
        with self._watch() as watch:
            calls = [
                [one.index, one.arrived_s, one.finished_s, len(made.token_ids), made.text, made.finish]
                for one, made in self._telling(serve_load(self._backend, requests, self._setup.decoding, traffic))
            ]
        ends = [call[2] for call in calls]
        stopped = traffic.stopped_s if traffic.stopped_s is not None else max(ends, default=0.0)
        return {
            "calls": calls,
            "stopped_s": stopped,
            "waiting": traffic.left_waiting,
            "rows": getattr(self._backend, "at_once", None),
            "peak": peak_rss_bytes(),
            **gpu_figures(watch),
        }

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()
        self._backend = None

    def _watch(self) -> AbstractContextManager[GpuWatch | None]:
        """Of the device that was asked for, where the backend runs on one that NVML knows."""
        seen = seen_by_nvml(self._backend.identity())
        return GpuWatch(self._setup.provider.device_id) if seen else nullcontext()

    def _clock(self) -> Clock:
        """A fake's own time; else the processor's, which nobody sets."""
        return getattr(self._backend, "clock", time.perf_counter)

    def _tell_calls(self, timings: Iterable[Timing]) -> None:
        """Every call's row; where it ends with an error, those of the calls before it."""
        rows, done, told = list[list[Any]](), 0, time.monotonic()
        try:
            for done, timing in enumerate(timings, 1):
                rows.append(call_row(timing, self._backend.text_of, self._setup.artifact.dialect))
                self._tell_notes()
                if time.monotonic() - told >= TELL_S:
                    self._say({"event": "timed", "done": done, "calls": rows})
                    rows, told = [], time.monotonic()
        finally:
            self._say({"event": "timed", "done": done, "calls": rows})

    def _telling(self, timings: Any) -> Any:
        told = time.monotonic()
        for done, timing in enumerate(timings, 1):
            yield timing
            self._tell_notes()
            if time.monotonic() - told >= TELL_S:
                self._say({"event": "timed", "done": done})
                told = time.monotonic()


def gpu_figures(watch: GpuWatch | None) -> dict[str, Any]:
    """`gpu_by_all`: other processes' memory is in `gpu_bytes`, since this one's alone is not known."""
    return {
        "gpu_bytes": watch.peak_bytes if watch else None,
        "gpu_by_all": watch.by_all if watch else False,
        "gpu_utilisation": watch.utilisation if watch else None,
    }


def call_row(timing: Timing, text_of: TextOf, dialect: Dialect) -> list[Any]:
    """The fields of `measured.TimedCall` for one call."""
    completion = timing.completion
    count = tokens_to_first_call(completion, text_of, dialect) if completion.token_at_ms else None
    first_call = timing.at_token(count) if count else None
    return [timing.total_ms, timing.first_token_ms, completion.token_ms, first_call, len(completion.token_ids)]


def work(order: dict[str, Any], say: Say) -> None:
    bench = Bench(Setup.from_json(order["setup"]), say)
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "open": bench.open,
        "warm_up": bench.warm_up,
        "latency": bench.latency,
        "load": bench.load,
    }
    try:
        for line in sys.stdin:
            command = json.loads(line)
            say({"event": "result", **commands[command.pop("do")](**command)})
    finally:
        bench.close()


if __name__ == "__main__":
    sys.exit(main(work))
