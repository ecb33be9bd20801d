"""A case: a conversation so far, the tools on offer, and what the next turn must do. Words only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from phi4bench.calls import Call, Json
from phi4bench.tools import Tool

Scenario = Literal["single", "selection", "multi_turn", "parallel", "missing_info", "irrelevant"]
SCENARIOS: tuple[Scenario, ...] = ("single", "selection", "multi_turn", "parallel", "missing_info", "irrelevant")

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `calls`: what an assistant turn called; `name`: the tool whose result a tool turn holds.

    `content` may be empty for an assistant turn that only calls. `error`: a tool turn that reports a failure.
    """

    role: Role
    content: str = ""
    calls: tuple[Call, ...] = ()
    name: str = ""
    error: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """How one argument may differ from the expected value and still be right.

    `accept`: further values that are right. `optional`: may be left out (its default is the expected value).
    `ignore`: anything is right, also its absence. `tolerance`: absolute, for numbers.
    `unordered`: a list compared as a multiset. `fields` / `items`: rules inside an object's members / a list's items.
    """

    accept: tuple[Json, ...] = ()
    optional: bool = False
    ignore: bool = False
    tolerance: float = 0.0
    unordered: bool = False
    fields: Mapping[str, Rule] = field(default_factory=dict)
    items: Rule | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer key. No calls: the right answer is prose (or, with a `response_schema`, the JSON value `json`).

    `order`: `exact` is the written sequence; `any` is a multiset (parallel calls).
    `rules`: one mapping a call, aligned with `calls`, argument name to its rule; empty where all must be equal.
    """

    calls: tuple[Call, ...] = ()
    order: Literal["exact", "any"] = "exact"
    rules: tuple[Mapping[str, Rule], ...] = ()
    json: Json = None
    response_schema: Mapping[str, Any] | None = None

    @property
    def structured(self) -> bool:
        return self.response_schema is not None


@dataclass(frozen=True, slots=True)
class Question:
    """A case without its answer key: all that a dialect and a backend ever see."""

    id: str
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing the model is asked. `group`: its template family, the unit of sampling for every interval.

    `toolset`: the name under which `tools` were given, empty for an inline list.
    """

    id: str
    scenario: Scenario
    group: str
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    expected: Expected
    toolset: str = ""

    def question(self) -> Question:
        return Question(self.id, self.tools, self.messages)

    @property
    def expects_call(self) -> bool:
        return bool(self.expected.calls)
