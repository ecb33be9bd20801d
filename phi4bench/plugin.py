"""The pytest plugin: translates between pytest and `phi4bench.run`, and decides nothing itself.

Installed, it is met by every pytest run of the environment, so it imports nothing at the top but pytest, adds no
option of its own (`suites/conftest.py` does that) and wakes only for tests that carry the `judges` marker.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from phi4bench.session import JudgingSession

SESSION = pytest.StashKey["JudgingSession"]()
OUTCOME = pytest.StashKey[str]()
INTERRUPTED = pytest.StashKey[bool]()
INTERRUPTED_EXIT = 130
INCONCLUSIVE = "INCONCLUSIVE"
_set_aside: list[bool] = []
"""Whether a run in this process has set its memory aside."""


def add_suite_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The suites' `pytest_addoption`. Harmless when a second conftest calls it too."""
    with _as_written(pluginmanager):
        from phi4bench.run.options import OPTIONS

    _add_options(parser, pluginmanager, OPTIONS)


def add_benchmark_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The benchmarks' `pytest_addoption`, alone or beside the suites'."""
    from phi4bench.run.options import BENCHMARK_OPTIONS

    _add_options(parser, pluginmanager, BENCHMARK_OPTIONS)


def _add_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager, options: Mapping[str, Any]) -> None:
    from phi4bench.run.options import DESTINATION, add_options

    if not pluginmanager.is_registered(sys.modules[__name__]):
        raise pytest.UsageError(
            "the suites need phi4bench's plugin, which this run does not load; leave out -p no:phi4bench, or where"
            " plugins are not loaded by themselves give -p phi4bench.plugin"
        )
    group = parser.getgroup("phi4bench", "phi4bench, judging an artifact")
    there = {option.dest for option in group.options}
    new = {name: option for name, option in options.items() if DESTINATION.format(name) not in there}
    add_options(group.addoption, new)


@contextlib.contextmanager
def _as_written(pluginmanager: pytest.PytestPluginManager) -> Iterator[None]:
    """Import as Python does, from the byte code that pip made.

    pytest would rewrite the assertions of every module of ours, since a plugin came with them: the first run of a
    fresh environment would spend more time on that than on the rest of collection, and nothing would come of it.
    """
    hook: Any = pluginmanager.rewrite_hook
    if hook not in sys.meta_path:  # --assert=plain, or another of these blocks around this one
        yield
        return
    place = sys.meta_path.index(hook)
    sys.meta_path.remove(hook)
    try:
        yield
    finally:
        sys.meta_path.insert(place, hook)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Keep pytest from running what lies in a model's folder.

    Until the suites' conftest has declared `--model`, pytest takes its value for a folder of tests, and would load a
    `conftest.py` that came with the model.
    """
    if not any(arg.partition("=")[0] == "--model" for arg in args):
        return
    from phi4bench.run.options import BENCHMARK_OPTIONS, OPTIONS

    options = (OPTIONS | BENCHMARK_OPTIONS).values()
    flags = {flag for flag, settings in options if settings.get("action") != "store_true"}
    places = list(early_config.known_args_namespace.file_or_dir)
    for flag, value in pairwise(args):
        if flag in flags and value in places:
            places.remove(value)
    named = places
    places = places or [str(early_config.invocation_params.dir)]
    if _lead_to_suites(places):
        _refuse_models_among_tests(named)
        _refuse_settings_from_elsewhere(early_config, places)
        early_config.known_args_namespace.file_or_dir = places


def _refuse_models_among_tests(places: Sequence[str]) -> None:
    """Of `--model A B` pytest would look for tests in B, find none, and the run would promote A alone."""
    for place in places:
        if any(any(Path(place).glob(name)) for name in ("phi4bench.json", "tokenizer.json", "*.onnx", "*.safetensors")):
            raise pytest.UsageError(f"'{place}' is a model and no test; give each model its own --model")


def _refuse_settings_from_elsewhere(early_config: pytest.Config, places: Sequence[str]) -> None:
    """pytest looks for its ini file above each argument, the model's folder too, long before it loads any plugin.

    A file found that way alone binds the suites to a stranger's settings.
    """
    if early_config.known_args_namespace.inifilename or early_config.inipath is None:
        return
    paths = [Path(place.partition("::")[0]).resolve() for place in places]
    above = {folder for path in paths for folder in (path, *path.parents)}
    if early_config.inipath.resolve().parent not in above:
        raise pytest.UsageError(
            f"pytest found its settings by way of an option's value, in '{early_config.inipath}'; give the suites"
            " first, or write --model=SPEC with an equals sign"
        )


def _lead_to_suites(places: Sequence[str]) -> bool:
    """Whether one of them is ours to judge: another project may have a `--model` of its own."""
    for place in places:
        path = Path(place.partition("::")[0]).resolve()
        for conftest in (folder / "conftest.py" for folder in (path, *path.parents)):
            with contextlib.suppress(OSError):
                if b"from phi4bench.plugin import add_" in conftest.read_bytes():
                    return True
    return False


class Gate:
    """One gate of one artifact, as a test sees it."""

    def __init__(self, session: JudgingSession, artifact: int, name: str, node: pytest.Item) -> None:
        self._session, self._artifact, self._name, self._node = session, artifact, name, node

    def check(self) -> None:
        """Pass, fail with what a person needs, skip what does not apply, or stop as INCONCLUSIVE."""
        finding = self._session.finding(self._artifact, self._name)
        self._node.stash[OUTCOME] = finding.outcome
        if finding.outcome == "FAIL":
            pytest.fail(finding.text, pytrace=False)
        if finding.outcome in (INCONCLUSIVE, "SKIP"):
            pytest.skip(finding.text)


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Gate:
    """The gate that the test's `judges` marker names, for the artifact that the test is parametrized with."""
    marker = request.node.get_closest_marker("judges")
    if marker is None or SESSION not in request.config.stash:
        pytest.fail('a test with `gate` says which one: @pytest.mark.judges("tool")', pytrace=False)
    session = request.config.stash[SESSION]
    fault = session.fault(request.param)
    if fault:
        first = session.told_by(request.param, request.node.name)
        if first != request.node.name:
            pytest.skip(f"{session.names[request.param]} was not judged: {first} says why")
        pytest.fail(fault, pytrace=False)
    return Gate(session, request.param, marker.args[0], request.node)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """What breaks where pytest catches nothing, as in a summary, would end with Python's 1, which reads as a reject."""
    judges = config.getoption("phi4bench_report", None) is not None
    if judges and config.getoption("looponfail", False):  # the process that xdist starts for each round knows nothing
        raise pytest.UsageError("the suites refuse --looponfail: a retried gate is no gate")
    try:
        code = yield
        if judges:
            sys.stdout.flush()  # pytest does so later, where nothing catches what comes of it but its own 1
        return code
    except (Exception, KeyboardInterrupt) as error:
        if not judges or isinstance(error, pytest.UsageError):
            raise
        from phi4bench.cli import CRASHED_EXIT, without_output

        if SESSION in config.stash:
            config.stash[SESSION].withdraw()
        with _terminal(config), contextlib.suppress(OSError):
            if isinstance(error, KeyboardInterrupt):  # a second one, while pytest tells of the first
                sys.stderr.write("\ninterrupted; run the same command again\n")
                return INTERRUPTED_EXIT
            if isinstance(error, OSError) and error.filename is None:  # of standard output: a file has a name
                return without_output("phi4bench", error)
            traceback.print_exc()
        return CRASHED_EXIT


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "judges(gate): the test judges this gate of each --model (phi4bench)")
    if config.getoption("phi4bench_report", None) is not None:
        _refuse_what_spoils_a_gate(config)
        config.pluginmanager.register(_Interruptions(config))


class _Interruptions:
    """Notes Ctrl-C, which pytest ends with 2, as it ends much else."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if excinfo.type is KeyboardInterrupt:
            self._config.stash[INTERRUPTED] = True


def _refuse_what_spoils_a_gate(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) or config.getoption("dist", "no") != "no":
        raise pytest.UsageError(
            "the suites run in one process, without -n: each artifact is loaded once, all gates read one result, and"
            " what is timed beside other work tells of that work"
        )
    if any(config.getoption(name, False) for name in ("stepwise", "stepwise_skip", "stepwise_reset")):
        raise pytest.UsageError(
            "the suites refuse --stepwise: it ends at a gate that fails without a report, and leaves out next time what"
            " passed before; -x ends there with one"
        )
    for name in ("reruns", "force_reruns", "retries", "force_flaky"):
        if config.getoption(name, None):
            raise pytest.UsageError(f"the suites refuse --{name.replace('_', '-')}: a retried gate is no gate")
        with contextlib.suppress(ValueError):  # no plugin knows that setting
            if (value := config.getini(name)) not in (None, "", "0", 0):
                raise pytest.UsageError(f"the suites refuse the setting {name}={value}: a retried gate is no gate")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gate" in metafunc.fixturenames and metafunc.definition.get_closest_marker("judges"):
        session = _session(metafunc.config)
        if session.names:  # without a model the test stays as it is, and collection ends with the usage error
            metafunc.parametrize("gate", range(len(session.names)), indirect=True, ids=list(session.names))


def _session(config: pytest.Config) -> JudgingSession:
    """The one judging session of this pytest run, opened by the first test that needs it."""
    if SESSION not in config.stash:
        _look_again()
        with _as_written(config.pluginmanager):
            from phi4bench.run.options import DESTINATION
            from phi4bench.session import JudgingSession

        config.stash[SESSION] = JudgingSession.open(
            lambda name: config.getoption(DESTINATION.format(name), None), runs=not config.option.collectonly
        )
    return config.stash[SESSION]


def _parameters(item: pytest.Item) -> Mapping[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


@pytest.hookimpl(trylast=True)  # after -k, -m and --deselect have chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if SESSION not in config.stash:
        return
    from phi4bench.errors import Phi4benchError

    session = config.stash[SESSION]
    if session.error:
        raise pytest.UsageError(session.error)
    for item in items:
        marker = item.get_closest_marker("judges")
        if marker and "gate" in _parameters(item):
            try:
                session.select(_parameters(item)["gate"], str(marker.args[0]))
            except Phi4benchError as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from None


@pytest.hookimpl(wrapper=True, tryfirst=True)  # whoever runs the tests
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Generate and score before the first test, so that tests only look results up."""
    config = session.config
    if SESSION in config.stash:
        stops = session.testsfailed and not config.option.continue_on_collection_errors  # pytest, before any test
        if not (stops or config.option.collectonly):
            _judge(config)
            if session.testsfailed:
                config.stash[SESSION].broke_whole("a file could not be collected")
        _set_memory_aside()
    return (yield)


def _judge(config: pytest.Config) -> None:
    from phi4bench.errors import UsageError

    with _terminal(config):
        try:
            config.stash[SESSION].judge(say=_say(config), stream=sys.stderr)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        except KeyboardInterrupt as stop:  # without a word where no child was at work
            pytest.exit(str(stop) or "interrupted; run the same command again", returncode=INTERRUPTED_EXIT)


def _say(config: pytest.Config) -> Any:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.write_line if reporter else lambda line: None


@contextlib.contextmanager
def _terminal(config: pytest.Config) -> Iterator[None]:
    """The real standard output and error, which pytest captures otherwise."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)  # over what other plugins make of a test
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    session, marker = item.config.stash.get(SESSION, None), item.get_closest_marker("judges")
    if session is None:
        return report
    artifact = _parameters(item).get("gate") if marker else None
    outcome = item.stash.get(OUTCOME, None)
    if report.failed and not (report.when == "call" and outcome == "FAIL"):
        session.broke(item.name, artifact)
    if marker is None or artifact is None:
        return report
    if report.skipped and outcome is None:
        session.skipped(artifact, marker.args[0])
    if report.when == "call":
        if outcome is not None:
            session.ran(artifact, marker.args[0])
        if report.skipped and isinstance(report.longrepr, tuple):
            path, line, _ = item.location
            report.longrepr = (path, (line or 0) + 1, report.longrepr[2])
            if outcome == INCONCLUSIVE:
                report.gate_outcome = INCONCLUSIVE  # type: ignore[attr-defined]  # for pytest_report_teststatus
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    if getattr(report, "gate_outcome", None) == INCONCLUSIVE:
        return "inconclusive", "I", (INCONCLUSIVE, {"yellow": True})
    return None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports, and let the verdict be the exit code; of a run that was cut short, nothing is concluded."""
    if session.config.stash.get(INTERRUPTED, False):
        session.exitstatus = INTERRUPTED_EXIT
    if SESSION not in session.config.stash or exitstatus in (pytest.ExitCode.INTERRUPTED, INTERRUPTED_EXIT):
        return
    if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
        session.config.stash[SESSION].broke_whole("pytest or a plugin of it broke")
    if session.config.stash[SESSION].judged:
        session.exitstatus = session.config.stash[SESSION].conclude(int(exitstatus))
    _spare_hypothesis(session.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if SESSION in config.stash:
        config.stash[SESSION].close()


def _spare_hypothesis(config: pytest.Config) -> None:
    """Its plugin imports all of Hypothesis for its summary, for a third of a second, also where no test has used it."""
    plugin = config.pluginmanager.get_plugin("hypothesispytest")
    if plugin is not None and "hypothesis" not in sys.modules:
        config.pluginmanager.unregister(plugin)


def _set_memory_aside() -> None:
    """Spare pytest's last looks through memory what was there before the first test: it takes longer than the gates.

    What tests leave behind is looked for as ever.
    """
    gc.freeze()
    _set_aside.append(True)


def _look_again() -> None:
    """What an earlier run in this process has set aside is looked through as ever."""
    if _set_aside:
        _set_aside.clear()
        gc.unfreeze()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if SESSION not in config.stash or not config.stash[SESSION].concluded:
        return
    terminalreporter.section("phi4bench")
    for text, style in config.stash[SESSION].summary():
        terminalreporter.write_line(text, **dict.fromkeys(style.split(), True))
