"""Training data: case files with the assistant's answer, and OpenAI-style conversations. Reads files; no torch.

A training file is a case file whose lines may carry `reply`: what the assistant says where no call is right (a case's
key says only that it should not call).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phi4bench.cases import Case, Message
from phi4bench.datasets.casefile import distinct, save_lines, shown_path
from phi4bench.datasets.casejson import FormError, case_from_json, case_to_json, shown
from phi4bench.datasets.strictjson import read_json
from phi4bench.datasets.toolsets import Toolsets, check_expected, check_tools
from phi4bench.errors import CaseFileError, UsageError
from phi4bench.nearby import expanded, no_such_path
from trainers.converting import Told, from_openai, is_openai


@dataclass(frozen=True)
class Example:
    """A case and what the assistant should say: prose, calls, or both. Every assistant turn before it is learned too.

    `answer` is `None` where the file gives no `reply` to a case that expects prose. `unlearned`: which of the case's
    messages are turns of the assistant that are read and not learned.
    """

    case: Case
    answer: Message | None
    unlearned: tuple[int, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The whole conversation, answer included."""
        return (*self.case.messages, *((self.answer,) if self.answer else ()))


@dataclass(frozen=True)
class Data:
    """`places`: where each example stands, `file:line`. `notes`: lines to print about what was converted."""

    examples: tuple[Example, ...]
    places: tuple[str, ...]
    notes: tuple[str, ...] = ()


def load_examples(sources: Sequence[str]) -> Data:
    """Every example of the files; raises `CaseFileError` for the first fault, naming file and line."""
    found: list[tuple[str, Example]] = []
    notes: list[str] = []
    stems: Counter[str] = Counter()
    seen: set[Path] = set()
    for source in sources:
        path = expanded(source)
        if path.is_dir():
            raise UsageError(f"--data={shown(source)} is a folder", "name its files (.jsonl)")
        if path.exists() and not path.is_file():
            raise UsageError(f"--data={shown(source)} is no ordinary file", "write its lines to one first (.jsonl)")
        if not path.is_file():
            raise UsageError(no_such_path(source, "a file of cases or conversations (.jsonl)"))
        if path.resolve() in seen:
            raise UsageError(f"--data={shown(source)} is named twice", "name it once")
        seen.add(path.resolve())
        stems[path.stem] += 1
        again = f".{stems[path.stem]}" if stems[path.stem] > 1 else ""  # d1/train.jsonl d2/train.jsonl
        some, said = _read(path, f"{path.stem}{again}")
        found += some
        notes += said
    tuple(distinct((place, one.case) for place, one in found))
    return Data(tuple(one for _, one in found), tuple(place for place, _ in found), tuple(notes))


def _read(path: Path, prefix: str) -> tuple[list[tuple[str, Example]], list[str]]:
    """The examples with their places, and what was converted. `prefix`: of ids that the file does not give."""
    shown_name, toolsets = shown_path(path), Toolsets([path.parent])
    known_good: set[str] = set()
    found: list[tuple[str, Example]] = []
    told = Told()
    for number, value in _values(path):
        place = f"{shown_name}:{number}"
        try:
            if is_openai(value):
                made = from_openai(value, f"{prefix}-{number}", told)
                example = Example(made.case, made.answer, made.unlearned)
            else:
                example = _from_case(value, toolsets)
            check_tools(example.case.tools, known_good)
            check_expected(example.case)
        except (FormError, UsageError) as fault:
            raise CaseFileError(f"{place}: {fault}") from None
        except RecursionError:
            raise CaseFileError(f"{place}: nested too deeply; flatten it") from None
        found.append((place, example))
    if not found:
        raise CaseFileError(f"{shown_name}:1: the file holds no example; write one JSON object a line")
    return found, [
        f"{shown_name}: {did} {_listed(counts)}"
        for did, counts in (("converted", told.converted), ("left out, not shown to the model:", told.left_out))
        if counts
    ]


def _listed(counts: Counter[str], most: int = 12) -> str:
    some = sorted(counts.most_common(most))
    more = f" and {len(counts) - most:,} kinds more" if len(counts) > most else ""
    return ", ".join(f"{count:,} {what}" for what, count in some) + more


def _values(path: Path) -> Iterable[tuple[int, Any]]:
    """Each JSON value with its line's number; a file that is one JSON list gives its items, numbered."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CaseFileError(
            f"{shown_path(path)}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        ) from None
    if text.lstrip().startswith("["):
        try:
            items = read_json(text)
        except FormError as fault:
            raise CaseFileError(f"{shown_path(path)}: {fault}") from None
        yield from enumerate(items, start=1)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, read_json(line)
            except (FormError, RecursionError) as fault:
                raise CaseFileError(f"{shown_path(path)}:{number}: {fault}") from None


def _from_case(value: Any, toolsets: Toolsets) -> Example:
    reply = ""
    if isinstance(value, dict) and "reply" in value:
        value = dict(value)
        reply = value.pop("reply")
        if not isinstance(reply, str) or not reply.strip():
            raise FormError(f"reply={shown(reply)}, but should be what the assistant says, a text")
    case = case_from_json(value, toolsets)
    expected = case.expected
    if expected.structured:
        return Example(case, Message("assistant", json.dumps(expected.json, ensure_ascii=False)))
    if expected.calls or reply:
        return Example(case, Message("assistant", reply, expected.calls))
    return Example(case, None)


def write_examples(path: Path, examples: Iterable[Example]) -> bool:
    """One example a line, in the form that `load_examples` reads; returns whether there was anything to do.

    Raises `UsageError` where the file holds something else: it may be the user's own.
    """
    return save_lines(path, map(_to_json, examples))


def _to_json(one: Example) -> dict[str, Any]:
    line = case_to_json(one.case)
    if one.answer is not None and one.answer.content and not one.case.expected.structured:
        line["reply"] = one.answer.content
    return line


def generated(count: int, seed: int) -> list[Example]:
    """`count` distinct examples of the grammar's train split, of which no family and no value is in the test split."""
    from phi4bench.phrasing import example

    tools = Toolsets()("claude_code")
    rng = random.Random(f"trainers data {seed}")
    seen: set[str] = set()
    made: list[Example] = []
    for _ in range(50 * count):
        if len(made) == count:
            return made
        drawn = example(rng, "train", tools)
        asked = repr([(message.role, message.content, message.calls) for message in drawn.case.messages])
        if asked not in seen:
            seen.add(asked)
            case = replace(drawn.case, id=f"train-{len(made) + 1:06}", toolset="claude_code")
            reply = "" if case.expected.calls else drawn.reply
            made.append(Example(case, Message("assistant", reply, case.expected.calls)))
    if len(made) < count:
        raise UsageError(f"--count={count}, but the grammar gave only {len(made)} distinct examples")
    return made


def split(examples: Sequence[Example], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices for training and for validation; a group is wholly in one of them. Raises `UsageError`."""
    if len(examples) < 2:
        raise UsageError(
            f"examples={len(examples)}, but should be at least 2", "one to learn from and one to validate with"
        )
    groups: dict[str, list[int]] = {}
    for index, one in enumerate(examples):
        groups.setdefault(one.case.group, []).append(index)
    if len(groups) < 2:
        raise UsageError(
            f"all {len(examples)} examples are of family {shown(next(iter(groups)))}, but validation needs another",
            "name in 'group' the template family that each example comes from",
        )
    names = sorted(groups)
    random.Random(f"trainers split {seed}").shuffle(names)
    held = set(_about(names, groups, share * len(examples)))
    return [index for index in range(len(examples)) if index not in held], sorted(held)


def _about(names: Sequence[str], groups: Mapping[str, Sequence[int]], wanted: float) -> list[int]:
    """Examples of the first groups that come to about `wanted`, never of all groups.

    Until half of it is there, a group that would overshoot is passed over; where every one would, the smallest is it.
    """
    found: list[int] = []
    left = len(names)
    for name in names:
        if left == 1:
            break
        if len(found) + len(groups[name]) / 2 <= wanted:
            found += groups[name]
            left -= 1
        elif len(found) >= wanted / 2:
            break
    return found or list(groups[min(names, key=lambda name: len(groups[name]))])


def share_told(held: int, total: int, share: float) -> str:
    """A line where whole groups came to less than half of the share, or to more than half above it; else empty."""
    if 0.5 * share <= held / total <= 1.5 * share:
        return ""
    return (
        f"{100 * held / total:.0f}% of the examples validate, not {100 * share:.0f}%: the families are too uneven;"
        " name smaller ones in 'group'"
    )
