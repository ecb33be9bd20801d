"""Scoring again: a baseline that was not run alike is refused, and samples that say little are told to say little."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from kit import Ran
from stored import CASES, GUIDE, run_of, store

from phi4bench.cli import main
from phi4bench.datasets import schemas_dir
from phi4bench.dialects import dialect_named
from phi4bench.fidelity import CaseFidelity, fidelity_to_json, summarise
from phi4bench.gates import Outcome
from phi4bench.rejection import Rejection
from phi4bench.report.figures import report, targets_facts
from phi4bench.report.markdown import markdown
from phi4bench.report.page import page
from phi4bench.report.speed import slo_figures, slo_tables
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import SUITE_GATES, assess, conclude
from phi4bench.runfile import SavedRun
from phi4bench.sizes import Part, Size, Weighed, size_to_json
from phi4bench.targets import parse_targets
from phi4bench.transcripts import Completion
from phi4bench.verdicts import Verdict

TARGETS = parse_targets(GUIDE, "guide")
CALLS = [case.id for case in CASES if case.expects_call]
FACTS = {"baseline": "parent", "compared": True}


@pytest.mark.parametrize(
    ("parent", "why"),
    [
        pytest.param(run_of("parent", cases=CASES[:300], role="baseline"), "differ in their cases", id="fewer-cases"),
        pytest.param(
            run_of("parent", cases=[replace(case, id=f"x{case.id}") for case in CASES], role="baseline"),
            "differ in their cases",
            id="no-shared-case",
        ),
        pytest.param(
            run_of("parent", dialect=dialect_named("hermes"), role="baseline"), "differ in their dialect", id="dialect"
        ),
        pytest.param(
            run_of("parent", decoding={"max_new_tokens": 64}, role="baseline"),
            "differ in their decoding",
            id="decoding",
        ),
        pytest.param(
            replace(
                run_of("parent", role="baseline"),
                artifact={**run_of("parent").artifact, "sha256": run_of("int8").artifact["sha256"]},
            ),
            "are one artifact (same sha256): there is nothing to judge",
            id="itself",
        ),
        pytest.param(run_of("other", role="baseline"), "transcripts of the baseline 'parent' are missing", id="gone"),
    ],
)
def test_a_baseline_that_was_not_run_alike_is_one_line_and_exit_4(
    parent: SavedRun, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store(tmp_path, run_of("int8", precision="int8", **FACTS), parent)
    assert main(["rescore", str(folder)]) == 4
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1


def test_one_file_of_transcripts_finds_its_baseline_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store(tmp_path, run_of("int8", precision="int8", **FACTS), run_of("parent", role="baseline"))
    main(["rescore", str(folder)])
    whole = capsys.readouterr().out
    main(["rescore", str(folder / "transcripts" / "int8.jsonl")])
    assert capsys.readouterr().out == whole


@pytest.mark.parametrize("named", ["../parent", "a/b", "..", "x" * 300])
def test_a_baseline_whose_name_was_edited_is_one_line_and_exit_4(
    named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = FACTS | {"baseline": named}
    folder = store(tmp_path, run_of("int8", precision="int8", **facts), run_of("parent", role="baseline"))
    assert main(["rescore", str(folder / "transcripts" / "int8.jsonl")]) == 4
    assert capsys.readouterr().err.count("\n") <= 1


def test_a_baseline_that_was_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(tmp_path, run_of("int8", precision="int8", **FACTS), run_of("parent", role="baseline"))
    assert main(["rescore", str(folder)]) == 0
    assert "against parent" in capsys.readouterr().out


@pytest.mark.parametrize(
    "report", ["[" * 100_000, '{"artifacts": [[]]}', '{"artifacts": [{"artifact": {"id": []}}]}'],
    ids=["deep", "a-list", "an-id-that-is-a-list"],
)  # fmt: skip
def test_a_report_that_is_none_leaves_the_transcripts_to_say_what_was_judged_or_is_one_line(
    report: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store(tmp_path, run_of("int8", precision="int8", **FACTS), run_of("parent", role="baseline"))
    (folder / "report.json").write_text(report)
    assert main(["rescore", str(folder)]) in (0, 4)
    assert capsys.readouterr().err.count("\n") <= 1


def paired(wrong: Sequence[str], before: Sequence[str], count: int = 320) -> Judgement:
    cases = CASES[:count]
    run = run_of("int8", wrong, cases, precision="int8", **FACTS)
    return assess(run, run_of("parent", before, cases, role="baseline"), TARGETS)


def test_all_right_and_all_wrong_have_intervals_and_lose_nothing() -> None:
    """Of 170 families without a flip a loss of 2 points is ruled out; all wrong, only the rates fail."""
    right, wrong = paired([], []), paired(CALLS, CALLS)
    for judgement in (right, wrong):
        pair = judgement.regression["regression.parameter"]
        assert (pair.difference, pair.mcnemar_p, pair.outcome) == (0.0, 1.0, Outcome.PASS)
        assert pair.interval
        assert -0.02 < pair.interval.low < 0.0 < pair.interval.high
    assert right.gates["parameter"].outcome is Outcome.PASS
    assert (wrong.gates["parameter"].rate, wrong.gates["parameter"].outcome) == (0.0, Outcome.FAIL)
    assert wrong.gates["parameter"].interval
    assert wrong.gates["parameter"].interval.low == 0.0


def test_everything_lost_is_the_whole_difference() -> None:
    pair = paired(CALLS, []).regression["regression.parameter"]
    assert (pair.difference, pair.lost, pair.outcome) == (-1.0, 170, Outcome.FAIL)
    assert pair.interval
    assert pair.interval.low == -1.0


def test_where_a_gate_was_not_run_nothing_is_concluded() -> None:
    left = conclude(paired(CALLS, []), [gate for gate in SUITE_GATES if gate != "regression.tool"])
    assert (left.verdict, left.not_run, left.advice, left.exit_code) == (None, ("regression.tool",), "", None)
    assert conclude(paired(CALLS, []), SUITE_GATES).exit_code == 1


def test_where_completions_are_missing_what_is_there_decides_nothing() -> None:
    """All that is there is right; what is missing of a baseline leaves the candidate's own gates alone."""
    whole, part = run_of("int8", precision="int8", **FACTS), run_of("int8", precision="int8", missing=3, **FACTS)
    for run, parent in ((whole, 3), (part, 0)):
        judgement = assess(run, run_of("parent", role="baseline", missing=parent), TARGETS)
        for gate in judgement.regression.values():
            assert gate.outcome is Outcome.INCONCLUSIVE
            assert f"{'parent' if parent else 'int8'} lacks 3 of 320 completions" in gate.reason
        own = {gate.outcome for gate in judgement.gates.values() if gate.required}
        assert own == {Outcome.PASS if parent else Outcome.INCONCLUSIVE}
        assert conclude(judgement, SUITE_GATES).verdict is Verdict.inconclusive


def test_one_case_decides_nothing_and_says_how_many_would() -> None:
    judgement = paired([], [], count=1)
    for gate in (judgement.gates["tool"], judgement.regression["regression.tool"]):
        assert gate.outcome is Outcome.INCONCLUSIVE
        assert "1 family of cases, but should be at least 40" in gate.reason
        assert gate.more_groups
        assert gate.more_groups >= 39
    assert "no cases of this kind" in judgement.gates["abstention"].reason


def test_a_run_of_one_case_is_inconclusive(run_suites: Callable[..., Ran], make_fake: Callable[..., Path]) -> None:
    ran = run_suites("--model", make_fake(), "--limit", "1")
    assert ran.code == 10
    assert "Traceback" not in ran.out
    assert "but should be at least 40" in " ".join(ran.out.split())
    assert "to decide, give the same command without --limit" in " ".join(ran.out.split())


ESCAPE = "\x1b[2J"
LATENCY = {"calls": [[1.0, 1.0, 1.0, 1.0, 4]] * 5, "warm_up": 1, "wanted": 9, "seconds": 60, "stopped": ""}
FIDELITY = fidelity_to_json(summarise([CaseFidelity("a", "g", 2, 1.0, 1.0, 2, (0.0, 0.0), 0.0)]))
SPEED = {
    "missing": {f"slo.memory_gb{ESCAPE}": ESCAPE},
    "device": "cpu",
    "runtime": {"runtime": ESCAPE},
    "latency": {**LATENCY, "stopped": ESCAPE},
    "pairs": [[1.0, 1.0, 2.0, 2.0]] * 5,
    "baseline": ESCAPE,
    "baseline_notes": [ESCAPE],
    "loads": [
        {
            "name": ESCAPE, "clients": 1, "rate": None, "rows": 1, "stopped_s": 99.0, "notes": [ESCAPE],
            "calls": [[0.0, 1.0 + at, 4, True] for at in range(40)],
        }
    ],
    "failed_loads": {ESCAPE: ESCAPE},
    "crashed": [ESCAPE],
}  # fmt: skip


def test_a_run_that_lacks_completions_asks_for_those_and_for_no_further_cases() -> None:
    whole, cut = (assess(run_of("nano", CALLS[:5], missing=missing), None, TARGETS).gates["tool"] for missing in (0, 3))
    assert whole.more_groups
    assert (cut.outcome, cut.more_groups) == (Outcome.INCONCLUSIVE, None)
    assert cut.reason.startswith("nano lacks 3 of 320 completions: the run was stopped")
    unasked = assess(run_of("nano", missing=len(CASES), needed=False), None, TARGETS).gates["tool"]
    assert unasked.reason.startswith("no completion was made")


def test_a_gate_that_was_not_measured_says_what_it_waits_for() -> None:
    kinds = {"size_ratio": "ceiling", "perplexity_ratio": "ceiling", "slo.calls_per_s": "floor"}
    held = "".join(f'[[gate]]\nname = "{name}"\n{kind} = 1.5\nsource = "x"\n' for name, kind in kinds.items())
    alone = assess(run_of("int8", precision="int8", baseline_missing="it is gone"), None, parse_targets(held, "mine"))
    reasons = {gate.name: gate.reason for gate in alone.required}
    assert reasons["size_ratio"] == "its size was not compared: it is gone"
    assert reasons["perplexity_ratio"] == "fidelity was not measured: it is gone"
    assert reasons["slo.calls_per_s"] == "no suite of this run measured it"  # which takes no baseline
    unasked = assess(run_of("int8", precision="int8"), None, parse_targets(held, "mine"))
    assert {gate.reason for gate in unasked.required} == {"no suite of this run measured it"}
    early = replace(alone, rejection=Rejection((), 40, 320, 40, 320, {}, {}))
    reasons = {gate.name: gate.reason for gate in early.required}
    assert reasons["slo.calls_per_s"] == "it was not measured: int8 was rejected early"


@pytest.mark.parametrize("slo", [{"missing": dict.fromkeys(["slo.gpu_memory_gb"], "the time was over")}, {}])
def test_a_run_on_a_gpu_that_was_not_timed_is_still_one_on_a_gpu(slo: dict[str, dict[str, str]]) -> None:
    held = '[[gate]]\nname = "slo.gpu_memory_gb"\nceiling = { gpu = 12 }\nsource = "x"\n'
    run = run_of("nano", generation={"runtime": {"provider": "CUDAExecutionProvider"}}, slo=slo)
    judgement = assess(run, None, parse_targets(held, "mine"))
    assert slo_figures(judgement).get("device") == ("gpu" if slo else None)
    (gate,) = judgement.required
    assert (gate.target, gate.outcome) == (12, Outcome.INCONCLUSIVE)
    assert gate.reason == ("it was not measured: the time was over" if slo else "no suite of this run measured it")


def test_a_case_is_fragile_that_calls_or_holds_back_as_its_baseline_does_by_a_hair() -> None:
    run, parent = run_of("int8", precision="int8", **FACTS), run_of("parent", role="baseline")
    close = (0, 1, 200)  # two calls, of which the baseline makes one, and prose by both
    made = [replace(one, margin=0.4) if at in close else one for at, one in enumerate(run.completions) if one]
    before = [Completion("I see.") if at == 1 else one for at, one in enumerate(parent.completions)]
    judgement = assess(replace(run, completions=tuple(made)), replace(parent, completions=tuple(before)), TARGETS)
    assert {one.case_id for one in judgement.fragile} == {CASES[0].id, CASES[200].id}


def test_a_figure_by_device_is_that_of_the_device_that_was_timed() -> None:
    held = '[[gate]]\nname = "slo.memory_gb"\nceiling = { gpu = 12, cpu = 2 }\nsource = "x"\n'
    for device, outcome in (("gpu", Outcome.PASS), ("cpu", Outcome.FAIL)):
        run = run_of("nano", slo={"device": device, "memory": {"peak_rss_bytes": 3 * 10**9}})
        (gate,) = assess(run, None, parse_targets(held, "mine")).required
        assert gate.outcome is outcome


def test_a_baseline_of_random_weights_promotes_nothing() -> None:
    run, drawn = run_of("int8", precision="int8"), run_of("parent", role="baseline")
    judgement = assess(run, replace(drawn, artifact={**drawn.artifact, "random_weights": True}), TARGETS)
    assert {gate.outcome for gate in judgement.required} == {Outcome.PASS}
    assert judgement.untrained.startswith("parent: random weights")
    assert conclude(judgement, SUITE_GATES).verdict == "inconclusive"


@pytest.mark.parametrize("member", ["id", "format", "precision", "dialect", "slo"])
def test_nothing_that_is_stored_acts_on_a_terminal(
    member: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of("int8", precision="int8", **({"slo": SPEED} if member == "slo" else {}))
    if member != "slo":
        run = replace(run, artifact={**run.artifact, member: ESCAPE})
    assert main(["rescore", str(store(tmp_path, run))]) in (0, 10)
    shown = capsys.readouterr().out
    assert "\\x1b[2J" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("member", ["id", "format", "precision", "sha256", "dialect"])
def test_nothing_that_is_stored_leaves_its_place_on_a_page(member: str) -> None:
    speed = json.loads(json.dumps(SPEED).replace("[2J", "<b>|x"))
    run = run_of("int8", precision="int8", slo=speed)
    judgement = assess(replace(run, artifact={**run.artifact, member: "\x1b<b>|x"}), None, TARGETS)
    results = [(judgement, conclude(judgement, SUITE_GATES))]
    for text in (page(results, TARGETS, "now"), markdown(report(results, targets_facts(TARGETS)))):
        assert "against" in text
        assert "\x1b" not in text
        assert "<b>|x" not in text


def test_a_page_needs_of_speed_what_its_schema_requires_and_no_more() -> None:
    figures = slo_figures(assess(run_of("int8", precision="int8", slo=SPEED), None, TARGETS))
    schema = json.loads((schemas_dir() / "report.schema.json").read_text())["$defs"]["slo"]["properties"]
    for name in ("latency", "speedup"):
        figures[name] = {key: figures[name][key] for key in schema[name]["required"]}
    figures["loads"] = [{key: load[key] for key in schema["loads"]["items"]["required"]} for load in figures["loads"]]
    latency, speedup, loads, *_ = slo_tables({name: figures[name] for name in ("latency", "speedup", "loads")}, {})
    assert latency.notes[0].startswith("5 calls, one by one after 1 to warm up")
    assert speedup.notes[0].startswith("medians of 5 pairs of calls, each by both in turn")
    assert loads.rows[0][:2] == (ESCAPE, "1")


@pytest.mark.parametrize(
    ("member", "stored"),
    [
        pytest.param("slo", {"latency": {"calls": 5}}, id="slo-without-calls"),
        pytest.param("slo", {"pairs": [[1.0]]}, id="half-a-pair"),
        pytest.param("slo", {"loads": [{"name": "batch 8"}]}, id="load-without-calls"),
        pytest.param("slo", {"latency": {**LATENCY, "wanted": None}}, id="no-number-of-calls-wanted"),
        pytest.param("slo", {"latency": {**LATENCY, "calls": [["1", 1.0, 1.0, 1.0, 4]]}}, id="a-time-that-is-text"),
        pytest.param("slo", {"latency": {**LATENCY, "calls": [[10**400, 1, 1, 1, 4]]}}, id="a-time-beyond-any-float"),
        pytest.param("slo", {"memory": {"peak_rss_bytes": []}}, id="memory-that-is-a-list"),
        pytest.param("slo", {"disk_bytes": "9"}, id="a-size-of-text"),
        pytest.param("fidelity", {"cases": 5}, id="fidelity"),
        pytest.param("fidelity", {**FIDELITY, "top1": None}, id="fidelity-without-a-figure"),
        pytest.param("fidelity", {**FIDELITY, "groups": "9"}, id="fidelity-of-text"),
        pytest.param("size", {"parts": 5}, id="size"),
        pytest.param("size", {"artifact": None, "baseline": None}, id="size-of-nothing"),
        pytest.param(
            "size", size_to_json(Size(Weighed((Part("MLP", None, 1, 4),), False, 0), None)), id="size-of-null"
        ),
    ],
)
def test_what_was_measured_and_cannot_be_read_is_one_line_and_exit_4(
    member: str, stored: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store(tmp_path, run_of("int8", precision="int8", **{member: stored}))
    assert main(["rescore", str(folder)]) == 4
    error = capsys.readouterr().err
    assert f"the {member} stored with the run cannot be read; run it again" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("place", "stored", "why"),
    [
        pytest.param("artifact.bytes", 10**400, "artifact.bytes is too large", id="bytes-beyond-any-float"),
        pytest.param("artifact.inferred", None, "artifact.inferred is no list", id="inferred"),
        pytest.param("artifact.files", [{"name": "x"}], "artifact.files.0.sha256 is no text", id="half-a-file"),
        pytest.param("dataset.notes", [7], "dataset.notes.0 is no text", id="a-note-that-is-a-number"),
        pytest.param("machine.gpus", 1, "machine.gpus is no list", id="gpus"),
        pytest.param("facts.seed", math.nan, "not JSON compliant", id="no-number"),
        pytest.param("facts.targets", [["guide"]], "facts.targets.0 is no list of 2", id="targets-without-text"),
        pytest.param("facts.asked", {}, "facts.asked.provider is no text", id="asked-for-nothing"),
        pytest.param("facts.xfails", "x", "facts.xfails is no object", id="known-failures"),
        pytest.param("facts.generation", {"generated": "9"}, "facts.generation.generated is no whole", id="a-count"),
        pytest.param("facts.generation", {"notes": [[]]}, "facts.generation.notes.0 is no text", id="a-note"),
        pytest.param("facts.slo", "fast", "facts.slo is no object", id="slo-is-text"),
        pytest.param("facts.slo", {"crashed": 3}, "facts.slo.crashed is no list", id="crashes-that-are-a-count"),
        pytest.param("facts.determinism", {"runs": {"x": 1}}, "facts.determinism.runs.x is no object", id="a-runtime"),
        pytest.param("facts.gates_skipped", {"tool": None}, "facts.gates_skipped.tool is no text", id="no-reason"),
    ],
)
def test_a_header_with_another_type_at_any_depth_is_one_line_that_names_the_place(
    place: str, stored: object, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store(tmp_path, run_of("int8")) / "transcripts" / "int8.jsonl"
    header, *lines = path.read_text().splitlines()
    data = json.loads(header)
    part, member = place.split(".")
    data[part][member] = stored
    path.write_text("\n".join([json.dumps(data), *lines, ""]))
    assert main(["rescore", str(tmp_path), "--report", str(tmp_path / "again")]) == 4
    error = capsys.readouterr().err
    assert why in error
    assert "int8.jsonl:1: not a saved run" in error
    assert error.endswith("run the judgement again\n")
    assert error.count("\n") == 1
