# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""Compiles frames such as `(open|show) (my |){P}` into families and says them. Pure: no files, no clock.

A frame is a line of text. `(a|b)` makes one family of each alternative, `<a|b>` varies within a family, and
`{P}` is a slot that takes a value. A family's name is its skeleton, and its split is a hash of that name, unless the
frame is held out: all that `@(open|show) {P}` makes is the test split's.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from phi4bench.calls import Call
from phi4bench.cases import Rule

Split = Literal["train", "test"]
Kind = Literal["order", "question", "remark"]
"""`order`: starts with a verb and can be made polite. `question` and `remark` stand as they are."""

NAMES = {
    "P": "PATH", "O": "PATH2", "D": "DIR", "X": "CONTENT", "A": "OLD", "B": "NEW", "C": "COMMAND", "Q": "PATTERN",
    "G": "GLOB", "N": "NAME", "E": "EXT", "W": "WORD", "L": "LANGUAGE", "Z": "PLACE", "S": "STEM", "F": "FLAG", "n": "NTH", "K": "ITEMS", "J": "NUMBER2",
    "M": "MESSAGE", "I": "NUMBER", "U": "URL",
}  # fmt: skip


def split_of(text: str) -> Split:
    """The split that `text`, a family's name or a slot's value, belongs to: a fifth of all texts are `test`."""
    return "test" if hashlib.sha256(text.encode()).digest()[0] % 5 == 0 else "train"


@dataclass(frozen=True)
class Drawn:
    """One recipe's values: `texts` fill the slots, `call` is the right answer under `rules`."""

    texts: Mapping[str, str]
    call: Call
    rules: Mapping[str, Rule] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """A stretch of a family: fixed text in its written and its casual form, alternatives of it, or a slot."""

    text: tuple[str, ...] = ()
    casual: tuple[str, ...] = ()
    slot: str = ""


@dataclass(frozen=True)
class Family:
    """One skeleton. `recipe` names what draws its values; `confusable`: it shares its words with another tool."""

    name: str
    recipe: str
    kind: Kind
    pieces: tuple[Piece, ...]
    weight: float
    words: str
    """What is said, in haste and with its slots, whatever turn came before it."""
    confusable: bool = False
    held_out: bool = False

    @property
    def split(self) -> Split:
        return "test" if self.held_out else split_of(self.name)


def casual(text: str) -> str:
    """As typed in haste: lower case, no apostrophes."""
    return text.lower().replace("'", "")


def spoken(text: str, hasty: bool) -> str:
    """Fixed text as written: in haste all lower, else with a capital I."""
    if hasty:
        return casual(text)
    for low, high in (("i ", "I "), ("i'", "I'")):
        if text.startswith(low):
            text = high + text[2:]
        text = text.replace(f" {low}", f" {high}")
    return text


def _expand(frame: str) -> list[str]:
    """Every choice of the `(a|b)` parts."""
    parts: list[list[str]] = []
    rest = frame
    while "(" in rest:
        before, _, rest = rest.partition("(")
        inside, _, rest = rest.partition(")")
        parts += [[before], inside.split("|")]
    parts.append([rest])
    return ["".join(chosen) for chosen in itertools.product(*parts)]


def _pieces(text: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    while text:
        if text[0] == "{":
            slot, _, text = text[1:].partition("}")
            pieces.append(Piece(slot=slot))
        elif text[0] == "<":
            inside, _, text = text[1:].partition(">")
            words = tuple(inside.split("|"))
            pieces.append(Piece(tuple(spoken(word, False) for word in words), tuple(map(casual, words))))
        else:
            cut = min((at for at in (text.find("{"), text.find("<")) if at >= 0), default=len(text))
            pieces.append(Piece((spoken(text[:cut], False),), (casual(text[:cut]),)))
            text = text[cut:]
    return tuple(pieces)


def skeleton(text: str) -> str:
    """A readable name: `open the file {P}` is `open-the-file-PATH`."""
    for slot, name in NAMES.items():
        text = text.replace("{" + slot + "}", name)
    text = text.replace("|", "/").replace("<", "").replace(">", "").strip()
    return "-".join(text.replace(":", "-:").split())


_NO_VERB = frozenset(
    ("in", "into", "to", "for", "from", "shell:", "grep:", "glob:", "replace:", "change:", "run:", "find:", "search:")
)


def compile_frames(prefix: str, recipe: str, kind: Kind, frames: str, share: float = 1.0) -> list[Family]:
    """Families of every line of `frames`; a frame's weight grows with the root of how many families it makes."""
    families = []
    for frame in filter(None, map(str.strip, frames.splitlines())):
        held_out, frame = frame.startswith("@"), frame.removeprefix("@")
        confusable, frame = frame.startswith("!"), frame.removeprefix("!")
        made = _expand(frame)
        for text in made:
            text = " ".join(text.split()).replace(" ,", ",").replace(" ?", "?").replace(" ;", ";")
            weight = share * len(made) ** 0.6 / len(made)
            said: Kind = "remark" if kind == "order" and text.split(" ", 1)[0] in _NO_VERB else kind
            name, words = f"{prefix}/{skeleton(text)}", casual(text).rstrip("?")
            families.append(Family(name, recipe, said, _pieces(text), weight, words, confusable, held_out))
    return families


def _weights(families: Iterable[Family]) -> Mapping[str, float]:
    """Of each recipe."""
    weights: dict[str, float] = {}
    for family in families:
        weights[family.recipe] = weights.get(family.recipe, 0.0) + family.weight
    return weights


class Pool:
    """Families of both splits, to be drawn by weight. Equal names count once; a recipe weighs the same in both."""

    def __init__(
        self,
        families: Iterable[Family],
        disputed: Callable[[Family], bool] = lambda _: False,
        trained: Iterable[Family] = (),
    ) -> None:
        """Words decide, as frames have them, with their marks and slots, before they are dressed: what training says
        behind one turn, or in the families `trained` of other pools, it may say behind all, and the test split never.
        Nor are families that are `disputed`, more than one answer to which is right, drawn for the test split. What
        is worded alike in another dress is held back later (`apart`)."""
        self.all: tuple[Family, ...] = tuple({family.name: family for family in families}.values())
        known = {family.words for family in (*self.all, *trained) if family.split == "train"}
        self.of: dict[Split, tuple[Family, ...]] = {
            "train": tuple(family for family in self.all if family.words in known),
            "test": tuple(f for f in self.all if f.words not in known and not disputed(f)),
        }
        self._weigh()

    def hold_back(self, known: Callable[[Family], bool]) -> None:
        """Draw no family for the test split any more that is `known`."""
        self.of["test"] = tuple(family for family in self.of["test"] if not known(family))
        self._weigh()

    def _weigh(self) -> None:
        whole = _weights(self.all)
        self._sums = {
            split: list(itertools.accumulate(f.weight * whole[f.recipe] / own[f.recipe] for f in drawn))
            for split, drawn in self.of.items()
            for own in (_weights(drawn),)
        }

    def draw(self, rng: random.Random, split: Split) -> Family:
        sums = self._sums[split]
        return self.of[split][bisect(sums, rng.random() * sums[-1])]


class Values:
    """Draws slot values that belong to one split, and remembers them."""

    def __init__(self, rng: random.Random, split: Split, confusing: bool = False) -> None:
        self.rng = rng
        self.split = split
        self.confusing = confusing
        self.drawn: list[str] = []

    def fit(self, make: Callable[[random.Random], str], unlike: Sequence[str] = ()) -> str:
        """A value of `make` that is in the split and differs from `unlike`."""
        for _ in range(2000):
            value = make(self.rng)
            if split_of(value) == self.split and value not in unlike:
                self.drawn.append(value)
                return value
        raise ValueError(f"{make.__name__} has no value left in the {self.split} split")


_QUOTES = ("'", '"', "`")
_BARE_END = frozenset(".,;:?!'\"`")
_FUNCTION_WORDS = frozenset(
    (
        "in",
        "to",
        "with",
        "for",
        "from",
        "into",
        "of",
        "by",
        "on",
        "at",
        "as",
        "instead",
        "and",
        "then",
        "the",
        "please",
        "so",
    )
)
_CLEAN_ENDS = frozenset("PODNZELWnKJIUM")
_PATHLIKE = frozenset("PODNZS")


def _simple(value: str) -> bool:
    """Whether a value can stand unquoted in the middle of a sentence."""
    if not value or value[-1] in _BARE_END or value[0] in _BARE_END:
        return False
    if " " not in value:
        return "\n" not in value
    words = value.split(" ")
    return len(words) <= 4 and value.replace(" ", "").isalnum() and _FUNCTION_WORDS.isdisjoint(map(str.lower, words))


def quoted(rng: random.Random, slot: str, value: str, style: str, last: bool, colon: bool) -> str:
    """`value` as the request shows it. `style`: the request's quote. `last`: nothing of the frame follows."""
    if slot in "ELWnKMIJU":
        return value
    if "\n" in value:
        if last and colon:
            return f"\n```\n{value}\n```" if rng.random() < 0.6 else f"\n{value}"
        if "```" not in value and rng.random() < 0.4:
            return f"\n```\n{value}\n```" + ("" if last else "\n")
    draw = rng.random()
    if slot in _PATHLIKE:
        if draw < 0.62 and " " not in value:
            return value
    elif slot == "G":
        if draw < 0.5:
            return value
    elif slot == "C" and last:
        if draw < 0.5 and value[-1] not in "'\"`":
            return value
    elif (colon and last and draw < 0.5) or (draw < 0.42 and _simple(value)):
        return value
    if style not in value:
        return style + value + style
    for other in _QUOTES:
        if other not in value:
            return other + value + other
    return f"```{value}```"


def say(rng: random.Random, pieces: Sequence[Piece], texts: Mapping[str, str], hasty: bool) -> tuple[str, bool]:
    """The sentence, and whether it ends in an unquoted value that no punctuation may follow."""
    style = _QUOTES[int(rng.random() * 3)]
    out: list[str] = []
    open_end = False
    end = len(pieces) - 1
    for index, piece in enumerate(pieces):
        if piece.slot:
            value = texts[piece.slot]
            colon = index > 0 and not pieces[index - 1].slot and pieces[index - 1].text[0].endswith(": ")
            shown = quoted(rng, piece.slot, value, style, index == end, colon)
            clean = piece.slot in _CLEAN_ENDS and (value[-1:].isalnum() or value[-1:] in _QUOTES)
            open_end = shown.endswith("```") or (shown.lstrip("\n") == value and not clean)
            if shown[0] == "\n" and out:
                out[-1] = out[-1].rstrip(" ")
            elif shown[0:1] == " " and out and out[-1].endswith("\n"):
                shown = shown.lstrip()
            out.append(shown)
        else:
            forms = piece.casual if hasty else piece.text
            text = forms[0] if len(forms) == 1 else forms[int(rng.random() * len(forms))]
            out.append(text.lstrip(" ") if out and out[-1].endswith("\n") else text)
            open_end = False
    return "".join(out), open_end
