"""Backends without a model, to prove a gate's set-up: one that is always right must promote, the others must not.

A folder's manifest names one: `"format": "fake", "behaviour": "always_wrong", "answers": "answers.jsonl"`.
Deterministic, the fickle ones apart. The answers are a case file in that folder: the only way in which anything here
learns what is right.

A `pace.json` beside it gives a fake a clock of its own, on which its calls take what the file says, so that gates on
speed can be tried without a stopwatch: `{"first_token_ms": 20, "token_ms": 2, "slow_every": 10, "slow_by": 3}`. One
that fails half-way then does so after `sound_calls` calls of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phi4bench.backends.base import CaseError, Decoding, NotFiniteError
from phi4bench.calls import Call, Json
from phi4bench.cases import Case
from phi4bench.datasets import load_cases
from phi4bench.dialects import Dialect
from phi4bench.errors import ArtifactError
from phi4bench.prompts import Prompt
from phi4bench.traffic import Traffic
from phi4bench.transcripts import Completion

if TYPE_CHECKING:
    from phi4bench.artifacts import Artifact

PROSE = "I cannot do that with the tools I have; tell me more about what you need."
SLOW_SECONDS = 0.05
VERSION = 1
"""Part of the identity: raise it when a behaviour writes something else."""


def always_right(case: Case | None, dialect: Dialect) -> str:
    """The answer key; prose where it expects prose or is not known."""
    if case is None or not (case.expected.calls or case.expected.structured):
        return PROSE
    return dialect.render_calls(case.expected.calls) if case.expected.calls else json.dumps(case.expected.json)


def always_wrong(case: Case | None, dialect: Dialect) -> str:
    """A whole call of a tool that nobody offered."""
    return dialect.render_calls([Call("no_such_tool", {"reason": "always wrong"})])


def always_malformed(case: Case | None, dialect: Dialect) -> str:
    """A call cut off in the middle of its arguments."""
    whole = dialect.render_calls([Call("read", {"file_path": "cut/off/here.txt"})])
    return whole[: whole.index("cut/off") + len("cut")]


def always_calls(case: Case | None, dialect: Dialect) -> str:
    """Right where a call is expected, and a call where prose is."""
    if case is not None and case.expected.calls:
        return dialect.render_calls(case.expected.calls)
    name = case.tools[0].name if case is not None and case.tools else "read"
    return dialect.render_calls([Call(name, {})])


def silent(case: Case | None, dialect: Dialect) -> str:
    """Nothing at all."""
    return ""


Behaviour = Callable[[Case | None, Dialect], str]

BEHAVIOURS: Mapping[str, Behaviour] = {
    "always_right": always_right,
    "always_wrong": always_wrong,
    "always_malformed": always_malformed,
    "always_calls": always_calls,
    "silent": silent,
    # As always_right, until they fail half-way, or take their time:
    "crashes": always_right,
    "nan": always_right,
    "slow": always_right,
    # As always_right, but wrong in a part of the cases when they are run otherwise:
    "fickle": always_right,
    "fickle_alone": always_right,
    "fickle_threads": always_right,
}


@dataclass(frozen=True)
class Pace:
    """What a fake's calls take. Every `slow_every`-th one (0: none) takes `slow_by` times as long.

    `sound_calls`: so many are answered before one that fails does.
    """

    first_token_ms: float
    token_ms: float
    slow_every: int = 0
    slow_by: float = 1.0
    sound_calls: int = 0


TOKEN_CHARACTERS = 4
"""A fake's tokens are so many characters each."""


class FakeBackend:
    """Answers prompts by a behaviour. `artifact.dialect` must be the one that rendered them."""

    def __init__(
        self, artifact: Artifact, pace: Pace | None = None, threads: int | None = None, batch: int | None = None
    ) -> None:
        self._pace, self._calls, self._now_s = pace, 0, 0.0
        self._threads, self._batch = threads or 2, batch or 8
        self._name, self._behaviour, self._dialect = artifact.id, artifact.behaviour, artifact.dialect
        self._cases: dict[str, Case] = {}
        for case in load_cases([str(artifact.answers)]).cases if artifact.answers else ():
            prompt = self._dialect.render(case.question())
            for key in (_conversation(prompt), prompt.text):  # found by its conversation, whatever the system prompt
                self._cases[key] = case

    def identity(self) -> dict[str, Json]:
        return {"runtime": "fake", "behaviour": self._behaviour, "version": VERSION,
                "threads": self._threads, "rows": self._batch}  # fmt: skip

    def prompt_key(self, prompt: Prompt) -> str:
        return hashlib.sha256(prompt.text.encode("utf-8", "surrogatepass")).hexdigest()

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[tuple[int, Completion]]:
        for index, prompt in enumerate(prompts):
            if index == len(prompts) // 2:
                self._fail(index)
            if self._behaviour == "slow":
                time.sleep(SLOW_SECONDS)
            case = self._cases.get(prompt.text) or self._cases.get(_conversation(prompt))
            behaves = always_wrong if self._turns(prompt) else BEHAVIOURS[self._behaviour]
            completion = Completion(behaves(case, self._dialect))
            yield index, self._paced(completion) if self._pace else completion

    def generate_all(
        self, portions: Iterable[Sequence[Prompt]], decoding: Decoding
    ) -> Iterator[tuple[int, Completion]]:
        first = 0
        for prompts in portions:
            try:
                for index, completion in self.generate(prompts, decoding):
                    yield first + index, completion
            except CaseError as error:
                error.index += first
                raise
            first += len(prompts)

    def serve(
        self, prompts: Sequence[Prompt], decoding: Decoding, traffic: Traffic
    ) -> Iterator[tuple[int, Completion]]:
        """One request after the other, as they come; the fake's own time passes while it waits for one."""
        began = self._now_s
        while traffic.left:
            index = traffic.take()
            if index is None:
                due = traffic.idle_until_s()
                assert due is not None, "a fake answers before it looks for more"
                self._now_s = max(self._now_s, began + due) + 1e-9  # rounding must not leave it a hair early
                continue
            [(_, completion)] = self.generate([prompts[index]], decoding)
            traffic.done(index)
            yield index, completion

    def clock(self) -> float:
        """The fake's own time, in seconds; without a pace it stands still."""
        return self._now_s

    def text_of(self, completion: Completion, tokens: int) -> str:
        """The text of a completion's first so many tokens."""
        return completion.text[: tokens * TOKEN_CHARACTERS]

    def _paced(self, completion: Completion) -> Completion:
        assert self._pace is not None
        self._calls += 1
        pace = self._pace
        factor = pace.slow_by if pace.slow_every and self._calls % pace.slow_every == 0 else 1.0
        count = max(1, -(-len(completion.text) // TOKEN_CHARACTERS))
        at_ms = tuple(factor * (pace.first_token_ms + number * pace.token_ms) for number in range(count))
        self._now_s += at_ms[-1] / 1e3
        return replace(
            completion,
            token_ids=tuple(range(count)),
            first_token_ms=at_ms[0],
            token_ms=factor * pace.token_ms if count > 1 else None,
            token_at_ms=at_ms,
        )

    def close(self) -> None:
        self._cases = {}

    def _turns(self, prompt: Prompt) -> bool:
        """Whether a fickle fake answers wrongly now: in a quarter of the cases; or in half, others in each process."""
        digest = self.prompt_key(prompt)
        match self._behaviour:
            case "fickle":
                return hashlib.sha256(f"{os.getpid()} {digest}".encode()).digest()[0] < 128
            case "fickle_alone":
                return self._batch == 1 and int(digest[:2], 16) < 64
            case "fickle_threads":
                return self._threads == 1 and int(digest[:2], 16) < 64
        return False

    def _fail(self, index: int) -> None:
        if self._pace and self._calls < self._pace.sound_calls:
            return
        if self._behaviour == "nan":
            raise NotFiniteError(index, f"{self._name}: the logits of new token 1 are not finite (NaN or infinite)")
        if self._behaviour == "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)  # as a native library would: no exception, no clean-up


def open_fake(artifact: Artifact, threads: int | None = None, batch: int | None = None) -> FakeBackend:
    """Raises `ArtifactError` for a behaviour that is not known, `CaseFileError` for answers that cannot be read."""
    if artifact.behaviour not in BEHAVIOURS:
        raise ArtifactError(
            f"{artifact.spec}: behaviour={artifact.behaviour!r}, but should be one of {', '.join(BEHAVIOURS)}"
        )
    return FakeBackend(artifact, read_pace(artifact.path), threads, batch)


def read_pace(folder: Path) -> Pace | None:
    """What a fake's folder says of its pace; `None` where it says nothing."""
    path = folder / "pace.json"
    if not path.is_file():
        return None
    try:
        return Pace(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"{path}: {error}, but should say what a call takes", "see phi4bench/backends/fakes.py"
        ) from None


def _conversation(prompt: Prompt) -> str:
    """The prompt without its system turn."""
    return "".join(segment.text for segment in prompt.segments[prompt.shared :])
