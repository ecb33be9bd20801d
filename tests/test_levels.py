"""How far a completion got: hand-written completions, each with the level and the reason that it should get."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phi4bench.calls import Call, Json
from phi4bench.cases import Case, Expected, Message, Rule
from phi4bench.dialects import dialect_named
from phi4bench.gates import judge_levels
from phi4bench.levels import LEVELS, Level, Score, is_right, score
from phi4bench.targets import parse_targets
from phi4bench.tools import Tool
from phi4bench.transcripts import Completion, Finish

USE = dialect_named("tool_use")


def tool(name: str, *required: str, **types: Json) -> Tool:
    members = {key: {"type": "string"} for key in required} | {key: {"type": kind} for key, kind in types.items()}
    return Tool(name, "", {"type": "object", "properties": members, "required": list(required)})


TOOLS = (
    tool("grep", "pattern", "path"),
    tool("read", "file_path"),
    tool("book", "city", days="integer", price="number", paid="boolean"),
)
GREP = Call("grep", {"pattern": "def.*auth", "path": "src"})
READ = Call("read", {"file_path": "a.py"})


def case(*calls: Call, order: str = "exact", rules: tuple[dict[str, Rule], ...] = (), scenario: str = "single") -> Case:
    expected = Expected(calls, order, rules)  # type: ignore[arg-type]
    return Case("c1", scenario, "family", TOOLS, (Message("user", "do it"),), expected)  # type: ignore[arg-type]


VALUE = Case("s1", "single", "family", (), (Message("user", "JSON"),), Expected(json={"a": 1}, response_schema={}))


def use(*insides: str) -> str:
    return "".join(f"<tool_use>{inside}</tool_use>" for inside in insides)


def graded(wanted: Case, text: str, finish: Finish = "stop") -> Score:
    return score(wanted, Completion(text, finish=finish), USE)


@pytest.mark.parametrize(
    ("text", "level", "reason"),
    [
        pytest.param("I will look.", Level.NOTHING, "no call in the completion", id="prose"),
        pytest.param("", Level.NOTHING, "no call in the completion", id="empty"),
        pytest.param("<tool_use>grep(pattern='x', path='.')", Level.DETECTED, "clos", id="unclosed"),
        pytest.param(use("grep(pattern='x', path='.') and more"), Level.DETECTED, "", id="debris"),
        pytest.param(use("read(file_path='src')"), Level.PARSED, "called read, wanted grep", id="wrong-tool"),
        pytest.param(
            use("grep(pattern='def.*auth', path='src')", "read(file_path='a')"),
            Level.PARSED,
            "called grep, read, wanted grep",
            id="one-call-too-many",
        ),
        pytest.param(
            use("grep(pattern='def.*auth', path='src/')"),
            Level.RIGHT_TOOL,
            "grep.path is 'src/', wanted 'src'",
            id="wrong-argument",
        ),
        pytest.param(
            use("grep(pattern='def.*auth')"),
            Level.RIGHT_TOOL,
            "grep.path is missing, wanted 'src'",
            id="missing-argument",
        ),
        pytest.param(
            use("grep(pattern='def.*auth', path='src', flags='i')"),
            Level.RIGHT_TOOL,
            "grep.flags is 'i', wanted no such argument",
            id="extra-argument",
        ),
        pytest.param(use("grep(path='src', pattern='def.*auth')"), Level.RIGHT_PARAMETERS, "", id="exact"),
        pytest.param(
            "Sure: " + use("grep(pattern='def.*auth', path='src')"), Level.RIGHT_PARAMETERS, "", id="prose-around-it"
        ),
    ],
)
def test_score_stops_at_the_first_level_missed(text, level, reason):
    got = graded(case(GREP), text)
    assert got.level == level, got.reason
    assert reason in got.reason
    assert bool(got.reason) == (level < Level.RIGHT_PARAMETERS)


@pytest.mark.parametrize(
    ("value", "wanted", "level"),
    [
        pytest.param("days=3", {"days": 3}, Level.RIGHT_PARAMETERS, id="int-for-int"),
        pytest.param("days='3'", {"days": 3}, Level.RIGHT_TOOL, id="string-for-int"),
        pytest.param("days=3.0", {"days": 3}, Level.RIGHT_TOOL, id="float-where-the-schema-says-integer"),
        pytest.param("days=True", {"days": 1}, Level.RIGHT_TOOL, id="true-for-one"),
        pytest.param("paid=1", {"paid": True}, Level.RIGHT_TOOL, id="one-for-true"),
        pytest.param("price=3", {"price": 3.0}, Level.RIGHT_PARAMETERS, id="int-where-the-schema-says-number"),
        pytest.param("price=True", {"price": 1}, Level.RIGHT_TOOL, id="true-where-the-schema-says-number"),
        pytest.param("city='3'", {"city": 3}, Level.RIGHT_TOOL, id="string-for-int-untyped"),
    ],
)
def test_arguments_are_compared_by_json_type(value, wanted, level):
    got = graded(case(Call("book", wanted)), use(f"book({value})"))
    assert got.level == level, got.reason


def test_exact_order_wants_the_written_sequence_and_any_order_the_multiset():
    swapped = use("read(file_path='a.py')", "grep(pattern='def.*auth', path='src')")
    assert graded(case(GREP, READ), swapped).level is Level.PARSED
    assert graded(case(GREP, READ, order="any"), swapped).level is Level.RIGHT_PARAMETERS


def test_a_score_names_every_tool_that_was_expected_and_the_prose_around_calls():
    calls = use("grep(pattern='def.*auth', path='src')", "read(file_path='a.py')")
    assert graded(case(GREP, READ), calls).tools == ("grep", "read")
    found = [graded(case(GREP, READ), text).prose for text in (calls, "Sure. " + calls, "I will not.")]
    assert found == [False, True, False]


def test_any_order_still_counts_how_often_each_tool_is_called():
    for times, called in ((2, "read, read"), (6, "read, read, read, read, read and 1 more")):
        got = graded(case(GREP, READ, order="any"), use(*["read(file_path='a.py')"] * times))
        assert (got.level, got.reason) == (Level.PARSED, f"called {called}, wanted grep, read in any order")


def test_calls_in_any_order_are_paired_optimally_and_not_greedily():
    # The first wanted call accepts a.py or b.py, the second only a.py. A greedy matcher gives the first call made
    # (a.py) to the first wanted call and is then left with b.py for the second, which is wrong.
    wanted = case(
        Call("read", {"file_path": "b.py"}), READ, order="any", rules=({"file_path": Rule(accept=("a.py",))}, {})
    )
    got = graded(wanted, use("read(file_path='a.py')", "read(file_path='b.py')"))
    assert got.level is Level.RIGHT_PARAMETERS, got.reason


@pytest.mark.parametrize(
    ("wanted", "rules", "made"),
    [
        pytest.param(
            (READ, Call("read", {"file_path": "b.py"})),
            ({"file_path": Rule(accept=("c.py",))}, {"file_path": Rule(accept=("d.py",))}),
            ("read(file_path='d.py')", "read(file_path='c.py')"),
            id="accepted-values",
        ),
        pytest.param(
            (Call("book", {"price": 5.0}), Call("book", {"price": 6.0})),
            (),
            ("book(price=6)", "book(price=5)"),
            id="a-number-by-the-schema",
        ),
    ],
)
def test_calls_are_paired_by_what_counts_as_right(wanted, rules, made):
    # As they are written no call made equals a wanted one, in either pairing; the crossed one is right all the same.
    got = graded(case(*wanted, order="any", rules=rules), use(*made))
    assert got.level is Level.RIGHT_PARAMETERS, got.reason


@pytest.mark.parametrize("made", [("z-b", "a-b"), ("a-b", "z-b")], ids=["made-whole-last", "made-whole-first"])
@pytest.mark.parametrize("wanted", [("a-b", "a-c"), ("a-c", "a-b")], ids=["wanted-whole-first", "wanted-whole-last"])
def test_among_pairings_with_as_many_arguments_the_one_with_a_whole_call_wins(wanted, made):
    # Either pairing has two arguments right, but only one of them makes a call (a, b) that is wholly right, so that
    # the fault is the other call's.
    calls = (Call("grep", dict(zip(("pattern", "path"), one.split("-"), strict=True))) for one in wanted)
    texts = ("grep(pattern='{}', path='{}')".format(*one.split("-")) for one in made)
    got = graded(case(*calls, order="any"), use(*texts))
    assert got.reason == f"call {1 + wanted.index('a-c')}: grep.pattern is 'z', wanted 'a'"
    assert (got.arguments_right, got.arguments_total) == (2, 4)


@pytest.mark.parametrize("swapped", [False, True])
def test_calls_are_paired_by_name_even_where_no_argument_is_right(swapped):
    made = ["grep(pattern='x', path='y')", "read(file_path='z')"]
    got = graded(case(READ, GREP, order="any"), use(*(made[::-1] if swapped else made)))
    assert (got.level, got.reason) == (Level.RIGHT_TOOL, "call 1: read.file_path is 'z', wanted 'a.py'")


def test_a_call_that_was_not_made_has_no_right_arguments():
    rules = ({"file_path": Rule(optional=True)},) * 2
    got = graded(case(READ, READ, order="any", rules=rules), use("read(file_path='a.py')"))
    assert (got.level, got.arguments_right, got.arguments_total) == (Level.PARSED, 1, 2)
    late = graded(case(GREP, order="any"), use("read(file_path='a.py')", "grep(pattern='def.*auth', path='src')"))
    assert (late.level, late.arguments_right) == (Level.PARSED, 2)  # which call was made too much plays no part


def test_an_ignored_argument_is_not_counted_even_where_it_is_equal():
    got = graded(case(GREP, rules=({"path": Rule(ignore=True)},)), use("grep(pattern='def.*auth', path='src')"))
    assert (got.arguments_right, got.arguments_total) == (1, 1)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        pytest.param(use("grep(pattern='def.*auth', path='src')"), 2, id="all"),
        pytest.param(use("grep(pattern='def.*auth', path='.')"), 1, id="one"),
        pytest.param(use("grep(pattern='def.*auth', path='src', flags='i')"), 2, id="an-extra-one-takes-none-away"),
        pytest.param(use("read(file_path='src')"), 0, id="another-tool"),
        pytest.param("<tool_use>grep(pattern='def.*auth', path='src')", 0, id="not-whole"),
        pytest.param("", 0, id="nothing"),
    ],
)
def test_arguments_are_counted_over_the_expected_ones(text, right):
    got = graded(case(GREP), text)
    assert (got.arguments_right, got.arguments_total) == (right, 2)


@pytest.mark.parametrize(
    ("text", "valid", "total"),
    [
        pytest.param(use("grep(pattern='x', path='y')"), 1, 1, id="valid-though-wrong"),
        pytest.param(use("grep(pattern='x')"), 0, 1, id="required-argument-missing"),
        pytest.param(use("grep(pattern=1, path='y')"), 0, 1, id="wrong-type"),
        pytest.param(use("launch(x='y')"), 0, 1, id="unknown-tool"),
        pytest.param(use("read(file_path='a')", "launch()"), 1, 2, id="one-of-two"),
        pytest.param("prose", 0, 0, id="no-call"),
    ],
)
def test_schema_validity_is_of_each_call_made(text, valid, total):
    got = graded(case(GREP), text)
    assert (got.schema_valid, got.schema_total) == (valid, total)


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        pytest.param("Which file do you mean?", "stop", "", id="prose"),
        pytest.param(" \n ", "stop", "empty", id="blank"),
        pytest.param("!!! ### {}", "stop", "no word", id="signs-alone"),
        pytest.param("\u200b", "stop", "no word", id="nothing-to-see"),
        pytest.param("はい", "stop", "", id="prose-in-another-script"),
        pytest.param("Which file do", "length", "did not end", id="cut-off"),
        pytest.param(use("read(file_path='a')"), "stop", "called read, wanted no call", id="a-call"),
        pytest.param("<tool_use>re", "stop", "attempted a call", id="half-a-call"),
        pytest.param("Well <tool_call>", "stop", "marker", id="another-dialects-marker"),
        pytest.param("Well <|tool_call|>", "stop", "marker", id="another-dialects-control-token"),
        pytest.param("then </tool_use>", "stop", "attempted a call", id="a-closing-marker"),
    ],
)
def test_only_well_formed_prose_abstains(text, finish, reason):
    got = graded(case(), text, finish)
    assert reason in got.reason
    assert got.abstained == (not reason), got.reason
    assert got.level is Level.NOTHING
    assert bool(got.reason) != got.abstained
    assert (got.expects_call, got.arguments_right, got.arguments_total) == (False, 0, 0)


FENCED_GREP = "```python\ngrep(pattern='x', path='.')\n```"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("grep(pattern='x', path='.')", "grep", id="python"),
        pytest.param(" read('a.py')\n", "read", id="python-by-position"),
        pytest.param("read(file_path='a')\n\ngrep(pattern='x', path='y')", "read", id="a-call-a-line"),
        pytest.param("[launch(), read(file_path='a')]", "read", id="python-list"),
        pytest.param(FENCED_GREP, "grep", id="fenced"),
        pytest.param("`read(file_path='a')`", "read", id="in-backticks"),
        pytest.param('{"tool": "grep", "args": {"pattern": "x"}}', "grep", id="json-of-no-dialect"),
        pytest.param('[{"read": {"file_path": "a"}}]', "read", id="json-by-key"),
    ],
)
def test_a_call_without_markers_is_no_prose(text, named):
    got = graded(case(), text)
    assert not got.abstained
    assert got.reason == f"is nothing but a call of {named} without its markers, wanted prose"
    assert graded(case(GREP), text).level is Level.NOTHING  # and no dialect takes it for a call either


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("launch(rocket='x')", id="a-tool-that-is-not-on-offer"),
        pytest.param("Python's read('a.py') does that.", id="a-call-in-a-sentence"),
        pytest.param("I could grep (or read)", id="brackets-in-a-sentence"),
        pytest.param("read(file_path)", id="a-signature"),
        pytest.param("I have:\nread(file_path='a')", id="a-heading-before-it"),
        pytest.param('{"city": "Oslo", "read": true}', id="json-that-calls-nothing"),
        pytest.param("[1, 2]: the grep of it is [1]", id="a-list-in-a-sentence"),
        pytest.param('{"read": {}} is how you would call it (with a path)', id="json-at-the-head-of-a-sentence"),
    ],
)
def test_prose_may_speak_of_calls(text):
    got = graded(case(), text)
    assert got.abstained, got.reason


def test_prose_around_a_call_is_noted_where_none_is_wanted_too():
    call = use("read(file_path='a.py')")
    assert [graded(case(), text).prose for text in ("Sure. " + call, call, "Sure.")] == [True, False, False]


@pytest.mark.parametrize(
    ("wanted", "text", "right"),
    [
        pytest.param(case(READ), use("read(file_path='a.py')"), True, id="a-call"),
        pytest.param(case(READ), use("read(file_path='b.py')"), False, id="another-argument"),
        pytest.param(case(READ), "Which file?", False, id="prose-where-a-call-is-wanted"),
        pytest.param(case(), "Which file?", True, id="prose"),
        pytest.param(case(), use("read(file_path='a.py')"), False, id="a-call-where-prose-is-wanted"),
        pytest.param(VALUE, '{"a": 1}', True, id="the-value"),
        pytest.param(VALUE, '{"a": 2}', False, id="another-value"),
        pytest.param(VALUE, "I cannot say.", False, id="prose-where-a-value-is-wanted"),
    ],
)
def test_a_case_is_right_as_a_whole_or_not(wanted, text, right):
    got = graded(wanted, text)
    assert is_right(got) is right
    assert got.abstained == (right and not (got.expects_call or got.structured))


def test_a_rule_applies_to_its_own_call():
    rules = ({"path": Rule(optional=True)}, {})
    wanted = case(GREP, GREP, rules=rules)
    short, whole = "grep(pattern='def.*auth')", "grep(pattern='def.*auth', path='src')"
    assert graded(wanted, use(short, whole)).level is Level.RIGHT_PARAMETERS
    assert graded(wanted, use(whole, short)).reason == "call 2: grep.path is missing, wanted 'src'"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        pytest.param("I think so", Level.NOTHING, id="prose"),
        pytest.param("the answer is true", Level.NOTHING, id="prose-that-ends-in-a-literal"),
        pytest.param('{"a": 1', Level.DETECTED, id="cut-off"),
        pytest.param('Here: {"a": 1}', Level.DETECTED, id="prose-before"),
        pytest.param('{"a": NaN}', Level.DETECTED, id="not-json"),
        pytest.param('{"a": 1, "b": 1e999}', Level.DETECTED, id="not-finite"),
        pytest.param('{"a": 2, "a": 1}', Level.DETECTED, id="a-key-twice"),
        pytest.param('{"a": 1}{"a": 1}', Level.DETECTED, id="two-values"),
        pytest.param('{"b": 1}', Level.PARSED, id="against-the-schema"),
        pytest.param('{"a": 2}', Level.RIGHT_TOOL, id="another-value"),
        pytest.param('{"a": 1.0}', Level.RIGHT_TOOL, id="another-type"),
        pytest.param(' {"a": 1}\n', Level.RIGHT_PARAMETERS, id="exact"),
    ],
)
def test_the_structured_track_grades_the_whole_text_as_one_value(text, level):
    schema = {"type": "object", "properties": {"a": {"type": ["integer", "string"]}}, "required": ["a"]}
    expected = Expected(json={"a": 1}, response_schema=schema)
    asked = Case("s1", "single", "family", (), (Message("user", "JSON please"),), expected)
    got = graded(asked, text)
    assert got.level == level, got.reason
    assert (got.structured, got.expects_call) == (True, False)
    assert (got.schema_valid, got.schema_total) == (level >= Level.RIGHT_TOOL, level >= Level.PARSED)
    assert got.reason.endswith("wanted 1") == (level is Level.RIGHT_TOOL)
    assert got.reason.startswith("the text is not one JSON value: ") == (level is Level.DETECTED)
    assert (got.abstained, got.arguments_right, got.arguments_total) == (False, 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(use("book(days=0x" + "f" * 20_000 + ")"), id="an-integer-python-will-not-print"),
        pytest.param(use("book(days=" + "[" * 80 + "]" * 80 + ")"), id="deeply-nested"),
        pytest.param(use(*["read(file_path='a.py')"] * 300), id="three-hundred-calls"),
        pytest.param(use("read(file_path=" + repr("x" * 100_000) + ")"), id="a-long-string"),
        pytest.param("\ud800<tool_use>\x00(", id="a-lone-surrogate"),
        pytest.param("read(" + "[" * 5_000 + "]" * 5_000 + ")", id="a-markerless-call-nested-deeply"),
        pytest.param("[" + "read()," * 20_000 + "]", id="a-long-list-of-markerless-calls"),
        pytest.param("{" + ", ".join(f'"{n}": {{}}, "s{n}": "read"' for n in range(4_000)) + "}", id="a-wide-object"),
        pytest.param("```\n" + " " * 50_000 + "read`" + " " * 50_000 + "```", id="a-fence-full-of-spaces"),
    ],
)
def test_hostile_completions_are_scored_with_a_short_reason(text):
    for wanted in (case(Call("book", {"days": 3})), case(READ, READ, order="any"), case()):
        got = graded(wanted, text)
        assert got.level < Level.RIGHT_PARAMETERS
        assert len(got.reason) < 400


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=200) | st.text("<>tool_use/()='abgrepdth,{}[]\"`\n", max_size=80))
def test_any_text_gets_a_score(text):
    for wanted in (case(GREP), case(GREP, READ, order="any"), case()):
        got = score(wanted, Completion(text), USE)
        assert bool(got.reason) == (got.level < Level.RIGHT_PARAMETERS and not got.abstained)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32))
def test_the_four_rates_can_only_fall(seed):
    rng = random.Random(seed)
    texts = [
        "prose", "<tool_use>grep(", use("read(file_path='a.py')"), use("grep(pattern='def.*auth', path='.')"),
        use("grep(pattern='def.*auth', path='src')"),
    ]  # fmt: skip
    scores = [graded(case(GREP), rng.choice(texts)) for _ in range(rng.randrange(1, 60))]
    targets = parse_targets('[[gate]]\nname = "tool"\nfloor = 0.95\nsource = "test"\n', "test")
    rates = [judge_levels(scores, targets)[name].rate for name in LEVELS]
    assert rates == sorted(rates, reverse=True)
