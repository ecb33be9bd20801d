"""Cases from a copy of ToolTalk's conversations. Reads its files, runs none of it.

Source: microsoft/ToolTalk (MIT), `data/` and `src/tooltalk/`; `apis.json` holds the signatures of its APIs.

An assistant's turn that calls APIs becomes a case, with everything before it replayed: earlier calls, what they
returned, and what the assistant then said. Where a call in a turn needs what an earlier one in it returned (it has a
value from there, or acts after a query), or follows one that failed, the model cannot make both at once: the turn
becomes two cases, the second of which has seen the first's result. The order of the calls of one case is free, unless
one of them logs somebody in or out.

- All APIs are offered in every case. The group is the conversation.
- `session_token` is dropped from every call: no signature has it, ToolTalk's own executor fills it in.
- Texts that ToolTalk compares by embedding (a message's words, an event's name) are not compared at all.
- The enumeration that the signature of CreateEvent has at `name` is dropped: its values are
  those of `event_type`, and the conversations' own calls break it.
- `to` and the lists of attendees are compared without their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phi4bench.calls import Call
from phi4bench.cases import Case, Expected, Message, Rule, Scenario
from phi4bench.counting import counted
from phi4bench.datasets.casefile import shown_path
from phi4bench.datasets.casejson import FormError, shown
from phi4bench.datasets.strictjson import read_json
from phi4bench.datasets.toolsets import check_tools, fits
from phi4bench.errors import CaseFileError, UsageError
from phi4bench.tools import Tool

_TOKEN = "session_token"  # noqa: S105 - the argument's name
_FREE_TEXTS = {
    "CreateEvent": ("name", "description", "location"),
    "ModifyEvent": ("new_name", "new_description", "new_location"),
    "SendEmail": ("subject", "body"),
    "SendMessage": ("message",),
    "AddReminder": ("task",),
}
"""What `semantic_str_compare` compares in src/tooltalk/apis/{calendar,email,message,reminder}.py."""
_UNORDERED = {"SendEmail": ("to",), "CreateEvent": ("attendees",), "ModifyEvent": ("new_attendees",)}
_SESSION = {"UserLogin", "RegisterUser", "LogoutUser", "DeleteAccount"}
_SCHEMA_WORDS = ("type", "description", "enum", "items")


def read_tooltalk(path: Path) -> tuple[list[Case], list[str]]:
    """The cases of a folder (or of one conversation in it), and notes on what was left out or changed.

    `UsageError` where the folder lacks apis.json or conversations; `CaseFileError` for a broken file.
    """
    folder = path if path.is_dir() else path.parent
    apis = next((place / "apis.json" for place in (folder, folder.parent) if (place / "apis.json").is_file()), None)
    if apis is None:
        raise UsageError(f"{shown_path(folder)} has no apis.json; it holds the signatures of the APIs")
    files = [path] if path.is_file() else [*sorted(folder.glob("*/*.json")), *sorted(folder.glob("*.json"))]
    conversations = [(file, data) for file in files for data in [_load(file)] if _is_conversation(data)]
    if not conversations:
        raise UsageError(f"{shown_path(path)} holds no ToolTalk conversation; it should have easy/ and tooltalk/ in it")
    tools, queries = _tools(apis)
    found: list[Case] = []
    tokens = 0
    for file, data in conversations:
        try:
            found += _cases(data, tools, queries)
            called = [api for turn in data["conversation"] for api in turn.get("apis", ())]
            tokens += sum(_TOKEN in api["request"]["parameters"] for api in called)
        except (KeyError, TypeError, AttributeError, FormError) as error:
            raise CaseFileError(f"{shown_path(file)}:1: {error} is missing or of the wrong kind") from None
    kept = [case for case in found if all(fits(call, tools) for call in case.expected.calls)]
    notes = [f"tooltalk: {tokens} session tokens dropped from calls: no API's signature has them"]
    if len(kept) < len(found):
        notes.append(
            f"tooltalk: {counted(len(found) - len(kept), 'case')} left out: their calls break the API's own signature"
        )
    silent = sum("apis" not in turn for _, data in conversations for turn in data["conversation"] if _speaks(turn))
    notes.append(f"tooltalk: {silent} turns left out: the assistant calls nothing in them")
    return kept, notes


def _cases(data: Mapping[str, Any], tools: tuple[Tool, ...], queries: frozenset[str]) -> Iterator[Case]:
    history = [Message("system", _setting(data["metadata"]))]
    group = f"tooltalk/{data['name']}"
    for index, turn in enumerate(data["conversation"]):
        if turn["role"] == "user":
            history.append(Message("user", turn["text"]))
            continue
        for step, apis in enumerate(_steps(turn.get("apis", ()), queries)):
            calls = tuple(_call(api) for api in apis)
            rules = tuple(_rules(call) for call in calls)
            free = len(calls) > 1 and not any(call.name in _SESSION for call in calls)
            expected = Expected(calls, "any" if free else "exact", rules if any(rules) else ())
            name = f"{data['name']}/{index}" + (f".{step}" if step else "")
            yield Case(name, _scenario(history, calls), group, tools, tuple(history), expected)
            history.append(Message("assistant", calls=calls))
            history += [_result(api) for api in apis]
        history.append(Message("assistant", turn["text"]))


def _steps(apis: list[dict[str, Any]], queries: frozenset[str]) -> Iterator[list[dict[str, Any]]]:
    """The turn's calls, cut before each that needs what one of the present step returned."""
    step: list[dict[str, Any]] = []
    for api in apis:
        given = [json.dumps(value) for value in api["request"]["parameters"].values()]
        returned = json.dumps([one["response"] for one in step])
        acts_on_query = _name(api) not in queries and any(_name(one) in queries for one in step)
        has_returned = any(value in returned for value in given if len(value) > 3)
        if step and (step[-1]["exception"] or acts_on_query or has_returned):
            yield step
            step = []
        step.append(api)
    if step:
        yield step


def _name(api: Mapping[str, Any]) -> str:
    return str(api["request"]["api_name"])


def _scenario(history: list[Message], calls: tuple[Call, ...]) -> Scenario:
    if len(history) > 2:
        return "multi_turn"
    return "parallel" if len(calls) > 1 else "selection"


def _call(api: Mapping[str, Any]) -> Call:
    request = api["request"]
    return Call(request["api_name"], {key: value for key, value in request["parameters"].items() if key != _TOKEN})


def _result(api: Mapping[str, Any]) -> Message:
    name, failed = api["request"]["api_name"], api["exception"]
    content = failed if failed else json.dumps(api["response"], ensure_ascii=False)
    return Message("tool", content, name=name, error=bool(failed))


def _rules(call: Call) -> dict[str, Rule]:
    rules = {name: Rule(ignore=True) for name in _FREE_TEXTS.get(call.name, ()) if name in call.arguments}
    return rules | {name: Rule(unordered=True) for name in _UNORDERED.get(call.name, ()) if name in call.arguments}


def _setting(metadata: Mapping[str, str]) -> str:
    """Where and when the conversation takes place, and who is logged in, as the assistant is told."""
    user = metadata.get("username")
    return f"Location: {metadata['location']}\nTime: {metadata['timestamp']}\nLogged in: {user or 'nobody'}"


def _tools(path: Path) -> tuple[tuple[Tool, ...], frozenset[str]]:
    """The APIs as tools, and the names of those that only look something up."""
    tools, queries = [], set()
    try:
        for api in _load(path):
            properties = {
                name: {word: parameter[word] for word in _SCHEMA_WORDS if word in parameter}
                for name, parameter in api["parameters"].items()
            }
            for name in _FREE_TEXTS.get(api["name"], ()):
                properties.get(name, {}).pop("enum", None)
            required = [name for name, parameter in api["parameters"].items() if parameter.get("required")]
            schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
            if not api.get("is_action", True):
                queries.add(api["name"])
            tools.append(Tool(api["name"], api.get("description", ""), schema))
        check_tools(tools)
    except (KeyError, TypeError, AttributeError, FormError) as error:
        raise CaseFileError(f"{shown_path(path)}:1: {error} is missing or of the wrong kind") from None
    return tuple(tools), frozenset(queries)


def _load(path: Path) -> Any:
    try:
        return read_json(path.read_bytes().decode("utf-8-sig"))
    except FormError as error:
        raise CaseFileError(f"{shown_path(path)}:1: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown_path(path)} cannot be read: {shown(str(error))}") from None


def _is_conversation(data: object) -> bool:
    return isinstance(data, dict) and isinstance(data.get("conversation"), list)


def _speaks(turn: Mapping[str, Any]) -> bool:
    return turn.get("role") == "assistant"
