"""The suites as a user runs them: pytest in a process of its own, on fake artifacts whose answers are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, ClassVar

import pytest
from kit import EVERY_GATE, ROOT, MakeFake, Ran, RunSuites, fakes_in, suites_in, write_lines


def test_an_artifact_that_is_always_right_is_promoted(whole_run: Ran) -> None:
    ran = whole_run
    assert ran.code == 0, ran.out
    assert ran.artifact()["verdict"] == "promote"
    assert "verdict  PROMOTE: deploy" in ran.out
    statement = json.loads((ran.report_dir / "promotion.json").read_text())
    assert statement["predicate"]["verdict"] == "promote"
    table = ran.out[ran.out.index("= phi4bench =") : ran.out.index("\nreports:")]
    assert max(map(len, table.splitlines()[1:])) < 80


@pytest.mark.parametrize(
    ("behaviour", "failing"),
    [
        pytest.param("always_wrong", {"tool", "parameter", "abstention"}, id="calls-tools-that-do-not-exist"),
        pytest.param("always_malformed", {"parsing", "tool", "parameter", "abstention"}, id="breaks-off-in-its-calls"),
        pytest.param("silent", set(EVERY_GATE), id="says-nothing"),
        pytest.param("always_calls", {"abstention"}, id="calls-where-prose-is-wanted"),
    ],
)
def test_a_bad_artifact_is_rejected_at_its_own_fault(
    run_suites: RunSuites, make_fake: MakeFake, behaviour: str, failing: set[str]
) -> None:
    ran = run_suites("--model", make_fake(behaviour))
    assert ran.code == 1, ran.out
    assert ran.artifact()["verdict"] == "reject"
    assert {name for name, outcome in ran.outcomes().items() if outcome == "FAIL"} == failing
    assert not (ran.report_dir / "promotion.json").exists()
    assert "Traceback" not in ran.out


def test_a_failing_level_shows_the_figure_the_worst_tools_and_five_cases(
    run_suites: RunSuites, make_fake: MakeFake
) -> None:
    ran = run_suites("--model", make_fake("always_wrong"), "-k", "test_tool")
    assert "always_wrong tool: 0.0% (0.0 to " in ran.out
    assert "of 170 cases, but should be at least 95%" in ran.out
    assert "worst tools: grep 0.0% (0 of 85), read 0.0% (0 of 85)" in ran.out
    told, _, _ = ran.out.partition("short test summary info")  # under CI pytest repeats the message there
    assert told.count("called no_such_tool, wanted ") == 5
    assert "request     Open notes0.txt" in ran.out
    assert "completion  <tool_use>no_such_tool(reason='always wrong')</tool_use>" in ran.out
    assert "expected    <tool_use>read(file_path='notes0.txt')</tool_use>" in ran.out


def test_a_byte_order_mark_is_no_part_of_a_system_prompt(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Call what fits.", encoding="utf-8-sig")
    ran = run_suites("--model", make_fake(), "--system-prompt", prompt, "-k", "test_detection")
    assert "first prompt  <|system|>Call what fits." in ran.out


def test_where_hardly_anything_is_detected_the_prompt_is_the_suspect(
    run_suites: RunSuites, make_fake: MakeFake
) -> None:
    ran = run_suites("--model", make_fake("silent"), "-k", "test_detection")
    assert "may not be the one that the model was trained with" in ran.out
    assert "see --dialect and --system-prompt" in ran.out
    assert "prompt                                | completion" in ran.out
    assert "| (empty)" in ran.out


def test_the_header_shows_what_will_be_run(whole_run: Ran) -> None:
    out = whole_run.out
    assert "always_right: fake, fp32" in out
    assert "dialect tool_use, turns phi (declared by its manifest)" in out
    assert "320 in 320 families" in out
    assert "targets guide" in out
    assert "first prompt  <|system|>read(file_path)\\nwrite(" in out
    header, _, _ = out[out.index("always_right: fake") :].partition("suites/accuracy")
    assert max(map(len, header.splitlines())) < 80


class TestUsage:
    """What is wrong with a request is one line, exit code 4, and nothing is generated or overwritten."""

    def test_no_model_is_an_error_and_never_a_skip(self, run_suites: RunSuites) -> None:
        assert "no --model given" in run_suites().refusal()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            pytest.param(["--model", "/no/such/model.onnx"], "/no/such/model.onnx", id="missing-model"),
            pytest.param(
                ["--dialect", "klingon"], "tool_use, openai, phi4-mini, hermes, jsonrpc", id="unknown-dialect"
            ),
            pytest.param(["--targets", "wishes"], "guide, report, results, smoke, strict", id="unknown-targets"),
            pytest.param(["--cases", "/no/cases.jsonl"], "/no/cases.jsonl", id="missing-cases"),
            pytest.param(["--cases", "~no-such-user/cases.jsonl"], "~no-such-user/", id="home-of-nobody"),
            pytest.param(["--cases", "n" * 300], "cannot be used (File name too long)", id="name-too-long"),
            pytest.param(
                ["--system-prompt", "/no/prompt.txt"], "--system-prompt='/no/prompt.txt'", id="missing-prompt"
            ),
            pytest.param(
                ["--limit", "0"], "--limit='0', but should be a whole number of at least 1", id="limit-of-zero"
            ),
            pytest.param(["--threads", "two"], "--threads='two'", id="threads-in-words"),
            pytest.param(["--time-limit", "nan"], "--time-limit='nan'", id="time-limit-that-is-no-number"),
            pytest.param(
                ["--slo-seconds", "0"], "--slo-seconds='0', but should be a number of at least", id="no-time-at-all"
            ),
            pytest.param(["--decode", "psychic"], "--decode='psychic'", id="unknown-decoding"),
            pytest.param(["--no-baseline", "--baseline", "x"], "contradict", id="baseline-and-none"),
            pytest.param(["--report", "/dev/null/reports"], "--report='/dev/null/reports'", id="unwritable-report"),
            pytest.param(["--report="], "--report='', but should not be empty", id="report-of-an-unset-variable"),
            pytest.param(["--cache-dir", "/dev/null/cache"], "--cache-dir='/dev/null/cache'", id="unwritable-cache"),
            pytest.param(["-n", "2"], "one process, without -n", id="xdist"),
            pytest.param(["-p", "xdist.looponfail", "-f"], "the suites refuse --looponfail", id="xdist-in-a-loop"),
        ],
    )
    def test_a_request_that_cannot_be_met(
        self, run_suites: RunSuites, make_fake: MakeFake, options: list[str], said: str
    ) -> None:
        plugins = ["-p", "xdist.plugin"] if "-n" in options else []
        model = [] if "--model" in options else ["--model", make_fake()]
        assert said in run_suites(*plugins, *model, *options).refusal()

    def test_a_broken_case_is_named_by_file_and_line(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, case_lines: list[dict[str, Any]]
    ) -> None:
        wrong = case_lines[1] | {"expected": {"calls": [{"name": "open", "arguments": {}}]}}
        path = write_lines(tmp_path / "broken.jsonl", [case_lines[0], wrong])
        assert "broken.jsonl:2:" in run_suites("--model", make_fake(), "--cases", path).refusal()

    def test_an_earlier_promotion_survives_a_mistyped_request(
        self, run_suites: RunSuites, whole_run: Ran, tmp_path: Path
    ) -> None:
        run_suites("--model", tmp_path / "always_right", "--dialect", "klingon").refusal()
        assert (whole_run.report_dir / "promotion.json").exists()


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory, case_file: Path, case_lines: list[dict[str, Any]]) -> Ran:
    """A run of too few cases, with `junit.xml` beside its report."""
    folder = tmp_path_factory.mktemp("few")
    options = ["--limit", 30, "-v", "--junitxml", folder / "junit.xml"]
    return suites_in(folder, case_file)("--model", fakes_in(folder, case_lines)(), *options)


class TestOutcomes:
    def test_too_few_cases_are_inconclusive_and_never_a_pass(self, few: Ran) -> None:
        assert few.code == 10
        assert few.artifact()["verdict"] == "inconclusive"
        assert "test_tool[always_right] INCONCLUSIVE" in few.out
        assert "5 inconclusive" in few.lines[-1]
        assert "should be at least 40" in few.out

    def test_junit_has_an_inconclusive_gate_as_skipped_with_its_reason(self, few: Ran) -> None:
        cases = ElementTree.parse(few.report_dir.parent / "junit.xml").getroot().iter("testcase")
        skipped = {case.get("name"): case.find("skipped") for case in cases}
        reason = skipped["test_tool[always_right]"]
        assert reason is not None
        assert "families of cases, but should be at least 40" in (reason.get("message") or "")

    def test_a_partial_run_gives_no_verdict(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake(), "-k", "test_tool or test_parsing")
        assert ran.code == 0
        assert "partial run: no verdict (not run: detection, parameter, abstention," in ran.out
        assert ran.artifact()["verdict"] is None
        assert ran.artifact()["levels"]["tool"]["outcome"] == "PASS"
        assert not (ran.report_dir / "promotion.json").exists()

    def test_what_a_partial_run_left_out_is_told_as_left_out_and_not_as_undecided(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake(precision="int8"), "-k", "accuracy")
        assert "(not run: regression.detection," in ran.out
        assert "INCONCLUSIVE" not in ran.out

    def test_a_partial_run_that_fails_has_the_ordinary_code(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake("silent"), "-x")
        assert ran.code == 1
        assert ran.artifact()["verdict"] is None

    @pytest.mark.parametrize("how", ["skip(reason='flaky')", "xfail(run=False)"], ids=["skip", "xfail"])
    def test_a_gate_that_a_plugin_skips_is_undecided_and_not_left_out(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, how: str
    ) -> None:
        (tmp_path / "theirs.py").write_text(
            "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
            f"    [item.add_marker(pytest.mark.{how}) for item in items if 'test_tool' in item.name]\n"
        )
        ran = run_suites("--model", make_fake(), "-p", "theirs", PYTHONPATH=f"{ROOT}:{tmp_path}")
        assert ran.code == 10
        assert ran.artifact()["verdict"] == "inconclusive"
        assert "INCONCLUSIVE tool: its test was chosen and not run to its end" in ran.out
        assert "its test was chosen and not run to its end" in (ran.report_dir / "report.html").read_text()
        assert not (ran.report_dir / "promotion.json").exists()

    def test_a_gate_that_fails_beside_one_that_is_skipped_rejects(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        (tmp_path / "theirs.py").write_text(
            "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
            "    [item.add_marker(pytest.mark.skip) for item in items if 'test_tool' in item.name]\n"
        )
        models = ["--model", make_fake("always_right"), "--model", make_fake("silent")]
        ran = run_suites(*models, "-p", "theirs", PYTHONPATH=f"{ROOT}:{tmp_path}")
        assert ran.code == 1
        assert [entry["verdict"] for entry in ran.report()["artifacts"]] == ["inconclusive", "reject"]
        assert "INCONCLUSIVE tool: its test was chosen and not run to its end" in ran.out
        stopped = run_suites(*models[2:], "-x", "-p", "theirs", PYTHONPATH=f"{ROOT}:{tmp_path}")
        assert (stopped.code, stopped.artifact()["verdict"]) == (1, None)

    def test_a_stale_promotion_is_removed_even_by_a_partial_run(
        self, run_suites: RunSuites, whole_run: Ran, tmp_path: Path
    ) -> None:
        assert (whole_run.report_dir / "promotion.json").exists()
        run_suites("--model", tmp_path / "always_right", "-k", "test_tool")
        assert not (whole_run.report_dir / "promotion.json").exists()

    def test_of_several_models_the_worst_decides(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake("always_right"), "--model", make_fake("silent"), "-v")
        assert ran.code == 1
        assert [entry["verdict"] for entry in ran.report()["artifacts"]] == ["promote", "reject"]
        assert "test_tool[always_right] PASSED" in ran.out
        assert "test_tool[silent] FAILED" in ran.out
        assert (ran.report_dir / "always_right" / "promotion.json").exists()
        assert not (ran.report_dir / "promotion.json").exists()
        assert not (ran.report_dir / "silent" / "promotion.json").exists()

    def test_a_gate_without_a_target_is_measured_and_cannot_fail(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        targets = tmp_path / "ours.toml"
        targets.write_text('[[gate]]\nname = "detection"\nfloor = 0.9\nsource = "ours"\n')
        ran = run_suites("--model", make_fake("always_wrong"), "--targets", targets)
        assert ran.code == 0
        assert ran.artifact()["levels"]["tool"]["outcome"] is None
        assert ran.artifact()["verdict"] == "promote"

    def test_what_no_suite_measures_keeps_a_required_gate_open(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        targets = tmp_path / "ours.toml"
        targets.write_text('[[gate]]\nname = "slo.tokens_per_s"\nfloor = 1000\nsource = "ours"\n')
        ran = run_suites("--model", make_fake(), "--targets", targets)
        assert ran.code == 10
        assert "INCONCLUSIVE slo.tokens_per_s" in ran.out


class TestRegression:
    WRONG: ClassVar = {"name": "glob", "arguments": {"pattern": "*"}}

    def test_a_quantized_artifact_is_paired_with_its_parent(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        make_fake(name="parent")
        ran = run_suites("--model", make_fake(name="int8", precision="int8", parent="../parent"))
        assert ran.code == 0, ran.out
        assert ran.artifact()["baseline"]["id"] == "parent"
        assert ran.artifact()["regression"]["tool"]["outcome"] == "PASS"

    def test_lost_cases_fail_the_gate_and_show_both_completions(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        make_fake(name="parent")
        answers = {f"read-{number}": self.WRONG for number in range(20)}
        fake = make_fake(name="int8", precision="int8", parent="../parent", answers=answers)
        ran = run_suites("--model", fake, "-k", "regression_tool")
        assert ran.code == 1
        assert ran.artifact()["regression"]["tool"]["lost"] == 20
        assert "20 lost and 0 gained, but should lose under 2" in ran.out
        assert "baseline    <tool_use>read(file_path='notes0.txt')</tool_use>" in ran.out
        assert "completion  <tool_use>glob(pattern='*')</tool_use>" in ran.out

    def test_without_its_parent_the_verdict_stays_open(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake(name="int8", precision="int8", parent="../gone"))
        assert ran.code == 10
        assert "INCONCLUSIVE regression.detection" in ran.out
        assert "gone' is not there; give --baseline" in " ".join(ran.out.split())

    def test_unless_the_user_gives_the_comparison_up(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake(name="int8", precision="int8"), "--no-baseline", "-rs")
        assert ran.code == 0
        assert ran.artifact()["no_baseline"] is True
        assert "not judged: --no-baseline was given" in ran.out

    def test_it_does_not_apply_to_what_is_not_quantized(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake(), "-rs", "-k", "regression_tool")
        assert "does not apply: always_right is fp32, not quantized" in ran.out

    def test_an_artifact_is_no_baseline_of_itself(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        fake = make_fake(precision="int8")
        ran = run_suites("--model", fake, "--baseline", fake)
        assert ran.code == 4
        assert "is the artifact always_right itself (same sha256)" in ran.out


def test_a_warning_fails_our_own_tests() -> None:
    with pytest.raises(UserWarning, match="from some runtime"):
        warnings.warn("from some runtime", stacklevel=1)


def test_ours_are_imported_without_pytests_rewriting(pytestconfig):
    from phi4bench.plugin import _as_written

    hook = pytestconfig.pluginmanager.rewrite_hook
    before = list(sys.meta_path)
    with _as_written(pytestconfig.pluginmanager):
        assert hook not in sys.meta_path
        with _as_written(pytestconfig.pluginmanager):
            assert hook not in sys.meta_path
        assert hook not in sys.meta_path
    assert sys.meta_path == before


@pytest.mark.parametrize("only", [[], ["--collect-only"]], ids=["judged", "collected"])
def test_hypothesis_is_not_imported_for_a_summary_of_nothing(
    only: list[str], run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    (tmp_path / "tells.py").write_text(
        "import sys\ndef pytest_unconfigure(config): print('imported:', 'hypothesis' in sys.modules)\n"
    )
    with_both = ["-p", "hypothesispytest", "-p", "tells"]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ran = run_suites("--model", make_fake("always_right"), "-k", "test_tool", *with_both, *only, PYTHONPATH=path)
    assert "imported: False" in ran.out


def test_the_end_of_a_run_is_not_spent_on_looking_through_memory(make_fake: MakeFake, tmp_path: Path) -> None:
    """Two runs in one process: what the first has set aside is not kept from the second one's collections."""
    told = tmp_path / "told.json"
    watch = f"""
        import gc, json, sys, pytest
        class Watch:
            def pytest_collection_finish(self):
                counts.append(gc.get_freeze_count())
        counts = []
        for _ in range(2):
            pytest.main(sys.argv[1:], plugins=[Watch()])
            counts.append(gc.get_freeze_count())
        open({str(told)!r}, "w").write(json.dumps(counts))
    """
    options = ["suites/accuracy", "-q", "-p", "no:cacheprovider", f"--model={make_fake('perfect')}", "--no-cache"]
    command = [sys.executable, "-c", textwrap.dedent(watch), *options, f"--report={tmp_path / 'report'}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    before, after, again, at_last = json.loads(told.read_text())
    assert before == again == 0
    assert after > 10_000
    assert at_last > 10_000


def test_what_a_test_beside_the_gates_leaves_behind_is_told(make_fake: MakeFake, tmp_path: Path) -> None:
    """It outlives a look through memory, and is garbage only after the last test."""
    mine = tmp_path / "test_mine.py"
    mine.write_text(
        textwrap.dedent("""
            import gc, pytest
            class Cycle:
                def __init__(self):
                    self.own = self
                def __del__(self):
                    raise ValueError("left behind")
            @pytest.fixture(scope="session")
            def kept():
                one = Cycle()
                yield
            def test_mine(kept):
                gc.collect()
        """)
    )
    options = [f"--model={make_fake('perfect')}", "--no-cache", f"--report={tmp_path / 'report'}", "-W", "error"]
    command = [sys.executable, "-m", "pytest", "suites/accuracy", str(mine), "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "ValueError: left behind" in done.stdout + done.stderr
