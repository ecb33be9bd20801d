"""From a call syntax and the tools on offer to the grammar of a completion: prose or calls, and never forced to call.

Over the text as it is decoded, in the Lark form that llguidance reads. Pure: a text comes out, nothing is compiled.
What the grammar accepts, `parse_calls` reads as whole calls that fit their tools' schemas, or as no attempt at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from phi4bench.dialects.notation import INNER_JSON, JSON, NUMBERS, PYTHON, SPACE, some, terminal
from phi4bench.dialects.python_calls import is_plain_name
from phi4bench.dialects.syntax import CallSyntax
from phi4bench.dialects.value_grammar import ValueGrammar
from phi4bench.errors import UsageError
from phi4bench.tools import Tool

_SIGNS = {
    "flat": r"""/["'](arguments|parameters)["']/""",
    "openai": r"""/["'](tool_calls|arguments|parameters)["']/""",
    "jsonrpc": r"""/["'](jsonrpc|tools\/call)["']/""",
}
"""What gives a call in bare JSON away; prose holds none of it."""

_OPTIONS = '%llguidance {"no_forcing": true}'
"""A text that must come is the model's to cut into tokens, and not the library's."""

_FENCED = rf"""
FENCE_CLOSE: /\s{{0,20}}```/
FENCE_OPEN: /\n```(json)?{SPACE}/
FENCE_FIRST: /```(json)?{SPACE}/
"""


def completion_grammar(syntax: CallSyntax, tools: Sequence[Tool], avoid: Sequence[str]) -> str:
    """The grammar. `avoid`: texts that no string in a call holds as they are, such as the markers.

    The tools' order does not matter. `UsageError` for a tool whose schema, or a syntax whose markers, no grammar here
    can hold.
    """
    for one, other in ((syntax.open, syntax.close), (syntax.close, syntax.open)):
        if one and one in other:
            raise UsageError(
                f"no grammar can be made of markers of which one holds the other, {one!r} and {other!r}",
                "use --decode free",
            )
    if syntax.batch == "list" and not syntax.open:
        raise UsageError("no grammar can be made of calls in a list without markers", "use --decode free")
    offered = sorted(tools, key=lambda tool: tool.name)
    rules = _in_markers(syntax, offered, avoid) if syntax.open else _bare(syntax, offered, avoid)
    return "\n".join([_OPTIONS, "ANY: /(?s:.*)/", *rules]) + "\n"


def _in_markers(syntax: CallSyntax, tools: Sequence[Tool], avoid: Sequence[str]) -> list[str]:
    """Calls between an opening and a closing text; everything else is prose that holds neither."""
    lists = [rf"{terminal(text)} /\s*\[/" for text in syntax.also]
    marks = " | ".join([terminal(syntax.open), terminal(syntax.close), *(f"({one})" for one in lists)])
    lines = [f"MARK: {marks}", "PROSE: ANY & ~(ANY MARK ANY)"]
    if not tools:
        return ["start: PROSE", *lines]
    # An opener is read lazily, with the prose before it: at its last character the text is no prose any more.
    heads = ["block"] + [f"listed{number}" for number in range(len(lists))]
    lines = [f"start: ({' | '.join(heads)})* PROSE", *lines]
    before = f"~(ANY ({' | '.join([terminal(syntax.close), *(f'({one})' for one in lists)])}) ANY)"
    lines += ["head[lazy]: HEAD", f"HEAD: (ANY {terminal(syntax.open)}) & {before}"]
    if syntax.style == "python":
        inside, rules = _python_calls(tools, avoid)
    else:
        inside, rules = _json_calls(syntax, tools, avoid)
        if syntax.batch == "list" and syntax.shape != "openai":
            inside = f'"[" WS? {inside} (J_COMMA {inside})* WS? "]"'
        elif syntax.batch == "list":
            inside = f'"[" WS? {inside} WS? "]"'
    lines.append(f"block: head WS? {inside} WS? {terminal(syntax.close)}")
    for number, one in enumerate(lists):  # its bracket belongs to the opener
        lines += [
            f"head{number}[lazy]: HEAD{number}",
            f"HEAD{number}: (ANY {one}) & ~(ANY {terminal(syntax.close)} ANY)",
        ]
        lines.append(f'listed{number}: head{number} WS? call (J_COMMA call)* WS? "]"')
    return [*lines, *rules]


def _bare(syntax: CallSyntax, tools: Sequence[Tool], avoid: Sequence[str]) -> list[str]:
    """Calls as JSON without markers. Text around calls holds no bracket, no back quote but for a fence, and no sign."""
    sign = _SIGNS[syntax.shape]
    lines = [f"SIGN: {sign}", "PROSE: ANY & ~(ANY SIGN ANY)"]
    if not tools:
        return ["start: PROSE", *lines]
    lines += [r"AROUND: /[^{\[`]*/ & ~(ANY SIGN ANY)", _FENCED.strip()]
    values = ValueGrammar(JSON, avoid)
    leads, rest = _json_leads(syntax, tools, values, avoid)
    parts = []
    for number, (lead, body) in enumerate(zip(leads, rest, strict=True)):
        whole = f"(FENCE_FIRST | FENCE_CLOSE? AROUND FENCE_OPEN?) {' SPACES '.join(lead)}"
        lines += [f"head{number}[lazy]: HEAD{number}", f"HEAD{number}: {whole}", f"part{number}: head{number} {body}"]
        parts.append(f"part{number}")
    lines += ["AFTER: FENCE_CLOSE? AROUND", f"start: PROSE | ({' | '.join(parts)})+ AFTER", f"SPACES: /{SPACE}/"]
    return [*lines, *_shared_rules(values)]


def _shared_rules(values: ValueGrammar) -> list[str]:
    return [f"WS: /{some(SPACE)}/", *values.lines(), NUMBERS.strip()]


def _python_calls(tools: Sequence[Tool], avoid: Sequence[str]) -> tuple[str, list[str]]:
    """(the rule of one call, all its rules)"""
    values = ValueGrammar(PYTHON, avoid)
    ways = []
    for tool in tools:
        inside = values.keyword_arguments(tool.schema, f"tool {tool.name!r}")
        name = terminal(f"{tool.name}(") if is_plain_name(tool.name) else f'{values.fixed(tool.name)} "("'
        ways.append(f'{name} WS? {inside} WS? ")"')
    return "call", ["call: " + "\n  | ".join(ways), *_shared_rules(values)]


def _json_calls(syntax: CallSyntax, tools: Sequence[Tool], avoid: Sequence[str]) -> tuple[str, list[str]]:
    values = ValueGrammar(JSON, avoid)
    leads, rest = _json_leads(syntax, tools, values, avoid)
    ways = [" ".join([" WS? ".join(lead), body]) for lead, body in zip(leads, rest, strict=True)]
    return "call", ["call: " + "\n  | ".join(ways), *_shared_rules(values)]


def _json_leads(
    syntax: CallSyntax, tools: Sequence[Tool], values: ValueGrammar, avoid: Sequence[str]
) -> tuple[list[list[str]], list[str]]:
    """How a call begins, up to where it is sure to be one, in fixed texts; and the rule of what follows."""
    if syntax.shape == "jsonrpc":
        called = " | ".join(_flat(tool, ["arguments"], values) for tool in tools)
        rest = (
            f'WS? "\\"2.0\\"" J_COMMA "\\"id\\"" J_COLON (INTEGER | {values.string()}) J_COMMA "\\"method\\"" J_COLON'
        )
        rest += f' "\\"tools/call\\"" J_COMMA "\\"params\\"" J_COLON ({called}) WS? "}}"'
        return [['"{"', '"\\"jsonrpc\\""', '":"']], [rest]
    if syntax.shape == "openai":
        inner = ValueGrammar(INNER_JSON, avoid)
        called = " | ".join(_function(tool, syntax.keys, values, inner) for tool in tools)
        one = (
            f'"{{" WS? ("\\"id\\"" J_COLON {values.string()} J_COMMA)? ("\\"type\\"" J_COLON "\\"function\\"" J_COMMA)?'
        )
        one += f' "\\"function\\"" J_COLON ({called}) WS? "}}"'
        values.adopt(inner)
        return [['"{"', '"\\"tool_calls\\""', '":"']], [f'WS? "[" WS? {one} (J_COMMA {one})* WS? "]" WS? "}}"']
    leads: list[list[str]] = []
    bodies: list[str] = []
    for tool in tools:
        inside = values.arguments(tool.schema, f"tool {tool.name!r}")
        for key in syntax.keys:
            name = values.fixed(tool.name)
            leads.append(['"{"', '"\\"name\\""', '":"', name, '","', terminal(f'"{key}"'), '":"'])
            bodies.append(f'WS? {inside} WS? "}}"')
    return leads, bodies


def _flat(tool: Tool, keys: Sequence[str], values: ValueGrammar) -> str:
    inside = values.arguments(tool.schema, f"tool {tool.name!r}")
    key = " | ".join(terminal(f'"{one}"') for one in keys)
    return f'"{{" WS? "\\"name\\"" J_COLON {values.fixed(tool.name)} J_COMMA ({key}) J_COLON {inside} WS? "}}"'


def _function(tool: Tool, keys: Sequence[str], values: ValueGrammar, inner: ValueGrammar) -> str:
    """The arguments are an object, or the same as JSON in a string."""
    where = f"tool {tool.name!r}"
    plain, quoted = values.arguments(tool.schema, where), inner.arguments(tool.schema, where)
    key = " | ".join(terminal(f'"{one}"') for one in keys)
    either = f'({plain} | "\\"" I_WS? {quoted} I_WS? "\\"")'
    return f'"{{" WS? "\\"name\\"" J_COLON {values.fixed(tool.name)} J_COMMA ({key}) J_COLON {either} WS? "}}"'
