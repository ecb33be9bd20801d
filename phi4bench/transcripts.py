"""What a model wrote, and how long it took. Words only: everything after a transcript re-runs without a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Finish = Literal["stop", "length"]
"""`stop`: the model ended its turn. `length`: it reached the cap on new tokens, which is a result, not an error."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One generation.

    `text`: decoded with the control tokens kept, less the one that ended the turn.
    `token_ids`: the new tokens, including the ending one.
    `first_token_ms`: from handing over the prompt to its first token (prefill of what was not shared, and one step).
    `token_ms`: mean time of each further token; `None` for one token or fewer.
    `margin`: at the first new token, the logit of the dialect's call opener less the best other logit; `None` where
    the backend cannot see logits or the dialect has no opener that is one token.
    `token_at_ms`: when each token was there, counted as `first_token_ms` is; not stored, since only timings ask for it.
    Times are `None` where the backend cannot measure them.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    finish: Finish = "stop"
    first_token_ms: float | None = None
    token_ms: float | None = None
    margin: float | None = None
    prompt_tokens: int | None = None
    token_at_ms: tuple[float, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Transcript:
    """One case's completion as stored on disk. `key`: sha256 over everything that the completion depends on."""

    case_id: str
    key: str
    completion: Completion
