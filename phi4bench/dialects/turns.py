"""Turns: how a chat template opens and closes the turns of a conversation. Pure: no files, no models, no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """The control texts around one turn."""

    open: str
    close: str


@dataclass(frozen=True)
class Turns:
    """A chat template as data. `begin` precedes everything; the generation opener is `assistant.open`.

    `stop`: the control texts that end an assistant's turn.
    """

    name: str
    system: Turn
    user: Turn
    assistant: Turn
    tool: Turn
    stop: tuple[str, ...]
    begin: str = ""


PHI = Turns(
    "phi",
    system=Turn("<|system|>", "<|end|>"),
    user=Turn("<|user|>", "<|end|>"),
    assistant=Turn("<|assistant|>", "<|end|>"),
    tool=Turn("<|tool_response|>", "<|end|>"),
    stop=("<|end|>", "<|endoftext|>"),
)
"""Source: model card and added_tokens.json of microsoft/Phi-4-mini-instruct."""

PHI4 = Turns(
    "phi4",
    system=Turn("<|im_start|>system<|im_sep|>", "<|im_end|>"),
    user=Turn("<|im_start|>user<|im_sep|>", "<|im_end|>"),
    assistant=Turn("<|im_start|>assistant<|im_sep|>", "<|im_end|>"),
    tool=Turn("<|im_start|>tool<|im_sep|>", "<|im_end|>"),
    stop=("<|im_end|>", "<|endoftext|>"),
)
"""Source: model card of microsoft/phi-4. Its template knows no tool turn; `tool` is ours, in the same form."""

CHATML = Turns(
    "chatml",
    system=Turn("<|im_start|>system\n", "<|im_end|>\n"),
    user=Turn("<|im_start|>user\n", "<|im_end|>\n"),
    assistant=Turn("<|im_start|>assistant\n", "<|im_end|>\n"),
    tool=Turn("<|im_start|>tool\n", "<|im_end|>\n"),
    stop=("<|im_end|>", "<|endoftext|>"),
)
"""Source: model card of NousResearch/Hermes-2-Pro-Llama-3-8B, "Prompt Format for Function Calling"."""

LLAMA3 = Turns(
    "llama3",
    system=Turn("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
    user=Turn("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
    assistant=Turn("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    tool=Turn("<|start_header_id|>ipython<|end_header_id|>\n\n", "<|eot_id|>"),
    stop=("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),
    begin="<|begin_of_text|>",
)
"""Source: Meta's Llama 3.1 model card and prompt formats; tool results come in the `ipython` role."""

PLAIN = Turns(
    "plain",
    system=Turn("", "\n\n"),
    user=Turn("User: ", "\n"),
    assistant=Turn("Assistant: ", "\n"),
    tool=Turn("Tool: ", "\n"),
    stop=("\nUser:",),
)
"""For models without control tokens. Its turns are ordinary text, so a user's text can imitate one."""

TURNS: dict[str, Turns] = {turns.name: turns for turns in (PHI, PHI4, CHATML, LLAMA3, PLAIN)}
