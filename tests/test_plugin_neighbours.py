"""The plugin beside other people's plugins, settings, tests and files."""

from __future__ import annotations

import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from kit import ROOT, MakeFake, Ran, RunSuites, command_in


class TestReruns:
    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            pytest.param(["--reruns", 2], "--reruns", id="option"),
            pytest.param(["--force-reruns", 2], "--force-reruns", id="over-every-mark"),
            pytest.param(["-o", "reruns=2"], "the setting reruns=2", id="setting"),
        ],
    )
    def test_reruns_are_refused(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, asked: list[Any], said: str
    ) -> None:
        (tmp_path / "retrying.py").write_text(
            "def pytest_addoption(parser):\n"
            "    for name in ('--reruns', '--force-reruns'): parser.addoption(name, type=int)\n"
            "    parser.addini('reruns', 'how often')\n"
        )
        ran = run_suites("-p", "retrying", *asked, "--model", make_fake(), PYTHONPATH=str(tmp_path))
        assert f"the suites refuse {said}: a retried gate is no gate" in ran.refusal()

    @pytest.mark.parametrize("option", ["--stepwise", "--stepwise-skip", "--stepwise-reset"])
    def test_a_run_that_ends_without_a_report_is_refused(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, option: str
    ) -> None:
        """pytest's own options of these names are gone with the cache that the tests run without."""
        (tmp_path / "stepping.py").write_text(
            f"def pytest_addoption(parser): parser.addoption('{option}', action='store_true')\n"
        )
        ran = run_suites("-p", "stepping", option, "--model", make_fake(), PYTHONPATH=str(tmp_path))
        assert "the suites refuse --stepwise" in ran.refusal()

    def test_a_setting_of_no_reruns_is_no_fault(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        (tmp_path / "retrying.py").write_text("def pytest_addoption(parser): parser.addini('reruns', 'how often')\n")
        ran = run_suites("-p", "retrying", "-o", "reruns=0", "--model", make_fake(), PYTHONPATH=str(tmp_path))
        assert ran.code == 0, ran.out


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

    def test_what_comes_with_the_tokenizer_and_is_of_no_use_here_is_not_loaded(self, pytestconfig: Any) -> None:
        """It would take a sixth of pytest's start, of the suites' as of these tests'."""
        assert pytestconfig.pluginmanager.is_blocked("anyio")
        judges = ConfigParser()
        judges.read(ROOT / "suites" / "judge.ini", encoding="utf-8")
        assert "-p no:anyio" in judges["pytest"]["addopts"]

    def test_a_warning_does_not_fail_a_users_gate(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        (tmp_path / "warning.py").write_text(
            "import warnings\ndef pytest_runtest_setup(item): warnings.warn('from some runtime')\n"
        )
        ran = run_suites("--model", make_fake(), "-p", "warning", PYTHONPATH=str(tmp_path))
        assert ran.code == 0
        assert "from some runtime" in ran.out

    def test_a_plugin_that_runs_no_test_of_ours_gives_no_zero(
        self, run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
    ) -> None:
        (tmp_path / "theirs.py").write_text(
            "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(session): return True\n"
        )
        ran = run_suites("--model", make_fake(), "-p", "theirs", PYTHONPATH=f"{ROOT}:{tmp_path}")
        assert ran.code == 10, ran.out
        assert "its test was chosen and not run to its end" in " ".join(ran.out.split())


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


def test_a_second_model_without_its_option_is_a_usage_error_and_never_passed_over(
    run_suites: RunSuites, make_fake: MakeFake
) -> None:
    second = make_fake("always_wrong")
    (second / "conftest.py").write_text("raise SystemExit('run')\n")
    ran = run_suites("--model", make_fake(), second)
    assert ran.code == 4
    assert f"'{second}' is a model and no test; give each model its own --model" in ran.out


def test_own_tests_beside_a_config_are_no_model(run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.json").write_text("{}")
    (own / "test_own.py").write_text("def test_own():\n    pass\n")
    ran = run_suites(own, "--model", make_fake())
    assert ran.code == 0, ran.out


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

    def run(self, environment: dict[str, str], *arguments: object, cwd: Path = ROOT) -> Any:
        command = [sys.executable, "-m", "pytest", "-p", "phi4bench.plugin", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, *map(str, arguments), "--co", "-q"],
            capture_output=True, text=True, cwd=cwd, env=environment, check=False,
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

    def test_a_model_may_lie_in_the_folder_where_the_command_is_given(
        self, stranger: Path, suites: Path, suites_environment: dict[str, str]
    ) -> None:
        (suites / "mine.onnx").touch()
        done = self.run(suites_environment, f"--model={stranger}", cwd=suites)
        assert done.returncode == 0, done.stdout + done.stderr

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


BROKEN = {
    "before-its-gate": "def pytest_runtest_setup(item): fail(item)",
    "after-its-gate": "@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_call(item):\n    yield\n    fail(item)",
    "in-its-teardown": "def pytest_runtest_teardown(item): fail(item)",
    "by-a-strict-mark": "def pytest_itemcollected(item):\n"
    "    if TEST in item.name: item.add_marker(pytest.mark.xfail(strict=True))",
}


@pytest.mark.parametrize("test", ["test_tool", "test_argument_accuracy"], ids=["required", "measured"])
@pytest.mark.parametrize("plugin", [pytest.param(text, id=name) for name, text in BROKEN.items()])
def test_a_test_that_fails_otherwise_than_by_its_gate_is_a_crash_and_no_reject(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, plugin: str, test: str
) -> None:
    fail = f"TEST = {test!r}\ndef fail(item):\n    if TEST in item.name: raise RuntimeError('broken')\n"
    (tmp_path / "breaking.py").write_text(f"import pytest\n{fail}{plugin}\n")
    ran = run_suites("--model", make_fake(), "-p", "breaking", PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert ran.code == 3, ran.out
    assert "failed otherwise than by its gate" in " ".join(ran.out.split())
    assert "PROMOTE" not in ran.out
    assert not (ran.report_dir / "promotion.json").exists()


def test_what_ends_pytest_before_its_last_test_leaves_no_promotion(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    (tmp_path / "test_own.py").write_text("import pytest\ndef test_own(): pytest.exit('enough')\n")
    ran = run_suites(tmp_path / "test_own.py", "--model", make_fake())
    assert ran.code == 2, ran.out
    assert not list(ran.report_dir.glob("*.json"))


def test_a_test_of_ones_own_that_fails_is_no_reject_and_promotes_nothing(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    (tmp_path / "test_own.py").write_text("def test_own(): assert False\n")
    ran = run_suites(tmp_path / "test_own.py", "--model", make_fake())
    assert ran.code == 3, ran.out
    assert "always_right: not judged test_own failed otherwise than by its gate" in " ".join(ran.out.split())
    assert not (ran.report_dir / "promotion.json").exists()


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param(
            "def pytest_runtest_logreport(report):\n"
            "    if 'calls_per_s' in report.nodeid: raise RuntimeError('broken')",
            id="between-tests",
        ),
        pytest.param("def pytest_sessionfinish(): raise RuntimeError('broken')", id="at-the-end"),
        pytest.param("def pytest_terminal_summary(): raise RuntimeError('broken')", id="in-the-summary"),
        pytest.param("def pytest_unconfigure(): raise RuntimeError('broken')", id="after-all"),
        pytest.param(
            "def pytest_generate_tests(metafunc):\n"
            "    if 'size' in metafunc.function.__name__: raise RuntimeError('broken')\n"
            "def pytest_configure(config): config.option.continue_on_collection_errors = True",
            id="in-collection-that-goes-on",
        ),
    ],
)
def test_what_breaks_around_the_tests_is_a_crash_and_promotes_nothing(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path, plugin: str
) -> None:
    (tmp_path / "breaking.py").write_text(f"{plugin}\n")
    ran = run_suites("--model", make_fake(), "-p", "breaking", PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert ran.code == 3, ran.out
    assert "RuntimeError: broken" in ran.out
    assert not (ran.report_dir / "promotion.json").exists()


@pytest.mark.parametrize(
    ("full", "code", "said"),
    [
        pytest.param(False, 141, "", id="its-reader-is-gone"),
        pytest.param(True, 3, "phi4bench: No space left on device\n", id="its-disk-is-full"),
    ],
)
def test_output_that_nobody_can_take_is_no_reject(
    make_fake: MakeFake, tmp_path: Path, case_file: Path, suites_environment: dict[str, str], full, code, said
) -> None:
    command = [*map(str, command_in(tmp_path, case_file)), "--model", str(make_fake())]
    buffered = suites_environment | {"PYTHONUNBUFFERED": ""}  # so that the last flush is the first to meet it
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody, Path("/dev/full").open("wb") as disk:
        out = disk if full else nobody
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, env=buffered, check=False)
    assert (done.returncode, "Traceback" in done.stderr.decode()) == (code, False)
    assert done.stderr.decode().endswith(said)  # how far it was may stand before


def test_an_artifact_that_changes_once_it_is_hashed_is_not_judged_under_its_hash(
    run_suites: RunSuites, make_fake: MakeFake, tmp_path: Path
) -> None:
    wrong, right = (make_fake(name) for name in ("always_wrong", "always_right"))
    (tmp_path / "exporting.py").write_text(
        "import shutil\n"
        f"def pytest_collection_finish(): shutil.copyfile({str(right / 'phi4bench.json')!r},"
        f" {str(wrong / 'phi4bench.json')!r})\n"
    )
    ran = run_suites("--model", wrong, "-p", "exporting", PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert ran.code == 4, ran.out
    assert "phi4bench.json has changed since it was hashed; run again" in " ".join(ran.out.split())
    assert not (ran.report_dir / "promotion.json").exists()
