"""What is timed, and what of it cannot be: a part that fails gives its own reason and takes no other with it."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit import ROOT, MakeFake
from slo_targets import P95, targets
from test_run import options

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, Provider
from phi4bench.datasets import load_cases
from phi4bench.errors import ArtifactError, BackendError, CrashError
from phi4bench.gates import Outcome
from phi4bench.measured import slo_from_json
from phi4bench.report.speed import slo_tables
from phi4bench.run import measuring, under_load
from phi4bench.run.facts import parameters
from phi4bench.run.generation import Settings
from phi4bench.run.jobs import Setup
from phi4bench.run.judge import Judge
from phi4bench.run.judgement import Judgement
from phi4bench.run.measuring import Stopwatch
from phi4bench.run.plan import Subject, make_plan
from phi4bench.run.progress import Silent
from phi4bench.run.timed_cases import Wanted
from phi4bench.slo import judge_slo

GPU = ("gpu_bytes", "gpu_by_all", "gpu_utilisation")


def stopwatch(
    make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch, cannot_open: str = "", no_memory_at: int = 0
) -> Stopwatch:
    """Of `int8` against `fp32` on a provider asked for by name, with children that only say that they were opened."""

    class Child:
        def __init__(self, setup: Setup, deadline: float | None) -> None:
            self.name, self.notes = setup.artifact.id, [f"{setup.artifact.id} was opened"]
            self.crashes: list[str] = []

        def __enter__(self) -> Child:
            return self

        def __exit__(self, *_: object) -> None: ...

        def ask(self, do: str, *_: Any, **what: Any) -> dict[str, Any]:
            if do == "open" and self.name == cannot_open:
                raise ArtifactError("no kernels", "give --provider cpu")
            if do == "open" and no_memory_at and what["batch"] == no_memory_at:
                raise BackendError(f"{self.name}: there is no memory to run it")
            if do == "load":
                served = [[at, 0.0, 1.0 + at, 5, "", "stop"] for at in range(len(what["prompts"]))]
                told = {
                    "calls": served,
                    "stopped_s": 9e9,
                    "waiting": 0,
                    "rows": 4,
                    "peak": 5,
                    "notes": ["went on with 4"],
                }
                return {**told, **dict.fromkeys(GPU)}
            return {"identity": {}, "calls": [[20.0, 10.0, 1.0, 20.0, 5]], "done": 3, "seconds": 1.0}

    monkeypatch.setattr(measuring, "TimedChild", Child)
    folders = [make_fake(name=f"{cannot_open}-{name}", precision=name) for name in ("int8", "fp32")]
    for folder in folders:
        (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    int8, fp32 = (replace(open_artifact(str(folder)), id=folder.name.split("-")[1]) for folder in folders)
    cases = load_cases([str(folders[0] / "answers.jsonl")]).cases
    settings = Settings(Decoding(), 1, None, {}, provider=Provider("cuda"))
    return Stopwatch(Subject(int8, fp32), cases, None, settings, Silent(), Wanted(pairs=3))


def test_what_the_baseline_cannot_do_is_no_fault_of_the_artifact(
    make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = stopwatch(make_fake, monkeypatch, cannot_open="fp32")
    missing = watch.measure(["speedup.decode"])["missing"]["speedup.decode"]
    assert missing == "the baseline fp32 cannot be timed: no kernels; give --provider cpu"
    with pytest.raises(ArtifactError, match="no kernels"):
        stopwatch(make_fake, monkeypatch, cannot_open="int8").measure(["speedup.decode"])


def test_what_is_timed_is_the_file_as_it_is_and_what_is_judged_is_pruned(
    make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = stopwatch(make_fake, monkeypatch)
    opened: list[Setup] = []
    child = measuring.TimedChild

    def noting(setup: Setup, deadline: float | None) -> Any:
        opened.append(Setup.from_json(setup.to_json()))  # as the child reads it
        return child(setup, deadline)

    monkeypatch.setattr(measuring, "TimedChild", noting)
    watch.measure(["speedup.decode"])
    assert [(setup.artifact.id, setup.prune) for setup in opened] == [("int8", False), ("fp32", False)]
    assert watch.settings.setup(watch.artifact).prune


def test_what_the_baselines_backend_notes_stands_beside_the_speed_up(
    make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stopwatch(make_fake, monkeypatch).measure(["speedup.decode"])
    assert found["notes"] == ["int8 was opened"]
    assert found["baseline_notes"] == ["fp32 was opened"]
    figures = {"baseline": "fp32", "baseline_notes": found["baseline_notes"], "pairs": 3}
    ratio = {"ratio": 1.0, "ci": None, "reason": None}
    [table, *_] = slo_tables({"speedup": {**figures, "decode": ratio, "call": ratio}}, {})
    assert "fp32: fp32 was opened" in table.notes


def test_a_load_that_cannot_be_served_takes_no_other_with_it(
    make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stopwatch(make_fake, monkeypatch, no_memory_at=8).measure(["slo.calls_per_s"])
    assert [load["name"] for load in found["loads"]] == [
        "batch 1", "batch 4", "1 client", "5 clients", "10 clients", "20 clients", "open, 50%", "open, 80%",
    ]  # fmt: skip
    assert found["failed_loads"] == {"batch 8": "int8: there is no memory to run it"}
    assert found["missing"] == {"slo.calls_per_s": "int8: there is no memory to run it"}  # it speaks of batch 8


def test_what_is_noted_under_a_load_names_it(make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stopwatch(make_fake, monkeypatch).measure(["slo.calls_per_s"])
    assert found["notes"] == ["int8 was opened"]
    assert found["loads"][0]["notes"] == ["went on with 4"]
    assert found["loads"][0]["rows"] == 4


def test_no_load_at_all_is_told_once_with_the_first_reason(
    make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = stopwatch(make_fake, monkeypatch, no_memory_at=8)
    monkeypatch.setattr(under_load, "BATCHES", (8,))
    monkeypatch.setattr(under_load, "CLIENTS", (8,))
    monkeypatch.setattr(under_load.Served, "open", lambda self, _: self.child.ask("open", batch=8))
    found = watch.measure(["slo.calls_per_s"])
    assert found["missing"] == {"slo.calls_per_s": "int8: there is no memory to run it"}
    assert "loads" not in found


def test_the_calls_that_warmed_up_are_counted_and_their_time_is_the_measurements(
    make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = stopwatch(make_fake, monkeypatch)
    asked, ask = list[tuple[str, float]](), measuring.TimedChild.ask

    def listening(self: Any, do: str, *rest: Any, **what: Any) -> dict[str, Any]:
        asked.append((do, what.get("seconds", 0.0)))
        return {**ask(self, do, *rest, **what), "peak": 1, **dict.fromkeys(GPU)}

    monkeypatch.setattr(measuring.TimedChild, "ask", listening)
    found = watch.measure([P95])
    assert found["latency"]["warm_up"] == 3
    assert asked == [
        ("open", 0.0),
        ("warm_up", 15.0),
        ("latency", 59.0),
    ]  # a quarter of 60 s; 60 less 1 that it took


@pytest.fixture
def broken(make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    """Of one whose logits are no numbers, under two loads."""
    monkeypatch.setattr(under_load, "BATCHES", (8,))
    monkeypatch.setattr(under_load, "CLIENTS", (1,))
    folder = make_fake("nan")
    (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    artifact = open_artifact(str(folder))
    cases = load_cases([str(folder / "answers.jsonl")]).cases
    return Stopwatch(Subject(artifact, None), cases, None, Settings(Decoding(), 1, None, {}), Silent(), Wanted())


def test_a_machine_is_not_busy_with_what_the_run_itself_did_before_it_timed(
    make_fake: MakeFake, tmp_path: Path, case_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = iter([0.25, 9.0, 9.0])  # completions, and the artifact before, have kept all cores at work
    monkeypatch.setattr(os, "getloadavg", lambda: (next(loads), 0.0, 0.0), raising=False)
    fakes = [make_fake(name=name) for name in ("one", "other")]
    for fake in fakes:
        (fake / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    plan = make_plan(options(tmp_path, *fakes, cases=[str(case_file)]))
    judge = Judge(plan, {"cpu": "x"}, lambda line: None, Silent())
    for subject in plan.subjects:
        found = judge.judge(subject, [P95])
        assert isinstance(found, Judgement)
        assert found.run.facts["slo"]["load"] == 0.25


def test_a_part_that_fails_gives_its_own_reason_and_no_later_one_gets_a_false_one(broken: Stopwatch) -> None:
    found = broken.measure([P95, "slo.calls_per_s"])
    assert all("the logits of new token 1 are not finite" in why for why in found["missing"].values())
    assert set(found["missing"]) == {P95, "slo.calls_per_s"}
    assert len(found["crashed"]) == 3  # latency and each load, in a fresh child each
    [*_, last] = slo_tables({"missing": found["missing"], "crashed": found["crashed"]}, {})
    [said] = [note for note in last.notes if note.startswith("IT BROKE while it was timed, which no target asks for")]
    assert said.endswith("(3 times)")


def test_one_that_breaks_ends_the_run_where_targets_ask_for_speed(broken: Stopwatch) -> None:
    with pytest.raises(CrashError, match="not finite"):
        replace(broken, required=True).measure(["slo.calls_per_s"])


def test_a_baseline_that_breaks_is_no_fault_of_the_artifact(make_fake: MakeFake, broken: Stopwatch) -> None:
    folder = make_fake(name="int8")
    (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    subject = Subject(open_artifact(str(folder)), broken.artifact)
    found = replace(broken, subject=subject, required=True).measure(["speedup.decode"])
    assert "the baseline nan cannot be timed: " in found["missing"]["speedup.decode"]
    assert found["crashed"] == []


class Ended(Silent):
    """Counts the bars that were begun and not ended."""

    open = 0

    def start(self, name: str, total: int, cached: int) -> None:
        self.open = 1

    def finish(self) -> None:
        self.open = 0


def test_a_table_that_only_the_quantized_file_holds_twice_makes_no_larger_model() -> None:
    """The size gate counts so too: one run must not tell of two sizes, one of which is judged and the other not."""
    int8, fp32 = (open_artifact(str(ROOT / "fixtures" / "models" / name)) for name in ("nano-int8", "nano-fp32"))
    assert parameters(Subject(int8, fp32)) == parameters(Subject(fp32, None)) == 3_410_176
    assert parameters(Subject(int8, None)) == 3_410_176 + 1024 * 256  # where nothing says that it is one


SOUND = 17
"""Calls that one which breaks answers before: 10 to warm up, and 7."""


@pytest.fixture
def breaking_late(make_fake: MakeFake, broken: Stopwatch) -> Stopwatch:
    """Of one that is sound against one whose logits are no numbers after some calls, 30 calls or pairs of them."""
    for name in ("int8", "late"):
        folder = make_fake("nan" if name == "late" else "always_right", name)
        (folder / "pace.json").write_text(f'{{"first_token_ms": 1, "token_ms": 1, "sound_calls": {SOUND}}}')
    int8, late = (open_artifact(str(folder.parent / name)) for name in ("int8", "late"))
    return replace(broken, subject=Subject(int8, late), progress=Ended(), wanted=Wanted(calls=30, pairs=30))


def test_calls_that_were_timed_before_an_error_are_kept_and_decide_nothing(breaking_late: Stopwatch) -> None:
    watch = replace(breaking_late, subject=Subject(breaking_late.subject.baseline, None))
    found = watch.measure([P95, "slo.memory_gb"])
    assert len(found["latency"]["calls"]) == SOUND - 10
    assert found["missing"].keys() == {"slo.memory_gb"}
    assert "not finite" in found["missing"]["slo.memory_gb"]
    gate = judge_slo(slo_from_json(found), targets(f"{P95} <= 9999"))[P95]
    assert gate.outcome is Outcome.INCONCLUSIVE
    assert gate.reason.startswith("7 calls were timed, and then: late: the logits of new token 1 are not finite")
    assert watch.progress.open == 0


@pytest.mark.parametrize("whose", ["its own", "the baseline's"])
def test_pairs_that_were_timed_before_an_error_are_kept_and_decide_nothing(
    whose: str, breaking_late: Stopwatch
) -> None:
    int8, late = breaking_late.subject.artifact, breaking_late.subject.baseline
    of_baseline = whose == "the baseline's"
    watch = replace(breaking_late, subject=Subject(int8, late) if of_baseline else Subject(late, int8))
    found = watch.measure(["speedup.call"])
    assert len(found["pairs"]) == SOUND - 10
    assert found["missing"] == {}
    gate = judge_slo(slo_from_json(found), targets("speedup.call >= { int8 = 0.1 }"), "int8")["speedup.call"]
    assert gate.outcome is Outcome.INCONCLUSIVE
    named = "the baseline late cannot be timed: " if of_baseline else "late: "
    assert gate.reason.startswith(f"7 pairs were timed, and then: {named}")
    assert watch.progress.open == 0
    with pytest.raises(CrashError) if not of_baseline else nullcontext():
        replace(watch, required=True).measure(["speedup.call"])


def test_loads_are_told_beside_the_smallest_of_their_kind_and_not_of_another() -> None:
    rest = dict.fromkeys(("tokens_per_s", "p50_ms", "p95_ms", "good_per_s"), 1.0)
    served = {"batch 4": 20.0, "batch 8": 30.0, "1 client": 10.0, "20 clients": 40.0, "open, 50%": 20.0}
    loads = [
        {"name": name, "clients": None if "open" in name else 1, "rows": 4, "calls_per_s": rate, **rest}
        for name, rate in served.items()
    ]
    [table, *_] = slo_tables({"loads": loads, "failed_loads": {"batch 1": "no memory"}}, {})
    times = {row[0]: row[table.heads.index("times")] for row in table.rows}
    assert times == {"batch 4": "-", "batch 8": "-", "1 client": "1.00", "20 clients": "4.00", "open, 50%": "-"}
    assert "times: calls/s beside those of batch 1, or of 1 client" in table.notes


def test_a_report_says_how_many_were_made_before_an_error() -> None:
    ratio = {"ratio": 1.0, "ci": None, "reason": None}
    one = {"mean_ms": 7.0, "p50_ms": 7.0, "p95_ms": 7.0, "p99_ms": 7.0, "p95_ci": None}
    cut = {"wanted": 30, "prompts": 7, "stopped": "late: no memory"}
    latency = {"calls": 7, "warm_up": 10, "seconds": 60, **cut, "latency": one}
    pairs = {"baseline": "fp32", "pairs": 7, **cut, "decode": ratio, "call": ratio}
    for table in slo_tables({"latency": latency, "speedup": pairs}, {})[:2]:
        assert table.notes[0].startswith("7 calls of 7" if "ms a call" in table.heads else "medians of 7 pairs")
        assert table.notes[0].endswith("; 30 were wanted, but late: no memory")
