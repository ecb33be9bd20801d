"""`pytest suites/slo` on fakes with a clock of their own: their times are the file's, whatever the machine does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import ROOT, MakeFake, Ran, RunSuites, fakes_in, suites_in
from slo_targets import HELD, P95, toml

from phi4bench.cli import main
from phi4bench.datasets import schemas_dir


def pace(folder: Path, first_token_ms: float = 20.0, token_ms: float = 2.0, **more: float) -> Path:
    (folder / "pace.json").write_text(json.dumps({"first_token_ms": first_token_ms, "token_ms": token_ms, **more}))
    return folder


@pytest.fixture
def paced(make_fake: MakeFake) -> Callable[..., Path]:
    return lambda name="paced", **more: pace(make_fake(name=name), **more)


def judged(run_suites: RunSuites, fake: Path, held: str, tmp_path: Path, *more: object) -> Ran:
    (tmp_path / "ours.toml").write_text(held)
    return run_suites("--model", fake, "--targets", tmp_path / "ours.toml", "-k", "slo", "-rs", *more)


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory, case_file: Path, case_lines: list[dict[str, Any]]) -> Ran:
    """A run on a fast artifact, by targets on speed alone."""
    folder = tmp_path_factory.mktemp("fast")
    fake = pace(fakes_in(folder, case_lines)(name="paced"))
    return judged(suites_in(folder, case_file), fake, toml(f"{P95} <= 200", "slo.token_p95_ms <= 3"), folder)


def test_a_fast_artifact_is_promoted_by_targets_on_speed_alone(fast: Ran) -> None:
    ran = fast
    assert ran.code == 0, ran.out
    slo = ran.artifact()["slo"]
    assert slo["latency"]["calls"] == 300
    # read(file_path='notes0.txt') within its markers takes 12 or 13 tokens of 4 characters: 20 + 11 * 2 at least
    assert slo["latency"]["first_token"]["p95_ms"] == pytest.approx(20, abs=1e-6)
    assert slo["latency"]["token"]["p50_ms"] == pytest.approx(2)
    assert slo["latency"]["latency"]["p50_ms"] == pytest.approx(45, abs=1.01)  # 20 + 2 x 12 or 13, by the call
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


@pytest.mark.parametrize(("most", "code", "outcome"), [(0.01, 0, "PASS"), (0.001, 1, "FAIL")])
def test_size_on_disk_is_judged_and_nothing_is_run_for_it(
    run_suites: RunSuites, tmp_path: Path, most: float, code: int, outcome: str
) -> None:
    (tmp_path / "ours.toml").write_text(toml(f"slo.size_gb <= {most}"))
    nano = ROOT / "fixtures" / "models" / "nano-int8"
    ran = run_suites("--model", nano, "--targets", tmp_path / "ours.toml", "-k", "test_disk")
    assert ran.code == code, ran.out
    slo = ran.artifact()["slo"]
    assert slo["disk_bytes"] == sum(path.stat().st_size for path in nano.glob("model.onnx*"))
    assert slo["gates"]["slo.size_gb"]["outcome"] == outcome
    assert "loads" not in slo
    assert f"on disk: {slo['disk_bytes'] / 1e6:.1f} MB, tokenizer and configuration not counted" in ran.out
    jsonschema.Draft202012Validator(json.loads((schemas_dir() / "report.schema.json").read_text())).validate(
        ran.report()
    )


def test_the_same_few_prompts_over_and_over_promote_nothing(
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
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
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = paced(slow_every=50, slow_by=2)
    ran = judged(run_suites, fake, toml(f"{P95} <= 200"), tmp_path)
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


def test_a_time_limit_leaves_the_rest_unmeasured(run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path) -> None:
    fake = make_fake("slow")  # really sleeps, 50 ms a call
    (fake / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    ran = judged(run_suites, fake, toml(f"{P95} <= 200"), tmp_path, "--time-limit", 1)
    assert ran.code == 10, ran.out
    assert "the time limit was reached before its speed was measured" in " ".join(ran.out.split())


def test_hiccups_reject_it_by_its_tail(run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path) -> None:
    fake = paced(slow_every=10, slow_by=10)
    held = toml(f"{P95} <= 200", "slo.latency_p50_ms <= 200")
    ran = judged(run_suites, fake, held, tmp_path, "-k", "latency")
    assert ran.code == 1, ran.out
    assert "but should be at most 200 ms [a test]" in ran.out
    gates = ran.artifact()["slo"]["gates"]
    assert {name: gate["outcome"] for name, gate in gates.items()} == {
        P95: "FAIL",
        "slo.latency_p50_ms": "PASS",
    }


def test_fewer_calls_than_the_bound_takes_are_inconclusive(
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
) -> None:
    ran = judged(run_suites, paced(), toml(f"{P95} <= 200"), tmp_path, "-k", "latency", "--slo-calls", 58)
    assert ran.code == 10, ran.out
    assert "takes at least 59" in ran.out
    slo = ran.artifact()["slo"]
    low, high = slo["gates"][P95]["ci"]
    assert [low, high] == slo["latency"]["latency"]["p95_ci"]  # as the other table has it: the lower bound alone
    assert low is not None
    assert high is None


def test_a_target_for_a_gpu_is_skipped_on_a_cpu_and_leaves_the_verdict_open(
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
) -> None:
    held = toml(f"{P95} <= 200", "slo.gpu_memory_gb <= { gpu = 12 }")
    ran = judged(run_suites, paced(), held, tmp_path)
    assert ran.code == 10, ran.out
    said = "skipped: its figure is for a gpu, and this run was on a cpu"
    assert said in " ".join(ran.out.split())
    assert not (ran.report_dir / "promotion.json").exists()


def test_what_was_not_found_is_told_with_its_reason_whether_it_is_required_or_not(
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
) -> None:
    ran = judged(run_suites, paced(), toml("slo.gpu_memory_gb <= 1"), tmp_path, "--slo-seconds", 1)
    said = " ".join(ran.out.split())
    assert "INCONCLUSIVE slo.gpu_memory_gb: it was not measured: the run was on a CPU" in said
    assert re.search(r"test_throughput.py:\d+: not measured: none of its \d+ calls was served in steady state", said)


def test_a_speed_up_is_measured_in_turns_with_the_baseline(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    for folder, token_ms in ((make_fake(name="fp32"), 6), (make_fake(name="int8", precision="int8"), 2)):
        (folder / "pace.json").write_text(json.dumps({"first_token_ms": 20, "token_ms": token_ms}))
    held = toml("speedup.decode >= { int8 = 2.67 }", "speedup.call >= { int8 = 2.9 }")
    ran = judged(run_suites, tmp_path / "int8", held, tmp_path, "--baseline", tmp_path / "fp32")
    assert ran.code == 1, ran.out
    speedup = ran.artifact()["slo"]["speedup"]
    assert speedup["baseline"] == "fp32"
    assert speedup["decode"]["ratio"] == pytest.approx(3)
    # Half of the calls are 13 tokens long, half 14: of 13 it is 20 + 12 x 6 ms against 20 + 12 x 2, the lower median.
    assert speedup["call"]["ratio"] == pytest.approx(92 / 44)
    gates = {gate["name"]: gate["outcome"] for gate in ran.artifact()["gates"]}
    assert gates == {"speedup.decode": "PASS", "speedup.call": "FAIL"}
    schema = json.loads((schemas_dir() / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(ran.report())


def test_throughput_is_measured_under_load_and_priced(
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
) -> None:
    """A fake serves one call after the other, so that more clients get no more done and wait longer."""
    price = '[price]\nper_hour = 3.6\ncurrency = "EUR"\nsource = "a test"\n'
    held = toml("slo.tokens_per_s >= 200", "slo.goodput_per_s >= 25", f"{P95} <= 200") + price
    ran = judged(run_suites, paced(), held, tmp_path)
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


def test_traffic_of_a_given_rate_is_called_by_it(
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
) -> None:
    held = toml("slo.calls_per_s >= 1")
    for rate, name in (("1200", "open 1,200/s"), ("0.5", "open 0.5/s")):
        ran = judged(run_suites, paced(name=rate), held, tmp_path, "-k", "calls_per_s", "--slo-rate", rate)
        assert ran.artifact()["slo"]["loads"][-1]["name"] == name


def test_traffic_that_comes_faster_than_it_is_served_says_how_much_was_left_waiting(
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
) -> None:
    more = ("-k", "calls_per_s", "--slo-rate", 40, "--slo-seconds", 4)  # a second of each load, and 22 calls in it
    ran = judged(run_suites, paced(), toml("slo.calls_per_s >= 1"), tmp_path, *more)
    load = ran.artifact()["slo"]["loads"][-1]
    [note] = load["notes"]
    assert note.endswith(" more calls had come when its time was over, which no figure tells of")
    assert load["calls"] + int(note.split()[0]) == pytest.approx(40, abs=19)  # three deviations of 40: Poisson
    assert f"speed open 40/s: {note}" in " ".join(ran.out.split())
    assert (ran.report_dir / "report.html").read_text().count(note) == 1


def test_without_a_baseline_a_speed_up_stays_open(run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path) -> None:
    folder = make_fake(name="int8", precision="int8")
    (folder / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    ran = judged(run_suites, folder, HELD, tmp_path)
    assert ran.code == 10, ran.out
    assert "there is no baseline: its manifest names no parent" in " ".join(ran.out.split())


def test_targets_of_which_none_concerns_an_artifact_decide_nothing_and_that_is_told(
    run_suites: RunSuites, paced: Callable[..., Path], tmp_path: Path
) -> None:
    ran = judged(run_suites, paced(), toml("speedup.decode >= { int8 = 2 }"), tmp_path)  # it is of fp32
    assert ran.code == 10, ran.out
    said = "none of the gates that ours.toml names concerns paced"
    assert f"INCONCLUSIVE: {said}" in " ".join(ran.out.split())
    assert said in (ran.report_dir / "report.html").read_text()


def test_a_long_name_of_the_baseline_leaves_the_table_of_speed_ups_in_line(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    name = "the-parent-in-single-precision-with-a-long-name"
    one, other = pace(make_fake(name="int8", precision="int8")), pace(make_fake(name=name))
    ran = judged(run_suites, one, toml("speedup.decode >= 1"), tmp_path, "--baseline", other, "-k", "decode")
    assert ran.artifact()["slo"]["speedup"]["baseline"] == name
    at = ran.lines.index(next(line for line in ran.lines if line.startswith("  against the-")))
    heads, row = ran.lines[at : at + 2]
    assert heads.endswith("speed-up            bounds")
    assert len(heads) == len(row) < 80


def test_no_completion_is_made_where_speed_alone_is_asked_for(fast: Ran) -> None:
    assert fast.artifact()["generation"]["generated"] == 0
    assert fast.artifact()["slo"]["latency"]["seconds"] == 60
    assert "no completion was asked for" in fast.out
    page = (fast.report_dir / "report.html").read_text()
    assert "<dt>runtime</dt><dd>runtime fake, " in page  # of the timings
    assert page.count('<th class="outcome">outcome</th>') == 1  # of speed, above its own column; no rate was made


def test_the_summary_of_speed_alone_has_its_bounds_and_says_that_no_completion_was_made(
    fast: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summary", str(fast.report_dir)]) == 0
    out = capsys.readouterr().out
    (gate,) = (one for one in fast.artifact()["gates"] if one["name"] == "slo.token_p95_ms")
    assert f"| slo.token\\_p95\\_ms | - | 2 | {gate['ci'][0]:.4g} to {gate['ci'][1]:.4g} | 3 | PASS |" in out
    assert "no completion was made: none of the gates that were run asks for any\n" in out
    assert "| tool | cases |" not in out


def test_speed_that_no_target_names_is_measured_in_passing(run_suites: RunSuites, paced: Callable[..., Path]) -> None:
    ran = run_suites("--model", paced(), "-k", "test_tool or latency_p95")
    assert ran.code == 0, ran.out
    assert ran.artifact()["slo"]["latency"]["seconds"] == 6
    assert ran.artifact()["levels"]["tool"]["outcome"] == "PASS"


def test_a_fake_without_a_pace_is_not_timed(run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path) -> None:
    ran = judged(run_suites, make_fake(), toml(f"{P95} <= 200"), tmp_path)
    assert ran.code == 10, ran.out
    assert "it was not measured: always_right is a fake without a pace" in " ".join(ran.out.split())


def test_a_child_that_dies_while_it_is_timed_leaves_no_verdict(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    fake = make_fake("crashes")
    (fake / "pace.json").write_text('{"first_token_ms": 1, "token_ms": 1}')
    ran = judged(run_suites, fake, toml(f"{P95} <= 200"), tmp_path)
    assert ran.code == 3, ran.out
    assert "the process that timed it was ended by SIGSEGV" in " ".join(ran.out.split())


def test_one_that_breaks_where_no_target_asks_for_speed_is_told_and_changes_no_verdict(
    run_suites: RunSuites, make_fake: MakeFake
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
