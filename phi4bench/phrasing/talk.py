"""Builds conversations: exchanges that look real, and the example that a conversation ends in. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from phi4bench.calls import Call
from phi4bench.cases import Case, Expected, Message, Rule, Scenario
from phi4bench.phrasing import values
from phi4bench.phrasing.engine import Split, Values
from phi4bench.phrasing.errands import from_here
from phi4bench.phrasing.requests import Request, request
from phi4bench.tools import Tool

_STRICT = Rule()


@dataclass(frozen=True)
class Example:
    """A case and, where it expects no call, the prose that the assistant should say.

    `values`: every slot value in it, each in the example's split.
    """

    case: Case
    reply: str = ""
    values: tuple[str, ...] = ()


@dataclass
class Talk:
    """A conversation being made. `draw` holds its values."""

    rng: random.Random
    split: Split
    draw: Values
    messages: list[Message] = field(default_factory=list)

    def user(self, text: str) -> None:
        self.messages.append(Message("user", text))

    def assistant(self, text: str) -> None:
        self.messages.append(Message("assistant", text))

    def call(self, call: Call, result: str, error: bool = False) -> None:
        """The assistant calls, and the tool answers."""
        self.messages.append(Message("assistant", "", (call,)))
        self.messages.append(Message("tool", result, name=call.name, error=error))

    def exchange(self, tool: str) -> Request:
        """A whole earlier exchange: request, call, result, and (mostly) a word from the assistant."""
        made = request(self.rng, self.split, tool, self.draw)
        self.user(made.text)
        self.call(made.call, result_of(self, made.call))
        self.remark(made.call)
        return made

    def remark(self, call: Call) -> None:
        """What the assistant says after a result; sometimes nothing, and then the turn is left out."""
        self.assistant(values.pick(self.rng, _REMARKS[call.name]))

    def end(
        self,
        scenario: Scenario,
        group: str,
        tools: Sequence[Tool],
        calls: Sequence[Call] = (),
        rules: Sequence[Mapping[str, Rule]] = (),
        order: Literal["exact", "any"] = "exact",
        reply: str = "",
    ) -> Example:
        rules = [places_from_here(call, each) for call, each in zip(calls, rules, strict=True)]
        kept = [{name: rule for name, rule in each.items() if rule != _STRICT} for each in rules]
        expected = Expected(tuple(calls), order, tuple(kept) if any(kept) else ())
        case = Case("", scenario, group, tuple(tools), tuple(self.messages), expected)
        return Example(case, reply, tuple(self.draw.drawn))


def places_from_here(call: Call, rules: Mapping[str, Rule]) -> Mapping[str, Rule]:
    """`rules`, and that a relative path or glob is the same with and without `./`."""
    made = dict(rules)
    for name in _PLACES.get(call.name, ()):
        rule = made.get(name, _STRICT)
        forms = [str(form) for form in (call.arguments[name], *rule.accept)]
        forms += [other for form in forms for other in from_here(form)[1:]]
        made[name] = replace(rule, accept=tuple(dict.fromkeys(forms))[1:])
    return made


_PLACES = {
    "read": ("file_path",),
    "write": ("file_path",),
    "edit": ("file_path",),
    "grep": ("path",),
    "glob": ("pattern",),
}


def talk(rng: random.Random, split: Split, confusing: bool = False) -> Talk:
    return Talk(rng, split, Values(rng, split, confusing))


_REMARKS = {
    "read": ("Here it is.", "That is the file.", "Here are its contents.", "Here's what it says.", "Shown above."),
    "write": ("Done.", "The file is written.", "Saved.", "I created it.", "It's there now."),
    "edit": ("Done.", "Changed.", "I replaced it.", "The edit is made.", "Updated."),
    "bash": ("That is the output.", "Done.", "Here is what it printed.", "It ran.", "Finished."),
    "grep": (
        "These are the matches.",
        "Found.",
        "Here's where it occurs.",
        "That's what I found.",
        "Here are the hits.",
    ),
    "glob": ("These are the files.", "Here they are.", "That's the list.", "Found these.", "Here's what matches."),
}


def result_of(talk: Talk, call: Call) -> str:
    """A short result that the tool may have given to `call`."""
    rng, draw, arguments = talk.rng, talk.draw, call.arguments
    if call.name == "read":
        lines = [
            draw.fit(values.code_line if rng.random() < 0.7 else values.sentence) for _ in range(rng.randint(1, 2))
        ]
        return "\n".join(lines)
    if call.name == "write":
        path = arguments["file_path"]
        return values.pick(rng, (f"Wrote {path}", "ok", f"File created: {path}", "File written.", f"Saved {path}."))
    if call.name == "edit":
        path = arguments["file_path"]
        return values.pick(
            rng, (f"Edited {path}", "ok", "1 replacement made.", f"Updated {path}", "Replaced 1 occurrence.")
        )
    if call.name == "bash":
        return (
            draw.fit(values.sentence)
            if rng.random() < 0.7
            else values.pick(rng, ("(no output)", "ok", "done", "exit code 0"))
        )
    if call.name == "grep":
        place = str(arguments["path"])
        return "\n".join(grep_line(talk, place, str(arguments["pattern"])) for _ in range(rng.randint(1, 2)))
    return "\n".join(matching_path(talk, str(arguments["pattern"])) for _ in range(rng.randint(1, 3)))


def matching_path(talk: Talk, pattern: str) -> str:
    """A path that fits a glob of a common shape; of another shape, any path."""
    fit = talk.draw.fit
    head, _, tail = pattern.rpartition("/")
    fixed = head.split("*", 1)[0].rstrip("/") if "{" not in head and "?" not in head and "[" not in head else ""
    ending = tail.removeprefix("*.") if tail.startswith("*.") else ""
    if ending and not set("*?[{") & set(ending):

        def named(rng: random.Random) -> str:
            where = fixed or (values.folder(rng).rstrip("/") if rng.random() < 0.6 else "")
            return f"{where}/{values.file_stem(rng)}.{ending}" if where else f"{values.file_stem(rng)}.{ending}"

        return fit(named)
    if tail and not set("*?[{") & set(tail):
        below = f"{fixed}/" if fixed else ""
        return fit(lambda rng: f"{below}{values.folder(rng).strip('/')}/{tail}") if "*" in head else pattern
    return fit(values.path)


def grep_line(talk: Talk, place: str, pattern: str) -> str:
    """`path:12: code`; the path is `place` itself where that looks like a file."""
    path = place if "." in place.rsplit("/", 1)[-1].strip(".") else talk.draw.fit(values.path)
    return f"{path}:{talk.rng.randint(1, 400)}: {line_with(talk, pattern)}"


def line_with(talk: Talk, pattern: str) -> str:
    """A line of code that holds `pattern`, where that is plain text."""
    if not pattern.replace("_", "").replace(" ", "").isalnum():
        return talk.draw.fit(values.code_line)
    n = talk.rng.randint(1, 99)
    forms = (f"{pattern} = {n}", f"return {pattern}", f"{pattern}({n})", f"# {pattern}", f"if {pattern}:", pattern)
    return values.pick(talk.rng, forms)
