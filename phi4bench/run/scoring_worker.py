"""The child process that reads reference answers: for each token what the artifact thinks of it, into one file.

The order names the file to write (`out`) and, for a candidate, the file of its baseline (`against`), whose likeliest
tokens are looked at here too, so that no process ever holds two models. A line a case; few of them are in memory at a
time. Errors and progress are told as `worker` tells them.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from phi4bench.backends import Reference
from phi4bench.errors import BackendError
from phi4bench.fidelity import Head, Position
from phi4bench.run.jobs import Item, Setup, items_from_lines
from phi4bench.run.worker import Say, main, peak_rss_bytes

CHUNK = 256
"""Cases that are read at a time."""


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


def case_line(case_id: str, positions: tuple[Position, ...]) -> str:
    """One case as a line of JSON, which knows no infinity: `null` where nothing is left beside the head."""
    rows = [
        [one.token, _short(one.logprob), one.top1, list(one.head.ids), [_short(value) for value in one.head.logprobs],
         None if one.head.rest == -math.inf else _short(one.head.rest), _short(one.head.lowest)]
        for one in positions
    ]  # fmt: skip
    return json.dumps([case_id, rows], separators=(",", ":")) + "\n"


def read_cases(path: Path) -> Iterator[tuple[str, tuple[Position, ...]]]:
    """What `case_line` wrote, a case at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            case_id, rows = json.loads(line)
            yield (
                case_id,
                tuple(
                    Position(
                        token, logprob, top1, Head(tuple(ids), tuple(logs), -math.inf if rest is None else rest, lowest)
                    )
                    for token, logprob, top1, ids, logs, rest, lowest in rows
                ),
            )


def _short(value: float) -> float:
    """A ten-thousandth of a millionth of a nat; half the digits."""
    return round(max(value, -1e9), 10)


if __name__ == "__main__":
    sys.exit(main(score))
