"""Cases in little memory. What is asked of every case again and again (ids, families, tools) is kept at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any

from phi4bench.calls import Call
from phi4bench.cases import Case, Expected, Message, Rule
from phi4bench.datasets.casejson import case_to_json, rule_from_json
from phi4bench.packed import Packed, few
from phi4bench.tools import Tool

Offer = tuple[str, tuple[Tool, ...]]
"""A tool set's name, empty for one that a case brings itself, and its tools."""


class PackedCases(Packed[Case]):
    """Cases as a case file has them. `ids` and `groups` need no reading back; `offers`: each tool set once.

    Tools stay objects, so that cases of one set go on sharing them; a case that brings its own is the larger for it.
    """

    def __init__(self, cases: Iterable[Case]) -> None:
        self.ids: list[str] = []
        self.groups: list[str] = []
        self._known: dict[tuple[str, int], Offer] = {}
        self._offered: list[Offer] = []
        self._unusual: dict[int, Case] = {}
        self._alike: dict[str, str] = {}  # not interned: the table of those would keep its size
        super().__init__(cases, self._to_json, self._from_json)
        self._alike.clear()
        self.offers = list(self._known.values())

    def _to_json(self, case: Case) -> dict[str, Any]:
        if _unusual(case):
            self._unusual[len(self.ids)] = case
        self.ids.append(case.id)
        self.groups.append(self._alike.setdefault(case.group, case.group))
        self._offered.append(self._known.setdefault((case.toolset, id(case.tools)), (case.toolset, case.tools)))
        data = case_to_json(case)
        del data["id"], data["group"]
        return data

    def _from_json(self, at: int, data: Mapping[str, Any]) -> Case:
        """As `case_from_json`, without its checks: it is what was written here."""
        if at in self._unusual:
            return self._unusual[at]
        toolset, tools = self._offered[at]
        scenario: Any = intern(data["scenario"])
        messages = tuple([_message(one) for one in data["messages"]])
        return Case(self.ids[at], scenario, self.groups[at], tools, messages, _expected(data), toolset)

    def lines(self) -> Iterator[str]:
        for case_id, group, line in zip(self.ids, self.groups, super().lines(), strict=True):
            scenario, rest = line[1:].split(", ", 1)
            yield f'{{"id": {json.dumps(case_id)}, {scenario}, "group": {json.dumps(group)}, {rest}'


def pack_cases(cases: Iterable[Case]) -> Sequence[Case]:
    """The same in less memory, where they are many."""
    if isinstance(cases, PackedCases):
        return cases
    all_of_them, coming = few(cases)
    return PackedCases(coming) if all_of_them is None else all_of_them


def ids_of(cases: Sequence[Case]) -> Sequence[str]:
    return cases.ids if isinstance(cases, PackedCases) else [case.id for case in cases]


def groups_of(cases: Sequence[Case]) -> Sequence[str]:
    """The family of each."""
    return cases.groups if isinstance(cases, PackedCases) else [case.group for case in cases]


def offers_of(cases: Sequence[Case]) -> Iterable[Offer]:
    """Every tool set, in the order of the first case that has it; one may come again."""
    return cases.offers if isinstance(cases, PackedCases) else ((case.toolset, case.tools) for case in cases)


def case_lines(cases: Sequence[Case]) -> Iterator[str]:
    """Each as a line of a case file."""
    return cases.lines() if isinstance(cases, PackedCases) else (json.dumps(case_to_json(case)) for case in cases)


def _unusual(case: Case) -> bool:
    """Whether it holds what no case file can say, so that reading it back would give another case."""
    expected = case.expected
    if expected.structured:
        return bool(expected.calls or expected.rules or expected.order != "exact")
    if expected.json is not None or (expected.rules and not any(expected.rules)):
        return True
    return any(message.name and message.role != "tool" for message in case.messages)


def _message(data: Mapping[str, Any]) -> Message:
    if len(data) == 2:
        return Message(data["role"], data["content"])
    calls = _calls(data.get("tool_calls", ()))
    return Message(data["role"], data["content"], calls, data.get("name", ""), data.get("error", False))


def _expected(data: Mapping[str, Any]) -> Expected:
    expected = data["expected"]
    if "response_schema" in data:
        return Expected(json=expected["json"], response_schema=data["response_schema"])
    return Expected(_calls(expected["calls"]), expected.get("order", "exact"), _rules(data.get("match", ())))


def _calls(data: Iterable[Mapping[str, Any]]) -> tuple[Call, ...]:
    return tuple([Call(intern(one["name"]), one["arguments"]) for one in data])


def _rules(data: Any) -> tuple[Mapping[str, Rule], ...]:
    entries = [data] if isinstance(data, dict) else data
    return tuple([{name: rule_from_json(rule) for name, rule in entry.items()} for entry in entries])
