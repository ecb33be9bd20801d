"""Timing an artifact's calls: what each of them took, as its caller saw it. Knows backends and a clock; judges nothing.

The clock comes in as an argument and counts seconds; it is never the time of day, which is set while a run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from phi4bench.backends import Backend, Decoding
from phi4bench.backends.providers import PROVIDERS
from phi4bench.calls import Json
from phi4bench.dialects import Dialect
from phi4bench.errors import BackendError
from phi4bench.prompts import Prompt
from phi4bench.traffic import Served, Traffic
from phi4bench.transcripts import Completion

Clock = Callable[[], float]
TextOf = Callable[[Completion, int], str]
"""The text of a completion's first so many tokens."""


class Serving(Protocol):
    """A backend that takes requests as they come."""

    def serve(
        self, prompts: Sequence[Prompt], decoding: Decoding, traffic: Traffic
    ) -> Iterator[tuple[int, Completion]]:
        """As `generate`, but each prompt only once `traffic` hands it out."""


@dataclass(frozen=True)
class Timing:
    """One call as its caller saw it. `index`: of the prompt. `total_ms`: from handing it over to the whole answer."""

    index: int
    total_ms: float
    completion: Completion

    @property
    def overhead_ms(self) -> float:
        """What was not the runtime's own: tokenizing, preparing the cache; counted before the first token."""
        inside = self.completion.token_at_ms
        return max(0.0, self.total_ms - inside[-1]) if inside else 0.0

    @property
    def first_token_ms(self) -> float | None:
        first = self.completion.first_token_ms
        return None if first is None else first + self.overhead_ms

    def at_token(self, count: int) -> float | None:
        """When so many tokens were there."""
        inside = self.completion.token_at_ms
        return inside[count - 1] + self.overhead_ms if 0 < count <= len(inside) else None


def device_of(runtime: Mapping[str, Json]) -> str:
    """`gpu` or `cpu`, by what a backend says of itself."""
    where = str(runtime.get("provider") or runtime.get("device") or "cpu")
    options = runtime.get("provider_options")
    if where == PROVIDERS["openvino"]:  # runs where it is told to, and on the processor unless it is told
        kind = options.get("device_type") if isinstance(options, dict) else None
        return "gpu" if str(kind).startswith("GPU") else "cpu"
    return "cpu" if where in ("cpu", PROVIDERS["cpu"]) else "gpu"


def seen_by_nvml(runtime: Mapping[str, Json]) -> bool:
    """Whether NVML knows the device that it ran on: CUDA's. Others may have an NVIDIA device beside them."""
    provider = runtime.get("provider")
    return provider in (PROVIDERS["cuda"], PROVIDERS["tensorrt"]) if provider else device_of(runtime) == "gpu"


def since(began: float, clock: Clock) -> float:
    """Seconds on `clock`; `BackendError` where it went backwards, since no figure can be trusted then."""
    spent = clock() - began
    if not 0.0 <= spent < float("inf"):
        raise BackendError(
            f"the clock moved by {spent:g} s during one call, but should only go forward", "run it again"
        )
    return spent


def warm_up(
    backend: Backend, prompts: Sequence[Prompt], decoding: Decoding, *, clock: Clock, seconds: float
) -> Iterator[float]:
    """Each prompt by itself, timed by nobody: the seconds since the first began, after each.

    Stops after the call in which `seconds` are over, as `time_calls` does.
    """
    began = clock()
    for prompt in prompts:
        _one(backend, prompt, decoding)
        yield (spent := since(began, clock))
        if spent >= seconds:
            return


def time_calls(
    backend: Backend,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    *,
    clock: Clock,
    seconds: float,
) -> Iterator[Timing]:
    """Each prompt by itself, as one caller sends them: nothing is taken from a store, no prefix is kept between calls.

    Stops after the call in which `seconds` are over.
    """
    began = clock()
    for index, prompt in enumerate(prompts):
        handed = clock()
        completion = _one(backend, prompt, decoding)
        yield Timing(index, since(handed, clock) * 1e3, completion)
        if since(began, clock) >= seconds:
            return


def serve_load(
    backend: Serving,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    traffic: Traffic,
) -> Iterator[tuple[Served, Completion]]:
    """Each request as it is answered. Where the time is over, those under way are finished and no other begins."""
    told = 0
    completions: dict[int, Completion] = {}
    for index, completion in backend.serve(prompts, decoding, traffic):
        completions[index] = completion
        while told < len(traffic.served) and traffic.served[told].index in completions:
            served = traffic.served[told]
            told += 1
            yield served, completions.pop(served.index)


def tokens_to_first_call(completion: Completion, text_of: TextOf, dialect: Dialect) -> int | None:
    """How many tokens it took until a whole call could be read; `None` where none ever could."""
    if not dialect.parse(completion.text).calls:
        return None
    counts = range(1, len(completion.token_ids) + 1)
    whole = len(completion.token_ids) or None
    return next((count for count in counts if dialect.parse(text_of(completion, count)).calls), whole)


def _one(backend: Backend, prompt: Prompt, decoding: Decoding) -> Completion:
    [(_, completion)] = backend.generate([prompt], decoding)
    return completion
