"""Timing on a clock of the test's own: what is counted, what is not, and a clock that jumps."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kit import ROOT

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, Provider
from phi4bench.datasets import load_cases
from phi4bench.dialects import dialect_named
from phi4bench.errors import BackendError
from phi4bench.prompts import Prompt, Segment
from phi4bench.run import timed_child
from phi4bench.run.jobs import Setup, prompt_to_json
from phi4bench.run.process import last_words
from phi4bench.run.timing_worker import Bench
from phi4bench.timing import Timing, time_calls, tokens_to_first_call, warm_up
from phi4bench.transcripts import Completion

SETUP: Any = SimpleNamespace(artifact=SimpleNamespace(id="slow"), to_json=dict)
PROMPTS = [Prompt((Segment(f"request {number}"),)) for number in range(6)]
CALL = "<tool_use>read(file_path='a')</tool_use>"


class Clock:
    """Stands still but for `spend`; `jump` sets it like a wall clock."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Slow:
    """Takes 0.25 s for the first call and 0.5 s for each further one, 0.1 s of it before the runtime begins."""

    def __init__(self, clock: Clock, jump: float = 0.0) -> None:
        self.clock, self.jump, self.asked = clock, jump, list[str]()

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[tuple[int, Completion]]:
        [prompt] = prompts
        spent = 0.5 if self.asked else 0.25
        self.asked.append(prompt.text)
        self.clock.now += spent + self.jump
        inside = (spent - 0.1) * 1e3
        at = (inside - 20, inside - 10, inside)
        yield 0, Completion(CALL, (1, 2, 3), first_token_ms=at[0], token_ms=10.0, token_at_ms=at)


def timed(seconds: float = 60.0, jump: float = 0.0) -> tuple[list[Timing], list[str]]:
    clock = Clock()
    backend = Slow(clock, jump)
    found = time_calls(
        backend,  # type: ignore[arg-type]  # as much of a backend as is asked for
        PROMPTS,
        Decoding(),
        clock=clock,
        seconds=seconds,
    )
    return list(found), backend.asked


def test_a_call_is_timed_from_handing_it_over_to_its_whole_answer() -> None:
    found, _ = timed()
    assert [one.total_ms for one in found] == pytest.approx([250, 500, 500, 500, 500, 500])
    assert [one.index for one in found] == [0, 1, 2, 3, 4, 5]


def test_what_is_not_the_runtimes_own_counts_before_the_first_token() -> None:
    one = timed()[0][1]
    assert one.overhead_ms == pytest.approx(100)
    assert one.first_token_ms == pytest.approx(480)  # 400 inside, less 20 for two tokens, and 100 before
    assert one.at_token(3) == pytest.approx(one.total_ms)


def test_a_backend_that_tells_no_times_or_ones_beyond_the_callers_has_nothing_before_its_first_token() -> None:
    plain = Timing(0, 250.0, Completion(CALL, (1, 2), first_token_ms=80.0))
    assert (plain.overhead_ms, plain.first_token_ms, plain.at_token(1)) == (0.0, 80.0, None)
    beyond = Timing(0, 250.0, Completion(CALL, (1, 2), first_token_ms=80.0, token_at_ms=(80.0, 250.5)))
    assert (beyond.first_token_ms, beyond.at_token(0), beyond.at_token(1), beyond.at_token(3)) == (
        80.0,
        None,
        80.0,
        None,
    )
    assert Timing(0, 250.0, Completion(CALL)).first_token_ms is None


@pytest.mark.parametrize(
    ("seconds", "ends"),
    [
        pytest.param(60.0, [0.25, 0.75, 1.25], id="all"),
        pytest.param(0.3, [0.25, 0.75], id="until-the-call-in-which-the-time-is-over"),
        pytest.param(0.001, [0.25], id="one-at-the-least"),
    ],
)
def test_warming_up_ends_with_its_time(seconds: float, ends: list[float]) -> None:
    clock = Clock()
    backend: Any = Slow(clock)
    found = list(warm_up(backend, PROMPTS[:3], Decoding(), clock=clock, seconds=seconds))
    assert found == pytest.approx(ends)
    assert backend.asked == ["request 0", "request 1", "request 2"][: len(ends)]


def test_a_child_tells_how_far_it_is_while_one_call_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event without anything in it comes every quarter of a second."""
    coming = [{}, {"event": "timed", "done": 3}, {}, {"event": "result"}]
    monkeypatch.setattr(timed_child, "WorkerProcess", saying(""))
    monkeypatch.setattr(timed_child, "send", lambda *_: None)
    monkeypatch.setattr(timed_child, "events", lambda _: iter(coming))
    told = list[int]()
    with timed_child.TimedChild(SETUP) as child:
        child.ask("latency", told.append)
    assert told == [0, 3, 3]


def saying(text: str, code: int = -11) -> Callable[..., Any]:
    """A child that writes so much to standard error, and dies: by SIGSEGV."""

    words = last_words(io.BytesIO(text.encode()))
    return lambda _: SimpleNamespace(process=SimpleNamespace(wait=lambda: code), last_words=words, close=lambda: None)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param([{"event": "error", "what": "no memory", "hint": "", "usage": False}], id="error"),
        pytest.param([], id="its-process-died"),
    ],
)
def test_what_a_child_told_before_it_ended_is_kept(end: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    coming = [
        {"event": "note", "text": "went on with 4"},
        *({"event": "timed", "done": n, "calls": [n]} for n in (1, 2)),
    ]
    monkeypatch.setattr(timed_child, "WorkerProcess", saying("loaded\nout of \x1b[2Jstack\n"))
    monkeypatch.setattr(timed_child, "send", lambda *_: None)
    monkeypatch.setattr(timed_child, "events", lambda _: iter([*coming, *end]))
    calls = list[Any]()
    says = r"no memory" if end else r"the process that timed it was ended by SIGSEGV \(out of \\x1b\[2Jstack\)"
    with timed_child.TimedChild(SETUP) as child, pytest.raises(BackendError, match=says):
        child.ask("latency", calls=calls)
    assert calls == [1, 2]
    assert child.notes == ["went on with 4"]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        pytest.param(-9, "most often the machine is out of memory; run it again", id="SIGKILL"),
        pytest.param(-11, "run it again", id="SIGSEGV"),
        pytest.param(1, "run it again", id="by-itself"),
    ],
)
def test_who_is_killed_hears_of_memory(code: int, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_child, "WorkerProcess", saying("", code))
    monkeypatch.setattr(timed_child, "send", lambda *_: None)
    monkeypatch.setattr(timed_child, "events", lambda _: iter(()))
    with timed_child.TimedChild(SETUP) as child, pytest.raises(BackendError) as died:
        child.ask("latency")
    assert died.value.hint == hint


def test_no_call_begins_once_the_time_is_over() -> None:
    assert len(timed(seconds=1.0)[0]) == 3  # 0.25 + 0.5 + 0.5


def test_a_clock_that_goes_backwards_ends_the_run() -> None:
    with pytest.raises(BackendError, match="the clock moved by -"):
        timed(jump=-3600.0)


def test_nothing_that_times_reads_the_time_of_day() -> None:
    """`time.time` and `datetime.now` are set while a run goes on; perf_counter and monotonic are not."""
    package = Path(__file__).parent.parent / "phi4bench"
    run = ["child", "process", "timed_cases", "timed_child", "timing_worker", "measuring", "under_load", "progress"]
    own = ["timing", "traffic", *(f"run/{name}" for name in run)]
    for path in [*(package / f"{name}.py" for name in own), *(package / "backends").glob("*.py")]:
        named = {
            f"{node.value.id}.{node.attr}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        assert not named & {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow"}, path.name


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param(CALL, 10, id="one-call"),  # 40 characters, four a token
        pytest.param(CALL + CALL, 10, id="the-first-of-two"),
        pytest.param("I will read it. " + CALL, 14, id="after-prose"),
        pytest.param("I cannot do that.", None, id="prose-alone"),
        pytest.param(CALL[:-6], None, id="broken-off"),
    ],
)
def test_the_first_call_is_there_with_its_last_token(text: str, tokens: int | None) -> None:
    made = Completion(text, tuple(range(-(-len(text) // 4) + 1)))  # the last of them ends the turn
    found = tokens_to_first_call(made, lambda one, count: one.text[: 4 * count], dialect_named("tool_use"))
    assert found == tokens


def test_a_call_that_only_the_whole_text_has_is_there_with_the_last_token() -> None:
    made, dialect = Completion(CALL, (1, 2, 3)), dialect_named("tool_use")
    assert tokens_to_first_call(made, lambda one, count: "", dialect) == 3
    assert tokens_to_first_call(replace(made, token_ids=()), lambda one, count: "", dialect) is None


def test_what_a_real_backend_writes_is_read_token_by_token() -> None:
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    said = list[dict[str, Any]]()
    artifact = open_artifact(str(ROOT / "fixtures" / "models" / "nano-int8"))
    bench = Bench(Setup(artifact, Decoding(), 1, None, provider=Provider("cpu")), said.append)
    bench.open(batch=1)
    case = next(case for case in load_cases(None).cases if case.expected.calls)
    assert "calls" not in bench.latency([prompt_to_json(artifact.dialect.render(case.question()))], seconds=60.0)
    bench.close()
    [(total, first_token, token, first_call, tokens)] = said[-1]["calls"]
    assert first_token < first_call <= total
    assert first_call > total - 2 * token  # its call is all that it says, but for the end of turn
    assert tokens > 5
