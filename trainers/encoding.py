"""Examples as token ids, and which of them the assistant says; no torch.

Rendered and tokenized by the evaluator's own code: the ids up to an answer are those of the prompt that it would send.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Message, Question
from phi4bench.dialects import Dialect
from phi4bench.errors import UsageError
from phi4bench.prompts import Prompt, Segment
from phi4bench.tools import Tool
from trainers.data import Example

IGNORED = -100


@dataclass(frozen=True)
class Span:
    """A turn of the assistant: `start` to `end` in the ids; its `text`, without what closes the turn.

    `learned`: whether loss falls on it.
    """

    start: int
    end: int
    text: str
    message: Message
    learned: bool = True


@dataclass(frozen=True)
class Encoded:
    """One conversation. `shared`: how many leading ids hold the system turn with the tools. `text`: as rendered.

    `head`: what of the text stands before all that anybody says.
    """

    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    text: str
    shared: int
    head: str

    @property
    def labels(self) -> list[int]:
        """The id where the assistant speaks what is learned, its closing token included; `IGNORED` elsewhere."""
        labels = [IGNORED] * len(self.ids)
        for span in (one for one in self.spans if one.learned):
            labels[span.start : span.end] = self.ids[span.start : span.end]
        return labels

    @property
    def answer(self) -> tuple[int, int]:
        """Where the last turn stands: the answer that is judged."""
        return self.spans[-1].start, self.spans[-1].end


@dataclass(frozen=True)
class Encoder:
    """A dialect and the model's tokenizer. `system_prompt`: `None` for the dialect's own."""

    dialect: Dialect
    tokenizer: PromptTokenizer
    system_prompt: str | None = None

    def encode(self, example: Example) -> Encoded:
        """Raises `ValueError` where a turn's tokens depend on what follows it: it would not be learned as asked."""
        assert example.answer is not None, "an example without an answer has nothing to learn from"
        tools, messages = example.case.tools, example.messages
        whole = self._closed(tools, messages)
        ids, shared = self.tokenizer.encode(whole)
        stops = {self.tokenizer.id_of(text) for text in self.dialect.turns.stop} - {None}
        spans = []
        for index, message in enumerate(messages):
            if message.role != "assistant":
                continue
            asked = self._prompt(tools, messages[:index])
            said = self._closed(tools, messages[: index + 1])
            before, after = self.tokenizer.encode(asked)[0], self.tokenizer.encode(said)[0]
            if ids[: len(before)] != before or ids[: len(after)] != after:
                raise ValueError(
                    f"the tokens of turn {index + 1} depend on what follows it: the tokenizer joins"
                    f" {asked.text[-20:]!r} with the text after it"
                )
            start = len(before)
            end = next((at + 1 for at in range(start, len(after)) if ids[at] in stops), len(after))
            text = said.text[len(asked.text) :].removesuffix(self.dialect.turns.assistant.close)
            spans.append(Span(start, end, text, message, index not in example.unlearned))
        head = "".join(segment.text for segment in whole.segments[: whole.shared])
        return Encoded(tuple(ids), tuple(spans), whole.text, shared, head)

    def _prompt(self, tools: tuple[Tool, ...], messages: tuple[Message, ...]) -> Prompt:
        return self.dialect.render(Question("", tools, messages), self.system_prompt)

    def _closed(self, tools: tuple[Tool, ...], messages: tuple[Message, ...]) -> Prompt:
        """The conversation without the opener of the next assistant turn, which `render` ends with."""
        prompt = self._prompt(tools, messages)
        opener, last = self.dialect.turns.assistant.open, prompt.segments[-1]
        assert last.text.endswith(opener), "a prompt ends with the assistant's opener"
        rest = last.text.removesuffix(opener)
        kept = prompt.segments[:-1] + ((Segment(rest, True),) if rest else ())
        return replace(prompt, segments=kept)


def conversations(encoder: Encoder, examples: Sequence[Example], most: int, context: int) -> list[tuple[int, ...]]:
    """Token ids of up to `most` whole conversations, spread over `examples`, each within the model's `context`.

    What training would drop is passed over, and a line says how much. Raises `UsageError` where nothing is left.
    """
    answered = [one for one in examples if one.answer is not None]
    step = max(1, len(answered) // most)
    found: list[tuple[int, ...]] = []
    passed = 0
    for index in sorted(range(len(answered)), key=lambda index: index % step != 0):  # others where some are passed over
        if len(found) == most:
            break
        try:
            ids = encoder.encode(answered[index]).ids
        except ValueError:
            ids = ()
        if 0 < len(ids) <= context:
            found.append(ids)
        else:
            passed += 1
    if not found:
        raise UsageError(
            f"none of {len(examples):,} conversations has an answer and fits the model's context of {context:,} tokens",
            "name other --data",
        )
    if passed:
        print(
            f"passed over, since they are longer than the model's context of {context:,} tokens or cannot be read turn"
            f" by turn: {passed:,} of {len(answered):,} conversations",
            flush=True,
        )
    return found
