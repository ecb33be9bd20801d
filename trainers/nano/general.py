"""Draws general calls: tools that are not the six of `fixtures/tools/claude_code.json`, offered in small sets.

Each set is new: a tool's name, its arguments' names and the order of the list are drawn; some tools are invented, and
some of the others have an invented name, which only their description explains. What to call can only be told from the
list. Pure; each function takes a `Random`.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phi4bench.calls import Call, Json
from phi4bench.cases import Case, Expected, Message, Scenario
from phi4bench.phrasing import Example
from phi4bench.tools import Tool
from trainers.nano import catalogue

TYPES = {"count": "integer", "amount": "number", "flag": "boolean"}
"""JSON types of the kinds of values; every other kind is a string."""
_RENAMED = 0.4
"""Share of the catalogue's tools that are offered under an invented name."""
_BARE = frozenset(("person", "city", "level", "room", "color", "sport", "language", "currency", "name", "product"))
_COMPACT = frozenset(("date", "time", "code", "ticker", "url", "email", "handle", "slug", "phone", "word"))
_PUNCTUATION = "*./\\[]()+-_?!^$|:;,=<>@#%&~{}'\""
_SCENARIOS: tuple[tuple[Scenario, int], ...] = (
    ("single", 62), ("multi_turn", 12), ("parallel", 12), ("missing_info", 6), ("irrelevant", 8),
)  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    names: tuple[str, ...]
    kind: str
    required: bool = True


@dataclass(frozen=True)
class Act:
    """Something that can be done, under any of `names`; `frames` are the requests for it."""

    names: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    frames: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """One tool of a set: an act under the names that were drawn for it."""

    tool: Tool
    act: Act

    @property
    def invented(self) -> bool:
        return not self.act.frames


def parsed(text: str) -> tuple[Act, ...]:
    """The acts that the catalogue's text tells."""
    blocks = re.split(r"\n(?=\S)", text.strip("\n"))
    return tuple(_act(*block.split("\n")) for block in blocks)


def _act(head: str, *frames: str) -> Act:
    names, _, listed = head.partition(":")
    parameters = []
    for one in listed.split(","):
        shown, _, kind = one.strip().partition("=")
        parameters.append(Parameter(tuple(shown.removesuffix("?").split("|")), kind, not shown.endswith("?")))
    return Act(tuple(names.split()), tuple(parameters), tuple(frame.strip() for frame in frames))


ACTS = parsed(catalogue.TOOLS)


def offers(rng: random.Random) -> tuple[Offer, ...]:
    """Three to seven tools of different acts and names, in any order."""
    number = rng.randint(3, 7)
    invented = sum(rng.random() < 0.4 for _ in range(number))
    acts = [*rng.sample(ACTS, number - invented), *(_invented(rng) for _ in range(invented))]
    rng.shuffle(acts)
    made: dict[str, Offer] = {}
    for act in acts:
        offer = _offer(rng, act)
        made.setdefault(offer.tool.name, offer)
    return tuple(made.values())


def _invented(rng: random.Random) -> Act:
    name = _new_name(rng)
    words = list(dict.fromkeys([*catalogue.NOUNS, *(_syllables(rng) for _ in range(20))]))  # a word may come twice
    names = rng.sample(words, rng.randint(1, 3))
    kinds = ("odd", "odd", "slug", "word", "sentence", "code", "url", "count", "flag", "title")
    return Act((name,), tuple(Parameter((one,), rng.choice(kinds)) for one in names))


def _new_name(rng: random.Random) -> str:
    name = _syllables(rng) if rng.random() < 0.6 else rng.choice(catalogue.NOUNS)
    return f"{name}_{rng.choice(catalogue.NOUNS)}" if rng.random() < 0.4 else name


def _offer(rng: random.Random, act: Act) -> Offer:
    name = told = _styled(rng, rng.choice(act.names))
    renamed = bool(act.frames) and rng.random() < _RENAMED
    if renamed:
        name = _new_name(rng)
    fresh = set(catalogue.NOUNS).difference(*(one.names for one in act.parameters))
    properties, required = {}, []
    for one in act.parameters:
        shown = means = rng.choice([each for each in one.names if each not in properties])
        if renamed and rng.random() < 0.5:
            shown = rng.choice(sorted(fresh - properties.keys()))
        properties[shown] = {"type": TYPES.get(one.kind, "string"), "description": f"The {means}"}
        required += [shown] if one.required else []
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Offer(Tool(name, f"Does {told.replace('_', ' ')}.", schema), act)


def _styled(rng: random.Random, name: str) -> str:
    """`set_light` as it is, as `setLight`, or turned round."""
    words = name.split("_")
    draw = rng.random()
    if draw < 0.2:
        return words[0] + "".join(word.capitalize() for word in words[1:])
    return "_".join(reversed(words)) if draw < 0.3 else name


def asked(rng: random.Random, offer: Offer) -> tuple[str, Call]:
    """A bare request and the call that answers it."""
    style = rng.choice("'\"`")
    given = {name: value(rng, one.kind) for name, one in zip(offer.tool.parameters, offer.act.parameters, strict=True)}
    kinds = {name: one.kind for name, one in zip(offer.tool.parameters, offer.act.parameters, strict=True)}
    if offer.invented:
        return _chosen(rng, _of_invented(rng, offer, given, kinds, style)), Call(offer.tool.name, given)
    frame = rng.choice(offer.act.frames)
    text = _chosen(rng, frame)
    used = {name: one for index, (name, one) in enumerate(given.items()) if f"{{{index}}}" in text}
    while not offer.tool.required <= used.keys():  # a choice may hold a slot that another lacks
        text = _chosen(rng, frame)
        used = {name: one for index, (name, one) in enumerate(given.items()) if f"{{{index}}}" in text}
    shown = [written(rng, kinds[name], one, style) for name, one in given.items()]
    return text.format(*shown), Call(offer.tool.name, used)


def _of_invented(
    rng: random.Random, offer: Offer, given: Mapping[str, Json], kinds: Mapping[str, str], style: str
) -> str:
    shown = {name: written(rng, kinds[name], one, style) for name, one in given.items()}
    equals, joint = rng.choice((" ", "=", " set to ", " as ")), rng.choice((", ", " and "))
    parts = {
        "name": offer.tool.name,
        "said": offer.tool.name.replace("_", " "),
        "pairs": joint.join(f"{name}{equals}{one}" for name, one in shown.items()),
        "values": joint.join(shown.values()),
    }
    frame = _chosen(rng, rng.choice(catalogue.INVENTED))
    for name in parts:
        frame = frame.replace("{" + name + "}", "\0" + name + "\0")
    return "".join(parts.get(piece, piece) if index % 2 else piece for index, piece in enumerate(frame.split("\0")))


def _chosen(rng: random.Random, frame: str) -> str:
    """`frame` with one of each `(a|b)`; a parenthesis without a choice stays."""
    return re.sub(r"\(([^()]*\|[^()]*)\)", lambda found: rng.choice(found[1].split("|")), frame)


def written(rng: random.Random, kind: str, it: Json, style: str) -> str:
    """A value as a request shows it."""
    if not isinstance(it, str):
        return str(it).lower() if isinstance(it, bool) else str(it)
    draw = rng.random()
    bare = kind in _BARE or (kind in _COMPACT and draw < 0.75) or (it.isalnum() and draw < 0.6)
    if bare:
        return it
    for quote in (style, "`", '"', "'"):
        if quote not in it:
            return quote + it + quote
    return it


def dressed(rng: random.Random, text: str) -> str:
    """With politeness, an opener, a capital, an end; or as it is."""
    draw = rng.random()
    if draw < 0.3 and not text.endswith("?"):
        text = rng.choice(catalogue.POLITE).replace("{}", text)
    elif draw < 0.45:
        text = rng.choice(catalogue.OPENERS) + text
    return text[:1].upper() + text[1:] if rng.random() < 0.5 and text[:1].isalpha() else text


def example(rng: random.Random, offered: Sequence[Offer]) -> Example:
    """One conversation with the tools of `offered`."""
    tools, scenario = tuple(one.tool for one in offered), rng.choices(*zip(*_SCENARIOS, strict=True))[0]
    messages: list[Message] = []
    calls: tuple[Call, ...] = ()
    reply = ""
    if scenario == "multi_turn":
        messages += _exchange(rng, rng.choice(offered))
    if scenario in ("single", "multi_turn"):
        text, call = asked(rng, rng.choice(offered))
        calls = (call,)
    elif scenario == "parallel":
        parts = [asked(rng, one) for one in rng.choices(offered, k=2)]
        text, calls = rng.choice(catalogue.JOINERS).join(said for said, _ in parts), tuple(call for _, call in parts)
    elif scenario == "missing_info":
        text, reply = _incomplete(rng, rng.choice(offered))
    else:
        text, reply = _beside(rng, offered)
    messages.append(Message("user", dressed(rng, text)))
    return Example(Case("", scenario, "general", tools, tuple(messages), Expected(calls)), reply)


def _exchange(rng: random.Random, offer: Offer) -> list[Message]:
    text, call = asked(rng, offer)
    result = _filled(rng, rng.choice(catalogue.RESULTS))
    turns = [
        Message("user", dressed(rng, text)),
        Message("assistant", "", (call,)),
        Message("tool", result, name=call.name),
    ]
    return [*turns, Message("assistant", rng.choice(catalogue.REMARKS).replace("{r}", result))]


def _incomplete(rng: random.Random, offer: Offer) -> tuple[str, str]:
    """A request that names the tool alone, and the question it needs."""
    lacking = rng.choice(sorted(offer.tool.required)).replace("_", " ")
    return offer.tool.name.replace("_", " "), rng.choice(catalogue.MISSING).replace("{a}", lacking)


def _beside(rng: random.Random, offered: Sequence[Offer]) -> tuple[str, str]:
    """A request that no tool of the set answers, or talk."""
    if rng.random() < 0.4:
        said, replies = rng.choice(catalogue.CHAT)
        return rng.choice(said.split("|")), rng.choice(replies.split("|"))
    there = {one.act.names for one in offered}
    other = rng.choice([act for act in ACTS if act.names not in there])
    return asked(rng, _offer(rng, other))[0], rng.choice(catalogue.UNABLE)


def echo(rng: random.Random) -> str:
    """A short text to learn copying from."""
    kinds = ("odd", "odd", "odd", "sentence", "slug", "url", "code", "title", "formula", "email", "date")
    return " ".join(str(value(rng, rng.choice(kinds))) for _ in range(rng.choice((1, 1, 2))))


def value(rng: random.Random, kind: str) -> Json:
    """A value of `kind`, of its JSON type."""
    if kind == "count":
        return rng.randint(1, 30) if rng.random() < 0.7 else rng.randint(31, 900)
    if kind == "amount":
        return rng.randint(1, 500) if rng.random() < 0.5 else round(rng.uniform(1, 300), rng.choice((1, 2)))
    if kind == "flag":
        return rng.random() < 0.5
    return _text(rng, kind)


def _text(rng: random.Random, kind: str) -> str:
    noun, digits = rng.choice(catalogue.NOUNS), "".join(rng.choices(string.digits, k=rng.randint(2, 6)))
    name = rng.choice(catalogue.PEOPLE)
    match kind:
        case "person":
            return name if rng.random() < 0.6 else f"{name} {rng.choice(catalogue.SURNAMES)}"
        case "words" | "title":
            return f"{noun} {rng.choice(catalogue.NOUNS)}" if rng.random() < 0.7 else noun
        case "sentence":
            return _filled(rng, rng.choice(catalogue.SENTENCES))
        case "date":
            return f"2{rng.randint(0, 9):03}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        case "time":
            return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
        case "code":
            head = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))
            return f"{head}{rng.choice(('-', '', '/', '_', '.'))}{digits}"
        case "ticker":
            return "".join(rng.choices(string.ascii_uppercase, k=rng.randint(2, 5)))
        case "phone":
            return f"+{digits}-{rng.randint(1000, 99999)}" if rng.random() < 0.5 else f"0{digits}{rng.randint(10, 99)}"
        case "address":
            return f"{rng.randint(1, 99)} {noun.capitalize()} Street"
        case "name":
            return f"{noun.capitalize()} {rng.choice(('Inn', 'House', 'Garden', 'Palace', 'Corner'))}"
        case "email":
            return f"{_syllables(rng)}@{noun}.example"
        case "handle":
            return f"{rng.choice('@#')}{_syllables(rng)}{rng.choice(('', '_' + noun))}"
        case "slug":
            parts = [rng.choice((_syllables(rng), noun, digits)) for _ in range(rng.randint(1, 3))]
            return rng.choice("-_./").join(parts)
        case "url":
            return f"https://{noun}.example/{_syllables(rng)}{rng.choice(('', '?q=' + digits, '/' + noun))}"
        case "word":
            return noun if rng.random() < 0.5 else _syllables(rng)
        case "formula":
            return f"{rng.randint(2, 99)} {rng.choice('+-*/')} {rng.choice((digits, '(7 + ' + digits + ')'))}"
        case "odd":
            return _odd(rng)
        case _:
            of = {
                "level": catalogue.LEVELS, "room": catalogue.ROOMS, "color": catalogue.COLORS,
                "sport": catalogue.SPORTS, "language": catalogue.LANGUAGES, "currency": catalogue.CURRENCIES,
                "city": catalogue.CITIES, "product": catalogue.PRODUCTS,
            }  # fmt: skip
            return rng.choice(of[kind])


def _odd(rng: random.Random) -> str:
    """Words, letters, digits and signs in any order, so that copying cannot lean on meaning."""
    parts = []
    for _ in range(rng.randint(2, 6)):
        draw = rng.random()
        if draw < 0.35:
            parts.append(_syllables(rng))
        elif draw < 0.55:
            parts.append(rng.choice(catalogue.NOUNS))
        elif draw < 0.65:
            parts.append(str(rng.randint(0, 999)))
        elif draw < 0.75:
            parts.append(" ")
        else:
            parts.append("".join(rng.choices(_PUNCTUATION, k=rng.randint(1, 2))))
    return "".join(parts).strip() or "x"


def _syllables(rng: random.Random) -> str:
    """A word that is none."""
    made = "".join(rng.choice("bcdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(1, 3)))
    return made + rng.choice(("", "", "n", "x", "rt", "k"))


def _filled(rng: random.Random, text: str) -> str:
    given = {
        "n": rng.choice(catalogue.NOUNS), "m": rng.choice(catalogue.NOUNS), "p": rng.choice(catalogue.PEOPLE),
        "i": str(rng.randint(2, 99)), "c": _text(rng, "code") if "{c}" in text else "",
    }  # fmt: skip
    for name, one in given.items():
        text = text.replace("{" + name + "}", one)
    return text
