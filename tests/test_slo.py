"""Service levels as gates: bounds and not points decide, too few calls decide nothing, and paced fakes end to end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import Ran

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, Provider
from phi4bench.cli import main
from phi4bench.datasets import load_cases, schemas_dir
from phi4bench.errors import ArtifactError, BackendError, CrashError
from phi4bench.gates import Outcome
from phi4bench.report.speed import slo_tables
from phi4bench.run import measuring
from phi4bench.run.generation import Settings
from phi4bench.run.jobs import Setup
from phi4bench.run.measuring import Stopwatch, Wanted
from phi4bench.run.plan import Subject
from phi4bench.run.progress import Silent
from phi4bench.slo import (
    Latency,
    Memory,
    Pair,
    Slo,
    TimedCall,
    exempt_speedups,
    judge_slo,
    slo_from_json,
    speedups,
)
from phi4bench.targets import LATENCIES, Targets, parse_targets

RunSuites = Callable[..., Ran]
MakeFake = Callable[..., Path]


def targets(*gates: str) -> Targets:
    """From `name <= figure` or `name >= figure` each."""
    return parse_targets(toml(*gates), "ours")


def toml(*gates: str) -> str:
    text = ""
    for gate in gates:
        name, sign, figure = gate.split(maxsplit=2)
        kind = "floor" if sign == ">=" else "ceiling"
        text += f'[[gate]]\nname = "{name}"\n{kind} = {figure}\nsource = "a test"\n'
    return text


def calls(*totals: float, **fields: Any) -> Slo:
    timed = [TimedCall(total, **{"first_token_ms": 5.0, "token_ms": 1.0, "first_call_ms": 9.0, **fields}, tokens=4)
        for total in totals]  # fmt: skip
    return Slo(Latency(tuple(timed), 10, len(timed), 60.0))


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
                return {"calls": served, "stopped_s": 9e9, "rows": 4, "notes": ["went on with 4"], **dict.fromkeys(GPU)}
            return {"identity": {}, "calls": [[20.0, 10.0, 1.0, 20.0, 5]], "done": 3, "seconds": 1.0}

    monkeypatch.setattr(measuring, "TimedChild", Child)
    folders = [make_fake(name=f"{cannot_open}-{name}", precision=name) for name in ("int8", "fp32")]
    for folder in folders:
        (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    int8, fp32 = (replace(open_artifact(str(folder)), id=folder.name.split("-")[1]) for folder in folders)
    cases = load_cases([str(folders[0] / "answers.jsonl")]).cases
    settings = Settings(Decoding(), 1, None, {}, provider=Provider("cuda"))
    return Stopwatch(Subject(int8, fp32), cases, None, settings, Silent(), Wanted(pairs=3))


P95 = "slo.latency_p95_ms"


@pytest.mark.parametrize(
    ("slow", "of", "outcome"),
    [
        # Upper bound of P95 among 100: P(at most 98 below) = 0.963 >= 95%, so the 99th value; lower: the 91st, for
        # P(at most 90 below) = 0.028 and P(at most 91) = 0.063.
        pytest.param(1, 100, Outcome.PASS, id="one-slow-call-of-100"),
        pytest.param(2, 100, Outcome.INCONCLUSIVE, id="two-of-100-may-be-more-than-one-in-20"),
        pytest.param(9, 100, Outcome.INCONCLUSIVE, id="nine-of-100-may-be-one-in-20"),
        pytest.param(10, 100, Outcome.FAIL, id="ten-of-100-are-more-than-one-in-20"),
        pytest.param(0, 59, Outcome.PASS, id="the-fewest-calls"),
        pytest.param(0, 58, Outcome.INCONCLUSIVE, id="one-call-too-few"),
        pytest.param(1, 59, Outcome.INCONCLUSIVE, id="the-fewest-calls-with-one-slow"),
    ],
)
def test_a_percentile_is_judged_by_its_bounds_and_not_by_its_point(slow: int, of: int, outcome: Outcome) -> None:
    found = calls(*[300.0] * slow, *[100.0] * (of - slow))
    assert judge_slo(found, targets(f"{P95} <= 200"))[P95].outcome is outcome


def test_too_few_calls_are_refused_with_the_number_it_takes() -> None:
    gate = judge_slo(calls(*[1.0] * 58), targets(f"{P95} <= 200"))[P95]
    assert "58 calls were timed, but a bound on P95 at 95% takes at least 59" in gate.reason
    gate = judge_slo(calls(*[1.0] * 298), targets("slo.latency_p99_ms <= 200"))["slo.latency_p99_ms"]
    assert "takes at least 299" in gate.reason
    assert gate.interval is None


def of_prompts(found: Slo, prompts: int, wanted: int | None = None) -> Slo:
    """The same calls, which had so many different prompts."""
    assert found.latency is not None
    return replace(
        found, latency=replace(found.latency, prompts=prompts, calls_wanted=wanted or found.latency.calls_wanted)
    )


class TestRepeatedPrompts:
    @pytest.mark.parametrize(
        ("prompts", "gate", "figure", "outcome"),
        [
            pytest.param(1, "slo.latency_p99_ms", 200, Outcome.INCONCLUSIVE, id="one-prompt-300-times"),
            pytest.param(298, "slo.latency_p99_ms", 200, Outcome.INCONCLUSIVE, id="one-prompt-too-few"),
            pytest.param(299, "slo.latency_p99_ms", 200, Outcome.PASS, id="the-fewest-prompts"),
            pytest.param(59, P95, 200, Outcome.PASS, id="the-fewest-prompts-of-p95"),
            # 0.5^4 = 0.0625: four prompts above a median that is within the target are not rare enough
            pytest.param(4, "slo.latency_p50_ms", 50, Outcome.INCONCLUSIVE, id="four-slow-prompts-are-no-median"),
            pytest.param(5, "slo.latency_p50_ms", 50, Outcome.FAIL, id="five-are"),
        ],
    )
    def test_a_prompt_that_is_sent_again_is_no_new_draw(
        self, prompts: int, gate: str, figure: float, outcome: Outcome
    ) -> None:
        found = judge_slo(of_prompts(calls(*[100.0] * 300), prompts), targets(f"{gate} <= {figure}"))[gate]
        assert found.outcome is outcome

    def test_the_reason_names_the_cases_it_takes(self) -> None:
        gate = judge_slo(of_prompts(calls(*[1.0] * 300), 20), targets("slo.latency_p99_ms <= 200"))
        reason = gate["slo.latency_p99_ms"].reason
        assert "300 calls had 20 different prompts, but a bound on P99 at 95% takes at least 299" in reason
        assert "give 299 cases that expect a call" in reason

    def test_pairs_are_held_to_it_too(self) -> None:
        held = parse_targets(HELD, "ours")
        assert judge_slo(replace(pairs(*[2.7] * 10), pair_prompts=4), held, "int8")[DECODE].outcome is (
            Outcome.INCONCLUSIVE
        )
        assert judge_slo(replace(pairs(*[2.7] * 10), pair_prompts=5), held, "int8")[DECODE].outcome is Outcome.PASS

    def test_a_run_that_stored_the_number_of_its_cases_alone_is_held_to_that(self) -> None:
        stored = {"latency": {"calls": [[1.0, 1.0, 1.0, 1.0, 4]] * 300, "warm_up": 10, "wanted": 300, "seconds": 60}}
        found = slo_from_json({**stored, "calls_from": 1})
        assert judge_slo(found, targets(f"{P95} <= 200"))[P95].outcome is Outcome.INCONCLUSIVE
        assert judge_slo(slo_from_json(stored), targets(f"{P95} <= 200"))[P95].outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("more", "option"), [pytest.param(0, "--slo-calls", id="by-count"), pytest.param(9, "--slo-seconds", id="by-time")]
)
def test_the_advice_is_to_lift_what_ended_the_calls(more: int, option: str) -> None:
    for totals in ([1.0] * 58, [*[300.0] * 2, *[100.0] * 98]):  # too few; two of 100 may be more than one in 20
        found = of_prompts(calls(*totals), len(totals), len(totals) + more)
        gate = judge_slo(found, targets(f"{P95} <= 200"))[P95]
        assert gate.outcome is Outcome.INCONCLUSIVE
        assert option in gate.reason


@pytest.mark.parametrize(("wanted", "option"), [(10, "--slo-pairs"), (100, "--slo-seconds")], ids=["count", "time"])
def test_the_advice_on_pairs_is_to_lift_what_ended_them(wanted: int, option: str) -> None:
    found = replace(pairs(2.0, 2.0, *[2.7] * 8), pairs_wanted=wanted)
    gate = judge_slo(found, parse_targets(HELD, "ours"), "int8")[DECODE]
    assert gate.outcome is Outcome.INCONCLUSIVE
    assert f"({option}) would decide it" in gate.reason


def test_a_figure_by_device_is_the_devices_own() -> None:
    held = targets(f"{P95} <= {{ gpu = 50, cpu = 200 }}")
    on_gpu = Slo(calls(*[100.0] * 100).latency, device="gpu")
    assert judge_slo(calls(*[100.0] * 100), held)[P95].outcome is Outcome.PASS
    assert judge_slo(on_gpu, held)[P95].outcome is Outcome.FAIL


def test_an_answer_without_a_call_never_has_its_first_call() -> None:
    with_none = [*calls(*[10.0] * 80).latency.calls, *calls(*[10.0] * 20, first_call_ms=None).latency.calls]
    found = Slo(Latency(tuple(with_none), 10, 100, 60.0))
    gate = judge_slo(found, targets("slo.first_call_p95_ms <= 1000"))["slo.first_call_p95_ms"]
    assert gate.outcome is Outcome.FAIL  # a fifth of the calls never came
    assert gate.rate is None
    assert "never" in gate.reason


def test_what_no_target_names_is_measured_and_nothing_else() -> None:
    found = judge_slo(calls(*[100.0] * 100), targets("tool >= 0.9"))
    assert {gate.outcome for gate in found.values()} == {None}
    assert found[P95].rate == 100.0


def test_what_a_backend_cannot_tell_is_no_figure() -> None:
    found = judge_slo(calls(1.0, first_token_ms=None, token_ms=None, first_call_ms=None), targets("tool >= 0.9"))
    assert set(found) == {"slo.latency_p50_ms", "slo.latency_p95_ms", "slo.latency_p99_ms"}


@pytest.mark.parametrize(("gb", "outcome"), [(0.9, Outcome.PASS), (1.1, Outcome.FAIL)])
def test_memory_is_what_it_is(gb: float, outcome: Outcome) -> None:
    found = Slo(memory=Memory(int(gb * 1e9)))
    assert judge_slo(found, targets("slo.memory_gb <= 1"))["slo.memory_gb"].outcome is outcome


@pytest.mark.parametrize(
    ("gb", "by_all", "outcome"),
    [
        pytest.param(13, False, Outcome.FAIL, id="ours"),
        pytest.param(13, True, Outcome.INCONCLUSIVE, id="with-others"),
        pytest.param(11, True, Outcome.PASS, id="with-others-within"),
    ],
)
def test_a_gpu_that_others_fill_too_fails_nothing(gb: int, by_all: bool, outcome: Outcome) -> None:
    found = Slo(memory=Memory(1, gb * 10**9, 0.5, by_all), device="gpu")
    gate = judge_slo(found, targets("slo.gpu_memory_gb <= 12"))["slo.gpu_memory_gb"]
    assert gate.outcome is outcome
    assert ("of all processes on the device" in gate.reason) is (outcome is Outcome.INCONCLUSIVE)


def test_memory_of_the_gpu_is_the_most_of_calls_one_by_one_and_in_batches() -> None:
    def part(gpu_bytes: int | None, name: str = "", busy: float = 0.1) -> dict[str, Any]:
        told = {"gpu_bytes": gpu_bytes, "gpu_by_all": gpu_bytes == 7, "gpu_utilisation": busy}
        return told | ({"name": name, "clients": 1, "rate": None, "rows": 1, "stopped_s": 1.0, "calls": []})

    loads = [part(5, "batch 4"), part(7, "batch 8", 0.9), part(60, "20 clients")]  # rows as many as the memory takes
    told = {"memory": {"peak_rss_bytes": 1, **part(3)}, "loads": loads}
    assert slo_from_json(told).memory == Memory(1, 7, 0.1, True, 0.9)
    assert slo_from_json({"memory": {"peak_rss_bytes": 1, **part(3)}}).memory == Memory(1, 3, 0.1)
    assert slo_from_json({"memory": {"peak_rss_bytes": 1}}).memory == Memory(1)


def test_a_report_says_whose_the_memory_of_the_gpu_is() -> None:
    memory = {"peak_rss_bytes": 10**9, "gpu_bytes": 3 * 10**9, "gpu_utilisation": 0.25, "gpu_load_utilisation": 0.9}

    def line(by_all: bool) -> str:
        *_, notes = slo_tables({"memory": memory | {"gpu_by_all": by_all}, "missing": {"x": "y"}}, {})
        return notes.notes[0]

    assert (
        line(False)
        == "memory: 1.0 GB at most, 3.0 GB of the GPU's, which had work 25.0% of the time, 90.0% of it at batch 8"
    )
    assert "3.0 GB of the GPU's by all processes on it together (NVML does not list this one)" in line(True)


def pairs(*ratios: float, parameters: int | None = 300_000_000) -> Slo:
    """Pairs in which the baseline's tokens take so many times as long, and its calls half that."""
    return Slo(pairs=tuple(Pair(100.0, 2.0, 50.0 * one, 2.0 * one) for one in ratios), parameters=parameters)


DECODE = "speedup.decode"
HELD = """[[gate]]
name = "speedup.decode"
floor = { int8 = 2.67, int4 = 3.67 }
least_parameters = 200_000_000
source = "a test"
"""


class TestSpeedup:
    @pytest.mark.parametrize(
        ("ratios", "precision", "outcome"),
        [
            # Bounds of the median of 10: the 2nd and the 9th, for P(at most 1 of 10 below) = 0.0107 and
            # P(at most 2) = 0.0547.
            pytest.param([2.0, *[2.7] * 9], "int8", Outcome.PASS, id="one-pair-was-disturbed"),
            pytest.param([2.0, 2.0, *[2.7] * 8], "int8", Outcome.INCONCLUSIVE, id="two-of-ten-below"),
            pytest.param([*[2.6] * 9, 9.0], "int8", Outcome.FAIL, id="one-lucky-pair"),
            pytest.param([2.7] * 10, "int4", Outcome.FAIL, id="int4-has-a-figure-of-its-own"),
            pytest.param([2.7] * 5, "int8", Outcome.PASS, id="the-fewest-pairs"),  # 0.5^5 = 0.031
            pytest.param([2.7] * 4, "int8", Outcome.INCONCLUSIVE, id="one-pair-too-few"),
            pytest.param([2.7] * 10, "fp32", None, id="no-figure-for-fp32"),
        ],
    )
    def test_the_median_of_pairs_is_judged_by_its_bounds(
        self, ratios: list[float], precision: str, outcome: Outcome | None
    ) -> None:
        found = judge_slo(pairs(*ratios), parse_targets(HELD, "ours"), precision)
        assert found[DECODE].outcome is outcome
        assert found["speedup.call"].outcome is None
        assert found["speedup.call"].rate == pytest.approx((found[DECODE].rate or 0) / 2)  # 50 r / 100 against r

    def test_a_small_model_is_measured_and_not_judged(self) -> None:
        held = parse_targets(HELD, "ours")
        small = pairs(*[1.0] * 10, parameters=199_999_999)
        assert judge_slo(small, held, "int8")[DECODE].outcome is None
        assert "200.0M parameters, and 2.67 is required from 200M on" in judge_slo(small, held, "int8")[DECODE].reason
        assert exempt_speedups(small, held) == {DECODE}
        assert exempt_speedups(pairs(1.0, parameters=200_000_000), held) == frozenset()
        assert exempt_speedups(pairs(1.0, parameters=None), held) == frozenset()  # unknown: judged

    def test_a_pair_whose_answer_is_one_token_has_no_decode(self) -> None:
        found = Slo(pairs=(Pair(10.0, None, 20.0, None), Pair(10.0, 1.0, 20.0, 3.0)))
        assert speedups(found.pairs, DECODE) == [3.0]
        assert speedups(found.pairs, "speedup.call") == [2.0, 2.0]


class TestSuites:
    """`pytest suites/slo` on fakes with a clock of their own: their times are the file's, whatever the machine does."""

    @pytest.fixture
    def paced(self, make_fake: MakeFake) -> Callable[..., Path]:
        def make(name: str = "paced", first_token_ms: float = 20.0, token_ms: float = 2.0, **more: float) -> Path:
            folder = make_fake(name=name)
            pace = {"first_token_ms": first_token_ms, "token_ms": token_ms, **more}
            (folder / "pace.json").write_text(json.dumps(pace))
            return folder

        return make

    def judged(self, run_suites: RunSuites, fake: Path, held: str, tmp_path: Path, *more: object) -> Ran:
        (tmp_path / "ours.toml").write_text(held)
        return run_suites("--model", fake, "--targets", tmp_path / "ours.toml", "-k", "slo", "-rs", *more)

    def test_a_fast_artifact_is_promoted_by_targets_on_speed_alone(
        self, run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
    ) -> None:
        ran = self.judged(run_suites, paced(), toml(f"{P95} <= 200", "slo.token_p95_ms <= 3"), tmp_path)
        assert ran.code == 0, ran.out
        slo = ran.artifact()["slo"]
        assert slo["latency"]["calls"] == 300
        # read(file_path='notes0.txt') within its markers takes 12 or 13 tokens of 4 characters: 20 + 11 * 2 at least
        assert slo["latency"]["first_token"]["p95_ms"] == pytest.approx(20, abs=1e-6)
        assert slo["latency"]["token"]["p50_ms"] == pytest.approx(2)
        assert 40 < slo["latency"]["latency"]["p50_ms"] < 60
        statement = json.loads((ran.report_dir / "promotion.json").read_text())
        assert {gate["name"]: gate["outcome"] for gate in statement["predicate"]["gates"]} == {
            P95: "PASS",
            "slo.token_p95_ms": "PASS",
        }
        for name, data in (("promotion", statement), ("report", ran.report())):
            schema = json.loads((schemas_dir() / f"{name}.schema.json").read_text())
            jsonschema.Draft202012Validator(schema).validate(data)
        table, _, _ = ran.out[ran.out.index("= phi4bench =") :].partition("\nreports:")
        assert max(map(len, table.splitlines()[1:])) < 80
        assert "these figures hold on: " in ran.out
        assert (ran.report_dir / "report.html").read_text().count("first whole call") == 1

    def test_the_same_few_prompts_over_and_over_promote_nothing(
        self, run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
    ) -> None:
        (tmp_path / "ours.toml").write_text(toml("slo.latency_p99_ms <= 200"))
        held = ("--targets", tmp_path / "ours.toml", "-k", "latency_p99")
        ran = run_suites("--model", paced(), *held, "--limit", 20)
        assert ran.code == 10, ran.out
        latency = ran.artifact()["slo"]["latency"]
        assert latency["calls"] == 300
        assert latency["prompts"] < 20  # of the sample, those that expect a call
        said = f"300 calls of {latency['prompts']} prompts, one by one"
        assert said in " ".join(ran.out.split())
        assert "takes at least 299" in ran.out

    def test_a_promotion_by_speed_is_judged_again_from_its_stored_timings(
        self, run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake = paced(slow_every=50, slow_by=2)
        ran = self.judged(run_suites, fake, toml(f"{P95} <= 200"), tmp_path)
        statement = ran.report_dir / "promotion.json"
        command = ["verify", str(statement), "--model", str(fake), "--transcripts", str(ran.report_dir)]
        assert main(command) == 0, capsys.readouterr().out
        data = json.loads(statement.read_text())
        data["predicate"]["gates"][0]["rate"] -= 1
        statement.write_text(json.dumps(data))
        assert main(command) == 1
        assert "predicate.gates.slo.latency_p95_ms.rate" in capsys.readouterr().out
        assert main(["rescore", str(ran.report_dir)]) == 0
        assert "first whole call" in capsys.readouterr().out

    def test_a_time_limit_leaves_the_rest_unmeasured(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        fake = make_fake("slow")  # really sleeps, 50 ms a call
        (fake / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
        ran = self.judged(run_suites, fake, toml(f"{P95} <= 200"), tmp_path, "--time-limit", 1)
        assert ran.code == 10, ran.out
        assert "the time limit was reached before its speed was measured" in " ".join(ran.out.split())

    def test_hiccups_reject_it_by_its_tail(
        self, run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
    ) -> None:
        fake = paced(slow_every=10, slow_by=10)
        ran = self.judged(run_suites, fake, toml(f"{P95} <= 200", "slo.latency_p50_ms <= 200"), tmp_path)
        assert ran.code == 1, ran.out
        assert "but should be at most 200 ms [a test]" in ran.out
        gates = ran.artifact()["slo"]["gates"]
        assert {name: gate["outcome"] for name, gate in gates.items()} == {
            P95: "FAIL",
            "slo.latency_p50_ms": "PASS",
        }

    def test_fewer_calls_than_the_bound_takes_are_inconclusive(
        self, run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
    ) -> None:
        ran = self.judged(run_suites, paced(), toml(f"{P95} <= 200"), tmp_path, "--slo-calls", 58)
        assert ran.code == 10, ran.out
        assert "takes at least 59" in ran.out

    def test_a_target_for_a_gpu_is_skipped_on_a_cpu_and_leaves_the_verdict_open(
        self, run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
    ) -> None:
        held = toml(f"{P95} <= 200", "slo.gpu_memory_gb <= { gpu = 12 }")
        ran = self.judged(run_suites, paced(), held, tmp_path)
        assert ran.code == 10, ran.out
        said = "skipped: its figure is for a gpu, and this run was on a cpu"
        assert said in " ".join(ran.out.split())
        assert not (ran.report_dir / "promotion.json").exists()

    def test_a_speed_up_is_measured_in_turns_with_the_baseline(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        for folder, token_ms in ((make_fake(name="fp32"), 6), (make_fake(name="int8", precision="int8"), 2)):
            (folder / "pace.json").write_text(json.dumps({"first_token_ms": 20, "token_ms": token_ms}))
        held = toml("speedup.decode >= { int8 = 2.67 }", "speedup.call >= { int8 = 2.9 }")
        ran = self.judged(run_suites, tmp_path / "int8", held, tmp_path, "--baseline", tmp_path / "fp32")
        assert ran.code == 1, ran.out
        speedup = ran.artifact()["slo"]["speedup"]
        assert speedup["baseline"] == "fp32"
        assert speedup["decode"]["ratio"] == pytest.approx(3)
        assert 1.5 < speedup["call"]["ratio"] < 3  # its prompt is read no faster
        gates = {gate["name"]: gate["outcome"] for gate in ran.artifact()["gates"]}
        assert gates == {"speedup.decode": "PASS", "speedup.call": "FAIL"}
        schema = json.loads((schemas_dir() / "report.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(ran.report())

    def test_throughput_is_measured_under_load_and_priced(
        self, run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
    ) -> None:
        """A fake serves one call after the other, so that more clients get no more done and wait longer."""
        price = '[price]\nper_hour = 3.6\ncurrency = "EUR"\nsource = "a test"\n'
        held = toml("slo.tokens_per_s >= 200", "slo.goodput_per_s >= 25", f"{P95} <= 200") + price
        ran = self.judged(run_suites, paced(), held, tmp_path)
        assert ran.code == 1, ran.out
        slo = ran.artifact()["slo"]
        loads = {load["name"]: load for load in slo["loads"]}
        assert list(loads) == [
            "batch 1", "batch 4", "batch 8", "1 client", "5 clients", "10 clients", "20 clients",
            "open, 50%", "open, 80%",
        ]  # fmt: skip
        one, twenty = loads["1 client"], loads["20 clients"]
        assert twenty["calls_per_s"] == pytest.approx(one["calls_per_s"], rel=0.1)
        # Little's law: 20 = calls/s x latency
        assert twenty["calls_per_s"] * twenty["p50_ms"] / 1e3 == pytest.approx(20, rel=0.05)
        assert one["right"] == one["steady_calls"] > 200
        assert one["good_per_s"] == pytest.approx(one["calls_per_s"])
        assert twenty["good_per_s"] == 0  # all right, and all later than 200 ms
        gates = {gate["name"]: gate["outcome"] for gate in ran.artifact()["gates"]}
        assert gates == {"slo.tokens_per_s": "PASS", "slo.goodput_per_s": "FAIL", P95: "PASS"}
        tokens = loads["batch 8"]["tokens_per_s"]
        assert slo["cost"]["per_million_tokens"] == pytest.approx(1000 / tokens)  # 3.6 an hour is 0.001 a second
        assert slo["cost"]["per_thousand_good_calls"] is None  # there are none
        assert "no call was good, so 1,000 good ones have no cost" in " ".join(ran.out.split())
        table, _, _ = ran.out[ran.out.index("= phi4bench =") :].partition("\nreports:")
        assert max(map(len, table.splitlines()[1:])) < 80
        schema = json.loads((schemas_dir() / "report.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(ran.report())

    def test_what_the_baseline_cannot_do_is_no_fault_of_the_artifact(
        self, make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = stopwatch(make_fake, monkeypatch, cannot_open="fp32")
        missing = watch.measure(["speedup.decode"])["missing"]["speedup.decode"]
        assert missing == "the baseline fp32 cannot be timed: no kernels; give --provider cpu"
        with pytest.raises(ArtifactError, match="no kernels"):
            stopwatch(make_fake, monkeypatch, cannot_open="int8").measure(["speedup.decode"])

    def test_what_the_baselines_backend_notes_stands_beside_the_speed_up(
        self, make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = stopwatch(make_fake, monkeypatch).measure(["speedup.decode"])
        assert found["notes"] == ["int8 was opened"]
        assert found["baseline_notes"] == ["fp32 was opened"]
        figures = {"baseline": "fp32", "baseline_notes": found["baseline_notes"], "pairs": 3}
        ratio = {"ratio": 1.0, "ci": None, "reason": None}
        [table, *_] = slo_tables({"speedup": {**figures, "decode": ratio, "call": ratio}}, {})
        assert "fp32: fp32 was opened" in table.notes

    def test_without_a_baseline_a_speed_up_stays_open(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        folder = make_fake(name="int8", precision="int8")
        (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
        ran = self.judged(run_suites, folder, HELD, tmp_path)
        assert ran.code == 10, ran.out
        assert "there is no baseline: its manifest names no parent" in " ".join(ran.out.split())

    def test_no_completion_is_made_where_speed_alone_is_asked_for(
        self, run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
    ) -> None:
        ran = self.judged(run_suites, paced(), toml(f"{P95} <= 200"), tmp_path)
        assert ran.artifact()["generation"]["generated"] == 0
        assert ran.artifact()["slo"]["latency"]["seconds"] == 60
        assert "no completion was asked for" in ran.out

    def test_speed_that_no_target_names_is_measured_in_passing(
        self, run_suites: RunSuites, paced: Callable[..., Path]
    ) -> None:
        ran = run_suites("--model", paced(), "-k", "test_tool or latency_p95")
        assert ran.code == 0, ran.out
        assert ran.artifact()["slo"]["latency"]["seconds"] == 6
        assert ran.artifact()["levels"]["tool"]["outcome"] == "PASS"

    def test_a_fake_without_a_pace_is_not_timed(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        ran = self.judged(run_suites, make_fake(), toml(f"{P95} <= 200"), tmp_path)
        assert ran.code == 10, ran.out
        assert "it was not measured: always_right is a fake without a pace" in " ".join(ran.out.split())

    def test_a_load_that_cannot_be_served_takes_no_other_with_it(
        self, make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = stopwatch(make_fake, monkeypatch, no_memory_at=8).measure(["slo.calls_per_s"])
        assert [load["name"] for load in found["loads"]] == [
            "batch 1", "batch 4", "1 client", "5 clients", "10 clients", "20 clients", "open, 50%", "open, 80%",
        ]  # fmt: skip
        assert found["failed_loads"] == {"batch 8": "int8: there is no memory to run it"}
        assert found["missing"] == {"slo.calls_per_s": "int8: there is no memory to run it"}  # it speaks of batch 8

    def test_what_is_noted_under_a_load_names_it(self, make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
        found = stopwatch(make_fake, monkeypatch).measure(["slo.calls_per_s"])
        assert found["notes"][:2] == ["int8 was opened", "batch 1: went on with 4"]
        assert found["loads"][0]["notes"] == ["went on with 4"]
        assert found["loads"][0]["rows"] == 4

    def test_no_load_at_all_is_told_once_with_the_first_reason(
        self, make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = stopwatch(make_fake, monkeypatch, no_memory_at=8)
        monkeypatch.setattr(measuring, "BATCHES", (8,))
        monkeypatch.setattr(measuring, "CLIENTS", (8,))
        monkeypatch.setattr(measuring.Served, "open", lambda self, _: self.child.ask("open", batch=8))
        found = watch.measure(["slo.calls_per_s"])
        assert found["missing"] == {"slo.calls_per_s": "int8: there is no memory to run it"}
        assert "loads" not in found

    def test_the_calls_that_warmed_up_are_counted_and_their_time_is_the_measurements(
        self, make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch
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
    def broken(self, make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
        """Of one whose logits are no numbers, under two loads."""
        monkeypatch.setattr(measuring, "BATCHES", (8,))
        monkeypatch.setattr(measuring, "CLIENTS", (1,))
        folder = make_fake("nan")
        (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
        artifact = open_artifact(str(folder))
        cases = load_cases([str(folder / "answers.jsonl")]).cases
        return Stopwatch(Subject(artifact, None), cases, None, Settings(Decoding(), 1, None, {}), Silent(), Wanted())

    def test_a_part_that_fails_gives_its_own_reason_and_no_later_one_gets_a_false_one(self, broken: Stopwatch) -> None:
        found = broken.measure([P95, "slo.calls_per_s"])
        assert all("the logits of new token 1 are not finite" in why for why in found["missing"].values())
        assert set(found["missing"]) == {P95, "slo.calls_per_s"}
        assert len(found["crashed"]) == 3  # latency and each load, in a fresh child each
        [*_, last] = slo_tables({"missing": found["missing"], "crashed": found["crashed"][:1]}, {})
        assert last.notes[-1].startswith("IT BROKE while it was timed, which no target asks for")

    def test_one_that_breaks_ends_the_run_where_targets_ask_for_speed(self, broken: Stopwatch) -> None:
        with pytest.raises(CrashError, match="not finite"):
            replace(broken, required=True).measure(["slo.calls_per_s"])

    def test_a_baseline_that_breaks_is_no_fault_of_the_artifact(self, make_fake: MakeFake, broken: Stopwatch) -> None:
        folder = make_fake(name="int8")
        (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
        subject = Subject(open_artifact(str(folder)), broken.artifact)
        found = replace(broken, subject=subject, required=True).measure(["speedup.decode"])
        assert "the baseline nan cannot be timed: " in found["missing"]["speedup.decode"]
        assert found["crashed"] == []

    def test_a_child_that_dies_while_it_is_timed_leaves_no_verdict(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        fake = make_fake("crashes")
        (fake / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
        ran = self.judged(run_suites, fake, toml(f"{P95} <= 200"), tmp_path)
        assert ran.code == 3, ran.out
        assert "the process that timed it was ended by SIGSEGV" in " ".join(ran.out.split())

    def test_one_that_breaks_where_no_target_asks_for_speed_is_told_and_changes_no_verdict(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        fake = make_fake("crashes")
        (fake / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
        ran = run_suites("--model", fake, "-k", "latency_p95")
        assert ran.code == 0, ran.out  # a partial run, whose gates are those of accuracy
        [how] = ran.artifact()["slo"]["crashed"]
        assert "the process that timed it was ended by SIGSEGV" in how
        assert f"so the verdict does not count it: {how}" in " ".join(ran.out.split())
        schema = json.loads((schemas_dir() / "report.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(ran.report())


def test_one_call_has_no_bounds_and_is_told_as_one() -> None:
    ends = {"p50_ci": [None, None], "p95_ci": [None, 7.0], "p99_ci": [None, None]}
    one = {"mean_ms": 7.0, "p50_ms": 7.0, "p95_ms": 7.0, "p99_ms": 7.0, **ends}
    latency = {"calls": 1, "prompts": 1, "wanted": 1, "warm_up": 1, "seconds": 60, **dict.fromkeys(LATENCIES)}
    table, *_ = slo_tables({"latency": {**latency, "latency": one}}, {})
    assert table.rows[0][-1] == "7 at most"
    assert table.notes[0].startswith("1 call of 1 prompt, one by one after 1 to warm up")


def test_never_is_infinite_and_no_number_in_json() -> None:
    assert not math.isfinite(
        max(call.first_call_ms or math.inf for call in calls(1.0, first_call_ms=None).latency.calls)
    )
