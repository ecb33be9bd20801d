"""What a backend is: prompts in, completions out. Knows no runtime and no file format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from phi4bench.calls import Json
from phi4bench.errors import BackendError
from phi4bench.positions import Position
from phi4bench.prompts import Prompt, Segment
from phi4bench.transcripts import Completion

Mode = Literal["free", "constrained"]


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen: greedily, at most `max_new_tokens` of them.

    `free`: no grammar masks the logits; `constrained`: each prompt's own does.
    """

    max_new_tokens: int = 256
    mode: Mode = "free"


class Backend(Protocol):
    """Runs one artifact. Not thread-safe: one `generate` at a time."""

    def identity(self) -> dict[str, Json]:
        """Everything besides the weights, the prompt and the `Decoding` that can change a greedy token."""

    def prompt_key(self, prompt: Prompt) -> str:
        """sha256 (hex) over all of the prompt that this backend's completion depends on."""

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[tuple[int, Completion]]:
        """(index into `prompts`, completion) as each is done, in any order; none is held back.

        Raises `CaseError` (which prompt) or another `BackendError`; what was yielded before stays valid.
        """

    def generate_all(
        self, portions: Iterable[Sequence[Prompt]], decoding: Decoding
    ) -> Iterator[tuple[int, Completion]]:
        """The same over portions that are asked for as they are needed; indices go on from one to the next.

        Only of what was asked for a completion is held back by others: a portion is handed over before the last of the
        one before is done. `CaseError` of a portion comes once those that were in flight are done.
        """

    def close(self) -> None:
        """Release the model. The backend is of no use afterwards."""


@dataclass(frozen=True)
class Reference:
    """An answer that a model is given to read: what is rendered for the case, and the answer without its end of turn.

    `watch`: for each position (the end of turn is the last) the tokens whose probabilities are asked for; empty: the
    likeliest ones.
    """

    prompt: Prompt
    answer: tuple[Segment, ...]
    watch: tuple[tuple[int, ...], ...] = ()


class Scorer(Protocol):
    """A backend that sees logits."""

    def score(self, references: Sequence[Reference]) -> Iterator[tuple[int, tuple[Position, ...]]]:
        """(index into `references`, a `Position` for each token of its answer and for the end of turn), in any order.

        Teacher-forced: every token is predicted from the reference before it, whatever the model would have said.
        Raises what `generate` raises.
        """


class CaseError(BackendError):
    """The artifact could not be run on one prompt. `index`: which of the prompts given to `generate`."""

    def __init__(self, index: int, what: str, hint: str = "") -> None:
        self.index = index
        super().__init__(what, hint)


class NotFiniteError(CaseError):
    """The model's logits are NaN or infinite: no answer, not even a wrong one."""


class PromptTooLongError(CaseError):
    """The prompt leaves the model no room for a single new token."""
