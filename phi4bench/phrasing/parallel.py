# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""Makes requests that need several independent calls, in any order. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from phi4bench.calls import Call
from phi4bench.cases import Rule
from phi4bench.phrasing import disputed, requests, values
from phi4bench.phrasing.decor import dress
from phi4bench.phrasing.engine import Family, Pool, Split, compile_frames, split_of
from phi4bench.phrasing.requests import Request
from phi4bench.phrasing.talk import Example, Talk, talk
from phi4bench.tools import Tool

# How the parts are joined: (name, between, between the last two, before the first). `{i}` counts.
_JOINERS = (
    ("and", " and ", " and ", ""), ("and-also", ", ", " and also ", ""), ("comma-and", ", ", ", and ", ""),
    ("also", ", also ", ", also ", ""), ("plus", ", ", ", plus ", ""), ("semicolon", "; ", "; ", ""),
    ("sentences", ". ", ". ", ""), ("sentences-also", ". ", ". Also, ", ""), ("lines", "\n", "\n", ""),
    ("bullets", "\n- ", "\n- ", "- "), ("numbers", "\n{i}. ", "\n{i}. ", "1. "), ("brackets", ", ({i}) ", " and ({i}) ", "(1) "),
    ("as-well-as", ", ", ", as well as this: ", ""), ("besides", ". ", ". Besides that, ", ""),
    ("two-things", "; ", " and ", "a few things: "), ("two-things-colon", ", ", ", and ", "please do the following: "),
    ("in-one-go", ", ", " and ", "in one go: "), ("at-the-same-time", ", ", " and at the same time ", ""),
    ("in-addition", ". ", ". In addition, ", ""),
    ("oh-and", ". ", ". Oh, and ", ""), ("while-at-it", ". ", ". While you're at it, ", ""), ("slash", " / ", " / ", ""),
    ("amp", " & ", " & ", ""), ("both", ", ", " and ", "do all of this: "), ("independent", "; ", "; ", "these are independent of each other: "),
    ("separately", ", ", " and separately ", ""), ("list", "\n{i}) ", "\n{i}) ", "1) "), ("likewise", ", ", " and likewise ", ""),
)  # fmt: skip

_LISTS = {
    "read": """
        (open|show me|read|display|print|check|view|look at|pull up|load|inspect|get|cat|fetch|review|go over|take a look at) {K}
        (open|show me|read|display|print|check|view|look at) (the files|these files:|all of these:|the contents of) {K}
        (can i see|what's in|what is in|could you show me|what do we have in|may i see) {K}?
        i (want|need|would like) to (see|read|look at|check|review) {K}
        {K} (please|, show me them|, open them all|, read them|, what do they say?)
        (show me|print|get|dump|read) what's in {K}
        (show|read|open|print) {K} (side by side|at once|together|at the same time|for me)
        what do the files {K} (contain|say|look like)?
    """,
    "grep": """
        (search|scan|grep|check|go through) {Z} for {K}, (one by one|separately|each on its own|each in a search of its own)
        in {Z}, (search for|look for|find|grep for|locate) {K}, (separately|each on its own|one search each)
        (search for|look for|grep for) {K} in {Z}, (separately|in separate searches|one after another)
        i need (separate searches|one search each) in {Z} for {K}
    """,
    "grep_places": """
        (search for|look for|find|grep for|locate|hunt for|check for) {Q} in {K}
        (search|scan|grep|check|go through|look through) {K} for {Q}
        where is {Q} (used|mentioned|found|called) in {K}?
        do {K} (mention|contain|use) {Q}?
        in {K}, (search for|look for|find|grep for) {Q}
        i (want|need) every {Q} in {K}
    """,
    "glob": """
        (list|find|show me|get|locate|display) (all files|the files|everything|files) matching {K}
        (list|find|show me|glob|match|expand) {K}
        (which|what) files match {K}?
        i need (the files|all files|lists of the files) matching {K}
        (look for|search for) files (like|matching|named) {K}
        use the (globs|patterns|wildcards) {K}
    """,
    "bash": """
        (run|execute|try|do|launch|fire off|start) {K}
        (run|execute|try|launch) (the commands|these commands:|the following commands:|all of these:) {K}
        (show me|give me|get|collect) the (output|outputs|results) of {K}
        what do {K} (print|say|output|report|return)?
        i need (to run|the output of|you to run) {K}
        in the (terminal|shell), (run|execute) {K}
        (run|execute) {K} (in the terminal|in the shell|for me|one by one|separately|in parallel)
    """,
    "write": """
        (create|make|write) {K} (, each with the content|, all with the content|, each containing|, both containing|, all of them saying) {X}
        (write|save) {X} (to|into|in) {K}
        put {X} (into|in) {K}
        {K} should (all|each|both) (contain|say) {X}
        (create|make|add) the (files|new files) {K} with {X} (in each|in all of them|in every one)
        i (need|want) {X} (in|saved to|written to) {K}
        (write|save) the same text {X} (into|to) {K}
        put the same text {X} into {K}
    """,
    "write_empty": """
        (create|make|add|set up) (empty files|the empty files|blank files|new empty files) {K}
        (create|make) {K} (as empty files|, all empty|, empty|with nothing in them)
        i need empty files {K}
    """,
    "edit": """
        (change|update) {A} to {B} in {K}
        (change|turn) {A} into {B} in {K}
        (replace|substitute) {A} (with|by) {B} in {K}
        in {K}, (change|update) {A} to {B}
        in {K}, replace {A} with {B}
        (swap|exchange) {A} for {B} in {K}
        {A} should (be|become) {B} in {K}
        use {B} instead of {A} in {K}
        {K} should say {B} instead of {A}
        i (want|need) {A} (changed to|replaced with) {B} in {K}
    """,
    "edit_deletion": """
        (remove|delete|drop|strip|erase) {A} from {K}
        (get rid of|take out) {A} in {K}
        {A} should go from {K}
        in {K}, (remove|delete) {A}
    """,
}
_SHARES = {
    "read": 1.0,
    "grep": 0.6,
    "grep_places": 0.6,
    "glob": 1.0,
    "bash": 1.0,
    "write": 0.6,
    "write_empty": 0.4,
    "edit": 0.8,
    "edit_deletion": 0.5,
}


def _families() -> list[Family]:
    families: list[Family] = []
    for recipe, frames in _LISTS.items():
        made = compile_frames(f"parallel/{recipe.replace('_', '-')}-list", recipe, "order", frames)
        total = sum(family.weight for family in made)
        families += [
            replace(f, weight=f.weight / total * _SHARES[recipe], kind=
                    "question" if f.pieces[-1].text[-1:] and f.pieces[-1].text[-1].endswith("?") else
                    "remark" if not f.pieces[0].text or f.pieces[0].text[0].startswith(("I ", "in ", "{")) else f.kind)
            for f in made
        ]  # fmt: skip
    return families


POOL = Pool(_families())
# Of two, and of more than two.
_BOTH = re.compile("both|each-other")
_ALL = re.compile("should-all|,-all-|all-of-them|all-of-these|them-all")


def _listed(rng: random.Random, items: Sequence[str], quote: bool) -> str:
    """`a, b and c`, with one style of quotes."""
    style = values.pick(rng, ("`", "`", "'", '"')) if quote else ""
    shown = [
        next((q + item + q for q in (style, "`", '"', "'") if q not in item), item) if style else item for item in items
    ]
    between, last = rng.choice(
        (
            (", ", " and "),
            (", ", " and "),
            (", ", ", and "),
            (", ", ", "),
            (" and ", " and "),
            (", ", " as well as "),
            (", ", " & "),
        )
    )
    return between.join(shown[:-1]) + last + shown[-1]


def _list(made: Talk, family: Family, count: int) -> tuple[list[Call], list[Mapping[str, Rule]], str]:
    """One frame over several values of one argument."""
    rng, draw, recipe = made.rng, made.draw, family.recipe
    texts: dict[str, str] = {}
    maker = {"grep": values.identifier, "glob": values.glob, "bash": requests.unmistakable}.get(recipe, values.path)
    if recipe == "grep_places" and rng.random() < 0.7:
        maker = values.folder
    items: list[str] = []
    for _ in range(count):
        items.append(draw.fit(maker, items))
    calls, rules = [], []
    if recipe in ("edit", "edit_deletion"):
        old, new = values.replaced(rng)
        texts["A"] = draw.fit(old, items)
        texts["B"] = draw.fit(new, [*items, texts["A"]]) if recipe == "edit" else ""
    elif recipe == "write":
        texts["X"] = draw.fit(
            values.stem if rng.random() < 0.3 else values.sentence if rng.random() < 0.6 else values.code_line
        )
    elif recipe == "grep_places":
        texts["Q"] = draw.fit(values.pattern if rng.random() < 0.5 else values.identifier, items)
    elif recipe == "grep":
        texts["Z"] = draw.fit(values.folder, items)
    for item in items:
        call, rule = _over(item, recipe, texts)
        calls.append(call)
        rules.append(rule)
    quote = rng.random() < (0.9 if recipe == "bash" else 0.6 if recipe == "glob" else 0.3)
    texts["K"] = _listed(rng, items, quote)
    return calls, rules, dress(rng, family, texts, haste=0.2)


def _over(item: str, recipe: str, texts: Mapping[str, str]) -> tuple[Call, Mapping[str, Rule]]:
    """The call for one of the values; `texts`: what is the same in all of them."""
    if recipe == "read":
        return Call("read", {"file_path": item}), {}
    if recipe == "grep":
        return requests.search(item, texts["Z"])
    if recipe == "grep_places":
        return requests.search(texts["Q"], item)
    if recipe == "glob":
        return Call("glob", {"pattern": item}), {}
    if recipe == "bash":
        return Call("bash", {"command": item}), {}
    if recipe in ("write", "write_empty"):
        content = texts.get("X", "")
        return Call("write", {"file_path": item, "content": content}), requests.with_line_end(content)
    return Call("edit", {"file_path": item, "old_string": texts["A"], "new_string": texts["B"]}), {}


def _joined(made: Talk, count: int) -> tuple[list[Request], str, str]:
    """Requests of their own, joined by a conjunction."""
    rng = made.rng
    if rng.random() < 0.25:
        tools = [rng.choice(requests.TOOLS)] * count
    else:
        tools = rng.sample(requests.TOOLS, count)
    parts = [_orderly(made, tool) for tool in tools]
    name, between, last, lead = rng.choice(_JOINERS)
    text = lead + parts[0].text
    proper = rng.random() < 0.6
    for index, part in enumerate(parts[1:], 2):
        joint = last if index == count else between
        text = text.rstrip(".") if joint[0] in ".;," else text
        if text.endswith("```") and joint[0] not in "\n":
            text += "\n"
        said = part.text
        if (joint == ". " or (joint[0] == "\n" and proper)) and not said.startswith(tuple(made.draw.drawn)):
            said = said[:1].upper() + said[1:]
        text += joint.replace("{i}", str(index)) + said
    text += "." if between == ". " and proper and text[-1:].isalnum() else ""
    tone = rng.random()
    if not lead and tone < 0.2:
        text = (
            values.pick(rng, ("please ", "Please ", "hey, ", "Can you please ", "could you ", "Ok, ", "I need you to "))
            + text
        )
    elif tone < 0.6 and not parts[0].text.startswith(tuple(made.draw.drawn)) and not lead:
        text = text[:1].upper() + text[1:]
    return parts, name, text


def _orderly(made: Talk, tool: str) -> Request:
    """A plain order, not a question, whose values need no line of their own."""
    while True:
        mark = len(made.draw.drawn)
        part = requests.request(made.rng, made.split, tool, made.draw, plain=True)
        if part.family.kind == "order" and "\n" not in part.text and not _ambiguous_end(part):
            return part
        del made.draw.drawn[mark:]


def _ambiguous_end(part: Request) -> bool:
    """Whether the text ends in an unquoted value that could swallow what follows."""
    ends = [text for key, text in part.drawn.texts.items() if key in "XCABQG" and text and part.text.endswith(text)]
    return any(" " in text or not text[-1].isalnum() for text in ends)


def example(rng: random.Random, split: Split, tools: Sequence[Tool]) -> Example:
    while True:
        made = talk(rng, split)
        count = rng.choice((2, 2, 2, 3, 3, 4))
        if rng.random() < 0.55:
            family = POOL.draw(rng, split)
            if _BOTH.search(family.name) if count > 2 else _ALL.search(family.name):
                continue
            calls, rules, text = _list(made, family, count)
            if split == "test" and disputed.runs_together([str(c.arguments.get("command")) for c in calls], text):
                continue
            group = family.name
        else:
            parts, name, text = _joined(made, min(count, 3))
            calls, rules = [part.call for part in parts], [part.drawn.rules for part in parts]
            group = f"parallel/{name}:" + "+".join(part.family.name for part in parts)
            if split_of(group) != split:
                continue
        if len(set(map(repr, calls))) == len(calls):
            made.user(text)
            return made.end("parallel", group, tools, calls, rules, "any")
