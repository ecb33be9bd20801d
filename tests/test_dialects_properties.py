"""What holds for every dialect and any text: calls come back as they were written, and parsing never raises."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from phi4bench.calls import Call, Parsed
from phi4bench.dialects import DIALECTS, Dialect, has_any_marker

EXAMPLES = settings(max_examples=120, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))

FRAGMENTS = (
    "<tool_use>", "</tool_use>", "<|tool_call|>", "<|/tool_call|>", "functools[", "<tool_call>", "</tool_call>",
    '{"tool_calls": [', '{"name": "f", "arguments": {', '"jsonrpc": "2.0"', '"tools/call"', "<|end|>", "<|im_end|>",
    "f(a='", "```json", "\\", "'", '"', "\n", "\r", "\0", "\u2028", "(", ")", "[", "]", "{", "}", "#", ",",
    "é", "日", "🙂", "\ud800", "1e999", "NaN", "true", "None",
)  # fmt: skip


def paired(text: str) -> str:
    """JSON cannot tell a surrogate pair from the character that it makes, so a pair is that character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=5)), max_size=6).map("".join)
strings = texts.map(paired)
numbers = st.one_of(st.integers(), st.integers(-(10**300), 10**300), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, strings),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(strings, inner, max_size=3)),
    max_leaves=6,
)
names = st.one_of(st.sampled_from(["grep", "git.log-all", "a/b"]), strings.filter(bool))
arguments = st.dictionaries(
    st.one_of(st.sampled_from(["path", "from", "content-type", "ﬁ"]), strings), values, max_size=3
)
calls = st.lists(st.builds(Call, names, arguments), min_size=1, max_size=3).map(tuple)


def exact(value):
    """A value with its types spelt out, since Python takes 1, 1.0 and True for equal, and 0.0 and -0.0."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    if isinstance(value, Call):
        return (value.name, exact(value.arguments))
    return (type(value).__name__, repr(value))


def every_dialect() -> Iterator[Dialect]:
    """All of them for one example, which takes far longer to make than to try. A failure's is the last one noted."""
    for name, dialect in DIALECTS.items():
        note(name)
        yield dialect


@EXAMPLES
@given(calls=calls)
def test_calls_come_back_as_they_were_written(calls):
    for dialect in every_dialect():
        parsed = dialect.parse(dialect.render_calls(calls))
        assert parsed.whole, parsed.reason
        assert exact(parsed.calls) == exact(calls)
        assert parsed.prose == ""


@EXAMPLES
@given(calls=calls)
def test_no_marker_or_stop_text_stands_inside_a_call(calls):
    for dialect in every_dialect():
        inside = "".join(segment.text for segment in dialect.call_segments(calls) if not segment.control)
        own = [text for text in (dialect.calls.open, dialect.calls.close) if text]
        assert not any(text in inside for text in (*own, *dialect.turns.stop))
        inside.encode()  # every character can be sent to a tokenizer


@EXAMPLES
@given(text=st.one_of(texts, st.text()))
def test_any_text_parses_to_something_consistent(text):
    for dialect in every_dialect():
        check(dialect.parse(text))
    assert isinstance(has_any_marker(text), bool)


@EXAMPLES
@given(calls=calls, data=st.data())
def test_any_mutation_of_a_call_parses_to_something_consistent(calls, data):
    for dialect in every_dialect():
        text = dialect.render_calls(calls)
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 8)))
        check(dialect.parse(text[:start] + data.draw(texts) + text[end:]))
        cut = dialect.parse(text[:start])
        check(cut)
        assert not cut.whole or len(cut.calls) < len(calls) or start == len(text) or not text[start:].strip("]} \n")


def check(parsed: Parsed) -> None:
    assert parsed.whole == (parsed.attempted and not parsed.reason)
    assert not parsed.whole or parsed.calls
    assert parsed.attempted or not (parsed.calls or parsed.reason)
    assert parsed.prose == parsed.prose.strip()
    assert len(parsed.reason.splitlines()) <= 1
    for call in parsed.calls:
        assert isinstance(call.name, str)
        assert all(isinstance(name, str) for name in call.arguments)
