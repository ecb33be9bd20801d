"""A prompt: the text a backend reads, with its control tokens kept apart from everybody's text.

Words only. A backend tokenizes `control` segments with the tokenizer's special tokens recognised, and all other
segments with none recognised, so that a user's or a tool's text can never open a turn.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of prompt text. `control`: written by the dialect itself, special tokens allowed."""

    text: str
    control: bool = False


@dataclass(frozen=True)
class Grammar:
    """What a completion may say, over its text as decoded, in the Lark form that llguidance reads.

    `markers`: the control texts that may stand in it; any other control token of the tokenizer ends it or is left out.
    """

    text: str
    markers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent for one case.

    `segments`: in order; their texts joined are the whole prompt.
    `shared`: how many leading segments (the system turn with the tools) are the same for every case of a tool set;
    a backend may compute them once.
    `stop`: texts that end the assistant's turn (control tokens such as `<|end|>`).
    `call_opener`: the control text with which a call starts, empty where the dialect has none; a backend may
    measure its decision margin there.
    `grammar`: what masks the logits; `None` where they are free.
    """

    segments: tuple[Segment, ...]
    shared: int = 0
    stop: tuple[str, ...] = ()
    call_opener: str = ""
    grammar: Grammar | None = None

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments)
