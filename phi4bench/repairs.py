"""Repairs: a call that nearly parses, mended by named rules and held against its tool's schema. Pure: no files.

What is mended counts beside the strict rates and never in them. A rule changes the text inside a call's block alone,
the rules are tried in their order, each on top of those before it, and the first text whose calls all parse and fit
their tools' JSON Schemas is the answer; where none does, nothing was repaired. A value is never made up: a repair
closes, separates, quotes and renames what the model wrote.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from phi4bench.calls import Call, Parsed
from phi4bench.dialects import CallSyntax, Dialect
from phi4bench.dialects.python_calls import MAX_CHARS
from phi4bench.schemas import is_valid
from phi4bench.tools import Tool


@dataclass(frozen=True)
class Rule:
    """One repair. `before` and `after`: the example in the docs, in the dialect `dialect`."""

    name: str
    what: str
    dialect: str
    before: str
    after: str


@dataclass(frozen=True)
class Repaired:
    """A mended completion: its text, as the dialect writes it, and the names of the rules that it took."""

    text: str
    rules: tuple[str, ...]


RULES = (
    Rule(
        "quotes",
        "Typographic quotes around a string are straight ones, and stay within it; JSON's strings stand in double"
        " quotes; a quote inside a Python string, which would end it, is escaped.",
        "tool_use",
        "<tool_use>grep(pattern='it's', path=“src”)</tool_use>",
        "<tool_use>grep(pattern=\"it's\", path='src')</tool_use>",
    ),
    Rule(
        "commas",
        "A comma too many goes, one that lacks between two members comes.",
        "hermes",
        '<tool_call>\n{"name": "grep", "arguments": {"pattern": "x" "path": "src",},}\n</tool_call>',
        '<tool_call>\n{"name": "grep", "arguments": {"pattern": "x", "path": "src"}}\n</tool_call>',
    ),
    Rule(
        "brackets",
        "What was opened is closed at the end of the block, the closing marker too; a closing bracket too many goes.",
        "phi4-mini",
        '<|tool_call|>[{"name": "grep", "arguments": {"pattern": "x", "path": "src"}',
        '<|tool_call|>[{"name": "grep", "arguments": {"pattern": "x", "path": "src"}}]<|/tool_call|>',
    ),
    Rule(
        "alias",
        "A known other name of a call's own member or of an argument is the name that it stands for, where the tool"
        " has that and not the other.",
        "hermes",
        '<tool_call>\n{"tool": "read", "args": {"path": "src/a.py"}}\n</tool_call>',
        '<tool_call>\n{"name": "read", "arguments": {"file_path": "src/a.py"}}\n</tool_call>',
    ),
)

MEMBER_ALIASES = {
    "name": ("tool", "tool_name", "function", "function_name"),
    "arguments": ("args", "parameters", "params", "input", "kwargs"),
}
"""Of the members of a call in JSON."""
ARGUMENT_ALIASES = {
    "file_path": ("path", "file", "filename", "filepath", "file_name"),
    "path": ("directory", "dir", "folder", "file_path"),
    "pattern": ("query", "regex", "search", "glob"),
    "command": ("cmd", "script"),
    "content": ("contents", "text", "data"),
    "old_string": ("old", "old_str", "old_text"),
    "new_string": ("new", "new_str", "new_text"),
}
"""Of arguments, whichever the tool."""

_KINDS = {letter: straight for straight, letters in {'"': '"“”„', "'": "'‘’‚"}.items() for letter in letters}
"""Of quotes: the straight one that each stands for."""
_QUOTE = re.compile("[\"“”„'‘’‚]")
_UNESCAPED = re.compile(
    rf"\\.|(?P<quote>{_QUOTE.pattern})(?P<ends>(?=\s*(?:[,:)\]}}]|$)|\s+(?:\w+\s*=|{_QUOTE.pattern})))?", re.DOTALL
)
"""`ends`: where what follows is no part of a string any more."""
_PAIRS = {"(": ")", "[": "]", "{": "}"}
Strings = tuple[re.Pattern[str], re.Pattern[str]]
"""How one kind of string begins, and how far it then runs: a group in the second is its end, where it has one."""
_JSON_STRINGS = re.compile('"'), re.compile(r'"(?:[^"\\]|\\.)*+(")?', re.DOTALL)
_TRIPLE = r"""'''(?:[^'\\]|\\.|'(?!''))*(''')|\"{3}(?:[^"\\]|\\.|"(?!""))*(\"{3})"""
"""Not possessive, as the others are: around what looks ahead Python 3.11.2 then ends too early."""
_TRIPLE_STRINGS = re.compile("'''|\"{3}"), re.compile(_TRIPLE, re.DOTALL)
_PYTHON_STRINGS = (
    re.compile("['\"]"),
    re.compile(rf"""(?s:{_TRIPLE})|'(?:[^'\\\n]|\\.)*+(')?|"(?:[^"\\\n]|\\.)*+(")?"""),
)
_ARGUMENT = re.compile(r""",\s*\w+\s*=\s*r?(?:'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+"|“[^”\n]*+”|‘[^’\n]*+’)""")
_SINGLE = re.compile(r"(?<!\w)'"), re.compile(r"'(?:[^'\\]|\\.)*+('(?=\s*[,:}\]]))?", re.DOTALL)
_NEXT_WORD = re.compile(r"(^|[\d\]}]|True|False|None)(\s+)(?=[A-Za-z_]\w*\s*=)")
_ENDS_VALUE = re.compile(r"^\s+$|(?:[\d\]}]|true|false|null)\s*$")
"""What stands between two strings in JSON, where the first, or a value after it, is at its end."""


def repair(text: str, dialect: Dialect, tools: Sequence[Tool]) -> Repaired | None:
    """The completion with its calls mended; `None` where there is nothing to mend, or no rule helps. Total."""
    parsed = dialect.parse(text)
    if not parsed.attempted or len(text) > MAX_CHARS or _right(parsed, tools):
        return None
    mended, used = text, []
    steps: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("quotes", lambda body: _quotes(body, dialect.calls, tools)),
        ("commas", lambda body: _commas(body, dialect.calls)),
        ("brackets", lambda body: _brackets(body, dialect.calls)),
        ("alias", lambda body: _members(body, dialect.calls)),
    )
    for name, step in steps:
        changed = _in_blocks(mended, dialect, tools, step, closing=name == "brackets")
        if changed != mended:
            mended = changed
            used.append(name)
        parsed = dialect.parse(mended)
        if _right(parsed, tools):
            return _answer(dialect, parsed, parsed.calls, used)
    if parsed.whole:
        renamed = tuple(_renamed(call, tools) for call in parsed.calls)
        if _fit(renamed, tools):
            return _answer(dialect, parsed, renamed, [*dict.fromkeys([*used, "alias"])])
    return None


def _answer(dialect: Dialect, parsed: Parsed, calls: Sequence[Call], used: Sequence[str]) -> Repaired:
    prose = f"{parsed.prose}{dialect.calls.separator}" if parsed.prose and dialect.calls.open else ""
    return Repaired(prose + dialect.render_calls(calls), tuple(used))


def _right(parsed: Parsed, tools: Sequence[Tool]) -> bool:
    return parsed.whole and _fit(parsed.calls, tools)


def _fit(calls: Sequence[Call], tools: Sequence[Tool]) -> bool:
    schemas = {tool.name: tool.schema for tool in tools}
    fitting = [call for call in calls if call.name in schemas and is_valid(dict(call.arguments), schemas[call.name])]
    return bool(calls) and len(fitting) == len(calls)


def _in_blocks(text: str, dialect: Dialect, tools: Sequence[Tool], mend: Callable[[str], str], closing: bool) -> str:
    """The text with the inside of each block mended that is not right yet. `closing`: a marker that lacks is added."""
    syntax = dialect.calls
    if not syntax.open:
        start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
        return text if start < 0 else text[:start] + mend(text[start:])
    first, *rest = text.split(syntax.open)
    pieces = [first]
    for piece in rest:
        body, close, after = piece.partition(syntax.close)
        if not close and not closing:
            pieces.append(mend(piece))
        elif close and _right(dialect.parse(syntax.open + body + close), tools):
            pieces.append(piece)
        else:
            pieces.append(mend(body) + syntax.close + after)
    return syntax.open.join(pieces)


def _quotes(body: str, syntax: CallSyntax, tools: Sequence[Tool]) -> str:
    if syntax.style == "python":
        return _requoted(body, tools)
    return _outside(_straight(body), _JSON_STRINGS, lambda piece: _outside(piece, _SINGLE, str, _doubled))


def _straight(body: str) -> str:
    """Typographic quotes around a string made straight; those within it are part of what it says."""
    plain: dict[str, list[int]] = {"'": [], '"': []}
    ending: dict[str, list[int]] = {"'": [], '"': []}
    for found in _UNESCAPED.finditer(body):
        if (quote := found["quote"]) in plain:
            plain[quote].append(found.start())
        if found["ends"] is not None:
            ending[_KINDS[quote]].append(found.start())
    ends = {*ending["'"], *ending['"']}
    pieces, at = list[str](), 0
    while (opening := _QUOTE.search(body, at)) is not None:
        start, quote = opening.start(), _KINDS[opening[0]]
        own = _after(plain[quote], start) if opening[0] == quote else None
        end = own if own in ends else _after(ending[quote], start)
        if end is None or (own is None and opening[0] == quote):  # a straight one that no other follows: cut off
            pieces.append(body[at : start + 1])
            at = start + 1
            continue
        string = body[start : end + 1]
        if string[0] + string[-1] != 2 * quote:
            string = quote + re.sub(rf"(?<!\\){quote}", "\\\\" + quote, string[1:-1]) + quote
        pieces += [body[at:start], string]
        at = end + 1
    return "".join([*pieces, body[at:]])


def _after(places: Sequence[int], start: int) -> int | None:
    at = bisect_right(places, start)
    return places[at] if at < len(places) else None


def _doubled(single: str) -> str:
    unescaped = single[1:-1].replace("\\'", "'")
    return '"' + re.sub(r'(?<!\\)"', r"\"", unescaped) + '"'


def _requoted(body: str, tools: Sequence[Tool]) -> str:
    """A Python call cut at the names of its tool's arguments: what stands between is one value each."""
    name, paren, inside = body.strip().partition("(")
    tool = next((tool for tool in tools if tool.name == name.strip()), None)
    end = inside.rfind(")")
    if tool is None or not paren or not tool.parameters:
        return _straight_outside_lines(body)
    names = "|".join(re.escape(one) for one in tool.parameters)
    inside, after = (inside[:end], inside[end:]) if end >= 0 else (inside, "")
    begins = rf"(?:^|(?<=[\s,'\"”’]))(?P<name>{names})\s*=\s*(?=r?{_QUOTE.pattern})"
    found = re.finditer(rf"(?s:{_TRIPLE})|{begins}", inside)  # in lines between three quotes begins no argument
    marks = [one for one in found if one["name"]]
    if not marks:
        return _straight_outside_lines(body)
    pieces = [_straight_outside_lines(inside[: marks[0].start()])]
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        value = inside[mark.end() : following.start() if following else len(inside)]
        pieces.append(mark[0] + _one_string(value))
    return f"{name}({''.join(pieces)}{after}"


def _straight_outside_lines(text: str) -> str:
    return _outside(text, _TRIPLE_STRINGS, _straight)


def _one_string(value: str) -> str:
    """A value in quotes, with what follows it, as one string: quotes inside it no longer end it."""
    kept = value.rstrip().rstrip(",").rstrip()
    kept = kept[: _last_arguments(kept)]
    rest = _straight_outside_lines(value[len(kept) :])
    quote = _KINDS.get(kept[:1], "")
    whole = next(_spans(kept, _PYTHON_STRINGS), None) == (0, len(kept))
    ends = len(kept) > 1 and quote == (kept[-1] if kept[0] == quote else _KINDS.get(kept[-1]))
    if whole or not ends or kept[:3] == 3 * quote:
        return kept + rest
    inside = kept[1:-1]
    return (
        repr(inside) if "\\" not in inside else quote + re.sub(rf"(?<!\\){quote}", "\\\\" + quote, inside) + quote
    ) + rest


def _last_arguments(value: str) -> int:
    """Where arguments begin that the tool does not have and the text ends with; its length where none are."""
    began = ended = len(value)
    for found in _ARGUMENT.finditer(value):
        began = began if found.start() == ended else found.start()
        ended = found.end()
    return began if ended == len(value) else len(value)


def _commas(body: str, syntax: CallSyntax) -> str:
    strings = _JSON_STRINGS if syntax.style == "json" else _PYTHON_STRINGS
    body = _outside(body, strings, lambda piece: re.sub(r",(\s*,)+", ",", piece))
    body = _outside(body, strings, lambda piece: re.sub(r",(\s*[\]})])", r"\1", piece))
    if syntax.style == "python":
        return _outside(body, strings, lambda piece: _NEXT_WORD.sub(r"\1,\2", piece))
    pieces, at = [], 0
    for start, end in _spans(body, strings):
        gap = body[at:start]
        if at and body[end:].lstrip().startswith(":") and _ENDS_VALUE.search(gap):
            gap = gap.rstrip() + "," + gap[len(gap.rstrip()) :]
        pieces += [gap, body[start:end]]
        at = end
    return "".join([*pieces, body[at:]])


def _brackets(body: str, syntax: CallSyntax) -> str:
    """Close what is open at the end; drop a closing bracket that closes nothing."""
    strings = _JSON_STRINGS if syntax.style == "json" else _PYTHON_STRINGS
    waiting: list[str] = []
    counts: Counter[str] = Counter()

    def close(piece: str) -> str:
        kept = []
        for letter in piece:
            if letter in _PAIRS:
                waiting.append(_PAIRS[letter])
                counts[_PAIRS[letter]] += 1
            elif letter in ")]}":
                if not counts[letter]:
                    continue
                while waiting[-1] != letter:
                    kept.append(waiting.pop())
                    counts[kept[-1]] -= 1
                counts[waiting.pop()] -= 1
            kept.append(letter)
        return "".join(kept)

    mended = _outside(body, strings, close)
    return mended.rstrip() + "".join(reversed(waiting)) if waiting else mended


def _members(body: str, syntax: CallSyntax) -> str:
    """The members of a call in JSON under the names that the dialect reads."""
    if syntax.style != "json" or syntax.shape != "flat":
        return body
    names = {"name": "name", "arguments": syntax.keys[0]}
    for member, aliases in MEMBER_ALIASES.items():
        if f'"{names[member]}"' not in body:
            for alias in aliases:
                if f'"{alias}"' in body and alias not in syntax.keys:
                    body = re.sub(rf'"{alias}"(\s*:)', rf'"{names[member]}"\1', body, count=1)
                    break
    return body


def _renamed(call: Call, tools: Sequence[Tool]) -> Call:
    tool = next((tool for tool in tools if tool.name == call.name), None)
    if tool is None:
        return call
    arguments = dict(call.arguments)
    own: Mapping[str, object] = tool.schema.get("properties", {})
    for wanted, aliases in ARGUMENT_ALIASES.items():
        alias = next((alias for alias in aliases if alias in arguments and alias not in own), None)
        if wanted in own and wanted not in arguments and alias is not None:
            arguments = {wanted if key == alias else key: value for key, value in arguments.items()}
    return replace(call, arguments=arguments)


def _outside(text: str, strings: Strings, mend: Callable[[str], str], inside: Callable[[str], str] = str) -> str:
    """The text with what stands outside its strings mended, and the strings themselves as `inside` has them."""
    pieces, at = [], 0
    for start, end in _spans(text, strings):
        pieces += [mend(text[at:start]), inside(text[start:end])]
        at = end
    return "".join([*pieces, mend(text[at:])])


def _spans(text: str, strings: Strings) -> Iterator[tuple[int, int]]:
    """Where the strings lie. A quote that one without an end ran over was escaped there, and has no end either: it is
    not tried, or a long answer of escaped quotes would take minutes.
    """
    begins, runs = strings
    ran_to = {"'": 0, '"': 0}
    at = 0
    while (quote := begins.search(text, at)) is not None:
        at = quote.end()
        if quote.start() >= ran_to[quote[0][0]] and (run := runs.match(text, quote.start())) is not None:
            if run.lastindex:
                yield run.span()
                at = run.end()
            else:
                ran_to[quote[0][0]] = run.end()
