# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""Dresses a bare request as people do: greetings, politeness, reasons, haste, a slip of the keyboard. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phi4bench.phrasing.engine import Family, casual, say, spoken
from phi4bench.phrasing.values import pick

OPENERS = tuple(
    """hey, |hi, |hi there, |hello, |hello! |ok, |okay, |ok so |alright, |right, |so, |now |next, |next up, |quick one: |hey there, |yo, |um, |well, |
    great, |cool, |perfect, |good, |thanks, |one more thing: |also, |and now |actually, |sorry, |all right, |oh and |good morning, |new task: |
    btw, |hm, |another thing: |small favour: |next task: |listen, |fine, """.replace("\n    ", "").split("|")
)
QUESTION_OPENERS = tuple(
    """hey, |hi, |hi there, |hello, |ok so |so, |quick question: |hm, |remind me, |tell me, |just wondering, |i wonder, |btw, |um, |sorry, |
    do you know, |any idea, |out of curiosity, |i forgot, |dumb question, |can you tell me, """.replace(
        "\n    ", ""
    ).split("|")
)
POLITE = tuple(
    """please {}|please {}|{} please|{}, please|{} pls|pls {}|can you {}?|could you {}?|could you please {}?|can you please {}?|would you {}?|
    would you please {}?|could you {} for me?|can you {} for me?|could you {}, please?|i need you to {}|i want you to {}|i'd like you to {}|
    i would like you to {}|i'd love you to {}|let's {}|go ahead and {}|just {}|kindly {}|you should {}|help me out and {}|{} for me|{} for me please|{}, thanks|
    {} thx|{} now|quickly {}|be so kind and {}|i'd appreciate it if you could {}|it would be great if you could {}|any chance you could {}?|will you {}?|
    can we {}?|i think you should {}|your next task is to {}|what i need is for you to {}|mind if i ask you to {}?|you can {}|do me a favour and {}|
    the next step is to {}|time to {}|we need to {}|we should {}|i have to {}|i want to {}|i need to {}|i'd like to {}|try to {}|
    please go ahead and {}|if you can, {}|when you get a chance, {}|when you have a moment, {}|if possible, {}|
    if it's not too much trouble, {}|as a next step, {}|could you quickly {}?|can you just {}?|please just {}|it'd help if you could {}""".replace(
        "\n    ", ""
    ).split("|")
)
_CASUAL_POLITE = tuple(casual(wrap) for wrap in POLITE)
_OURS = ("let's", "can we", "we ", "i have to", "i want to", "i need to", "i'd like to")
_OF_ME = tuple(wrap for wrap in POLITE if not (wrap.startswith(_OURS) or "for me" in wrap))
"""For what speaks of me already: nobody says `let's show me that` or `give me that for me`."""
_CASUAL_OF_ME = tuple(casual(wrap) for wrap in _OF_ME)
_REQUESTS = ("how about ", "mind ", "do you mind ", "can ", "could ", "may ", "would ")
"""What a question begins with that wants no fact."""

_TOPICS = tuple(
    """login|parser|build|release|cache|payment|migration|deploy|search|upload|billing|logging|routing|checkout|scheduler|sync|
    pipeline|auth|frontend|backend|test suite|new feature|port|refactoring|config|docker image|api|database""".replace(
        "\n    ", ""
    ).split("|")
)
_SITUATIONS = tuple(
    """i'm debugging the {t}|i'm working on the {t}|the {t} is broken|something is off with the {t}|the {t} keeps failing|
    we're about to ship the {t}|i'm reviewing the {t}|i broke the {t} yesterday|my colleague asked about the {t}|i'm cleaning up the {t}|
    the {t} looks wrong|i've been fighting with the {t} all day|i'm new to the {t}|there's a bug in the {t}|the {t} went red again|
    i'm preparing the {t}|we changed the {t} last week|i have a meeting about the {t}|the {t} is too slow|i inherited the {t}""".replace(
        "\n    ", ""
    ).split("|")
)
_BEFORE = tuple(
    """before i merge|before we ship|before the meeting|before i forget|since the build fails|since the {t} is failing|for the {t}|
    because the {t} is broken|to fix the {t}|to finish the {t}|for the code review|for my report|as we discussed|as i said before|
    while i fix the {t}|while we wait|now that the {t} is done|now that it works|to debug the {t}|if you don't mind|to get started|
    as part of the {t} work|after lunch we'll talk about the {t}, so|as a first step|to understand the {t}|in order to fix the {t}|
    for the {t} ticket|i'm stuck with the {t}, so|i'm not sure about the {t}, so|before i touch the {t}|for the upcoming {t}""".replace(
        "\n    ", ""
    ).split("|")
)
_AFTER = tuple(
    """so i can check the {t}|so that i can fix the {t}|so we can finish the {t}|because the {t} depends on it|since the {t} is broken|
    before i merge|before we ship|for the {t}|i need it for the {t}|it's for the {t}|as the {t} needs it|to be sure|
    i want to be certain|i'll explain later|my boss wants it|the {t} needs it|it matters for the {t}|we need that for the {t}|
    because i broke the {t}|i'm curious|it's urgent|no rush|otherwise the {t} breaks|i think the {t} relies on it|to see if the {t} is fine""".replace(
        "\n    ", ""
    ).split("|")
)
_LEADING = (
    "actually", "ah", "also", "alright", "and", "apologies", "argh", "good", "great", "hang", "hm", "hmm", "next", "no", "now",
    "of", "ok", "okay", "oh", "oops", "pardon", "right", "sorry", "then", "true", "wait", "whoops", "not", "again", "ditto",
    "maybe", "perhaps", "possibly", "same", "that", "thats", "that's", "this", "wrong",
)  # fmt: skip
"""Begins with these, a later turn needs no greeting and no reason."""
THANKS = (
    ". Thanks!",
    ". Thanks",
    ", thanks",
    ". Thank you!",
    ". Thank you.",
    ", thank you",
    ". Cheers",
    " thx",
    ". Appreciate it.",
    "! thanks",
)
_SLIPS = (
    ("please", "plese"), ("please", "pleas"), ("the ", "teh "), ("can you", "cna you"), ("could you", "coud you"), ("file", "fiel"),
    ("with", "wiht"), ("show", "shwo"), ("open", "opne"), ("search", "serach"), ("replace", "repalce"), ("find", "fidn"), ("change", "chnage"),
    ("create", "craete"), ("what", "waht"), ("for", "fro"), ("contents", "contens"), ("where", "wher"), ("all ", "al "), ("every", "evry"),
    ("run", "rnu"), ("read", "raed"), ("write", "wirte"), ("list", "lsit"), ("look", "loook"), ("command", "comand"), ("files", "fiels"),
)  # fmt: skip


def _slip(rng: random.Random, text: str, guarded: Sequence[str]) -> str:
    """One slip of the keyboard in a function word that no value holds."""
    start = int(rng.random() * len(_SLIPS))
    for step in range(6):
        right, wrong = _SLIPS[(start + step) % len(_SLIPS)]
        if right in text and not any(right.strip() in value for value in guarded):
            return text.replace(right, wrong, 1)
    return text


def aside(rng: random.Random, clauses: Sequence[str]) -> str:
    clause = pick(rng, clauses)
    return clause.replace("{t}", pick(rng, _TOPICS)) if "{t}" in clause else clause


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def dress(
    rng: random.Random, family: Family, texts: Mapping[str, str], plain: bool = False, haste: float = 0.22
) -> str:
    """The request that `family` makes of `texts`. `plain`: no wrapping, as for a part of a longer request.

    `haste`: the share of requests that are typed in a hurry.
    """
    hasty = rng.random() < haste
    core, open_end = say(rng, family.pieces, texts, hasty)
    made = _Request(rng, family.kind, hasty, open_end, bool(family.pieces[0].slot), core.removesuffix("?"))
    made.mark = "?" if core.endswith("?") else ""
    polite = rng.random() < 0.42
    if not (plain or core.startswith("$ ")):
        if polite and family.kind == "order":
            made.ask_politely()
        if core.partition(" ")[0].rstrip(",:").lower() not in _LEADING:
            made.lead_in()
        if not open_end:
            made.lead_out()
    if rng.random() < 0.03:
        made.slip(tuple(texts.values()))
    return made.ended(plain)


@dataclass
class _Request:
    """A request that is being wrapped: its `core`, what stands before and after it, and the mark at the end.

    `value_first`: the core begins with a value, whose case must stay. `open_end`: nothing may follow it.
    """

    rng: random.Random
    kind: str
    hasty: bool
    open_end: bool
    value_first: bool
    core: str
    before: str = ""
    after: str = ""
    mark: str = ""

    @property
    def keeps_case(self) -> bool:
        return self.hasty or (self.value_first and not self.before)

    def ask_politely(self) -> None:
        of_me = " me " in f" {self.core} "
        polite, casually = (_OF_ME, _CASUAL_OF_ME) if of_me else (POLITE, _CASUAL_POLITE)
        head, _, tail = pick(self.rng, casually if self.hasty else polite).partition("{}")
        if self.open_end and tail.strip("?"):
            head, tail = "please ", ""
        self.before, self.after = spoken(head, self.hasty), tail.removesuffix("?")
        if tail.endswith("?"):
            self.mark = "?"

    def lead_in(self) -> None:
        """A greeting, an aside or the situation, or none of them."""
        rng, hasty = self.rng, self.hasty
        draw = rng.random()
        if draw < 0.17:
            asks = self.kind == "question" and not self.core.lower().startswith(_REQUESTS)
            openers = QUESTION_OPENERS if asks else OPENERS
            self.before = spoken(pick(rng, openers), hasty) + self.before
        elif draw < 0.25:
            clause = spoken(aside(rng, _BEFORE), hasty)
            self.before = clause + (" " if clause.endswith(" so") else ", ") + self.before
        elif draw < 0.33:
            situation = spoken(aside(rng, _SITUATIONS), hasty)
            sentence, end = self.before + self.core, len(self.before)
            sentence = sentence if self.keeps_case else upper_first(sentence)
            stop = pick(rng, (". ", ". ", ", ") if hasty else (". ", ". ", "! ", " - "))
            self.before = (situation if hasty else upper_first(situation)) + stop + sentence[:end]
            self.core = sentence[end:]

    def lead_out(self) -> None:
        """A reason or thanks, or neither."""
        rng, hasty = self.rng, self.hasty
        draw = rng.random()
        if draw < 0.11:
            reason = spoken(aside(rng, _AFTER), hasty)
            runs_on = reason.startswith(("so ", "before ", "because ", "for ", "since ", "to "))
            joined = " " if runs_on else pick(rng, (", ", " - ", "; "))
            if self.mark and joined != " ":
                self.after += self.mark + " " + (reason if hasty else upper_first(reason))
                self.mark = ""
            else:
                self.after += joined + reason
        elif draw < 0.17:
            thanks = pick(rng, THANKS)
            self.after += self.mark + thanks[1:] if self.mark and thanks[0] in ".!" else thanks
            self.mark = ""
            if hasty:
                self.after = self.after.lower()

    def slip(self, values: Sequence[str]) -> None:
        """Of the keyboard, and in no value."""
        self.before = _slip(self.rng, self.before, ())
        self.core = _slip(self.rng, self.core, values)

    def ended(self, plain: bool) -> str:
        """The whole text, with what ends a sentence; a `plain` one has no capital and no full stop."""
        rng, text = self.rng, self.before + self.core + self.after
        if not (plain or self.keeps_case) and rng.random() < 0.9:
            text = upper_first(text)
        if self.open_end and not self.after:
            return text + (self.mark if self.mark and self.core[-1:] in "`'\"" else "")
        if text[-1:] in ".!?":
            return text
        if self.mark:
            return text + ("" if self.hasty and rng.random() < 0.6 else self.mark)
        if self.hasty or plain:
            return text
        draw = rng.random()
        return text + ("." if draw < 0.5 else "!" if draw < 0.54 else "")
