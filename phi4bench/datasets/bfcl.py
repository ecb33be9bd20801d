"""Cases from a copy of the Berkeley Function Calling Leaderboard's data, version 4. Reads its files, runs none of it.

Source: ShishirPatil/gorilla, `berkeley-function-call-leaderboard/bfcl_eval/data` (Apache-2.0).

| file | scenario | order |
| --- | --- | --- |
| simple_python, live_simple | single | exact |
| multiple | selection | exact |
| parallel | parallel | any |
| irrelevance | irrelevant | |
| multi_turn_base, the first turn | selection for one call, else parallel | exact |

A case's group is the name of the function that it is about (all of them, sorted, where there are several; the offered
one where none is to be called): the leaderboard asks several questions about one function, in several of its files.
Later turns of multi_turn_base are left out: what its calls returned is not in the data.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from phi4bench.calls import Call, Json
from phi4bench.cases import Case, Expected, Message, Rule, Scenario
from phi4bench.counting import counted
from phi4bench.datasets.bfcl_types import answer, tool_from_bfcl
from phi4bench.datasets.casefile import shown_path
from phi4bench.datasets.casejson import FormError, shown
from phi4bench.datasets.strictjson import read_json
from phi4bench.datasets.toolsets import check_tools, fits
from phi4bench.errors import CaseFileError, UsageError
from phi4bench.tools import Tool

_PREFIX = "BFCL_v4_"
_SCENARIOS: dict[str, Scenario] = {
    "simple_python": "single",
    "live_simple": "single",
    "multiple": "selection",
    "parallel": "parallel",
    "irrelevance": "irrelevant",
}
_MULTI_TURN = "multi_turn_base"
_CLASS_FILES = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}
"""Which document describes the functions of which simulated class."""


def read_bfcl(path: Path) -> tuple[list[Case], list[str]]:
    """The cases of a data folder, or of one of its files, and notes on what was left out.

    `UsageError` where the folder holds none of the files that are read; `CaseFileError` for a broken line.
    """
    categories = (*_SCENARIOS, _MULTI_TURN)
    files = [path] if path.is_file() else [path / f"{_PREFIX}{category}.json" for category in categories]
    present = [file for file in files if file.is_file() and file.stem.removeprefix(_PREFIX) in categories]
    if not present:
        wanted = ", ".join(f"{_PREFIX}{category}.json" for category in categories)
        raise UsageError(f"{shown_path(path)} is no BFCL v4 data; it should hold any of {wanted}")
    cases: list[Case] = []
    notes: list[str] = []
    for file in present:
        category = file.stem.removeprefix(_PREFIX)
        found, said = _multi_turn(file) if category == _MULTI_TURN else _single_turn(file, category)
        kept = [case for case in found if all(fits(call, case.tools) for call in case.expected.calls)]
        if len(kept) < len(found):
            said.append(
                f"{counted(len(found) - len(kept), 'case')} left out: their answer breaks their function's own schema"
            )
        cases += kept
        notes += [f"bfcl {category}: {line}" for line in said]
    return cases, notes


def _single_turn(file: Path, category: str) -> tuple[list[Case], list[str]]:
    scenario = _SCENARIOS[category]
    answers = {} if scenario == "irrelevant" else _answers(file)
    cases = []
    known_good: set[str] = set()
    for place, entry in _entries(file):
        try:
            tools = tuple(tool_from_bfcl(function) for function in entry["function"])
            check_tools(tools, known_good)
            truth = [] if scenario == "irrelevant" else answers[entry["id"]]
            calls, rules = _expected(truth, {tool.name: tool for tool in tools})
            names = sorted({call.name for call in calls}) or [tools[0].name]
            expected = Expected(calls, "any" if scenario == "parallel" else "exact", rules if any(rules) else ())
            messages = _messages(entry["question"][0])
            cases.append(Case(entry["id"], scenario, "bfcl/" + "+".join(names), tools, messages, expected))
        except (KeyError, IndexError, TypeError, AttributeError, FormError) as error:
            raise _broken(place, error) from None
    return cases, []


def _expected(
    truth: Sequence[Mapping[str, Mapping[str, list[Json]]]], tools: Mapping[str, Tool]
) -> tuple[tuple[Call, ...], tuple[dict[str, Rule], ...]]:
    calls, rules = [], []
    for one in truth:
        for name, possible in one.items():
            if name not in tools:
                raise FormError(f"the answer calls {shown(name)}, which is not among the functions")
            arguments, allowed = answer(possible, tools[name])
            calls.append(Call(name, arguments))
            rules.append(allowed)
    return tuple(calls), tuple(rules)


def _multi_turn(file: Path) -> tuple[list[Case], list[str]]:
    answers, documents = _answers(file), file.parent / "multi_turn_func_doc"
    known: dict[str, list[Tool]] = {}
    cases, later = [], 0
    for place, entry in _entries(file):
        try:
            tools: list[Tool] = []
            for name in entry["involved_classes"]:
                if name not in known:
                    known[name] = _documented(documents, name)
                tools += known[name]
            hidden = set(entry.get("excluded_function", ()))
            offered = tuple(tool for tool in tools if tool.name not in hidden)
            calls = tuple(call_from_text(text, offered) for text in answers[entry["id"]][0])
            names = sorted({call.name for call in calls})
            scenario: Literal["selection", "parallel"] = "selection" if len(calls) == 1 else "parallel"
            later += len(entry["question"]) - 1
            messages = _messages(entry["question"][0])
            group = "bfcl/" + "+".join(names)
            cases.append(Case(entry["id"], scenario, group, offered, messages, Expected(calls)))
        except (KeyError, IndexError, TypeError, AttributeError, FormError) as error:
            raise _broken(place, error) from None
    return cases, [f"{later} later turns left out: what their calls returned is not in the data"]


def call_from_text(text: str, tools: Sequence[Tool]) -> Call:
    """`grep(file_name='a', pattern='b')` as a call; arguments without a name take the function's names in order.

    Only literals are read, nothing is run; raises `FormError`.
    """
    by_name = {tool.name: tool for tool in tools}
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise FormError(f"{shown(text)} is no call")
        if node.func.id not in by_name:
            raise FormError(f"the answer calls {shown(node.func.id)}, which is not among the functions")
        values = [ast.literal_eval(value) for value in node.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise error if isinstance(error, FormError) else FormError(f"{shown(text)} is no call of literals") from None
    parameters = by_name[node.func.id].parameters
    if len(values) > len(parameters):
        raise FormError(f"{shown(text)} has more arguments than the function")
    return Call(node.func.id, _json({**dict(zip(parameters, values, strict=False)), **named}))


def _documented(folder: Path, name: str) -> list[Tool]:
    file = folder / f"{_CLASS_FILES.get(name, name)}.json"
    if not file.is_file():
        raise FormError(f"the functions of {shown(name)} should be in {shown_path(file)}, which is not there")
    tools = [tool_from_bfcl(entry) for _, entry in _entries(file)]
    check_tools(tools)
    return tools


def _answers(file: Path) -> dict[str, Any]:
    path = file.parent / "possible_answer" / file.name
    if not path.is_file():
        raise UsageError(f"{shown_path(path)} is not there; copy the folder possible_answer next to {file.name}")
    answers = {}
    for place, entry in _entries(path):
        try:
            answers[entry["id"]] = entry["ground_truth"]
        except (KeyError, TypeError) as error:
            raise _broken(place, error) from None
    return answers


def _messages(turn: Sequence[Mapping[str, str]]) -> tuple[Message, ...]:
    roles: tuple[Literal["system"], Literal["user"]] = ("system", "user")
    messages = [Message(role, one["content"]) for one in turn for role in roles if one["role"] == role]
    if len(messages) < len(turn) or not messages or messages[-1].role != "user":
        raise FormError("a question should be a user's message, after a system's at most")
    return tuple(messages)


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON objects of a file, one a line, each with its place."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown_path(path)} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            place = f"{shown_path(path)}:{number}"
            try:
                entry = read_json(line)
            except FormError as error:
                raise CaseFileError(f"{place}: {error}") from None
            if not isinstance(entry, dict):
                raise CaseFileError(f"{place}: a line should be an object")
            yield place, entry


def _json(value: Any) -> Any:
    """Python's literals as JSON values: tuples become lists."""
    return json.loads(json.dumps(value))


def _broken(place: str, error: Exception) -> CaseFileError:
    what = f"{error} is missing or of the wrong kind" if not isinstance(error, FormError) else str(error)
    return CaseFileError(f"{place}: {what}; compare with the data of BFCL v4")
