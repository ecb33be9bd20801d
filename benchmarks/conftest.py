"""Binds pytest to `recording`: what the benchmarks share, and how the run ends. Decides nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from benchmarks.changes import changes_to_json, table
from benchmarks.comparing import Outcome
from benchmarks.recording import Recording, Timed, settings_from
from phi4bench.errors import Phi4benchError
from phi4bench.plugin import add_benchmark_options as pytest_addoption  # noqa: F401  # a hook that pytest finds by name
from phi4bench.printable import printable, wrapped
from phi4bench.run.options import DESTINATION

RECORDING = pytest.StashKey[Recording]()
STYLE = {Outcome.SLOWER: "red", Outcome.FASTER: "green", Outcome.UNCLEAR: "yellow"}


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark finds other words for -n
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) or config.getoption("dist", "no") != "no":
        raise pytest.UsageError(
            "the benchmarks run in one process, without -n: what is timed beside other work tells of that work"
        )


def recording_of(config: pytest.Config) -> Recording:
    """The one recording of this pytest run, opened by the first benchmark that is collected."""
    if RECORDING not in config.stash:
        settings = settings_from(
            lambda name: config.getoption(DESTINATION.format(name)), config.rootpath, config.invocation_params.dir
        )
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        config.stash[RECORDING] = Recording(settings, partial(_tell, reporter))
    return config.stash[RECORDING]


def _tell(reporter: Any, line: str) -> None:
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line(line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "artifact" in metafunc.fixturenames:
        try:
            names = list(recording_of(metafunc.config).artifacts)
        except Phi4benchError:
            names = []  # told once everything is collected: pytest prints a traceback here
        if names:
            metafunc.parametrize("artifact", names, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config) -> None:
    try:
        error = recording_of(config).error
    except Phi4benchError as fault:
        error = printable(str(fault))
    if error:
        raise pytest.UsageError(error)
    benchmarks = getattr(config, "_benchmarksession", None)
    if benchmarks is None:
        raise pytest.UsageError("the benchmarks need pytest-benchmark, which this run does not load")
    if benchmarks.options["timer"].target is not time.perf_counter:
        raise pytest.UsageError("--benchmark-timer, but should be time.perf_counter, which never jumps; leave it out")


@pytest.fixture
def artifact(request: pytest.FixtureRequest) -> Any:
    """Each of `--model`, or the shipped one."""
    return recording_of(request.config).artifacts[request.param]


@pytest.fixture
def timed(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`Timed`, which records under the test's name; what stops it is told in one line."""
    name = request.node.nodeid.rpartition("/")[2].replace(".py::test_", "/").removeprefix("test_")
    recording = recording_of(request.config)
    recording.nodes[name] = request.node.nodeid
    time_action = Timed(benchmark, name, recording)

    def told(action: Callable[[], Any], **settings: Any) -> Any:
        try:
            return time_action(action, **settings)
        except Phi4benchError as error:
            pytest.fail(printable(str(error)), pytrace=False)

    return told


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_generate_machine_info(config: pytest.Config) -> dict[str, Any]:
    """Instead of pytest-benchmark's own, which holds the host's name."""
    machine = recording_of(config).machine
    return {"key": machine.key, **machine.hardware, "software": dict(machine.software)}


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """`--benchmark-json` also tells what moved."""
    output_json["changes"] = changes_to_json(recording_of(config).compare())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if RECORDING not in session.config.stash:
        return
    recording = session.config.stash[RECORDING]
    recording.finish(whole=exitstatus == pytest.ExitCode.OK)
    if recording.interrupted:
        session.exitstatus = pytest.ExitCode.INTERRUPTED
    elif recording.slower and recording.settings.fail_on_slower and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if RECORDING not in config.stash or not config.stash[RECORDING].samples:
        return
    recording = config.stash[RECORDING]
    terminalreporter.section(f"history: {recording.machine}")
    if recording.changes:
        for line, outcome in table(recording.changes):
            terminalreporter.write_line(line, **({STYLE[outcome]: True} if outcome in STYLE else {}))
    for note in recording.notes:
        for line in wrapped(note, further="  "):
            terminalreporter.write_line(line)
