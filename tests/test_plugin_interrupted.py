"""Runs of the suites that do not come to their end: Ctrl-C, `kill -9`, a time limit, and artifacts that break."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kit import EVERY_GATE, ROOT, MakeFake, Ran, RunSuites, write_lines

from phi4bench.session import JudgingSession


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
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment,
            # a background job of a shell is started deaf to Ctrl-C, and so would its children be
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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
        assert 10 <= int(told[1]) == int(found[1]) < 60  # with those that the child had stored and not yet told of
        assert int(found[1]) + int(found[2]) == 60
        assert done.returncode == 10, done.stdout  # sixty cases decide nothing

    @pytest.mark.parametrize(
        ("module", "function", "said"),
        [
            pytest.param("plan", "read_targets", "no tests ran", id="while-files-are-read"),
            pytest.param("judge", "render", "interrupted; run the same command again", id="while-prompts-are-made"),
        ],
    )
    def test_ctrl_c_while_no_child_is_at_work_is_told_and_130_too(
        self,
        suites_command: list[str],
        suites_environment: dict[str, str],
        make_fake: MakeFake,
        tmp_path: Path,
        module: str,
        function: str,
        said: str,
    ) -> None:
        stops = "def stop(*_):\n    raise KeyboardInterrupt\n\n"
        (tmp_path / "stopped.py").write_text(f"{stops}import phi4bench.run.{module} as it\nit.{function} = stop\n")
        environment = suites_environment | {
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [suites_environment.get("PYTHONPATH")])])
        }
        ran = subprocess.run(
            [*suites_command, "--model", str(make_fake()), "-p", "stopped"],
            capture_output=True, text=True, cwd=ROOT, env=environment, check=False,
        )  # fmt: skip
        assert ran.returncode == 130, ran.stdout + ran.stderr
        assert said in ran.stdout
        assert "Traceback" not in ran.stdout + ran.stderr

    @pytest.mark.parametrize(
        "stops",
        [
            pytest.param("def pytest_runtest_logstart(nodeid): stop('goodput' in nodeid)", id="in-the-last-test"),
            pytest.param("import phi4bench.session as it\nit.write_reports = stop", id="while-reports-are-written"),
            pytest.param("def pytest_terminal_summary(): stop()", id="in-the-summary"),
            pytest.param(
                "import phi4bench.run.judge as it\nit.render = stop\ndef pytest_keyboard_interrupt(): stop()",
                id="twice",
            ),
            pytest.param(
                "import phi4bench.session as it\njudge = it.Judge.judge\n"
                "it.Judge.judge = lambda self, one, *more: stop('slow' in one.artifact.id) or judge(self, one, *more)",
                id="at-the-second-model",
            ),
        ],
    )
    def test_ctrl_c_at_any_moment_is_130_and_leaves_no_report(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, stops: str
    ) -> None:
        stop = "def stop(now=True, *_):\n    if now: raise KeyboardInterrupt\n"
        (tmp_path / "stopped.py").write_text(f"{stop}{stops}\n")
        models = ["--model", make_fake(), "--model", make_fake("slow")][: None if "'slow'" in stops else 2]
        ran = run_suites(*models, "-p", "stopped", PYTHONPATH=f"{ROOT}:{tmp_path}")
        assert ran.code == 130, ran.out
        assert "interrupted; run the same command again" in ran.out or "KeyboardInterrupt !!!" in ran.out
        assert "Traceback" not in ran.out
        assert [path.name for path in ran.report_dir.iterdir() if path.name != "transcripts"] == []

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

    def test_no_earlier_report_passes_for_that_of_a_run_that_was_stopped(
        self,
        make_fake: MakeFake,
        suites_command: list[str],
        suites_environment: dict[str, str],
        whole_run: Ran,
        tmp_path: Path,
    ) -> None:
        assert whole_run.artifact()["verdict"] == "promote"
        process = self.started(
            [*suites_command, "--model", str(make_fake("slow"))], suites_environment, 330, tmp_path / "cache"
        )
        process.kill()
        process.communicate(timeout=30)
        assert sorted(path.name for path in whole_run.report_dir.iterdir()) == ["transcripts"]

    @pytest.mark.parametrize("name", ["promotion.json", "report.json"])
    def test_an_earlier_one_that_cannot_be_taken_away_is_told_before_any_work(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "reports" / name).mkdir(parents=True)  # as little to be removed as somebody else's file
        ran = run_suites("--model", make_fake())
        assert ran.code == 4
        assert re.search(rf"ERROR: '\S*{name}' cannot be taken away \(.+\); name another", ran.out)
        assert "Traceback" not in ran.out

    def test_a_second_run_generates_nothing(self, run_suites: RunSuites, whole_run: Ran, tmp_path: Path) -> None:
        assert "0 from cache, 320 generated" in whole_run.out
        assert "320 from cache, 0 generated" in run_suites("--model", tmp_path / "always_right").out

    @pytest.mark.usefixtures("whole_run")
    def test_a_changed_byte_generates_again(self, run_suites: RunSuites, tmp_path: Path) -> None:
        fake = tmp_path / "always_right"
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
        assert ran.outcomes() == dict.fromkeys(EVERY_GATE, "INCONCLUSIVE")
        assert "the time limit of 2 s was reached; run the same command to go on" in " ".join(ran.out.split())

    def test_what_a_time_limit_cuts_without_a_cache_does_not_go_on(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake("slow"), "--time-limit", 1, "--no-cache")
        assert "the time limit of 1 s was reached; run it with a cache to be able to go on" in " ".join(ran.out.split())


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
        case = "grep-159"  # of the first half, before which the longest comes
        assert f"nan: the logits of new token 1 are not finite (NaN or infinite) [case '{case}']" in ran.out

    def test_a_fault_is_told_once_and_the_other_tests_point_to_it(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake("nan"), "-rs")
        assert ran.code == 3
        assert "1 error" in ran.lines[-1]
        told, _, rest = ran.out.partition("= phi4bench =")
        assert told.count("are not finite") == 1
        collected = re.search(r"collected (\d+) items", ran.out)
        assert collected, ran.out
        assert rest.count("nan was not judged: test_detection[nan] says why") == int(collected[1]) - 1

    def test_an_artifact_that_cannot_be_opened_in_the_end_is_the_users_fault(
        self, run_suites: RunSuites, make_fake: MakeFake
    ) -> None:
        ran = run_suites("--model", make_fake("mumbles"), "-k", "test_tool")
        assert ran.code == 4
        assert "behaviour='mumbles', but should be one of always_right" in ran.out


def test_a_run_whose_reports_cannot_be_written_promotes_nothing(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    """Nor does a part of them say otherwise, from which `phi4bench summary` would tell a promote."""
    (tmp_path / "full.py").write_text(
        "import phi4bench.report.writing\n"
        "def page(*_): raise OSError(28, 'No space left on device')\n"
        "phi4bench.report.writing.page = page\n"
    )
    ran = run_suites("--model", make_fake(), "-p", "full", PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert ran.code == 3
    assert "nothing is promoted: the reports could not be written" in ran.out
    assert "verdict  none: its reports could not be written" in ran.out
    assert "PROMOTE" not in ran.out
    assert [path.name for path in ran.report_dir.iterdir()] == ["transcripts"]


def test_a_run_that_breaks_before_it_has_judged_anything_leaves_what_an_earlier_one_found(tmp_path: Path) -> None:
    plan: Any = SimpleNamespace(subjects=(), options=SimpleNamespace(report_dir=tmp_path))
    earlier = [tmp_path / "promotion.json", tmp_path / "report.json"]
    for path in earlier:
        path.write_text("{}")
    JudgingSession(plan).withdraw()
    assert all(path.exists() for path in earlier)
