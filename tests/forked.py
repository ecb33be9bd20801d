"""A finished `python -m` command as `subprocess.run` gives it, from a fork of a process that has imported its modules.

A hundred of our tests run the suites as a user does, and half of such a run is Python and its imports. They are paid
once for each process of tests: that one is started with the first command, imports what a whole run imports, and does
nothing else. Each command is a fork of it with a folder, an environment and arguments of its own, so that nothing goes
from one to the next. What could come out otherwise than in a process of its own is run in one: see `may_fork`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMPORTED = ("pytest", "phi4bench.session", "phi4bench.report.page", "jinja2", "jsonschema")
"""Beside pytest's own plugins. None that pytest rewrites: it warns of such a one if it is there already. And not numpy,
whose threads no fork would have."""
READ_LATE = ("COLUMNS", "PYTEST_")
"""Names in the environment, or how they begin, that nothing reads while it is imported."""
MOST_BYTES = 1 << 17


def run(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """`command` to its end, with standard error in its standard output."""
    if not may_fork(command, env):
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=env, timeout=timeout_s,
            check=False,
        )  # fmt: skip
    starter = _starter()
    try:
        code, out = starter.finished(command[2:], cwd, env, time.monotonic() + timeout_s)
    except BaseException as stop:  # whoever comes next must not hear the answer to this
        starter.close()
        if isinstance(stop, TimeoutError):
            raise subprocess.TimeoutExpired(command, timeout_s) from None
        raise
    return subprocess.CompletedProcess(command, code, io.TextIOWrapper(io.BytesIO(out)).read())


def may_fork(command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether this command is the same in a fork as in a process of its own.

    What is imported may hang on the environment, which must thus be ours, as it now is, but for what is read later. A
    pytest that looks for plugins rewrites all modules of theirs, and warns of those that it finds imported.
    """
    return (
        sys.platform == "linux"
        and list(command[:2]) == [sys.executable, "-m"]
        and bool(env.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"))
        and _read_early(env) == _read_early(os.environ)
    )


def _read_early(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if value and not name.startswith(READ_LATE)}


class Starter:
    """The process that is forked, at the other end of a socket."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT, pass_fds=[theirs.fileno()]
            )
        self._environment = _read_early(os.environ)
        self._child: int | None = None
        atexit.register(self.close)

    def finished(self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], until: float) -> tuple[int, bytes]:
        """The exit code, as `subprocess` has it, and what was written. Raises `TimeoutError` at that time."""
        order = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
        ours, theirs = os.pipe()
        with os.fdopen(ours, "rb", buffering=0) as pipe:
            with os.fdopen(theirs, "wb", buffering=0):
                socket.send_fds(self._channel, [json.dumps(order).encode()], [0, theirs, theirs])
            self._child = self._heard(until)
            out = b"".join(iter(lambda: _read(pipe, until), b""))
        code = self._heard(until)
        self._child = None
        return code, out

    def _heard(self, until: float) -> int:
        _await(self._channel, until)
        answer = self._channel.recv(MOST_BYTES)
        assert answer, "the process that is forked has ended; its standard error says why"
        return int(answer)

    def fits(self) -> bool:
        return self._environment == _read_early(os.environ)

    def close(self) -> None:
        """End both processes."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
        self._channel.close()
        self._process.wait()
        atexit.unregister(self.close)
        _STARTED.clear()


_STARTED: list[Starter] = []


def _starter() -> Starter:
    """The one there is, or another where some test or library has changed our environment since."""
    if _STARTED and not _STARTED[0].fits():
        _STARTED[0].close()
    if not _STARTED:
        _STARTED.append(Starter())
    return _STARTED[0]


def _read(pipe: Any, until: float) -> bytes:
    _await(pipe, until)
    return pipe.read(MOST_BYTES)


def _await(what: Any, until: float) -> None:
    if not select.select([what], [], [], max(0.0, until - time.monotonic()))[0]:
        raise TimeoutError


def serve(channel: socket.socket) -> None:
    """Be forked for each order, until nobody gives another; in a fork, the command's own end is the way out."""
    sys.path[0] = str(ROOT)
    for name in (*IMPORTED, *_pytests_own()):
        importlib.import_module(name)
    sys.modules["phi4bench.report.page"].template()  # compiling it takes as long as a worker
    gc.collect()
    gc.freeze()  # what is here is none of a fork's garbage: looking at it would make a copy of each page
    while order := socket.recv_fds(channel, MOST_BYTES, 3):
        told, descriptors, _, _ = order
        if not told:
            return
        child = os.fork()
        if not child:
            channel.close()
            _become(json.loads(told), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(BrokenPipeError):
            channel.send(str(os.waitstatus_to_exitcode(status)).encode())


def _pytests_own() -> list[str]:
    from _pytest.config import default_plugins

    return [f"_pytest.{name}" for name in default_plugins]


def _become(order: dict[str, Any], descriptors: Sequence[int]) -> None:
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    module, *arguments = order["arguments"]
    sys.path[0] = order["cwd"]
    sys.argv = [module, *arguments]
    sys.orig_argv = [sys.executable, "-m", module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
