"""Masks over the logits, so that a completion stays inside its grammar. Knows llguidance; knows no runtime.

A token is allowed where its text, as decoded, goes on with what the grammar accepts, whichever tokens that text is cut
into. So a marker spelt out in letters is a marker too. Control tokens that are no markers are no text: of those only
the ones that end the turn are allowed, and they only where the grammar is at an end.

Decoding is greedy, so a mask is computed only where the likeliest token is not allowed: elsewhere it changes nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from phi4bench.backends.guidance import library
from phi4bench.backends.likeliest import Array
from phi4bench.errors import ArtifactError, BackendError, UsageError
from phi4bench.prompts import Grammar

KEPT = 64
"""Grammars that stay compiled: cases of one set of tools stand together, so few are needed at a time."""


class TokenTexts(Protocol):
    """What is needed of `PromptTokenizer`."""

    def to_json(self) -> str: ...

    def control_ids(self, markers: Sequence[str]) -> frozenset[int]: ...


class Masks:
    """One model's masks, for all its lanes. `vocabulary`: width of its logits. `name`: of the artifact, in errors."""

    def __init__(self, name: str, tokenizer: TokenTexts, vocabulary: int) -> None:
        self._name, self._tokenizer, self._vocabulary = name, tokenizer, vocabulary
        self._lock = threading.Lock()
        self._library = library()
        self._readers: dict[tuple[tuple[str, ...], frozenset[int]], Any] = {}
        self._compiled: OrderedDict[tuple[Grammar, frozenset[int]], Any] = OrderedDict()
        self._texts: list[bytes] = []

    def open(self, grammar: Grammar, stop_ids: frozenset[int]) -> Mask:
        """A mask at the start of a completion, which `stop_ids` may end. `UsageError` for what cannot be compiled."""
        key = (grammar, stop_ids)
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = self._compile(grammar, stop_ids)
                if len(self._compiled) > KEPT:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(key)
            matcher = self._compiled[key].deep_copy()  # shares what the lexer has learnt, so later cases are fast
        return Mask(matcher, self._vocabulary, self._name)

    def _compile(self, grammar: Grammar, stop_ids: frozenset[int]) -> Any:
        limits = self._library.LLParserLimits(verbose_errors=False)
        reader = self._reader(grammar.markers, stop_ids)
        matcher = self._library.LLMatcher(reader, grammar.text, log_level=0, limits=limits)
        if matcher.is_error():
            why = " ".join(matcher.get_error().split())[:200]
            raise UsageError(f"{self._name}: llguidance cannot use the grammar of a case ({why})", "use --decode free")
        return matcher

    def _reader(self, markers: tuple[str, ...], stop_ids: frozenset[int]) -> Any:
        """The vocabulary as llguidance sees it: every token's bytes, and which tokens are no text."""
        if (markers, stop_ids) not in self._readers:
            wrapped = _Vocabulary(self._all_texts(), self._tokenizer.control_ids(markers) | stop_ids, stop_ids)
            self._readers[markers, stop_ids] = self._library.LLTokenizer(
                self._library.TokenizerWrapper(wrapped), eos_token=sorted(stop_ids)
            )
        return self._readers[markers, stop_ids]

    def _all_texts(self) -> list[bytes]:
        if not self._texts:
            try:
                plain = self._library.LLTokenizer(self._tokenizer.to_json())
            except Exception as error:  # the library raises whatever its reader meets
                why = " ".join(str(error).split())[:200]
                raise ArtifactError(
                    f"{self._name}: llguidance cannot read its tokenizer ({why})", "use --decode free"
                ) from None
            known = min(plain.vocab_size, self._vocabulary)
            self._texts = [plain.decode_bytes([number]) for number in range(known)]
            self._texts += [b""] * (self._vocabulary - known)
        return self._texts


class Mask:
    """What one completion may say next."""

    def __init__(self, matcher: Any, vocabulary: int, name: str) -> None:
        self._matcher, self._vocabulary, self._name = matcher, vocabulary, name

    def choose(self, logits: Callable[[], Array], likeliest: int) -> int:
        """The likeliest token that is allowed, taken. logits: (vocabulary,), finite at `likeliest`, their argmax; asked
        for only where that is not allowed.
        """
        if self._matcher.try_consume_tokens([likeliest]) == 1:
            return likeliest
        bits = np.zeros((self._vocabulary + 31) // 32, np.int32)
        self._matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
        allowed = np.flatnonzero(np.unpackbits(bits.view(np.uint8), count=self._vocabulary, bitorder="little"))
        if not self._matcher.is_error() and len(allowed):
            token = int(allowed[logits()[allowed].argmax()])
            if self._matcher.consume_token(token):
                return token
        why = " ".join(str(self._matcher.get_error()).split())[:200] or "no token is allowed"
        raise BackendError(
            f"{self._name}: the grammar of a case leaves its completion no way on ({why})", "use --decode free"
        )


class _Vocabulary:
    """The form in which llguidance takes a vocabulary."""

    bos_token_id = None

    def __init__(self, tokens: Sequence[bytes], special: frozenset[int], ends: frozenset[int]) -> None:
        self.tokens, self.special_token_ids, self.eos_token_id = tokens, sorted(special), min(ends)

    def __call__(self, text: bytes | str) -> list[int]:
        raise NotImplementedError("masks need no text cut into tokens")
