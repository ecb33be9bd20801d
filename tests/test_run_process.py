"""Worker processes that are started before there is anything to tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from kit import ROOT, MakeFake

from phi4bench import backends
from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding
from phi4bench.errors import UsageError
from phi4bench.plugin import SESSION, pytest_unconfigure
from phi4bench.prompts import Prompt, Segment
from phi4bench.run import process, worker
from phi4bench.run.child import run_child
from phi4bench.run.jobs import Item, Setup
from phi4bench.run.process import Ahead, WorkerProcess
from phi4bench.run.progress import Silent
from phi4bench.session import JudgingSession

NANO = ROOT / "fixtures" / "models" / "nano-int8"


@pytest.fixture
def ahead() -> Iterator[Ahead]:
    one = Ahead()
    yield one
    one.close()


def test_a_process_that_waited_does_what_it_is_told(ahead: Ahead, make_fake: MakeFake, tmp_path: Path) -> None:
    ahead.start("onnx")
    waiting = ahead.take()
    setup = Setup(open_artifact(str(make_fake())), Decoding(), None, tmp_path)
    item = Item("one", "0" * 64, Prompt((Segment("request"),)))
    ran = run_child(setup, lambda _: [item], 1, Silent(), start=lambda: waiting)
    assert (ran.done, ran.complete, waiting.process.poll() is None) == (1, True, False)


def test_it_loads_the_runtime_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = list[str]()
    monkeypatch.setattr(worker, "signal", Mock())
    monkeypatch.setattr(worker, "_line_writer", Mock())
    monkeypatch.setattr(worker, "keep_little", Mock())
    monkeypatch.setattr(worker, "load_runtime", loaded.append)
    monkeypatch.setattr(worker.sys, "stdin", SimpleNamespace(readline=lambda: loaded.append("asked") or ""))
    assert worker.main(formats=["onnx"]) == 0  # there was nothing to do
    assert loaded == ["onnx", "asked"]


def test_a_runtime_that_is_not_installed_is_told_by_who_opens_an_artifact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(worker.sys.modules, "transformers", None)
    monkeypatch.setitem(worker.sys.modules, "torch", SimpleNamespace())
    with pytest.raises(UsageError, match="transformers"):
        backends.load_runtime("hf")
    worker._get_ready("hf")


def test_who_waits_for_nothing_ends_without_a_word() -> None:
    with WorkerProcess() as child:
        assert child.process.stdin is not None
        child.process.stdin.close()
        assert (child.process.wait(timeout=60), child.last_words) == (0, "")


def test_in_place_of_one_that_has_ended_there_is_a_new_one(ahead: Ahead) -> None:
    ahead.start("onnx")
    assert ahead._waiting is not None
    first = ahead._waiting
    first.process.kill()
    first.process.wait()
    with ahead.take() as second:
        assert second is not first
        assert second.process.poll() is None


def test_what_nobody_took_is_gone_in_the_end(ahead: Ahead) -> None:
    ahead.start("onnx")
    assert ahead._waiting is not None
    waiting = ahead._waiting
    ahead.close()
    assert waiting.process.poll() == -9
    ahead.close()  # twice does no harm


def test_where_none_can_be_started_nothing_is_said_yet(ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.sys, "executable", str(ROOT / "no-python"))
    ahead.start("onnx")
    with pytest.raises(OSError, match="no-python"):
        ahead.take()


class TestSession:
    """Whether a run starts one before its cases are read."""

    @pytest.fixture
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        found = list[str]()
        monkeypatch.setattr(Ahead, "start", lambda _, artifact_format: found.append(artifact_format))
        return found

    @pytest.fixture
    def asked(self, tmp_path: Path) -> Callable[..., dict[str, Any]]:
        given = {"decode": "free", "report": str(tmp_path / "reports"), "cache_dir": str(tmp_path / "cache")}
        return lambda model, **more: given | {"model": [str(model)], "limit": "4", **more}

    def test_for_an_artifact_that_was_never_run(self, started: list[str], asked: Callable[..., Any]) -> None:
        session = JudgingSession.open(asked(NANO).get)
        assert (session.error, started) == ("", ["onnx"])

    def test_before_the_cases_are_read(
        self, started: list[str], asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def load(*_: object) -> Any:
            raise OSError(None, f"read after {started}", "cases")

        monkeypatch.setattr("phi4bench.run.plan.load_cases", load)
        assert "read after ['onnx']" in JudgingSession.open(asked(NANO).get).error

    def test_not_to_look_at_tests_alone(self, started: list[str], asked: Callable[..., Any]) -> None:
        assert JudgingSession.open(asked(NANO).get, runs=False).error == ""
        assert started == []

    def test_not_for_a_fake(self, started: list[str], asked: Callable[..., Any], make_fake: MakeFake) -> None:
        assert JudgingSession.open(asked(make_fake()).get).error == ""
        assert started == []

    @pytest.mark.parametrize("cache", [True, False], ids=["cache", "no-cache"])
    def test_not_where_all_may_be_stored(
        self, cache: bool, started: list[str], asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("phi4bench.run.generation._recall", lambda _: {"runtime": "onnxruntime"})
        JudgingSession.open(asked(NANO, no_cache=not cache).get)
        assert started == ([] if cache else ["onnx"])

    def test_what_was_started_for_a_wrong_request_is_gone(
        self, asked: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = list[WorkerProcess]()
        real = WorkerProcess
        monkeypatch.setattr(process, "WorkerProcess", lambda *words: made.append(one := real(*words)) or one)
        assert JudgingSession.open(asked(NANO, cases=[str(tmp_path / "none.jsonl")]).get).error
        assert [one.process.poll() for one in made] == [-9]

    def test_what_was_started_and_never_asked_is_gone_when_pytest_ends(self, asked: Callable[..., Any]) -> None:
        session = JudgingSession.open(asked(NANO).get)
        waiting = session._ahead._waiting
        assert waiting is not None
        config: Any = SimpleNamespace(stash={SESSION: session})
        pytest_unconfigure(config)
        assert waiting.process.poll() == -9
