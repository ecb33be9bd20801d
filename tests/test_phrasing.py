"""The request grammar: splits that never meet, families enough, right answers that the conversation holds."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from phi4bench.cases import SCENARIOS
from phi4bench.datasets.shipped import fixtures_dir
from phi4bench.phrasing import (
    Example,
    echo,
    example,
    irrelevant,
    missing_info,
    multi_turn,
    parallel,
    requests,
    split_of,
)
from phi4bench.phrasing.apart import bare, keep_apart
from phi4bench.phrasing.engine import Family, Pool, Values, compile_frames, quoted, skeleton
from phi4bench.phrasing.requests import FAMILIES, TOOLS
from phi4bench.phrasing.stream import POOLS
from phi4bench.tools import Tool

SIX = tuple(
    Tool(tool["name"], tool["description"], tool["inputSchema"])
    for tool in json.loads((fixtures_dir() / "tools" / "claude_code.json").read_text(encoding="utf-8"))["tools"]
)
DRAWS = 6_000


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Example]]:
    """Examples of both splits, by the mix."""
    rng = random.Random(11)
    return {split: [example(rng, split, SIX) for _ in range(DRAWS)] for split in ("train", "test")}


def said(made: Example) -> str:
    """All that the model can see of the conversation."""
    parts: list[str] = []
    for message in made.case.messages:
        parts.append(message.content)
        parts += [str(value) for call in message.calls for value in call.arguments.values()]
    return "\n".join(parts)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_has_three_hundred_families_and_more(tool):
    families = FAMILIES[tool]
    assert len({family.name for family in families}) >= 300
    assert len({family.name for family in families if split_of(family.name) == "test"}) >= 60


def sentences(family: Family) -> Iterator[str]:
    """All that `family` can say, slots unfilled, in haste and without the mark at the end."""
    for chosen in itertools.product(*(piece.casual or ("{" + piece.slot + "}",) for piece in family.pieces)):
        yield "".join(chosen).strip().rstrip("?!.")


def test_every_pool_that_is_drawn_from_is_kept_apart():
    modules = (requests, multi_turn, parallel, missing_info, irrelevant)
    named = [found for module in modules for found in vars(module).values()]
    pools = [one for found in named for one in (found.values() if isinstance(found, dict) else [found])]
    assert {id(one) for one in pools if isinstance(one, Pool)} == {id(pool) for pool in POOLS}


def test_no_words_of_the_test_split_are_trained_on_anywhere_in_a_conversation():
    said = {
        split: {sentence for pool in POOLS for family in pool.of[split] for sentence in sentences(family)}
        for split in ("train", "test")
    }
    assert len(said["test"]) > 5000
    assert not said["train"] & said["test"]


def test_no_words_of_the_test_split_are_trained_on_in_another_dress_or_with_values_of_another_kind():
    said = {
        split: {bare(sentence) for pool in POOLS for family in pool.of[split] for sentence in sentences(family)}
        for split in ("train", "test")
    }
    assert len(said["test"]) > 5000
    assert not said["train"] & said["test"]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        pytest.param("could you list the {L} files too?", "list the {} files too", id="politeness-before"),
        pytest.param("list the {E} files too, please", "list the {} files too", id="politeness-behind"),
        pytest.param("Hi, I'd like you to list the {G} files too. Thanks!", "list the {} files too", id="all-of-it"),
        pytest.param("I'd like a file at {P}", "i would like a file at {}", id="written-out"),
        pytest.param("let us execute {C}", "execute {}", id="let-us"),
        pytest.param("may I view {P}?", "view {}", id="a-question-of-leave"),
        pytest.param("how about listing {G}", "listing {}", id="a-proposal"),
        pytest.param("when you can, show me the {L} ones", "show me the {} ones", id="no-haste"),
        pytest.param("send an SMS to my boss right now", "send an sms to my boss", id="haste"),
        pytest.param("in {P}, change {A} to {B}", "in {} change {} to {}", id="marks"),
        pytest.param("{C} please", "{}", id="a-value-alone"),
        pytest.param("ok", "ok", id="nothing-else"),
        pytest.param("hi there, thanks", "thanks", id="greeting-and-thanks"),
    ],
)
def test_bare_words_are_what_is_said_without_its_dress(words, left):
    assert bare(words) == left


def test_a_family_that_training_words_alike_is_held_back_from_the_test_split_in_every_pool():
    def pool(frames):
        return Pool(compile_frames("x", "x", "order", frames))

    trained = pool("(open|read|show|print|see|view|get|load) {P}")
    assert {family.words for family in trained.of["train"]} >= {"open {p}"}
    alike, other = pool("@please open {N}, thanks"), pool("@please destroy {N}, thanks")
    keep_apart([trained, alike, other])
    assert not alike.of["test"]
    assert [family.words for family in other.of["test"]] == ["please destroy {n}, thanks"]


def test_no_words_mean_a_search_of_texts_and_one_of_names():
    said = {
        tool: {re.sub(r"\{\w\}", "", family.words) for family in FAMILIES[tool]} for tool in ("read", "grep", "glob")
    }
    assert not said["grep"] & said["glob"]
    files = {words for words in said["read"] & said["glob"] if "everything" not in words}
    assert not files


@pytest.mark.parametrize(
    ("pattern", "also", "never"),
    [
        pytest.param("init(", r"init\(", r"init\(\)", id="a-bracket-that-opens"),
        pytest.param("user.save()", r"user.save\(\)", "user.save", id="a-call"),
        pytest.param("x[3]", r"x\[3\]", "x3", id="an-index"),
        pytest.param("${HOME}", r"\${HOME}", "HOME", id="a-variable"),
        pytest.param("class *.py", r"class \*\.py", "class.*py", id="words-with-a-star"),
        pytest.param("v1.0", r"v1\.0", "v10", id="a-version"),
        pytest.param("https?://", "https?://", r"https\?://", id="an-expression"),
        pytest.param("class .*Handler", "class .*Handler", r"class \.\*Handler", id="another-expression"),
    ],
)
def test_text_may_be_escaped_and_an_expression_may_not(pattern, also, never):
    call, rules = requests.search(pattern, "src")
    taken = {call.arguments["pattern"], *(rules["pattern"].accept if "pattern" in rules else ())}
    assert also in taken
    assert never not in taken


@pytest.mark.parametrize(
    ("place", "also"),
    [
        pytest.param("src", {"src/", "./src", "./src/"}, id="a-folder"),
        pytest.param("./src", {"./src/", "src", "src/"}, id="a-folder-from-here"),
        pytest.param(".flake8", {"./.flake8"}, id="a-dotfile"),
        pytest.param("../src", {"../src/"}, id="a-folder-beside"),
        pytest.param(".", {"./"}, id="here"),
    ],
)
def test_a_place_below_this_one_is_the_same_from_here(place, also):
    assert set(requests.either_slash(place).accept) == also


@pytest.mark.parametrize("recipe", ["glob_ending", "glob_ending_in"])
def test_an_ending_that_is_named_stands_for_no_other(recipe):
    for seed in range(300):
        drawn = requests.RECIPES[recipe](Values(random.Random(seed), "test"))
        ending = drawn.texts["E"].strip("`'*")
        assert all(
            str(form).endswith(ending) for form in (*drawn.call.arguments.values(), *drawn.rules["pattern"].accept)
        )


def test_a_frame_held_out_is_the_test_split_s_whole():
    pool = Pool(
        compile_frames("x", "x", "order", "@(open|read|show|print|see|view|get|load) {P}\n(run|do|try|call) {C}")
    )
    assert len([family for family in pool.of["test"] if family.held_out]) == 8
    assert not any(family.held_out for family in pool.of["train"])


def test_a_list_frame_held_out_is_drawn_for_the_test_split(monkeypatch):
    held = compile_frames("parallel/read-list", "read", "order", "@(open|read|show|print) {K}")
    monkeypatch.setattr(parallel, "POOL", Pool(held))
    rng = random.Random(1)
    drawn = {parallel.example(rng, "test", SIX).case.group for _ in range(100)}
    assert {family.name for family in held} <= drawn


def test_words_that_are_trained_on_behind_one_turn_are_so_behind_all_and_never_tested():
    families = [family for n in range(40) for family in compile_frames(f"after-{n}", "x", "order", "open it")]
    tested = [family for family in families if family.split == "test"]
    trained = [family for family in families if family.split == "train"]
    assert 0 < len(tested) < 40
    assert len(Pool(tested).of["test"]) == len(tested)
    assert not Pool(families).of["test"]
    assert Pool(families).of["train"] == tuple(families)
    assert not Pool(tested, trained=trained).of["test"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_example_uses_only_its_own_split(drawn, split):
    named = {family.name for pool in POOLS for family in pool.all}
    own = {family.name for pool in POOLS for family in pool.of[split]}
    for made in drawn[split]:
        group = made.case.group
        assert group in own if group in named else split_of(group) == split, group
        strays = [value for value in made.values if split_of(value) != split]
        assert not strays, (made.case.group, strays)


def test_every_part_of_a_joined_request_is_of_the_split():
    rng = random.Random(3)
    joined = [made.case.group for _ in range(2000) if ":" in (made := example(rng, "test", SIX, "parallel")).case.group]
    names = {family.name for families in FAMILIES.values() for family in families}
    parts = [part for group in joined for part in group.partition(":")[2].split("+") if part in names]
    assert len(parts) > 500
    assert {split_of(part) for part in parts} == {"test"}


def test_a_fifth_of_all_texts_is_held_out():
    # sha256's first byte is a multiple of 5 for 52 of its 256 values: 20.3%.
    share = sum(split_of(f"value {number}") == "test" for number in range(20_000)) / 20_000
    assert 0.19 < share < 0.22


def test_scenarios_come_by_the_mix(drawn):
    counts = Counter(made.case.scenario for made in drawn["train"])
    # 30/20/25/15/10 and 16 on top: 116 in all. Three standard deviations of 6,000 draws are below 2 points.
    for scenario, share in zip(SCENARIOS, (30, 20, 25, 15, 10, 16), strict=True):
        assert abs(counts[scenario] / DRAWS - share / 116) < 0.02, (scenario, counts)


def test_the_six_tools_are_wanted_about_alike(drawn):
    counts = Counter(call.name for made in drawn["train"] for call in made.case.expected.calls)
    assert set(counts) == set(TOOLS)
    assert max(counts.values()) < 1.5 * min(counts.values()), counts


def test_no_call_means_a_reply_and_a_call_means_none(drawn):
    for made in drawn["train"]:
        assert bool(made.reply) != made.case.expects_call, made.case.group
        assert made.case.expects_call or made.case.scenario in ("missing_info", "irrelevant")


def test_half_of_missing_info_asks_and_half_retries():
    rng = random.Random(5)
    made = [example(rng, "train", SIX, "missing_info") for _ in range(2000)]
    asking = sum(not one.case.expects_call for one in made)
    assert 900 < asking < 1100
    retried = [one.case for one in made if one.case.expects_call]
    assert all(any(message.error for message in case.messages) for case in retried)


def test_parallel_calls_come_in_any_order_and_differ(drawn):
    for made in drawn["train"]:
        calls = made.case.expected.calls
        if made.case.scenario != "parallel":
            assert len(calls) <= 1
            continue
        assert made.case.expected.order == "any"
        assert 2 <= len(calls) <= 4
        assert len({repr(call) for call in calls}) == len(calls), made.case.group


def test_the_answer_stands_in_the_conversation_or_follows_from_a_meaning(drawn):
    for made in drawn["train"]:
        text = said(made)
        for call in made.case.expected.calls:
            for name, value in call.arguments.items():
                if value in ("", ".") or value in text:
                    continue
                assert call.name in ("glob", "bash"), (made.case.group, name, value, text)
                used = [each for each in made.values if each.rstrip("/") in value]
                assert used or call.name == "glob" or value.startswith("git log "), (made.case.group, value)


def test_a_text_to_write_or_replace_is_always_shown(drawn):
    shown = 0
    for made in drawn["test"]:
        for call in made.case.expected.calls:
            for name in ("content", "old_string", "new_string"):
                value = call.arguments.get(name)
                if value:
                    shown += 1
                    assert value in said(made), (made.case.group, value)
    assert shown > 1000


def test_the_same_seed_says_the_same():
    one, other = random.Random(7), random.Random(7)
    assert [example(one, "train", SIX) for _ in range(300)] == [example(other, "train", SIX) for _ in range(300)]


def test_tools_are_offered_as_given():
    turned = SIX[::-1]
    assert example(random.Random(1), "train", turned).case.tools == turned


def test_echoes_are_short_varied_and_of_the_train_split():
    rng = random.Random(2)
    echoes = [echo(rng) for _ in range(2000)]
    assert {split_of(text) for text in echoes} == {"train"}
    assert len(set(echoes)) > 1500
    assert max(map(len, echoes)) < 200


def test_a_frame_makes_a_family_of_each_alternative():
    families = compile_frames("read", "read", "order", "(open|show) (my |){P}")
    assert [family.name for family in families] == [
        "read/open-my-PATH", "read/open-PATH", "read/show-my-PATH", "read/show-PATH",
    ]  # fmt: skip


def test_a_skeleton_names_its_slots():
    assert skeleton("where does {Q} occur in {Z}?") == "where-does-PATTERN-occur-in-PLACE?"


@pytest.mark.parametrize(
    ("value", "style"),
    [
        pytest.param("print('hi')", "'", id="single-in-single"),
        pytest.param('say "hi"', '"', id="double-in-double"),
        pytest.param("a `b` c", "`", id="backtick-in-backtick"),
    ],
)
def test_a_value_is_never_quoted_by_a_quote_it_holds(value, style):
    rng = random.Random(4)
    forms = {quoted(rng, "X", value, style, last=False, colon=False) for _ in range(200)}
    assert all(form == value or (value in form and form[0] != style) for form in forms), forms


def test_a_split_that_holds_no_such_value_is_an_error_and_no_endless_loop():
    other = "train" if split_of("only") == "test" else "test"
    with pytest.raises(ValueError, match="no value left"):
        Values(random.Random(0), other).fit(lambda rng: "only")
