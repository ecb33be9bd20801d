"""Later turns to which more than one answer would be right. Pure."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Sequence

from phi4bench.phrasing.engine import Family
from phi4bench.phrasing.requests import Request
from phi4bench.phrasing.talk import Talk


def is_disputed(family: Family) -> bool:
    """Whether another answer is as right: what was just written is known without a look, "in there" may be the
    project that was searched, a change to the wrong file may have to be taken back first, and "if it's not there" says
    nothing of what was found."""
    if family.recipe == "it-after-write>grep":
        return True
    if family.recipe == "it-after-write>read":
        return "what" in family.words
    if family.recipe == "it-after-grep>read":
        return "how does" in family.words
    if family.recipe in ("it-after-grep>grep", "it-after-glob>grep"):
        return not any(words in family.words for words in ("file", "that one", "its contents"))
    if family.recipe == "same-grep>place":
        return family.words.startswith("if its not there")
    return family.recipe in ("same-write>path", "same-edit>path") and "wrong file" in family.words


def leaves_open(made: Talk, asked: Request, action: str) -> bool:
    """Whether the exchange leaves open what "there" or "the same" is meant to be.

    Of a folder's only hit, "there" may be the hit's file. A glob, said after a folder, may be meant below it. Another
    language's files are only "the same" as those of one ending.
    """
    place = str(asked.call.arguments.get("path", ""))
    if action == "PATTERN":
        return "\n" not in made.messages[-2].content and not made.messages[-2].content.startswith(f"{place}:")
    if action == "GLOB":
        return bool(asked.drawn.texts.get("D"))
    return action == "LANGUAGE" and not _OF_ONE_ENDING.fullmatch(str(asked.call.arguments["pattern"]))


_OF_ONE_ENDING = re.compile(r"([^*?\[{]+/)?(\*\*/)?\*\.\w+")


def runs_together(commands: Sequence[str], text: str) -> bool:
    """Whether `text` joins commands by what a shell would join them by as well: `make & git push`."""
    return any(f"{one} & {other}" in text for one, other in itertools.pairwise(commands))


def marked(maker: Callable[[random.Random], str], rng: random.Random) -> str:
    """A place with a slash or a dot in it: a bare word may as well be what to search for."""
    while True:
        place = maker(rng)
        if "/" in place or "." in place:
            return place
