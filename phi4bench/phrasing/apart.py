"""Keeps what the test split says apart from what training says, in whatever dress. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from phi4bench.phrasing.decor import OPENERS, POLITE, QUESTION_OPENERS, THANKS
from phi4bench.phrasing.engine import Pool, casual

_OTHER_WRAPS = (
    "let us {}", "could we {}?", "can i {}?", "could i {}?", "may i {}?", "mind {}?", "do you mind {}?",
    "would you mind {}?", "how about {}?", "when you can, {}", "if you don't mind, {}", "and {}", "{} right now",
    "{} right away",
)  # fmt: skip
"""Politeness that frames have in them, for what `decor.POLITE` puts around others."""
_LONG = {
    "whats": "what is", "wheres": "where is", "thats": "that is", "theres": "there is", "its": "it is",
    "lets": "let us", "im": "i am", "id": "i would", "ill": "i will", "ive": "i have", "dont": "do not",
    "doesnt": "does not", "didnt": "did not", "isnt": "is not", "arent": "are not", "wasnt": "was not",
    "shouldnt": "should not", "cant": "can not", "cannot": "can not",
}  # fmt: skip


def keep_apart(pools: Sequence[Pool]) -> None:
    """Hold back from the test split every family whose bare words are those of a trained one, in whichever pool."""
    trained = {bare(family.words) for pool in pools for family in pool.of["train"]}
    for pool in pools:
        pool.hold_back(lambda family: bare(family.words) in trained)


def bare(words: str) -> str:
    """What is said, written out, without marks, greetings, politeness and thanks, and with every slot alike.

    `could you list the {L} files too?` and `please list the {E} files too` are both `list the {} files too`: what
    `decor.dress` puts around a trained request is trained on too, and so are the words around a value of another kind.
    """
    said = _words(re.sub(r"\{\w+\}", " {} ", words))
    heads, tails = _wraps()
    while True:
        head = next((h for h in heads.get(said[0], ()) if h == said[: len(h)] != said), ())
        tail = next((t for t in tails.get(said[-1], ()) if t == said[-len(t) :] != said), ())
        if not (head or tail):
            return " ".join(said)
        said = said[len(head) :] if head else said[: -len(tail)]


@cache
def _wraps() -> tuple[dict[str, list[tuple[str, ...]]], dict[str, list[tuple[str, ...]]]]:
    """What may stand before a request, by its first word, and behind it, by its last; the longest first."""
    around = [wrap.partition("{}") for wrap in (*POLITE, *_OTHER_WRAPS)]
    heads = {*OPENERS, *QUESTION_OPENERS, *(before for before, _, _ in around)}
    tails = {*THANKS, *(behind for _, _, behind in around)}
    return _by_word(heads, 0), _by_word(tails, -1)


def _by_word(texts: Iterable[str], place: int) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for words in sorted({_words(text) for text in texts} - {()}, key=lambda words: (-len(words), words)):
        found.setdefault(words[place], []).append(words)
    return found


def _words(text: str) -> tuple[str, ...]:
    words = re.sub(r"[^\w{}\s]", " ", casual(text)).split()
    return tuple(" ".join(_LONG.get(word, word) for word in words).split())
