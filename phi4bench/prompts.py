"""A prompt: the text a backend reads, with its control tokens kept apart from everybody's text.

Words only. A backend tokenizes `control` segments with the tokenizer's special tokens recognised, and all other
segments with none recognised, so that a user's or a tool's text can never open a turn.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """A stretch of prompt text. `control`: written by the dialect itself, special tokens allowed."""

    text: str
    control: bool = False


@dataclass(frozen=True)
class Prompt:
    """What is sent for one case.

    `segments`: in order; their texts joined are the whole prompt.
    `shared`: how many leading segments (the system turn with the tools) are the same for every case of a tool set;
    a backend may compute them once.
    `stop`: texts that end the assistant's turn (control tokens such as `<|end|>`).
    `call_opener`: the control text with which a call starts, empty where the dialect has none; a backend may
    measure its decision margin there.
    """

    segments: tuple[Segment, ...]
    shared: int = 0
    stop: tuple[str, ...] = ()
    call_opener: str = ""

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments)
