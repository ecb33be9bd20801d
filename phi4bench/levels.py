"""Levels: how far one completion got towards what its case expects, and why it stopped. Pure: no files, no models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from phi4bench.assignment import assign
from phi4bench.calls import Call, Json, Parsed
from phi4bench.cases import Case, Expected, Rule
from phi4bench.dialects import Dialect, Unreadable, has_any_marker, markerless_call, read_value
from phi4bench.schemas import NOWHERE, is_valid, place
from phi4bench.tools import Tool
from phi4bench.transcripts import Completion
from phi4bench.values import EXACT, difference, member_differences, shown


class Level(IntEnum):
    """How far a completion got. Each level presumes the one below it."""

    NOTHING = 0
    DETECTED = 1
    PARSED = 2
    RIGHT_TOOL = 3
    RIGHT_PARAMETERS = 4


LEVELS = {
    "detection": Level.DETECTED,
    "parsing": Level.PARSED,
    "tool": Level.RIGHT_TOOL,
    "parameter": Level.RIGHT_PARAMETERS,
}
"""The four levels as reports and targets name them, lowest first."""

_VALUE_STARTS = re.compile(r"[{\[]|\A(?:\"|-?[0-9]|(?:true|false|null)\b)")


@dataclass(frozen=True, slots=True)
class Score:
    """One completion, graded.

    `tools`: the names of the expected tools. `reason`: why it stopped below the top, or did not abstain; empty else.
    `abstained`: of a case that expects no call, whether the answer is well-formed prose.
    `arguments_right` of `arguments_total`: expected arguments; all are missed where the attempt does not parse whole.
    `schema_valid` of `schema_total`: calls that could be read; a call of a tool that is not on offer is not valid.
    `prose`: there is text around a call. `structured`: the case wants a JSON value, not calls, and its levels belong
    to that track alone.
    """

    case_id: str
    scenario: str
    group: str
    tools: tuple[str, ...]
    expects_call: bool
    level: Level
    reason: str = ""
    abstained: bool = False
    arguments_right: int = 0
    arguments_total: int = 0
    schema_valid: int = 0
    schema_total: int = 0
    prose: bool = False
    structured: bool = False


def score(case: Case, completion: Completion, dialect: Dialect) -> Score:
    """Grade one completion. Total: whatever a model writes is scored, never an error."""
    if case.expected.structured:
        return _score_value(case, completion)
    parsed = dialect.parse(completion.text)
    tools = {tool.name: tool for tool in case.tools}
    valid = sum(call.name in tools and is_valid(_plain(call), tools[call.name].schema) for call in parsed.calls)
    if not case.expected.calls:
        reason = _why_not_abstained(parsed, completion, tools)
        return Score(
            case.id, case.scenario, case.group, (), False, Level.NOTHING, reason, not reason,
            0, 0, valid, len(parsed.calls), bool(parsed.attempted and parsed.prose),
        )  # fmt: skip
    level, reason, right, total = _grade(parsed, case.expected, tools)
    return Score(
        case.id, case.scenario, case.group, _same(tuple([call.name for call in case.expected.calls])), True, level,
        reason, False, right, total, valid, len(parsed.calls), bool(parsed.attempted and parsed.prose),
    )  # fmt: skip


def is_right(score: Score) -> bool:
    """Whether the case is wholly right: every call with all its arguments, the value wanted, or prose."""
    return score.abstained if not (score.expects_call or score.structured) else score.level >= LEVELS["parameter"]


@lru_cache(maxsize=4096)
def _same(names: tuple[str, ...]) -> tuple[str, ...]:
    """One object for each: thousands of scores name the same few tools."""
    return names


def _grade(parsed: Parsed, expected: Expected, tools: Mapping[str, Tool]) -> tuple[Level, str, int, int]:
    """(level, reason, arguments right, arguments expected)"""
    wanted = expected.calls
    if not parsed.attempted or not parsed.whole:
        total = 0
        for index, call in enumerate(wanted):
            rules = _rules(expected, index)
            total += sum(not rules.get(name, EXACT).ignore for name in call.arguments)
        if not parsed.attempted:
            return Level.NOTHING, "no call in the completion", 0, total
        return Level.DETECTED, parsed.reason, 0, total
    got = parsed.calls
    pairs: Sequence[int | None] = range(len(wanted))
    if expected.order == "any":
        pairs = _pair_up(got, expected, tools)
    reasons: list[str] = []
    right = total = 0
    for index, call in enumerate(wanted):
        at = pairs[index]
        other = got[at] if at is not None and at < len(got) and got[at].name == call.name else None
        wrong, some, of = _compare(other, call, _rules(expected, index), tools)
        right, total = right + some, total + of
        if wrong:
            reasons.append(wrong[0] if len(wanted) == 1 else f"call {index + 1}: {wrong[0]}")
    names, wanted_names = [call.name for call in got], [call.name for call in wanted]
    if names != wanted_names and (expected.order == "exact" or Counter(names) != Counter(wanted_names)):
        how = " in any order" if expected.order == "any" and len(wanted) > 1 else ""
        return Level.PARSED, f"called {_listed(names)}, wanted {_listed(wanted_names)}{how}", right, total
    if reasons:
        return Level.RIGHT_TOOL, reasons[0], right, total
    return Level.RIGHT_PARAMETERS, "", right, total


def _compare(
    got: Call | None, want: Call, rules: Mapping[str, Rule], tools: Mapping[str, Tool]
) -> tuple[list[str], int, int]:
    """(what is wrong, arguments right, arguments expected); `None` for a call that was not made."""
    # The common case: strings alone, all equal. Other types need the strict comparison (1 == True in Python).
    if not rules and got is not None and got.arguments == want.arguments and _all_strings(got.arguments):
        return [], len(want.arguments), len(want.arguments)
    made = got.arguments if got is not None else {}
    tool = tools.get(want.name)
    spot = place(tool.schema) if tool else NOWHERE
    reasons, right, total = member_differences(made, want.arguments, rules, spot, want.name)
    return (reasons, right, total) if got is not None else ([f"{want.name} was not called"], 0, total)


def _pair_up(got: Sequence[Call], expected: Expected, tools: Mapping[str, Tool]) -> list[int | None]:
    """Which call made stands for which expected one: most tool names right, then most calls wholly right, then most
    arguments.

    Optimal, not greedy: where a call that may be right for two expected ones is given to the first, the second can be
    left with a call that only the first would have accepted.
    """
    wanted = expected.calls
    most = 1 + sum(len(call.arguments) for call in wanted) + len(wanted)
    worth = []
    for index, call in enumerate(wanted):
        line = []
        for other in got:
            if other.name != call.name:
                line.append(0)
                continue
            wrong, right, _ = _compare(other, call, _rules(expected, index), tools)
            line.append(most * most + (0 if wrong else most) + right)
        worth.append(line)
    return assign(worth)


def _all_strings(arguments: Mapping[str, Json]) -> bool:
    for value in arguments.values():  # noqa: SIM110 (all() over a generator takes three times as long)
        if type(value) is not str:
            return False
    return True


def _rules(expected: Expected, index: int) -> Mapping[str, Rule]:
    return expected.rules[index] if index < len(expected.rules) else {}


def _why_not_abstained(parsed: Parsed, completion: Completion, tools: Mapping[str, Tool]) -> str:
    if parsed.attempted:
        names = [call.name for call in parsed.calls]
        return f"called {_listed(names)}, wanted no call" if names else "attempted a call, wanted none"
    if has_any_marker(completion.text):
        return "holds a marker of a call, wanted prose"
    if completion.finish != "stop":
        return "did not end its answer before the cap on new tokens"
    if not completion.text.strip():
        return "empty, wanted an answer in prose"
    if bare := markerless_call(completion.text, tools):
        return f"is nothing but a call of {_listed([bare])} without its markers, wanted prose"
    # A collapsed model that ends on `!!!` or a zero-width space has not held back: there is no word in it.
    return "" if any(map(str.isalnum, completion.text)) else "holds no word, wanted an answer in prose"


def _score_value(case: Case, completion: Completion) -> Score:
    """The structured track: the whole text is one JSON value, valid under the case's schema, and the expected one.

    Its levels: a value is begun (detection), parses whole (parsing), satisfies the schema (tool), is right (parameter).
    """
    text, expected = completion.text.strip(), case.expected
    schema = expected.response_schema or {}
    level, reason, valid, read = Level.NOTHING, "no JSON value in the completion", 0, 0
    value: Json = None
    if _VALUE_STARTS.search(text):
        level = Level.DETECTED
        try:
            value = read_value(text)
        except Unreadable as error:
            reason = f"the text is not one JSON value: {error}"
        else:
            level, read, valid = Level.PARSED, 1, int(is_valid(value, schema))
            reason = "" if valid else f"{shown(value)} does not satisfy the response schema"
    if valid:
        reason = difference(value, expected.json, EXACT, place(schema))
        level = Level.RIGHT_TOOL if reason else Level.RIGHT_PARAMETERS
    return Score(
        case.id, case.scenario, case.group, (), False, level, reason, False, 0, 0, valid, read, structured=True
    )  # fmt: skip


def _plain(call: Call) -> Json:
    arguments = call.arguments
    return arguments if isinstance(arguments, dict) else dict(arguments)


def _listed(names: Sequence[str]) -> str:
    shortened = [name if len(name) <= 40 else name[:40] + "…" for name in names[:5]]
    return (", ".join(shortened) + ("" if len(names) <= 5 else f" and {len(names) - 5} more")) or "nothing"
