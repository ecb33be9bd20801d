"""What tests of grammars share: tools of many kinds, calls that fit them, and a matcher over single bytes."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from phi4bench.calls import Call
from phi4bench.dialects import Dialect
from phi4bench.schemas import is_valid
from phi4bench.tools import Tool

GREP = Tool(
    "grep",
    "",
    {
        "type": "object",
        "properties": {"pattern": {"type": "string"}, "path": {"type": "string"}},
        "required": ["pattern", "path"],
        "additionalProperties": False,
    },
)
SET = Tool(
    "config/set",
    "",
    {
        "type": "object",
        "properties": {
            "mode": {"enum": ["on", "off", 3, None]},
            "count": {"type": "integer"},
            "ratio": {"type": ["number", "null"]},
            "flag": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
            "code": {"type": "string", "minLength": 2, "maxLength": 4},
            "where": {"$ref": "#/$defs/place"},
            "content-type": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "from": {"type": "string"},
        },
        "required": ["mode", "content-type"],
        "$defs": {
            "place": {
                "type": "object",
                "properties": {"x": {"type": "number"}, "y": {"type": "integer"}, "name": {"type": "string"}},
                "required": ["x"],
                "additionalProperties": False,
            }
        },
    },
)
PING = Tool("ping", "", {"type": "object", "properties": {}})
ODD = Tool("my tool", "", {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]})
TOOLS = (GREP, SET, PING, ODD)

FRAGMENTS = (
    "<tool_use>", "</tool_use>", "<|tool_call|>", "<|/tool_call|>", "functools[", "<tool_call>", "</tool_call>",
    '{"tool_calls": [', '{"name": "ping", "arguments": {}', '"jsonrpc": "2.0"', '"tools/call"', "<|end|>", "<|im_end|>",
    "ping()", "```json", "```",
    "\\", "'", '"', "\n", "\r", "\0", "\u2028", "(", ")", "[", "]", "{", "}", "#", ",", "é", "🙂",
)  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=5).map("".join)
doubles = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e307, max_value=1e307)
integers = st.one_of(st.integers(-9, 9), st.integers(-(10**30), 10**30))
places = st.fixed_dictionaries({"x": st.one_of(integers, doubles)}, optional={"y": integers, "name": texts})
settings_given = st.fixed_dictionaries(
    {"mode": st.sampled_from(["on", "off", 3, None]), "content-type": st.one_of(st.none(), texts)},
    optional={
        "count": integers,
        "ratio": st.one_of(st.none(), integers, doubles),
        "flag": st.booleans(),
        "tags": st.lists(texts, max_size=2),
        "code": texts.filter(lambda text: 2 <= len(text) <= 4),
        "where": places,
        "from": texts,
    },
)


def shuffled(arguments: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """The same members in any order."""
    return arguments.flatmap(lambda one: st.permutations(list(one.items())).map(dict))


calls = st.lists(
    st.one_of(
        st.builds(Call, st.just("grep"), shuffled(st.fixed_dictionaries({"pattern": texts, "path": texts}))),
        st.builds(Call, st.just("config/set"), shuffled(settings_given)),
        st.builds(Call, st.just("ping"), st.just({})),
        st.builds(Call, st.just("my tool"), st.fixed_dictionaries({"q": texts})),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


class Bytes:
    """A vocabulary of single bytes and one token that ends the turn."""

    eos_token_id = 256
    bos_token_id = None
    special_token_ids = (256,)
    tokens = (*(bytes([number]) for number in range(256)), b"<end>")

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@cache
def _compiled(dialect: Dialect, tools: tuple[str, ...] | None, text: str) -> Any:
    import llguidance

    reader = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Bytes()), eos_token=[256])
    matcher = llguidance.LLMatcher(reader, text, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return matcher


def accepted(dialect: Dialect, text: str, tools: tuple[Tool, ...] = TOOLS) -> tuple[bool, str]:
    """Whether a completion may be this text, and the part of it that may begin one."""
    grammar = dialect.grammar(tools)
    matcher = _compiled(dialect, None, grammar.text).deep_copy()
    raw = text.encode()
    taken = matcher.try_consume_tokens(list(raw))
    return taken == len(raw) and matcher.is_accepting(), raw[:taken].decode(errors="replace")


def fault(dialect: Dialect, text: str, tools: tuple[Tool, ...] = TOOLS) -> str:
    """Why a completed text is neither prose nor calls that fit; empty where it is."""
    parsed = dialect.parse(text)
    if not parsed.attempted:
        return ""
    if not parsed.whole:
        return parsed.reason
    schemas = {tool.name: tool.schema for tool in tools}
    for call in parsed.calls:
        if call.name not in schemas:
            return f"no tool {call.name!r}"
        if not is_valid(dict(call.arguments), schemas[call.name]):
            return f"{call} does not fit"
    return "" if parsed.calls else "whole, and no call"
