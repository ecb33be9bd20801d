"""Known failures: families of cases that are known to fail, each with a reason. Pure: the caller reads files.

The format::

    [[xfail]]
    group = "edit/multi-line"         # the template family: the `group` of its cases
    reason = "line breaks are cut from old_string (#12)"

Such a family leaves the numerator and the denominator of every rate and of every comparison alike. It is run all the
same, for an entry that passes now is **stale**: it would hide the next failure, so it fails the run until it is taken
out. An entry passes when every case of its family was judged and is wholly right.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi4bench.cases import Case
from phi4bench.errors import UsageError
from phi4bench.levels import Score, is_right
from phi4bench.printable import printable

MOST_SHARE = 0.05
"""Of the cases that expect a call, and of those that expect none, at most this may be left out: a list that grows is no
longer a list of exceptions. Of all of them together it could be a quarter of the few that a gate goes by. One case may
always be: where 5% is less, as with `--limit`, a gate has too few families to pass.
"""

_EXAMPLE = '[[xfail]] with group = "..." and reason = "..."'


@dataclass(frozen=True)
class Xfail:
    """One family that is known to fail, and why."""

    group: str
    reason: str


@dataclass(frozen=True)
class Xfails:
    """One file. `text`: as it was read, over which `sha256` goes."""

    name: str
    text: str
    entries: tuple[Xfail, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def groups(self) -> frozenset[str]:
        return frozenset(entry.group for entry in self.entries)


@dataclass(frozen=True)
class Known:
    """What became of one entry: of its family's `size` cases `cases` were asked, and `right` of them wholly right."""

    group: str
    reason: str
    size: int
    cases: int
    right: int

    @property
    def stale(self) -> bool:
        return self.right == self.cases == self.size > 0


@dataclass(frozen=True)
class KnownFailures:
    """A list as one artifact's run found it. `cases`: left out, `of` so many."""

    name: str
    sha256: str
    entries: tuple[Known, ...]
    cases: int
    of: int

    @property
    def stale(self) -> tuple[Known, ...]:
        return tuple(entry for entry in self.entries if entry.stale)

    @property
    def groups(self) -> frozenset[str]:
        return frozenset(entry.group for entry in self.entries)


def parse_xfails(text: str, name: str) -> Xfails:
    """Read one file's text. `name` is what messages and reports call it. `UsageError` for whatever is wrong."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # no TOML, an integer of thousands of digits, nested without end
        raise UsageError(f"{name}: {printable(str(error), 120)}, but should be TOML", f"write {_EXAMPLE}") from None
    foreign = sorted(table.keys() - {"xfail"})
    if foreign:
        raise UsageError(f"{name}: {_shown(foreign[0])} is not known, but should be xfail", f"write {_EXAMPLE}")
    entries = table.get("xfail")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{name}: it lists no known failure", f"write {_EXAMPLE}, or leave --xfails out")
    found: dict[str, int] = {}
    kept = []
    for number, entry in enumerate(entries, start=1):
        one = _entry(entry, f"{name}: xfail {number}")
        if one.group in found:
            first = found[one.group]
            raise UsageError(
                f"{name}: xfail {number}: group={_shown(one.group)} is in xfail {first} already", "list a family once"
            )
        found[one.group] = number
        kept.append(one)
    return Xfails(name, text, tuple(kept))


def check_xfails(xfails: Xfails, all_groups: Iterable[str], judged: Iterable[Case]) -> None:
    """Hold a list against the groups of the whole dataset's cases, and against the cases that are judged.

    `UsageError` for a family that no case has, and for a list that leaves out more than `MOST_SHARE` of those judged.
    """
    known = set(all_groups)
    for number, entry in enumerate(xfails.entries, start=1):
        if entry.group not in known:
            raise UsageError(
                f"{xfails.name}: xfail {number}: group={_shown(entry.group)} is the family of no case",
                "take the entry out, or name the `group` of the cases that are meant",
            )
    groups, every, left_out = xfails.groups, Counter[str](), Counter[str]()
    for case in judged:
        kind = _kind(case)
        every[kind] += 1
        left_out[kind] += case.group in groups
    for kind, of in every.items():
        if left_out[kind] > max(1.0, MOST_SHARE * of):
            raise UsageError(
                f"{xfails.name}: {_count(len(xfails.entries))} leave out {left_out[kind]:,} of {of:,} cases that expect"
                f" {kind} ({100 * left_out[kind] / of:.1f}%), but should leave out at most {100 * MOST_SHARE:g}%",
                "list fewer families",
            )


def stored_xfails(data: Mapping[str, Any], cases: Sequence[Case]) -> tuple[Xfails, Mapping[str, int]]:
    """What `to_stored` stored with a run of `cases`, and each family's size in the whole dataset; checked as a fresh
    list is.
    """
    name, text, sizes = data.get("name"), data.get("text"), data.get("sizes")
    if not (isinstance(name, str) and isinstance(text, str) and isinstance(sizes, dict)):
        raise UsageError("the list of known failures that was stored with the run cannot be read", "run it again")
    xfails = parse_xfails(text, name)
    check_xfails(xfails, sizes, cases)
    present = Counter(case.group for case in cases)
    return xfails, {
        entry.group: max(size, present[entry.group]) if type(size := sizes[entry.group]) is int else 0
        for entry in xfails.entries
    }


def to_stored(xfails: Xfails, all_groups: Iterable[str]) -> dict[str, Any]:
    """As it goes into a run's facts: the text, and how large each family is in the whole dataset."""
    sizes = Counter(all_groups)
    return {
        "name": xfails.name,
        "text": xfails.text,
        "sizes": {entry.group: sizes[entry.group] for entry in xfails.entries},
    }


def found_failures(
    xfails: Xfails, sizes: Mapping[str, int], scores: Iterable[Score], groups: Sequence[str]
) -> KnownFailures:
    """What became of each entry. `scores`: of all cases that were answered; `groups`: of all cases of the run."""
    cases, right = Counter[str](), Counter[str]()
    for score in scores:
        if score.group in xfails.groups:
            cases[score.group] += 1
            right[score.group] += is_right(score)
    entries = tuple(
        Known(entry.group, entry.reason, sizes[entry.group], cases[entry.group], right[entry.group])
        for entry in xfails.entries
    )
    left_out = sum(group in xfails.groups for group in groups)
    return KnownFailures(xfails.name, xfails.sha256, entries, left_out, len(groups))


def _entry(entry: Mapping[str, Any], where: str) -> Xfail:
    for key in ("group", "reason"):
        if key not in entry:
            raise UsageError(f"{where}: {key!r} is missing", "every entry names its family and says why it fails")
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise UsageError(
                f"{where}: {key}={_shown(entry[key])}, but should be a text that is not empty",
                "every entry names its family and says why it fails",
            )
    foreign = sorted(entry.keys() - {"group", "reason"})
    if foreign:
        raise UsageError(f"{where}: {_shown(foreign[0])} is not known, but should be group or reason", "take it out")
    return Xfail(entry["group"], entry["reason"])


def _kind(case: Case) -> str:
    """What it expects, for gates go by cases of one kind alone."""
    return "a call" if case.expected.calls else "a JSON value" if case.expected.structured else "no call"


def _count(entries: int) -> str:
    return f"{entries} famil{'y' if entries == 1 else 'ies'}"


def _shown(value: object) -> str:
    return printable(repr(value), 80)
