"""Which dialect a model speaks, told from its tokenizer and chat template. Pure: both come in as data."""

from __future__ import annotations

from collections.abc import Collection

from phi4bench.dialects.builtin import HERMES, OPENAI, PHI4_MINI, TOOL_USE
from phi4bench.dialects.dialect import Dialect
from phi4bench.dialects.turns import CHATML, LLAMA3, PHI, PHI4, PLAIN, Turns

_TURN_SIGNS: tuple[tuple[Turns, tuple[str, ...]], ...] = (
    (PHI4, ("<|im_start|>", "<|im_sep|>")),
    (CHATML, ("<|im_start|>", "<|im_end|>")),
    (LLAMA3, ("<|start_header_id|>", "<|eot_id|>")),
    (PHI, ("<|user|>", "<|assistant|>", "<|end|>")),
)
"""The first whose texts are all there wins: phi4's tokens include chatml's."""

_CALL_SIGNS: tuple[tuple[Dialect, str], ...] = (
    (TOOL_USE, "<tool_use>"),
    (PHI4_MINI, "<|tool_call|>"),
    (PHI4_MINI, "functools"),
    (HERMES, "<tool_call>"),
)


def infer_dialect(tokenizer_markers: Collection[str], chat_template: str | None) -> tuple[Dialect, str]:
    """The likeliest dialect, and a sentence that says what it was inferred from.

    The chat template decides where it says something, since it is what the model was used with; a tokenizer may carry
    tokens that its model never met. Without any sign of a call format: `openai`, whose system text explains itself.
    """
    template = chat_template or ""
    turns, turns_from = PLAIN, "no turn markers in the chat template or the tokenizer"
    for source, has in (("the chat template", template), ("the tokenizer", tokenizer_markers)):
        found = next((one for one, signs in _TURN_SIGNS if all(sign in has for sign in signs)), None)
        if found is not None:
            turns, turns_from = found, f"the turn markers in {source}"
            break
    for source, has in (("the chat template", template), ("the tokenizer", tokenizer_markers)):
        for dialect, sign in _CALL_SIGNS:
            if sign in has:
                spoken = dialect if dialect.turns == turns else dialect.with_turns(turns)
                return spoken, (
                    f"dialect {dialect.name} inferred from {sign} in {source}; turns {turns.name} inferred from"
                    f" {turns_from}"
                )
    return OPENAI.with_turns(turns), (
        "dialect openai assumed, since neither the chat template nor the tokenizer has a call marker;"
        f" turns {turns.name} inferred from {turns_from}"
    )
