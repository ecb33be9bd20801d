"""The child process of one artifact: opens its backend, generates what is asked, stores each completion as it is made.

What to open comes as one JSON line on standard input, and once the parent knows the runtime's identity, the prompts
that it lacks, a line each; what happens goes out as JSON lines on standard output. A native crash, or the memory of the
weights, is thus this process's alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from phi4bench.backends import Backend, CaseError, Decoding, NotFiniteError, load_runtime
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.prompts import Prompt
from phi4bench.run.jobs import Item, Setup, items_from_lines, portions, store_identity
from phi4bench.run.peak import peak_rss_bytes
from phi4bench.store import TranscriptStore
from phi4bench.transcripts import Completion

Say = Callable[[dict[str, Any]], None]

PEAK_EVERY = 32
"""Completions between two looks at the peak of memory, each of which takes longer than storing a completion."""


def main(work: Callable[[dict[str, Any], Say], None] | None = None, formats: Iterable[str] = ()) -> int:
    """`work`: what to do with the order; `None`: generate. `formats`: whose runtimes are loaded while it comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it tells us when to stop
    say = _line_writer()
    for name in formats:
        _get_ready(name)
    line = sys.stdin.readline()
    if not line:
        return 0  # nothing was to be done after all
    order = json.loads(line)
    _die_with(order["parent"])
    try:
        (work or _generate)(order, say)
    except BrokenPipeError:
        return 1  # the parent is gone
    except Phi4benchError as error:
        index = error.index if isinstance(error, CaseError) else None
        usage = isinstance(error, UsageError)
        broken = isinstance(error, NotFiniteError)
        told = {"what": error.what, "hint": error.hint, "usage": usage, "index": index, "broken": broken}
        say({"event": "error", **told})
        return 1
    except Exception as error:  # whatever a runtime raises is told in one line, with its place
        frame = traceback.extract_tb(error.__traceback__)[-1]
        message = " ".join(str(error).split()) or "no message"
        what = f"{type(error).__name__}: {message} [{Path(frame.filename).name}:{frame.lineno}]"
        say({"event": "error", "what": what, "hint": "", "usage": False, "index": None})
        traceback.print_exc()
        return 1
    return 0


def _generate(order: dict[str, Any], say: Say) -> None:
    setup = Setup.from_json(order["setup"])
    _get_ready(setup.artifact.format)
    with contextlib.closing(setup.open()) as backend:
        runtime, tell = backend.identity(), notes_teller(backend, say)
        tell()
        say({"event": "ready", "identity": runtime, "peak": peak_rss_bytes()})
        items = items_from_lines(sys.stdin)
        with TranscriptStore.open(setup.cache_dir, store_identity(setup, runtime), reads=False) as store:
            made = _made(backend, items, setup.decoding, bool(order.get("in_order")))
            for count, (index, item, completion) in enumerate(made):
                store.put(item.key, item.case_id, completion)
                tell()
                peak = {} if count % PEAK_EVERY else {"peak": peak_rss_bytes()}
                say({"event": "done", "index": index, **peak})
        say({"event": "end", "peak": peak_rss_bytes()})


def _get_ready(artifact_format: str) -> None:
    """What goes before opening an artifact of that format; what is not installed is told when one is opened."""
    if artifact_format == "onnx":  # torch takes blocks for every step, and has to have them at once
        keep_little()
    with contextlib.suppress(UsageError):
        load_runtime(artifact_format)


def notes_teller(backend: Backend, say: Say) -> Callable[[], None]:
    """A function that tells what the backend has noted since it was last called."""
    told = 0

    def tell() -> None:
        nonlocal told
        notes: Sequence[str] = getattr(backend, "notes", ())
        for text in notes[told:]:
            say({"event": "note", "text": text})
        told = len(notes)

    return tell


def _made(
    backend: Backend, items: Iterable[Item], decoding: Decoding, in_order: bool
) -> Iterator[tuple[int, Item, Completion]]:
    """Each with its number and item, as the backend makes them of portions that it asks for."""
    handed: dict[int, Item] = {}

    def prompts() -> Iterator[list[Prompt]]:
        for start, some in portions(items, in_order):
            handed.update(enumerate(some, start))
            yield [item.prompt for item in some]

    for index, completion in backend.generate_all(prompts(), decoding):
        yield index, handed.pop(index), completion


def keep_little() -> None:
    """Have malloc map each block of 1 MiB or more by itself, give it back once it is free, and keep one arena.

    By default it stops doing so with the first that is freed: what a long prompt takes between the layers would stay,
    and small blocks come to lie in it. And each thread has an arena of its own by default, in which what others free
    lies idle. Where there is no glibc, nothing changes.
    Source: mallopt(3), M_MMAP_THRESHOLD, M_ARENA_MAX
    """
    m_mmap_threshold, m_arena_max = -3, -8
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(m_mmap_threshold, 1 << 20)
            mallopt(m_arena_max, 1)


def _line_writer() -> Say:
    """A writer to the real standard output; whatever a runtime prints there goes to standard error instead."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(event: dict[str, Any]) -> None:
        out.write(json.dumps(event) + "\n")
        out.flush()

    return say


def _die_with(parent: int) -> None:
    """Ask the kernel to end this process with its parent, also where the parent is killed and can tell nobody."""
    if sys.platform != "linux":
        return  # the next write into the closed pipe ends it
    pr_set_pdeathsig = 1  # Source: prctl(2)
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(formats=sys.argv[1:]))
