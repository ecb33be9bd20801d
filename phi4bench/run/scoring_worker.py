"""The child process that reads reference answers: for each token what the artifact thinks of it, into one file.

The order names the file to write (`out`) and, for a candidate, the file of its baseline (`against`), whose likeliest
tokens are looked at here too, so that no process ever holds two models. A line a case; few of them are in memory at a
time. Errors and progress are told as `worker` tells them.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from phi4bench.backends import Reference
from phi4bench.errors import BackendError
from phi4bench.positions import Head, Position
from phi4bench.run.jobs import Item, Setup, items_from_lines
from phi4bench.run.peak import peak_rss_bytes
from phi4bench.run.worker import Say, main

CHUNK = 256
"""Cases that are read at a time."""

LEAST = -1e9
"""In place of the logarithm of nothing."""

_WHOLE, _REAL = "i", "d"
_COLUMNS = (_WHOLE, _REAL, _WHOLE, _WHOLE, _REAL, _REAL, _WHOLE, _REAL)


def score(order: dict[str, Any], say: Say) -> None:
    setup = Setup.from_json(order["setup"])
    out, against = Path(order["out"]), order["against"]
    with contextlib.closing(setup.open()) as backend:
        scorer: Any = backend
        if not hasattr(scorer, "score"):
            raise BackendError(f"{setup.artifact.id}: its backend shows no logits")
        say({"event": "ready", "identity": backend.identity(), "peak": peak_rss_bytes()})
        items = list(items_from_lines(sys.stdin))
        tasks = _watching(items, Path(against)) if against else ((index, Reference(item.prompt, item.answer))
            for index, item in enumerate(items))  # fmt: skip
        with out.open("w", encoding="utf-8") as file:
            while chunk := list(islice(tasks, CHUNK)):
                for at, positions in scorer.score([reference for _, reference in chunk]):
                    index = chunk[at][0]
                    file.write(case_line(items[index].case_id, positions))
                    say({"event": "done", "index": index, "peak": peak_rss_bytes()})
        say({"event": "end", "peak": peak_rss_bytes()})


def _watching(items: list[Item], against: Path) -> Iterator[tuple[int, Reference]]:
    """The references in the order of the baseline's file, each with the tokens that the baseline found likeliest."""
    places = {item.case_id: index for index, item in enumerate(items)}
    for case_id, positions in read_cases(against):
        item = items[places[case_id]]
        yield places[case_id], Reference(item.prompt, item.answer, tuple(one.head.ids for one in positions))


def case_line(case_id: str, positions: Sequence[Position]) -> str:
    """One case as a line of JSON: its columns over all positions, the heads one after the other in two of their own.

    Each is the numbers' own bytes in base64: as many decimal digits take longer to write than the model to run. Their
    order is this machine's, since the file never leaves it.
    """
    heads = [one.head for one in positions]
    ids: array[Any] = array(_WHOLE)
    logprobs: array[Any] = array(_REAL)
    for head in heads:
        ids.extend(head.ids)
        logprobs.extend(head.logprobs)
    columns: list[Iterable[float]] = [
        [one.token for one in positions],
        [_number(one.logprob) for one in positions],
        [one.top1 for one in positions],
        [len(head.ids) for head in heads],
        [head.rest for head in heads],
        [_number(head.lowest) for head in heads],
        ids,
        map(_number, logprobs) if min(logprobs, default=0.0) < LEAST else logprobs,
    ]
    return json.dumps([case_id, *map(_packed, columns, _COLUMNS)], separators=(",", ":")) + "\n"


def read_cases(path: Path) -> Iterator[tuple[str, tuple[Position, ...]]]:
    """What `case_line` wrote, a case at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            case_id, *columns = json.loads(line)
            *rows, ids, logprobs = map(_unpacked, columns, _COLUMNS)
            ends = list(accumulate(rows[3]))
            heads = (
                Head(tuple(ids[end - size : end]), tuple(logprobs[end - size : end]), rest, lowest)
                for end, size, rest, lowest in zip(ends, *rows[3:], strict=True)
            )
            if not len(ids) == len(logprobs) == sum(rows[3]):
                raise ValueError(f"a line of '{path}' is shorter than it says")
            yield case_id, tuple(Position(*row) for row in zip(*rows[:3], heads, strict=True))


def _number(logprob: float) -> float:
    """Low where it is -inf, and yet a number to be subtracted."""
    return max(logprob, LEAST)


def _packed(numbers: Iterable[float], kind: str) -> str:
    return base64.b64encode(array(kind, numbers).tobytes()).decode()


def _unpacked(text: str, kind: str) -> array[Any]:
    return array(kind, base64.b64decode(text))


if __name__ == "__main__":
    sys.exit(main(score))
