"""Each dialect on hand-written completions; the expected calls are written out beside them."""

from __future__ import annotations

import json

import pytest

from phi4bench.calls import Call
from phi4bench.dialects import DIALECTS, Unreadable, dialect_named, has_any_marker, read_value

GREP = Call("grep", {"pattern": "def.*auth", "path": "."})
READ = Call("read", {"file_path": "a.py"})
GREP_JSON = '{"name": "grep", "arguments": {"pattern": "def.*auth", "path": "."}}'
READ_JSON = '{"name": "read", "arguments": {"file_path": "a.py"}}'
GREP_RPC = f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {GREP_JSON}}}'
READ_RPC = f'{{"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": {READ_JSON}}}'
GREP_FUNCTION = (
    '{"id": "call_1", "type": "function", "function":'
    ' {"name": "grep", "arguments": "{\\"pattern\\": \\"def.*auth\\", \\"path\\": \\".\\"}"}}'
)
READ_FUNCTION = '{"type": "function", "function": {"name": "read", "arguments": {"file_path": "a.py"}}}'


def use(inside: str) -> str:
    return f"<tool_use>{inside}</tool_use>"


@pytest.mark.parametrize(
    ("dialect", "text", "calls", "prose"),
    [
        pytest.param("tool_use", use("grep(pattern='def.*auth', path='.')"), (GREP,), "", id="python-call"),
        pytest.param(
            "tool_use", "Sure.\n" + use("read(file_path='a.py')") + " Done.", (READ,), "Sure.\nDone.", id="prose-around"
        ),
        pytest.param(
            "tool_use",
            use("grep(pattern='def.*auth', path='.')") + "\n" + use("read(file_path='a.py')"),
            (GREP, READ),
            "",
            id="two-blocks",
        ),
        pytest.param("tool_use", use("now()"), (Call("now", {}),), "", id="no-arguments"),
        pytest.param("tool_use", use("\n now ( ) \n"), (Call("now", {}),), "", id="space-inside-a-block"),
        pytest.param(
            "tool_use",
            use("mcp.git-log/v2(limit=-3, deep=[1, 2.5, {'a': None, 'b': True}])"),
            (Call("mcp.git-log/v2", {"limit": -3, "deep": [1, 2.5, {"a": None, "b": True}]}),),
            "",
            id="dotted-name-and-nested-values",
        ),
        pytest.param(
            "tool_use",
            use(r"grep(pattern='\d+\.py', path='.')"),
            (Call("grep", {"pattern": r"\d+\.py", "path": "."}),),
            "",
            id="escapes-that-python-does-not-know",
        ),
        pytest.param(
            "tool_use",
            use("send(to='x', **{'content-type': 'y', 'from': 'z'})"),
            (Call("send", {"to": "x", "content-type": "y", "from": "z"}),),
            "",
            id="names-that-python-cannot-take",
        ),
        pytest.param("tool_use", use("'my tool'(x=1)"), (Call("my tool", {"x": 1}),), "", id="quoted-tool-name"),
        pytest.param(
            "tool_use",
            use("write(content='ends with </tool_use> inside')"),
            (Call("write", {"content": "ends with </tool_use> inside"}),),
            "",
            id="closing-marker-inside-a-value",
        ),
        pytest.param(
            "tool_use", use("f(x='# no comment')"), (Call("f", {"x": "# no comment"}),), "", id="hash-in-value"
        ),
        pytest.param("tool_use", use("f(\ra='#'\r)"), (Call("f", {"a": "#"}),), "", id="carriage-returns"),
        pytest.param("phi4-mini", f"<|tool_call|>[{GREP_JSON}]<|/tool_call|>", (GREP,), "", id="phi-list-of-one"),
        pytest.param(
            "phi4-mini",
            f"Looking.<|tool_call|>[{GREP_JSON}, {READ_JSON}]<|/tool_call|>",
            (GREP, READ),
            "Looking.",
            id="phi-list-of-two",
        ),
        pytest.param("phi4-mini", f"<|tool_call|>\n{GREP_JSON}\n<|/tool_call|>", (GREP,), "", id="phi-bare-object"),
        pytest.param("phi4-mini", f"functools[{GREP_JSON},{READ_JSON}]", (GREP, READ), "", id="functools"),
        pytest.param(
            "phi4-mini",
            'functools[{"name": "f", "parameters": {"tags": ["a", "]"]}}] ok',
            (Call("f", {"tags": ["a", "]"]}),),
            "ok",
            id="functools-with-brackets-inside",
        ),
        pytest.param("hermes", f"<tool_call>\n{GREP_JSON}\n</tool_call>", (GREP,), "", id="hermes"),
        pytest.param(
            "hermes",
            f"<tool_call>{GREP_JSON}</tool_call>\n<tool_call>\n{READ_JSON}\n</tool_call>",
            (GREP, READ),
            "",
            id="hermes-twice",
        ),
        pytest.param(
            "hermes",
            '<tool_call>{"name": "say", "arguments": {"t": "</tool_call>"}}</tool_call>',
            (Call("say", {"t": "</tool_call>"}),),
            "",
            id="hermes-marker-inside-a-value",
        ),
        pytest.param("openai", f'{{"tool_calls": [{GREP_FUNCTION}]}}', (GREP,), "", id="openai-arguments-as-text"),
        pytest.param("openai", f"[{GREP_FUNCTION}, {READ_FUNCTION}]", (GREP, READ), "", id="openai-bare-list"),
        pytest.param("openai", f"I will look.\n```json\n{GREP_JSON}\n```", (GREP,), "I will look.", id="openai-fence"),
        pytest.param(
            "openai",
            f'{{"role": "assistant", "content": "Looking.", "tool_calls": [{READ_FUNCTION}]}}',
            (READ,),
            "Looking.",
            id="openai-whole-message",
        ),
        pytest.param(
            "openai", f"In {{this}} folder [sic]: {READ_JSON}", (READ,), "In {this} folder [sic]:", id="braces-in-prose"
        ),
        pytest.param(
            "openai", f'{{"id": "call_1", "type": "function", {READ_JSON[1:]}', (READ,), "", id="openai-flat-with-an-id"
        ),
        pytest.param("jsonrpc", GREP_RPC, (GREP,), "", id="jsonrpc"),
        pytest.param("jsonrpc", f"{GREP_RPC}\n{READ_RPC}", (GREP, READ), "", id="jsonrpc-two-lines"),
        pytest.param("jsonrpc", f"[{GREP_RPC}, {READ_RPC}]", (GREP, READ), "", id="jsonrpc-batch"),
        pytest.param(
            "jsonrpc",
            '{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "now"}}',
            (Call("now", {}),),
            "",
            id="jsonrpc-arguments-left-out",
        ),
    ],
)
def test_a_good_completion_parses_whole(dialect, text, calls, prose):
    parsed = dialect_named(dialect).parse(text)
    assert parsed.whole, parsed.reason
    assert (parsed.calls, parsed.prose, parsed.attempted, parsed.reason) == (calls, prose, True, "")


@pytest.mark.parametrize(
    ("dialect", "text", "reason"),
    [
        pytest.param("tool_use", "<tool_use>grep(pattern='x')", "not closed", id="unclosed-marker"),
        pytest.param("tool_use", "grep(pattern='x')</tool_use>", "closes nothing", id="closing-marker-alone"),
        pytest.param("tool_use", use(""), "empty", id="empty-block"),
        pytest.param("tool_use", use("grep"), "no parenthesis", id="name-alone"),
        pytest.param("tool_use", use("grep(pattern='x'"), "syntax", id="parenthesis-left-open"),
        pytest.param("tool_use", use("grep('x')"), "positional", id="positional-argument"),
        pytest.param("tool_use", use("grep(*x)"), "positional", id="spread-positional"),
        pytest.param("tool_use", use("grep(**x)"), "spread", id="spread-name"),
        pytest.param("tool_use", use("grep(**{'path': '.'})"), "written path=", id="needless-spread"),
        pytest.param("tool_use", use("'grep'(path='.')"), "quoted", id="needlessly-quoted-name"),
        pytest.param("tool_use", use("f(a=1, a=2)"), "twice", id="argument-twice"),
        pytest.param("tool_use", use("f(a={'b': 1, 'b': 2})"), "twice", id="key-twice"),
        pytest.param("tool_use", use("f(a=x)"), "the name 'x'", id="name-as-value"),
        pytest.param("tool_use", use("f(a=true)"), "the name 'true'", id="json-true"),
        pytest.param("tool_use", use("f(a={1, 2})"), "set", id="set"),
        pytest.param("tool_use", use("f(a=set())"), "set", id="empty-set"),
        pytest.param("tool_use", use("f(a=(1, 2))"), "tuple", id="tuple"),
        pytest.param("tool_use", use("f(a=b'x')"), "bytes", id="bytes"),
        pytest.param("tool_use", use("f(a=1+2j)"), "complex", id="complex"),
        pytest.param("tool_use", use("f(a=...)"), "ellipsis", id="ellipsis"),
        pytest.param("tool_use", use("f(a=f'{x}')"), "JoinedStr", id="f-string"),
        pytest.param("tool_use", use("f(a=g(b=1))"), "Call", id="call-as-value"),
        pytest.param("tool_use", use("f(a=1e999)"), "finite", id="infinite"),
        pytest.param("tool_use", use("f(a={1: 2})"), "not a string", id="number-as-key"),
        pytest.param("tool_use", use(f"f(a={'9' * 5000})"), "syntax", id="5000-digits"),
        pytest.param("tool_use", use(f"f(a={'[' * 65}{']' * 65})"), "deeper", id="65-levels"),
        pytest.param("tool_use", use(f"f(a={'-' * 50_000}1)"), "deeply", id="50000-signs"),
        pytest.param("tool_use", use(f"f(a='{'x' * 100_000}')"), "characters", id="too-long"),
        pytest.param("tool_use", use("f(a='\0')"), "null", id="null-byte"),
        pytest.param("tool_use", use("f(a='\ud800')"), "surrogate", id="lone-surrogate"),
        pytest.param("tool_use", use("f(a=1) # why"), "follows", id="comment-after"),
        pytest.param("tool_use", use("f(a=1) and more"), "not one call", id="text-after"),
        pytest.param("tool_use", use("f(a=1), g(b=2)"), "not one call", id="two-calls-in-a-block"),
        pytest.param("tool_use", use("f(a=1)(b=2)"), "follows", id="call-of-a-call"),
        pytest.param("tool_use", use("please call f(a=1)"), "not a tool's name", id="prose-in-a-block"),
        pytest.param("tool_use", use("f(a=1)") + use("g(b=)"), "syntax", id="second-block-bad"),
        pytest.param("tool_use", use(use("f(a=1)")), "not a tool's name", id="block-in-a-block"),
        pytest.param("phi4-mini", f"<|tool_call|>[{GREP_JSON}]", "not closed", id="phi-unclosed"),
        pytest.param("phi4-mini", f"<|tool_call|>[{GREP_JSON}] so<|/tool_call|>", "follows", id="phi-leftover"),
        pytest.param("phi4-mini", "<|tool_call|>[]<|/tool_call|>", "empty", id="phi-empty-list"),
        pytest.param("phi4-mini", f"functools[{GREP_JSON}", "not JSON", id="functools-cut-off"),
        pytest.param("hermes", f"<tool_call>{GREP_JSON}", "not closed", id="hermes-unclosed"),
        pytest.param("hermes", "<tool_call>{'name': 'f'}</tool_call>", "not JSON", id="hermes-python-quotes"),
        pytest.param("hermes", '<tool_call>{"name": "f"}</tool_call>', "no arguments", id="hermes-without-arguments"),
        pytest.param("hermes", '<tool_call>{"arguments": {}}</tool_call>', "no name", id="hermes-without-name"),
        pytest.param(
            "hermes",
            '<tool_call>{"name": "f", "arguments": "{}"}</tool_call>',
            "not an object",
            id="hermes-text-for-object",
        ),
        pytest.param(
            "hermes", '<tool_call>{"name": "f", "arguments": {}, "why": 1}</tool_call>', "'why'", id="hermes-extra-key"
        ),
        pytest.param(
            "hermes",
            '<tool_call>{"name": "f", "arguments": {"a": 1, "a": 2}}</tool_call>',
            "twice",
            id="hermes-key-twice",
        ),
        pytest.param("hermes", '<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>', "NaN", id="hermes-nan"),
        pytest.param(
            "hermes", '<tool_call>{"name": "f", "arguments": {"a": 1e999}}</tool_call>', "finite", id="hermes-infinite"
        ),
        pytest.param("hermes", f"<tool_call>{'[' * 90_000}", "not closed", id="hermes-90000-brackets"),
        pytest.param(
            "hermes",
            f'<tool_call>{{"name": "f", "arguments": {{"a": {"[" * 65}{"]" * 65}}}}}</tool_call>',
            "deeper",
            id="hermes-65-levels",
        ),
        pytest.param(
            "hermes",
            f'<tool_call>{{"name": "f", "arguments": {{"a": {"9" * 5000}}}}}</tool_call>',
            "not JSON",
            id="hermes-5000-digits",
        ),
        pytest.param("openai", f'{{"tool_calls": [{GREP_FUNCTION}', "not JSON", id="openai-cut-off"),
        pytest.param("openai", '{"tool_calls": []}', "empty", id="openai-no-calls"),
        pytest.param("openai", '{"tool_calls": 5}', "not a list", id="openai-a-number-of-calls"),
        pytest.param(
            "hermes", f'<tool_call>{{"tool_calls": [{GREP_JSON}]}}</tool_call>', "'tool_calls'", id="hermes-as-openai"
        ),
        pytest.param("openai", "{'name': 'f', 'arguments': {}}", "not JSON", id="openai-python-quotes"),
        pytest.param("openai", '{"name": "f", "arguments": "{} x"}', "follows", id="openai-leftover-in-arguments"),
        pytest.param("openai", f'{GREP_JSON}\n{{"name": "g", "arguments": {{', "not JSON", id="openai-second-cut-off"),
        pytest.param(
            "openai", f'{{"answer": {GREP_JSON}}}', "looks like a call", id="openai-call-inside-another-object"
        ),
        pytest.param("jsonrpc", GREP_RPC.replace("2.0", "1.0"), "jsonrpc=", id="jsonrpc-version"),
        pytest.param("jsonrpc", GREP_RPC.replace("tools/call", "tools/list"), "method=", id="jsonrpc-other-method"),
        pytest.param("jsonrpc", GREP_RPC.replace('"id": 1, ', ""), "id", id="jsonrpc-notification"),
        pytest.param("jsonrpc", GREP_RPC.replace('"id"', '"why": 1, "id"'), "'why'", id="jsonrpc-extra-key"),
        pytest.param("jsonrpc", GREP_RPC[:-1], "not JSON", id="jsonrpc-cut-off"),
    ],
)
def test_a_bad_attempt_is_not_whole_and_says_why(dialect, text, reason):
    parsed = dialect_named(dialect).parse(text)
    assert (parsed.attempted, parsed.whole) == (True, False)
    assert reason in parsed.reason
    assert "\n" not in parsed.reason


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("Which file do you mean?", id="question"),
        pytest.param('It is {"a": [1, 2]} in the file; call grep(pattern) yourself.', id="other-json"),
    ],
)
def test_prose_attempts_nothing(dialect, text):
    parsed = dialect.parse(text)
    assert (parsed.calls, parsed.attempted, parsed.whole, parsed.reason) == ((), False, False, "")
    assert parsed.prose == text
    assert not has_any_marker(text)


@pytest.mark.parametrize("levels", [64, 65])
def test_a_json_value_has_at_most_64_levels(levels):
    text = "[" * levels + "]" * levels
    if levels > 64:
        with pytest.raises(Unreadable, match="deeper than 64"):
            read_value(text)
    else:
        assert json.dumps(read_value(text)) == text


def test_calls_before_the_fault_are_kept():
    parsed = dialect_named("tool_use").parse(use("f(a=1)") + use("g(") + use("h(b=2)") + "end")
    assert parsed.calls == (Call("f", {"a": 1}),)
    assert parsed.prose == "end"
    assert dialect_named("openai").parse('Looking. {"name": "f", "arguments": {').prose == "Looking."


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        pytest.param(r"\d+\.py", r"r'\d+\.py'", id="raw"),
        pytest.param("it's", '"it\'s"', id="double-quotes"),
        pytest.param("a\nb", "'''a\nb'''", id="two-lines"),
        pytest.param("a\n'''b", '"""a\n\'\'\'b"""', id="two-lines-with-three-quotes"),
        pytest.param("tab\there", "'tab\there'", id="tab"),
        pytest.param("end\\", r"'end\\'", id="backslash-at-the-end"),
        pytest.param("bell\x07", r"'bell\x07'", id="what-cannot-be-printed"),
        pytest.param("</tool_use>", r"'\x3c/tool_use>'", id="closing-marker"),
    ],
)
def test_a_text_is_written_unchanged_where_python_has_a_literal_for_it(text, literal):
    assert dialect_named("tool_use").render_calls([Call("f", {"a": text})]) == use(f"f(a={literal})")


@pytest.mark.parametrize(
    "text",
    [
        "<tool_use>", "</tool_use>", "<|tool_call|>", "<|/tool_call|>", "functools[", "<tool_call>", "</tool_call>",
        '"tool_calls"', '"tools/call"', "<|tool|>", "<|tool_response|>", GREP_JSON,
    ],
)  # fmt: skip
def test_every_marker_spoils_prose(text):
    assert has_any_marker(f"I cannot {text} do that.")
