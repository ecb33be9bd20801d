"""The suites as a user runs them: pytest in a process of its own, on fake artifacts whose answers are known."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from kit import ROOT, Ran, write_lines

RunSuites = Callable[..., Ran]
MakeFake = Callable[..., Path]

EVERY_GATE = ["detection", "parsing", "tool", "parameter", "abstention"]


def outcomes(artifact: dict[str, Any]) -> dict[str, str | None]:
    return {name: artifact["levels"][name]["outcome"] for name in EVERY_GATE[:4]} | {
        "abstention": artifact["abstention"]["outcome"]
    }


def test_an_artifact_that_is_always_right_is_promoted(run_suites: RunSuites, make_fake: MakeFake) -> None:
    ran = run_suites("--model", make_fake("always_right"))
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
    assert {name for name, outcome in outcomes(ran.artifact()).items() if outcome == "FAIL"} == failing
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


def test_where_hardly_anything_is_detected_the_prompt_is_the_suspect(
    run_suites: RunSuites, make_fake: MakeFake
) -> None:
    ran = run_suites("--model", make_fake("silent"), "-k", "test_detection")
    assert "may not be the one that the model was trained with" in ran.out
    assert "see --dialect and --system-prompt" in ran.out
    assert "prompt                                | completion" in ran.out
    assert "| (empty)" in ran.out


def test_the_header_shows_what_will_be_run(run_suites: RunSuites, make_fake: MakeFake) -> None:
    out = run_suites("--model", make_fake("always_right"), "-k", "test_tool").out
    assert "always_right: fake, fp32" in out
    assert "dialect tool_use, turns phi (declared by its manifest)" in out
    assert "320 in 320 groups" in out
    assert "targets guide" in out
    assert "first prompt  <|system|>read(file_path)\\nwrite(" in out
    header, _, _ = out[out.index("always_right: fake") :].partition("suites/accuracy")
    assert max(map(len, header.splitlines())) < 80


class TestUsage:
    """What is wrong with a request is one line, exit code 4, and nothing is generated or overwritten."""

    def refused(self, ran: Ran) -> str:
        assert ran.code == 4, ran.out
        assert "Traceback" not in ran.out
        assert "first prompt" not in ran.out
        errors = [line for line in ran.lines if line.startswith("ERROR: ")]
        assert len(errors) == 1, ran.out
        return errors[0]

    def test_no_model_is_an_error_and_never_a_skip(self, run_suites: RunSuites) -> None:
        assert "no --model given" in self.refused(run_suites())

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            pytest.param(["--model", "/no/such/model.onnx"], "/no/such/model.onnx", id="missing-model"),
            pytest.param(
                ["--dialect", "klingon"], "tool_use, openai, phi4-mini, hermes, jsonrpc", id="unknown-dialect"
            ),
            pytest.param(["--targets", "wishes"], "guide, report, results, smoke, strict", id="unknown-targets"),
            pytest.param(["--cases", "/no/cases.jsonl"], "/no/cases.jsonl", id="missing-cases"),
            pytest.param(
                ["--system-prompt", "/no/prompt.txt"], "--system-prompt='/no/prompt.txt'", id="missing-prompt"
            ),
            pytest.param(
                ["--limit", "0"], "--limit='0', but should be a whole number of at least 1", id="limit-of-zero"
            ),
            pytest.param(["--threads", "two"], "--threads='two'", id="threads-in-words"),
            pytest.param(["--time-limit", "nan"], "--time-limit='nan'", id="time-limit-that-is-no-number"),
            pytest.param(["--decode", "psychic"], "--decode='psychic'", id="unknown-decoding"),
            pytest.param(["--no-baseline", "--baseline", "x"], "contradict", id="baseline-and-none"),
            pytest.param(["--report", "/dev/null/reports"], "--report='/dev/null/reports'", id="unwritable-report"),
            pytest.param(["--cache-dir", "/dev/null/cache"], "--cache-dir='/dev/null/cache'", id="unwritable-cache"),
            pytest.param(["-n", "2"], "one process, without -n", id="xdist"),
        ],
    )
    def test_a_request_that_cannot_be_met(
        self, run_suites: RunSuites, make_fake: MakeFake, options: list[str], said: str
    ) -> None:
        plugins = ["-p", "xdist.plugin"] if "-n" in options else []
        model = [] if "--model" in options else ["--model", make_fake()]
        assert said in self.refused(run_suites(*plugins, *model, *options))

    def test_reruns_are_refused(self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path) -> None:
        (tmp_path / "retrying.py").write_text(
            "def pytest_addoption(parser): parser.addoption('--reruns', type=int, default=0)"
        )
        ran = run_suites("-p", "retrying", "--reruns", 2, "--model", make_fake(), PYTHONPATH=str(tmp_path))
        assert "a retried gate is no gate" in self.refused(ran)

    def test_a_broken_case_is_named_by_file_and_line(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, case_lines: list[dict[str, Any]]
    ) -> None:
        wrong = case_lines[1] | {"expected": {"calls": [{"name": "open", "arguments": {}}]}}
        path = write_lines(tmp_path / "broken.jsonl", [case_lines[0], wrong])
        assert "broken.jsonl:2:" in self.refused(run_suites("--model", make_fake(), "--cases", path))

    def test_an_earlier_promotion_survives_a_mistyped_request(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        fake = make_fake()
        promoted = run_suites("--model", fake)
        self.refused(run_suites("--model", fake, "--dialect", "klingon"))
        assert (promoted.report_dir / "promotion.json").exists()


class TestOutcomes:
    def test_too_few_cases_are_inconclusive_and_never_a_pass(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake(), "--limit", 30, "-v", "--junitxml", "junit.xml")
        (ROOT / "junit.xml").unlink()
        assert ran.code == 10
        assert ran.artifact()["verdict"] == "inconclusive"
        assert "test_tool[always_right] INCONCLUSIVE" in ran.out
        assert "5 inconclusive" in ran.lines[-1]
        assert "should be at least 40" in ran.out

    def test_junit_has_an_inconclusive_gate_as_skipped_with_its_reason(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        run_suites("--model", make_fake(), "--limit", 30, "--junitxml", tmp_path / "junit.xml")
        cases = ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase")
        skipped = {case.get("name"): case.find("skipped") for case in cases}
        reason = skipped["test_tool[always_right]"]
        assert reason is not None
        assert "groups of cases, but should be at least 40" in (reason.get("message") or "")

    def test_a_partial_run_gives_no_verdict(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake(), "-k", "test_tool or test_parsing")
        assert ran.code == 0
        assert "partial run: no verdict (not run: detection, parameter, abstention," in ran.out
        assert ran.artifact()["verdict"] is None
        assert ran.artifact()["levels"]["tool"]["outcome"] == "PASS"
        assert not (ran.report_dir / "promotion.json").exists()

    def test_a_partial_run_that_fails_has_the_ordinary_code(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake("silent"), "-x")
        assert ran.code == 1
        assert ran.artifact()["verdict"] is None

    def test_a_stale_promotion_is_removed_even_by_a_partial_run(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        fake = make_fake()
        assert (run_suites("--model", fake).report_dir / "promotion.json").exists()
        assert not (run_suites("--model", fake, "-k", "test_tool").report_dir / "promotion.json").exists()

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


class TestInterruptions:
    def over(self, cases: Path, command: list[str], model: Path) -> list[str]:
        """The suites on other cases."""
        at = command.index("--cases") + 1
        return [*command[:at], str(cases), *command[at + 1 :], "--model", str(model)]

    def started(
        self, command: list[str], environment: dict[str, str], stored: int, folder: Path, caches: str = "."
    ) -> Any:
        """The command, running, once it has stored that many completions in the `caches` of a folder."""
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment
        )
        until = time.monotonic() + 60
        while sum(len(file.read_bytes().splitlines()) for file in folder.glob(f"{caches}/completions/*")) <= stored:
            assert time.monotonic() < until
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        return process

    @pytest.fixture
    def few(self, tmp_path: Path, case_lines: list[dict[str, Any]]) -> Path:
        return write_lines(tmp_path / "few.jsonl", case_lines[:60])

    def test_ctrl_c_says_what_is_stored_and_the_next_run_goes_on(
        self,
        run_suites: RunSuites,
        make_fake: MakeFake,
        suites_command: list[str],
        suites_environment: dict[str, str],
        tmp_path: Path,
        few: Path,
    ) -> None:
        command = self.over(few, suites_command, make_fake("slow"))
        process = self.started(command, suites_environment, 10, tmp_path / "cache")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130, out
        told = re.search(r"interrupted: stored (\d+) of 60 completions of slow; run the same command to go on", out)
        assert told, out
        assert "Traceback" not in out
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=suites_environment, check=False)
        found = re.search(r"completions   (\d+) from cache, (\d+) generated", done.stdout)
        assert found, done.stdout
        assert 10 <= int(told[1]) <= int(found[1]) < 60  # what was being stored as the signal came is there, too
        assert int(found[1]) + int(found[2]) == 60
        assert done.returncode == 10, done.stdout  # sixty cases decide nothing

    def test_after_kill_9_nothing_goes_on_and_nothing_is_made_twice(
        self,
        run_suites: RunSuites,
        make_fake: MakeFake,
        suites_command: list[str],
        suites_environment: dict[str, str],
        tmp_path: Path,
        few: Path,
    ) -> None:
        command = self.over(few, suites_command, make_fake("slow"))
        process = self.started(command, suites_environment, 10, tmp_path / "cache")
        process.kill()
        process.communicate(timeout=30)
        time.sleep(0.3)
        (store,) = (tmp_path / "cache" / "completions").iterdir()
        kept = store.read_bytes()
        time.sleep(0.3)
        assert store.read_bytes() == kept, "the child outlived its parent"
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=suites_environment, check=False)
        assert f"{kept.count(b'completion'):,} from cache" in done.stdout
        assert done.returncode == 10, done.stdout  # sixty cases decide nothing

    def test_what_kill_9_leaves_beside_the_reports_the_next_run_takes_away(
        self,
        run_suites: RunSuites,
        make_fake: MakeFake,
        suites_command: list[str],
        suites_environment: dict[str, str],
        tmp_path: Path,
        few: Path,
    ) -> None:
        reports = tmp_path / "reports"
        command = [*self.over(few, suites_command, make_fake("slow")), "--no-cache"]
        process = self.started(command, suites_environment, 3, reports, ".generations-*")
        process.kill()
        process.communicate(timeout=60)
        assert list(reports.glob(".generations-*"))
        (reports / ".generations-of-mine").mkdir()
        run_suites("--model", make_fake(), "-k", "test_tool")
        assert [path.name for path in reports.glob(".generations-*")] == [".generations-of-mine"]

    def test_a_second_run_generates_nothing(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        fake = make_fake()
        assert "0 from cache, 320 generated" in run_suites("--model", fake).out
        assert "320 from cache, 0 generated" in run_suites("--model", fake).out

    def test_a_changed_byte_generates_again(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        fake = make_fake()
        run_suites("--model", fake, "-k", "test_tool")
        with (fake / "answers.jsonl").open("a") as file:
            file.write("\n")
        assert "0 from cache, 320 generated" in run_suites("--model", fake, "-k", "test_tool").out

    def test_no_cache_keeps_nothing(self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path) -> None:
        for _ in range(2):
            ran = run_suites("--model", make_fake(name=f"fake-{_}"), "--no-cache", "-k", "test_tool")
            assert "0 from cache, 320 generated" in ran.out
        assert not (tmp_path / "cache").exists()
        assert sorted(path.name for path in ran.report_dir.iterdir()) == ["report.html", "report.json", "transcripts"]

    def test_a_time_limit_leaves_gates_inconclusive(self, run_suites: RunSuites, make_fake: MakeFake) -> None:
        ran = run_suites("--model", make_fake("slow"), "--time-limit", 2)
        assert ran.code == 10
        assert outcomes(ran.artifact()) == dict.fromkeys(EVERY_GATE, "INCONCLUSIVE")
        assert "the time limit of 2 s was reached; run the same command to go on" in " ".join(ran.out.split())


class TestHarnessFaults:
    def test_a_crash_is_one_line_that_names_the_case_and_others_are_still_judged(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake("crashes"), "--model", make_fake("always_right"))
        assert ran.code == 3
        assert (
            "crashes: the process that ran it was ended by SIGSEGV after 160 of 320 cases, at or near case" in ran.out
        )
        assert [entry["verdict"] for entry in ran.report()["artifacts"]] == [None, "promote"]
        assert "SIGSEGV" in ran.report()["artifacts"][0]["fault"]
        assert "Traceback" not in ran.out

    def test_logits_that_are_not_finite_are_an_error_and_no_wrong_answer(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake("nan"), "-k", "test_tool")
        assert ran.code == 3
        assert "nan: the logits of new token 1 are not finite (NaN or infinite) [case 'grep-160']" in ran.out

    def test_a_fault_is_told_once_and_the_other_tests_point_to_it(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake("nan"), "-rs")
        assert ran.code == 3
        assert "1 error" in ran.lines[-1]
        told, _, rest = ran.out.partition("= phi4bench =")
        assert told.count("are not finite") == 1
        assert rest.count("nan was not judged: test_detection[nan] says why") == 17

    def test_an_artifact_that_cannot_be_opened_in_the_end_is_the_users_fault(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake("mumbles"), "-k", "test_tool")
        assert ran.code == 4
        assert "behaviour='mumbles', but should be one of always_right" in ran.out


class TestBesideOtherProjects:
    def test_a_project_with_options_and_fixtures_of_the_same_names_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "conftest.py").write_text(
            "import pytest\n"
            "def pytest_addoption(parser):\n"
            "    for name in ('--model', '--limit', '--seed', '--report', '--cases'): parser.addoption(name)\n"
            "@pytest.fixture\n"
            "def gate(request): return request.config.getoption('--model')\n"
        )
        (tmp_path / "test_theirs.py").write_text("def test_theirs(gate): assert gate == 'theirs'\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "phi4bench.plugin", "--model", "theirs", str(tmp_path)]
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert "1 passed" in done.stdout, done.stdout + done.stderr

    def test_a_warning_does_not_fail_a_users_gate(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        (tmp_path / "warning.py").write_text(
            "import warnings\ndef pytest_runtest_setup(item): warnings.warn('from some runtime')\n"
        )
        ran = run_suites("--model", make_fake(), "-p", "warning", PYTHONPATH=str(tmp_path))
        assert ran.code == 0
        assert "from some runtime" in ran.out


class TestSuitesOfOnesOwn:
    """Tests beside ours that judge a gate, in a folder whose conftest makes the options known as ours does."""

    def run(self, tmp_path: Path, run_suites: RunSuites, make_fake: MakeFake, test: str) -> Ran:
        suite = tmp_path / "suite"
        suite.mkdir()
        (suite / "conftest.py").write_text((ROOT / "suites" / "conftest.py").read_text())
        (suite / "test_own.py").write_text(f"import pytest\n{test}\n")
        return run_suites("--model", make_fake(), suite / "test_own.py", "-k", "own")

    def test_a_gate_may_be_judged_by_any_test(self, tmp_path: Path, run_suites: RunSuites, make_fake: MakeFake) -> None:
        test = "@pytest.mark.judges('tool')\ndef test_own(gate): gate.check()"
        assert "1 passed" in self.run(tmp_path, run_suites, make_fake, test).out

    def test_a_gate_that_nobody_knows_is_a_usage_error_and_never_a_skip(
        self, tmp_path: Path, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = self.run(tmp_path, run_suites, make_fake, "@pytest.mark.judges('tol')\ndef test_own(gate): gate.check()")
        assert ran.code == 4
        assert "a test judges 'tol', but should judge one of detection, parsing, tool" in ran.out

    def test_a_test_must_say_which_gate_it_judges(
        self, tmp_path: Path, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = self.run(tmp_path, run_suites, make_fake, "def test_own(gate): gate.check()")
        assert '@pytest.mark.judges("tool")' in ran.out


def test_a_warning_fails_our_own_tests() -> None:
    with pytest.raises(UserWarning, match="from some runtime"):
        warnings.warn("from some runtime", stacklevel=1)


@pytest.mark.parametrize("place", ["conftest.py", "tests/conftest.py"])
def test_nothing_that_lies_in_a_model_folder_is_run(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, place: str
) -> None:
    """pytest takes the value of an option that it does not know yet for a test folder, and loads its conftest.py."""
    fake, mark = make_fake("always_right"), tmp_path / "was-run"
    (fake / place).parent.mkdir(exist_ok=True)
    (fake / place).write_text(f"open({str(mark)!r}, 'w').close()\n")
    ran = run_suites("--model", fake, "--baseline", fake)
    assert ran.code == 0, ran.out
    assert not mark.exists()


class TestSettings:
    """pytest looks for an ini file above every argument, before it knows that one is a model's folder."""

    @pytest.fixture
    def stranger(self, make_fake: MakeFake) -> Path:
        fake = make_fake("always_right")
        (fake / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
        return fake

    def run(self, environment: dict[str, str], *arguments: object) -> Any:
        command = [sys.executable, "-m", "pytest", "-p", "phi4bench.plugin", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, *map(str, arguments), "--co", "-q"],
            capture_output=True, text=True, cwd=ROOT, env=environment, check=False,
        )  # fmt: skip

    @pytest.fixture
    def suites(self, tmp_path: Path) -> Path:
        """Away from this repository, whose own settings would be found above them."""
        folder = tmp_path / "elsewhere" / "suites"
        folder.mkdir(parents=True)
        for name in ("conftest.py", "accuracy/test_accuracy.py"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text((ROOT / "suites" / name).read_text())
        return folder

    def test_those_of_a_models_folder_are_refused(
        self, stranger: Path, suites: Path, suites_environment: dict[str, str]
    ) -> None:
        done = self.run(suites_environment, "--model", stranger, suites)
        assert done.returncode == 4, done.stdout
        assert "give the suites first, or write --model=SPEC" in done.stderr

    def test_with_an_equals_sign_the_model_is_no_place(
        self, stranger: Path, suites: Path, suites_environment: dict[str, str]
    ) -> None:
        done = self.run(suites_environment, f"--model={stranger}", suites)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "test_tool[always_right]" in done.stdout


@pytest.mark.parametrize("options", [["-p", "no:phi4bench.plugin"], []], ids=["blocked", "not-loaded"])
def test_suites_without_their_plugin_end_in_one_line(suites_environment: dict[str, str], options: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", "suites", "--model=x"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=suites_environment, check=False)
    assert done.returncode == 4, done.stdout
    assert done.stderr.startswith("ERROR: the suites need phi4bench's plugin")
    assert len(done.stderr.strip().splitlines()) == 1
