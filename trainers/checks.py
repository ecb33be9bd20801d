"""What is checked before a model learns: nothing lost, nothing cut, nothing twice, nothing from the test split. Pure.

A `Finding` that is an error stops the run; the others are told.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi4bench.cases import SCENARIOS, Case
from phi4bench.counting import counted
from phi4bench.dialects import Dialect
from phi4bench.phrasing.stream import MIX
from phi4bench.printable import printable
from phi4bench.tools import Tool
from phi4bench.values import difference
from trainers.data import Example
from trainers.encoding import Encoded

SHOWN = 5
"""How many instances a finding names."""
NEAR = 0.9
"""Jaccard similarity of two requests' 5-letter shingles at which they count as one text."""
_SHINGLE = 5
_BY_SIGNATURE = ("signatures", "signatures+descriptions")
"""Listings that write no schema."""


@dataclass(frozen=True)
class Finding:
    """`what`: one line. `instances`: the first few, one line each. `error`: training would not do what was asked."""

    what: str
    instances: tuple[str, ...] = ()
    error: bool = False
    hint: str = ""

    def lines(self) -> list[str]:
        told = f"{self.what}; {self.hint}" if self.hint else self.what
        return [told, *(f"  {one}" for one in self.instances)]


def finding(what: str, instances: Sequence[str], error: bool = False, hint: str = "") -> Finding:
    """Names the first of `instances` and how many more there are."""
    shown = [printable(one, 200) for one in instances[:SHOWN]]
    if len(instances) > SHOWN:
        shown.append(f"... and {len(instances) - SHOWN:,} more")
    return Finding(what, tuple(shown), error, hint)


def lost(example: Example, encoded: Encoded, dialect: Dialect, decode: Callable[[Sequence[int]], str]) -> list[str]:
    """What of the example is not found again in what the model would read; empty where nothing is lost.

    Tools by name, by the names of their arguments and, where the dialect writes them, by their descriptions and those
    in their schemas, all before anybody speaks; calls by parsing each assistant turn back, texts and tool results in
    their order, as they are or escaped as in JSON, and the whole text by decoding its tokens.
    """
    style = dialect.listing.style
    missing = lost_in_text(example, encoded.text, encoded.head, style != "signatures", style not in _BY_SIGNATURE)
    for span in encoded.spans:
        parsed = dialect.parse(span.text)
        got, want = parsed.calls, span.message.calls
        if len(got) != len(want) or any(
            a.name != b.name or difference(dict(a.arguments), dict(b.arguments)) for a, b in zip(got, want, strict=True)
        ):
            missing.append(f"the call(s) of {', '.join(call.name for call in want) or 'a turn of prose'}: read back as"
                           f" {[call.name for call in got]} {parsed.reason}".rstrip())  # fmt: skip
    text = decode(encoded.ids)
    if text != encoded.text:
        at = next((i for i, (a, b) in enumerate(zip(text, encoded.text, strict=False)) if a != b), len(text))
        missing.append(f"characters that the tokenizer does not know, from {encoded.text[at : at + 20]!r} on")
    return missing


def lost_in_text(example: Example, text: str, head: str, described: bool = True, schemas: bool = True) -> list[str]:
    """What of the example does not stand in a rendered conversation, whoever rendered it.

    `head`: the part that lists the tools, without requests and calls, which name them too. `described`: whether the
    tools' descriptions should stand there; `schemas`: whether those of their arguments should.
    """
    missing = [what for tool in example.case.tools for what in _lost_of(tool, head, described, schemas)]
    at, plain = 0, _loosely(text)
    for message in example.messages:  # each behind the one before it: a result may also stand in the request
        end = _end_of(message.content, plain, at)
        if end is None:
            what = f"the result of {message.name}" if message.role == "tool" else f"what the {message.role} said"
            missing.append(f"{what}: {message.content[:60]!r}")
        at = at if end is None else end
    for call in (call for message in example.messages for call in message.calls):
        values = [value for value in call.arguments.values() if isinstance(value, str)]
        if not all(_stands(value, text) for value in values):
            missing.append(f"an argument of the call of {call.name}")
    return missing


def _lost_of(tool: Tool, head: str, described: bool, schemas: bool) -> Iterator[str]:
    if not _is_named(tool.name, head):
        yield f"tool {tool.name}"
        return
    if described and tool.description.strip() and not _stands(tool.description, head):
        yield f"the description of tool {tool.name}"
    for name, schema in tool.schema.get("properties", {}).items():
        if not _is_named(name, head):
            yield f"argument {name} of tool {tool.name}"
        elif schemas and not all(_stands(one, head) for one in descriptions(schema)):
            yield f"a description of argument {name} of tool {tool.name}"


def descriptions(schema: Any) -> Iterator[str]:
    """Every description in a JSON Schema, at any depth."""
    if isinstance(schema, Mapping):
        for key, one in schema.items():
            if key == "description" and isinstance(one, str):
                yield from [one] if one.strip() else []
            else:
                yield from descriptions(one)
    elif isinstance(schema, list | tuple):
        for one in schema:
            yield from descriptions(one)


def _stands(wanted: str, text: str) -> bool:
    """As it is, as a JSON string has it, or as a Python literal has it."""
    return any(form in text for form in _forms(wanted)) or wanted.strip() in text or _loosely(wanted) in _loosely(text)


def _end_of(wanted: str, plain: str, start: int) -> int | None:
    """Where a text ends in what `_loosely` made of the whole, from `start` on; `None` where it does not stand there."""
    forms = {_loosely(form) for form in _forms(wanted)}
    return min((at + len(form) for form in forms if (at := plain.find(form, start)) >= 0), default=None)


def _is_named(name: str, text: str) -> bool:
    """As a word of its own: `read` does not stand in `reads`."""
    return any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text) for form in _forms(name) if form in text)


def _forms(wanted: str) -> tuple[str, ...]:
    return wanted, json.dumps(wanted)[1:-1], json.dumps(wanted, ensure_ascii=False)[1:-1], repr(wanted)[1:-1]


def _loosely(text: str) -> str:
    """Without backslashes, quotes and spaces, in which renderings may differ without losing anything."""
    return re.sub(r"\\[nt]|[\\\"'\s]", "", text)


def check_listing(examples: Sequence[Example], dialect: Dialect) -> list[Finding]:
    """The descriptions that a listing by signatures leaves out, as it should: told, since nobody reads them."""
    style = dialect.listing.style
    tools = {tool.name: tool for one in examples for tool in one.case.tools}.values()
    counts = {
        "tools": sum(bool(tool.description.strip()) for tool in tools) if style == "signatures" else 0,
        "arguments": sum(1 for tool in tools for _ in descriptions(tool.schema)) if style in _BY_SIGNATURE else 0,
    }
    told = " and ".join(f"{count:,} of {what}" for what, count in counts.items() if count)
    return [Finding(f"dialect {dialect.name} lists no descriptions: {told} are not shown to the model")] if told else []


def check_answers(examples: Sequence[Example], places: Sequence[str]) -> list[Finding]:
    """Cases that expect prose, and say none: there is nothing to learn from."""
    silent = [f"{place}: {one.case.id}" for place, one in zip(places, examples, strict=True) if one.answer is None]
    if not silent:
        return []
    hint = "give what the assistant should say as 'reply', or leave them out with --drop"
    what = counted(len(silent), "example expects prose and gives none", "examples expect prose and give none")
    return [finding(what, silent, True, hint)]


def check_lengths(lengths: Sequence[int], places: Sequence[str], limit: int, context: int) -> list[Finding]:
    """How many examples would be cut at `limit`, or reach beyond the model's `context`, and how long the rest is."""
    most = min(limit, context)
    over = [f"{place}: {length:,} tokens" for place, length in zip(places, lengths, strict=True) if length > most]
    ordered = sorted(lengths)
    at = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95)}
    told = f"lengths: median {at[0.5]:,}, 95% at most {at[0.95]:,}, longest {ordered[-1]:,} of {most:,} tokens"
    if not over:
        return [Finding(told)]
    what = f"{len(over):,} of {len(lengths):,} examples would be cut at {limit:,} tokens"
    hint = f"raise --length to {ordered[-1]:,}, or leave them out with --drop"
    if ordered[-1] > context:
        what = f"{len(over):,} of {len(lengths):,} examples are longer than {most:,} tokens"
        hint = f"the model's context is {context:,}: shorten them, or leave them out with --drop"
    return [Finding(told), finding(what, over, True, hint)]


def check_duplicates(examples: Sequence[Example], places: Sequence[str]) -> list[Finding]:
    """The same conversation twice, and the same question with two answers."""
    first: dict[str, int] = {}
    twice, torn = [], []
    for index, one in enumerate(examples):
        key = repr([(m.role, m.content.split(), m.calls) for m in one.case.messages]) + repr(one.case.tools)
        if key not in first:
            first[key] = index
            continue
        other = examples[first[key]]
        line = f"{places[index]}: as {places[first[key]]}"
        (twice if one.answer == other.answer else torn).append(line)
    said = []
    if twice:
        said.append(finding(f"{counted(len(twice), 'example stands', 'examples stand')} there twice", twice))
    if torn:
        what = f"{counted(len(torn), 'question stands', 'questions stand')} there again with another answer"
        said.append(finding(what, torn))
    return said


def check_leakage(examples: Sequence[Example], places: Sequence[str], test: Iterable[Case]) -> list[Finding]:
    """Families of the test split, and requests that are nearly those of a test case."""
    cases = list(test)
    groups = {case.group for case in cases}
    shared = [
        f"{place}: family {one.case.group}"
        for place, one in zip(places, examples, strict=True)
        if one.case.group in groups
    ]
    near = [
        f"{places[index]}: like {cases[other].id} ({100 * similarity:.0f}%)"
        for index, other, similarity in near_duplicates(
            [_asked(one.case) for one in examples], [_asked(c) for c in cases]
        )
    ]
    hint = "take them out, or judge with other cases (--test FILE)"
    said = []
    if shared:
        what = f"{counted(len(shared), 'example is', 'examples are')} of a family of the test split"
        said.append(finding(what, shared, True, hint))
    if near:
        what = counted(len(near), "request is nearly that of a test case", "requests are nearly those of test cases")
        said.append(finding(what, near, True, hint))
    return said


def near_duplicates(texts: Sequence[str], others: Sequence[str], least: float = NEAR) -> list[tuple[int, int, float]]:
    """(index into `texts`, index into `others`, similarity) of each text's nearest other, if at least `least`.

    Source: prefix filtering as in C. Xiao and others, Efficient Similarity Joins for Near Duplicate Detection (2008):
    two sets of Jaccard similarity t share an element among the rarest (1 - t)|x| + 1 of each.
    """
    sets = [_shingles(text) for text in texts], [_shingles(text) for text in others]
    counts = Counter(shingle for side in sets for one in side for shingle in one)

    def prefix(one: frozenset[str]) -> list[str]:
        rare = sorted(one, key=lambda shingle: (counts[shingle], shingle))
        return rare[: len(one) - _ceil(least * len(one)) + 1]

    index: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(sets[1]):
        for shingle in prefix(one):
            index[shingle].append(number)
    found = []
    for number, one in enumerate(sets[0]):
        candidates = {other for shingle in prefix(one) for other in index.get(shingle, ())}
        scored = [(len(one & sets[1][other]) / len(one | sets[1][other]), -other) for other in candidates]
        best = max(scored, default=(0.0, 0))
        if scored and best[0] >= least:
            found.append((number, -best[1], best[0]))
    return found


def _ceil(value: float) -> int:
    return -int(-value // 1)


def _shingles(text: str) -> frozenset[str]:
    plain = f" {_plain(text)} "
    return frozenset(plain[at : at + _SHINGLE] for at in range(max(1, len(plain) - _SHINGLE + 1)))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _asked(case: Case) -> str:
    """All that users said, the last request included."""
    return "\n".join(message.content for message in case.messages if message.role == "user")


def check_mix(examples: Sequence[Example], recommended: Mapping[str, int] | None = None) -> list[Finding]:
    """The scenarios' shares against the recommended ones. A hint and no error: a set may be for one thing."""
    wanted = dict(MIX) if recommended is None else dict(recommended)
    counts = Counter(one.case.scenario for one in examples)
    total, whole = len(examples), sum(wanted.values())
    shares = {name: (counts[name] / total, wanted.get(name, 0) / whole) for name in SCENARIOS}
    table = ", ".join(f"{name} {100 * have:.0f}% ({100 * want:.0f}%)" for name, (have, want) in shares.items())
    said = [Finding(f"scenarios (recommended): {table}")]
    short = [name for name, (have, want) in shares.items() if have < want / 2]
    if short:
        said.append(Finding(f"scarce for what the gate asks: {', '.join(short)}"))
    return said
