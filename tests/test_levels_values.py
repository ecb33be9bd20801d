"""Comparison of values and the pairing behind it: what is equal, what is not, and under which rule."""

from __future__ import annotations

import itertools
import random

import pytest

from phi4bench.assignment import assign
from phi4bench.cases import Rule
from phi4bench.schemas import NOWHERE, place
from phi4bench.values import EXACT, difference, member_differences, shown

NUMBERS = place(
    {
        "type": "object",
        "properties": {
            "plain": {"type": "integer"},
            "real": {"type": "number"},
            "either": {"type": ["string", "number"]},
            "list": {"type": "array", "items": {"type": "number"}},
            "pair": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "integer"}]},
            # Before draft 2020-12 the items by place were listed so.
            "old": {"items": [{"type": "number"}, {"type": "integer"}], "additionalItems": {"type": "number"}},
            "inner": {"type": "object", "properties": {"x": {"type": "number"}}},
            "map": {"type": "object", "additionalProperties": {"type": "number"}},
            "choice": {"anyOf": [{"type": "string"}, {"type": "number"}]},
            "ref": {"$ref": "#/$defs/real"},
            "loop": {"$ref": "#/properties/loop"},
        },
        "$defs": {"real": {"type": "number"}},
    }
)


@pytest.mark.parametrize(
    ("got", "want", "same"),
    [
        pytest.param("a", "a", True, id="strings"),
        pytest.param("/a/b", "ab", False, id="no-normalisation"),
        pytest.param("A", "a", False, id="case-matters"),
        pytest.param(" a", "a", False, id="blanks-matter"),
        pytest.param("1", 1, False, id="string-and-int"),
        pytest.param(True, 1, False, id="true-and-one"),
        pytest.param(0, False, False, id="zero-and-false"),
        pytest.param(None, False, False, id="null-and-false"),
        pytest.param(None, None, True, id="nulls"),
        pytest.param(1, 1.0, False, id="int-and-float-without-a-schema"),
        pytest.param([1, 2], [1, 2], True, id="lists"),
        pytest.param([2, 1], [1, 2], False, id="order-matters"),
        pytest.param([1, 2, 2], [1, 2], False, id="longer-list"),
        pytest.param([True], [1], False, id="types-inside-lists"),
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, True, id="members-have-no-order"),
        pytest.param({"a": 1}, {"a": True}, False, id="types-inside-objects"),
        pytest.param({"a": 1, "b": None}, {"a": 1}, False, id="null-is-not-absent"),
        pytest.param({}, [], False, id="empty-object-and-list"),
        pytest.param(["a"], "a", False, id="a-list-of-the-string"),
        pytest.param("a", ["a"], False, id="the-string-of-a-list"),
        pytest.param([1], 1, False, id="a-list-of-the-number"),
        pytest.param({"a": 1}, "a", False, id="an-object-for-a-string"),
    ],
)
def test_values_are_equal_by_type_and_value(got, want, same):
    assert (difference(got, want) == "") is same


def test_an_integer_that_no_double_holds_is_not_the_double_beside_it():
    real = NUMBERS.member("real")
    assert difference(2**53 + 1, float(2**53), EXACT, real)
    assert not difference(2**53, float(2**53), EXACT, real)
    assert difference(10**400, 1.0, Rule(tolerance=5.0), real)
    assert not difference(5, 4.5, Rule(tolerance=0.5), real)


@pytest.mark.parametrize(
    ("name", "one", "other", "same"),
    [
        pytest.param("real", 1, 1.0, True, id="number"),
        pytest.param("plain", 1, 1.0, False, id="integer"),
        pytest.param("either", 1, 1.0, True, id="one-of-two-types"),
        pytest.param("list", [1, 2.0], [1.0, 2], True, id="items"),
        pytest.param("pair", [1, 2], [1.0, 2], True, id="prefix-item-number"),
        pytest.param("pair", [1, 2], [1, 2.0], False, id="prefix-item-integer"),
        pytest.param("old", [1, 2, 3], [1.0, 2, 3.0], True, id="old-prefix-item-and-further-one"),
        pytest.param("old", [1, 2], [1, 2.0], False, id="old-prefix-item-integer"),
        pytest.param("inner", {"x": 1}, {"x": 1.0}, True, id="nested-member"),
        pytest.param("inner", {"y": 1}, {"y": 1.0}, False, id="undeclared-member"),
        pytest.param("map", {"y": 1}, {"y": 1.0}, True, id="additional-properties"),
        pytest.param("choice", 1, 1.0, True, id="any-of"),
        pytest.param("ref", 1, 1.0, True, id="local-reference"),
        pytest.param("loop", 1, 1.0, False, id="a-reference-to-itself"),
        pytest.param("real", True, 1.0, False, id="a-boolean-is-no-number"),
        pytest.param("real", 2, 1.0, False, id="another-number"),
        pytest.param("real", 10**400, 1.0, False, id="beyond-any-float"),
    ],
)
def test_int_and_float_are_one_only_where_the_schema_says_number(name, one, other, same):
    for got, want in ((one, other), (other, one)):
        assert (difference(got, want, EXACT, NUMBERS.member(name)) == "") is same


@pytest.mark.parametrize(
    ("rule", "got", "want", "same"),
    [
        pytest.param(Rule(accept=("b", 3)), "b", "a", True, id="accepted"),
        pytest.param(Rule(accept=(3,)), "3", "a", False, id="accepted-values-have-types-too"),
        pytest.param(Rule(ignore=True), [1], "a", True, id="ignored"),
        pytest.param(Rule(tolerance=0.01), 1.005, 1.0, True, id="within-tolerance"),
        pytest.param(Rule(tolerance=0.01), 1.02, 1.0, False, id="beyond-tolerance"),
        pytest.param(Rule(tolerance=2), True, False, False, id="no-tolerance-for-booleans"),
        pytest.param(Rule(tolerance=2), "a", "b", False, id="no-tolerance-for-strings"),
        pytest.param(Rule(tolerance=1), 5, 4, True, id="integers-within-tolerance"),
        pytest.param(Rule(tolerance=1), 5.0, 5, False, id="tolerance-forgives-no-type"),
        pytest.param(Rule(unordered=True), [2, 1, 2], [1, 2, 2], True, id="multiset"),
        pytest.param(Rule(unordered=True), [2, 1, 1], [1, 2, 2], False, id="another-multiset"),
        pytest.param(Rule(unordered=True), [1, True], [True, 1], True, id="multiset-by-type"),
        pytest.param(Rule(unordered=True), [1, 1], [True, 1], False, id="multiset-not-by-python-equality"),
        pytest.param(
            # 1.0 fits both wanted items, 0.92 only the second: taking the first fit for 1.0 would strand 0.92.
            Rule(unordered=True, items=Rule(tolerance=0.1)), [0.92, 1.0], [1.0, 1.05], True, id="optimal-not-greedy",
        ),
        pytest.param(
            # Only what is wanted may be left out: the items are held against the wanted ones, not the other way round.
            Rule(unordered=True, items=Rule(fields={"b": Rule(optional=True)})),
            [{"a": 2}, {"a": 1, "b": 0}], [{"a": 1, "b": 0}, {"a": 2, "b": 0}], True, id="optional-member-of-an-item",
        ),
        pytest.param(Rule(items=Rule(accept=("x",))), ["x", "a"], ["a", "a"], True, id="rule-for-items"),
        pytest.param(Rule(fields={"a": Rule(ignore=True)}), {"a": 1, "b": 2}, {"b": 2}, True, id="ignored-member"),
        pytest.param(Rule(fields={"a": Rule(optional=True)}), {"b": 2}, {"a": 1, "b": 2}, True, id="optional-member"),
        pytest.param(Rule(fields={"a": Rule(optional=True)}), {"a": 9}, {"a": 1}, False, id="optional-but-wrong"),
    ],
)  # fmt: skip
def test_a_rule_says_how_far_a_value_may_differ(rule, got, want, same):
    assert (difference(got, want, rule) == "") is same


@pytest.mark.parametrize(
    ("got", "rules", "reasons", "right"),
    [
        pytest.param({"path": ".", "n": 1}, {}, [], 2, id="exact"),
        pytest.param({"path": "."}, {"n": Rule(optional=True)}, [], 2, id="default-left-out"),
        pytest.param({"path": ".", "n": 1, "x": 0}, {"x": Rule(ignore=True)}, [], 2, id="ignored-extra"),
        pytest.param({"path": ".", "n": 1, "x": 0}, {"x": Rule(accept=(0,))}, [], 2, id="accepted-extra"),
        pytest.param(
            {"path": ".", "n": 1, "x": 1},
            {"x": Rule(accept=(0,))},
            ["t.x is 1, wanted no such argument"],
            2,
            id="other-extra",
        ),
        pytest.param({}, {}, ["t.path is missing, wanted '.'", "t.n is missing, wanted 1"], 0, id="none"),
    ],
)
def test_members_are_counted_and_each_fault_is_named(got, rules, reasons, right):
    found = member_differences(got, {"path": ".", "n": 1}, rules, NOWHERE, "t")
    assert found == (reasons, right, 2)


def test_an_ignored_member_counts_as_neither_right_nor_expected():
    assert member_differences({}, {"a": 1, "b": 2}, {"a": Rule(ignore=True)}, NOWHERE, "t")[1:] == (0, 1)


def test_an_extra_member_that_is_accepted_is_a_number_where_the_schema_says_so():
    rules = {name: Rule(accept=(1.0,)) for name in ("real", "plain")}
    reasons = ["t.plain is 1, wanted no such argument"]
    assert member_differences({"real": 1, "plain": 1}, {}, rules, NUMBERS, "t") == (reasons, 0, 0)


@pytest.mark.parametrize(
    ("got", "want", "rule", "reason"),
    [
        pytest.param([1, 2, 2], [1, 2], EXACT, "t.x has 3 items, wanted 2", id="length"),
        pytest.param([1, 3], [1, 2], EXACT, "t.x[1] is 3, wanted 2", id="item"),
        pytest.param(
            [1, 3], [1, 2], Rule(unordered=True), "t.x is [1, 3], wanted [1, 2] in any order", id="in-any-order"
        ),
        pytest.param({"y": "a"}, {"y": "b"}, EXACT, "t.x.y is 'a', wanted 'b'", id="member"),
        pytest.param(f"{'x' * 40}a", f"{'x' * 40}b", EXACT, f"t.x is '{'x' * 40}a', wanted '{'x' * 40}b'", id="short"),
    ],
)
def test_a_reason_names_the_place_and_both_values(got, want, rule, reason):
    assert difference(got, want, rule, where="t.x") == reason


def test_reasons_show_long_strings_where_they_part():
    assert difference("a" + "x" * 500, "b" + "x" * 500).startswith("the value is 'axxx")
    reason = difference("x" * 500 + "left" + "y" * 500, "x" * 500 + "right" + "y" * 500, where="write.content")
    assert "left" in reason
    assert "right" in reason
    assert len(reason) < 250


def test_shown_is_a_short_line_for_anything():
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    for value in (10**5000, "x" * 10**6, deep, {str(i): i for i in range(999)}, "a\nb"):
        assert len(shown(value)) < 200  # type: ignore[arg-type]
        assert "\n" not in shown(value)  # type: ignore[arg-type]


def test_assignment_is_as_good_as_the_best_of_all_permutations():
    rng = random.Random(7)
    for _ in range(400):
        rows, columns = rng.randint(1, 5), rng.randint(1, 5)
        worth = [[rng.choice((0, 1, 2, 50, rng.randint(0, 99))) for _ in range(columns)] for _ in range(rows)]
        pairs = assign(worth)
        taken = [column for column in pairs if column is not None]
        assert len(set(taken)) == len(taken) == min(rows, columns)
        # All ways to give each row its own column; with more rows than columns, the surplus goes to worthless ones.
        wide = [line + [0] * max(0, rows - columns) for line in worth]
        best = max(
            sum(wide[row][column] for row, column in enumerate(way))
            for way in itertools.permutations(range(len(wide[0])), rows)
        )
        assert sum(worth[row][column] for row, column in enumerate(pairs) if column is not None) == best


def test_assignment_of_nothing_pairs_nothing():
    assert assign([]) == []
