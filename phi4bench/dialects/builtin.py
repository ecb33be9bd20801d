"""The built-in dialects, each with its source. Pure: no files, no models, no clock."""

from __future__ import annotations

from phi4bench.dialects.dialect import Dialect, Results
from phi4bench.dialects.listing import Listing
from phi4bench.dialects.syntax import CallSyntax
from phi4bench.dialects.turns import CHATML, PHI, PHI4
from phi4bench.errors import DialectError

TOOL_USE = Dialect(
    "tool_use",
    turns=PHI,
    listing=Listing("signatures"),
    calls=CallSyntax("python", "<tool_use>", "</tool_use>"),
)
"""Ours. The system turn is nothing but signatures: a small model reads it in every example."""

OPENAI = Dialect(
    "openai",
    turns=PHI4,
    listing=Listing("openai", lead="\n\n"),
    calls=CallSyntax("json", shape="openai", keys=("arguments", "parameters"), control=False, separator="\n"),
    system="You can call the functions listed below. To call some, answer with JSON alone:"
    ' {"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": NAME, "arguments": "{...}"}}]},'
    " where the arguments are a JSON object written as a string. If a request needs none, answer in plain words.",
)
"""Source: OpenAI API reference, "Chat Completions" (`tools`, `tool_calls`). `parameters` beside `arguments`: Llama 3.1
writes that, and vLLM's llama3_json and phi4_mini_json parsers take both."""

PHI4_MINI = Dialect(
    "phi4-mini",
    turns=PHI,
    listing=Listing("flat", "<|tool|>", "<|/tool|>", control=True, lead=""),
    calls=CallSyntax(
        "json",
        "<|tool_call|>",
        "<|/tool_call|>",
        batch="list",
        also=("functools",),
        keys=("arguments", "parameters"),
    ),
    system="You are a helpful assistant with some tools.",
)
"""Source: model card of microsoft/Phi-4-mini-instruct, "Tool-enabled function-calling format", which gives the system
sentence; markers from its added_tokens.json. Deviation: the card lists bare properties under `parameters`, we the whole
JSON Schema. `functools[...]`: vLLM's phi4_mini_json tool parser."""

HERMES = Dialect(
    "hermes",
    turns=CHATML,
    listing=Listing("openai-lines", "<tools>\n", "\n</tools>", lead="\n\n"),
    calls=CallSyntax("json", "<tool_call>", "</tool_call>", pad="\n", separator="\n"),
    results=Results("named", "<tool_response>\n", "\n</tool_response>"),
    system="Functions that you can call are listed in <tools></tools>. To call one, write a JSON object with its name"
    ' and arguments in <tool_call></tool_call> tags: <tool_call>\n{"name": NAME, "arguments": {...}}\n</tool_call>',
)
"""Source: model card of NousResearch/Hermes-2-Pro-Llama-3-8B, "Prompt Format for Function Calling"; Qwen2.5 and
Qwen3 call in the same form."""

JSONRPC = Dialect(
    "jsonrpc",
    turns=PHI,
    listing=Listing("mcp", lead="\n\n"),
    calls=CallSyntax("json", shape="jsonrpc", control=False, separator="\n"),
    results=Results("jsonrpc"),
    system="You can call the tools listed below over MCP. To call one, answer with a JSON-RPC request:"
    ' {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": NAME, "arguments": {...}}}.'
    " For several calls, write one request a line. If a request needs no tool, answer in plain words.",
)
"""Source: Model Context Protocol, revision 2025-06-18, "Tools"."""

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (TOOL_USE, OPENAI, PHI4_MINI, HERMES, JSONRPC)}

_MARKERS: tuple[str, ...] = tuple(
    dict.fromkeys(
        marker
        for dialect in DIALECTS.values()
        for marker in (
            *dialect.markers,
            *(text.strip() for text in (dialect.listing.open, dialect.listing.close)),
            *(text.strip() for text in (dialect.results.open, dialect.results.close)),
            dialect.turns.tool.open if dialect.turns is PHI else "",
        )
        if marker
    )
)


def dialect_named(name: str) -> Dialect:
    """Raises `DialectError` that lists the known names."""
    if name not in DIALECTS:
        raise DialectError(f"dialect={name!r}, but should be one of {', '.join(DIALECTS)}", "or name a .toml file")
    return DIALECTS[name]


def has_any_marker(text: str) -> bool:
    """Whether a text holds a marker of any built-in dialect, or attempts a call in bare JSON: it is no clean prose."""
    return any(marker in text for marker in _MARKERS) or OPENAI.parse(text).attempted or JSONRPC.parse(text).attempted
