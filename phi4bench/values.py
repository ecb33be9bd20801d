"""Comparison of JSON values by type and value, under a case's rules. Pure: no files, no models, no clock.

No silent normalisation: `1`, `true` and `"1"` differ, `"/a/b"` is not `"ab"`, and `1` is `1.0` only where the tool's
schema says `number`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping

from phi4bench.assignment import assign
from phi4bench.calls import Json
from phi4bench.cases import Rule
from phi4bench.schemas import NOWHERE, Place

EXACT = Rule()
_SHOWN = 60


def difference(got: Json, want: Json, rule: Rule = EXACT, place: Place = NOWHERE, where: str = "the value") -> str:
    """Empty where `got` is right; otherwise a clause such as `grep.path is 'src/', wanted 'src'`."""
    if rule.ignore:
        return ""
    reason = _difference(got, want, rule, place, where)
    if reason and rule.accept and any(not _difference(got, other, rule, place, where) for other in rule.accept):
        return ""
    return reason


def member_differences(
    got: Mapping[str, Json], want: Mapping[str, Json], rules: Mapping[str, Rule], place: Place, where: str
) -> tuple[list[str], int, int]:
    """(clauses for all that is wrong, expected members that are right, expected members).

    A member to be ignored counts in neither number, and an optional one that was left out is right. A member that
    nobody expected is wrong, unless its rule ignores it or lists its value as accepted.
    """
    reasons: list[str] = []
    right = total = 0
    for name, wanted in want.items():
        rule = rules.get(name, EXACT)
        if rule.ignore:
            continue
        total += 1
        if name in got:
            reason = difference(got[name], wanted, rule, place.member(name), f"{where}.{name}")
        else:
            reason = "" if rule.optional else f"{where}.{name} is missing, wanted {shown(wanted)}"
        if reason:
            reasons.append(reason)
        else:
            right += 1
    for name, value in got.items():
        if name in want:
            continue
        rule = rules.get(name, EXACT)
        inner = place.member(name) if rule.accept else NOWHERE
        if not rule.ignore and all(_difference(value, other, rule, inner, where) for other in rule.accept):
            reasons.append(f"{where}.{_short(name)} is {shown(value)}, wanted no such argument")
    return reasons, right, total


def _difference(got: Json, want: Json, rule: Rule, place: Place, where: str) -> str:
    if isinstance(want, dict) and isinstance(got, dict):
        reasons, _, _ = member_differences(got, want, rule.fields, place, where)
        return reasons[0] if reasons else ""
    if isinstance(want, list) and isinstance(got, list):
        return _list_difference(got, want, rule, place, where)
    if type(got) is type(want):
        if got == want or (rule.tolerance and _near(got, want, rule.tolerance)):
            return ""
    elif (
        {type(got), type(want)} == {int, float}
        and place.says_number
        and (got == want or (rule.tolerance and _near(got, want, rule.tolerance)))
    ):
        return ""
    return _is_wanted(got, want, where)


def _list_difference(got: list[Json], want: list[Json], rule: Rule, place: Place, where: str) -> str:
    if len(got) != len(want):
        return f"{where} has {len(got)} items, wanted {len(want)}"
    inner = rule.items or EXACT
    if not rule.unordered:
        for index, (one, wanted) in enumerate(zip(got, want, strict=True)):
            reason = difference(one, wanted, inner, place.item(index), f"{where}[{index}]")
            if reason:
                return reason
        return ""
    # Optimal, not greedy: with a tolerance, 1.0 may fit two wanted items, and taking the first would strand the other.
    fits = [
        [not difference(one, wanted, inner, place.item(index), where) for one in got]
        for index, wanted in enumerate(want)
    ]
    for index, column in enumerate(assign(fits)):
        if column is None or not fits[index][column]:
            return f"{where} is {shown(got)}, wanted {shown(want)} in any order"
    return ""


def _near(got: Json, want: Json, tolerance: float) -> bool:
    if isinstance(got, bool) or isinstance(want, bool):
        return False
    if not isinstance(got, (int, float)) or not isinstance(want, (int, float)):
        return False
    try:
        return abs(got - want) <= tolerance
    except OverflowError:  # an integer beyond the largest float is near no float
        return False


def _is_wanted(got: Json, want: Json, where: str) -> str:
    if isinstance(got, str) and isinstance(want, str) and max(len(got), len(want)) > _SHOWN:
        same = next((i for i, (one, other) in enumerate(zip(got, want, strict=False)) if one != other), None)
        start = max(0, (min(len(got), len(want)) if same is None else same) - 20)
        if start:
            return f"{where} is …{shown(got[start:])}, wanted …{shown(want[start:])}"
    return f"{where} is {shown(got)}, wanted {shown(want)}"


class _Shown(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = _SHOWN
        self.maxlevel, self.maxdict, self.maxlist = 3, 6, 6

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out an integer of more than 4,300 digits, and a model may write one in hexadecimal.
        return f"an integer of {x.bit_length()} bits" if x.bit_length() > 1000 else super().repr_int(x, level)


_repr = _Shown()


def shown(value: Json) -> str:
    """A value as Python writes it, shortened to what fits in a line."""
    return _repr.repr(value)


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
