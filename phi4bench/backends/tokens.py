"""Tokenizing prompts so that only a dialect's own text is a control token. Knows tokenizer.json; runs no model."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from phi4bench.dialects import Dialect
from phi4bench.errors import ArtifactError
from phi4bench.prompts import Prompt, Segment

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

SHARED_KEPT = 64
"""How many shared beginnings (a system turn with its tools) keep their ids."""

TEXTS_AT_ONCE = 512
"""What the library makes of a text is many times as large as its ids, so not all texts are given to it together."""

_PROBE = "Grep 'def.*auth' in \"src/ä.py\",\n\tplease: 日本 🙂 {} \\d+"


class PromptTokenizer:
    """A tokenizer.json, used segment by segment.

    Control segments are read with every added token recognised. In other segments none is: special ones are told apart
    by the library (`encode_special_tokens`), and where another added token (or, in some vocabularies, a control
    token's own text) still comes out, its text is cut in two until it does not. Added tokens that are only white space
    stay: they cannot open a turn, and models are trained with them.
    """

    def __init__(self, tokenizer: Tokenizer, where: str = "tokenizer.json") -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()  # encode_special_tokens is a setting of the tokenizer, not of a call
        self.where = where
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._added = {number: token.content for number, token in tokenizer.get_added_tokens_decoder().items()}
        unknown = getattr(tokenizer.model, "unk_token", None)  # stands for what the vocabulary lacks, so it may appear
        self._forbidden = frozenset(n for n, text in self._added.items() if text.strip() and text != unknown)
        self.byte_level = "ByteLevel" in repr(tokenizer.decoder)
        self._control = lru_cache(maxsize=1024)(self._encode_control)
        self._shared = lru_cache(maxsize=SHARED_KEPT)(self.encode_segments)
        self._id_of = lru_cache(maxsize=1024)(self._only_id)
        if self.byte_level and self.decode(self.encode_segments([Segment(_PROBE)])) != _PROBE:
            raise ArtifactError(
                f"{where}: decoding what it encoded gives another text, but a byte-level tokenizer should lose nothing",
                "use the tokenizer.json that came with the model",
            )

    @classmethod
    def from_folder(cls, folder: Path) -> PromptTokenizer:
        """Raises `ArtifactError` where `folder` has no tokenizer.json that the tokenizers library can read."""
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ArtifactError(f"{path} is missing", "an artifact's folder holds the model's own tokenizer.json")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            reason = " ".join(str(error).split())
            raise ArtifactError(f"{path} is not a tokenizer: {reason}", "copy the model's own tokenizer.json") from None
        if not tokenizer.get_vocab_size():
            raise ArtifactError(f"{path} has an empty vocabulary", "copy the model's own tokenizer.json")
        return cls(tokenizer, str(path))

    def encode(self, prompt: Prompt) -> tuple[list[int], int]:
        """The prompt's token ids, and how many of them its shared segments make."""
        return self.encode_all([prompt])[0]

    def encode_all(self, prompts: Sequence[Prompt]) -> list[tuple[list[int], int]]:
        """`encode` of each, faster than one by one: all cores work on them."""
        beginnings = [self._shared(prompt.segments[: prompt.shared]) for prompt in prompts]
        rests = self._encode_each([prompt.segments[prompt.shared :] for prompt in prompts])
        return [([*shared, *rest], len(shared)) for shared, rest in zip(beginnings, rests, strict=True)]

    def encode_segments(self, segments: Sequence[Segment]) -> list[int]:
        """Ids of any segments, such as `Dialect.call_segments`; segment by segment, as `encode` does it."""
        return self._encode_each([segments])[0]

    def decode(self, ids: Sequence[int]) -> str:
        """The text, control tokens kept."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def id_of(self, control: str) -> int | None:
        """The id of a control text that is one token; `None` where it is several, or unknown."""
        return self._id_of(control)

    def unknown_controls(self, dialect: Dialect) -> tuple[str, ...]:
        """The dialect's control tokens that are no added token here: likely it is another model's dialect."""
        return tuple(text for text in dialect.controls if self.id_of(text) not in self._added)

    def to_json(self) -> str:
        """The whole tokenizer as tokenizer.json has it."""
        return str(self._tokenizer.to_str())

    def control_ids(self, markers: Sequence[str]) -> frozenset[int]:
        """The added tokens that are no plain text, less those whose text is one of `markers`."""
        return frozenset(number for number in self._forbidden if self._added[number] not in markers)

    def vocabulary(self) -> Mapping[str, int]:
        """Every token's text and id, added tokens included."""
        found: Mapping[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return found

    @property
    def vocabulary_size(self) -> int:
        """One more than the highest id that has a text."""
        return max(self._tokenizer.get_vocab().values(), default=-1) + 1

    def _only_id(self, control: str) -> int | None:
        ids = self._control(control) if control else ()
        return ids[0] if len(ids) == 1 and self.decode(ids) == control else None

    def _encode_each(self, stretches: Sequence[Sequence[Segment]]) -> list[list[int]]:
        """The ids of each stretch of segments."""
        texts = [segment.text for stretch in stretches for segment in stretch if not segment.control]
        encoded = iter(self._encode_texts(texts))
        found: list[list[int]] = []
        for stretch in stretches:
            ids: list[int] = []
            for segment in stretch:
                ids += self._control(segment.text) if segment.control else next(encoded)
            found.append(ids)
        return found

    def _encode_control(self, text: str) -> tuple[int, ...]:
        with self._lock:
            self._tokenizer.encode_special_tokens = False
            try:
                return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
            finally:
                self._tokenizer.encode_special_tokens = True

    def _encode_texts(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Each text's ids with no control token among them, whatever it says."""
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            some = [_whole_characters(text) for text in texts[start : start + TEXTS_AT_ONCE]]
            with self._lock:
                encodings = self._tokenizer.encode_batch_fast(some, add_special_tokens=False)
            for text, ids in zip(some, [encoding.ids for encoding in encodings], strict=True):
                yield ids if self._forbidden.isdisjoint(ids) else self._encode_in_pieces(text)

    def _encode_in_pieces(self, text: str) -> list[int]:
        """The ids of a text in which the library finds a control token."""
        ids: list[int] = []
        waiting = [text]
        while waiting:
            piece = waiting.pop()
            with self._lock:
                encoding = self._tokenizer.encode(piece, add_special_tokens=False)
            if self._forbidden.isdisjoint(encoding.ids) or not (cuts := self._cuts(encoding)):
                ids += encoding.ids
            else:
                waiting += reversed([piece[a:b] for a, b in pairwise((0, *cuts, len(piece)))])
        return ids

    def _cuts(self, encoding: Encoding) -> list[int]:
        """Where to cut a text so that none of the control tokens in its encoding can come out again."""
        spans = zip(encoding.ids, encoding.offsets, strict=True)
        return [start + 1 for number, (start, end) in spans if number in self._forbidden and end - start > 1]


def _whole_characters(text: str) -> str:
    """Half a surrogate pair has no UTF-8 form; it becomes U+FFFD, as any encoder would have it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
