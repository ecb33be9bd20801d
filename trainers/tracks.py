"""The two tracks: tool calls, and structured answers (a JSON value under a schema). Each is an adapter of its own.

`--track both` trains them one after the other on all GPUs, or, with `--at-once`, at the same time on half of them each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from phi4bench.errors import UsageError
from trainers.data import Data
from trainers.devices import halves, usable, visible
from trainers.faults import TrainingError
from trainers.trial import run_trial

TRACKS = ("structured", "toolcall")


def of_track(data: Data, track: str) -> Data:
    """The examples of a track; all where it is empty. `UsageError` where it has none."""
    if not track:
        return data
    pairs = zip(data.examples, data.places, strict=True)
    kept = [pair for pair in pairs if pair[0].case.expected.structured == (track == "structured")]
    if not kept:
        needs = "expected.json and a response_schema" if track == "structured" else "expected.calls"
        raise UsageError(
            f"--track {track}: none of {len(data.examples):,} examples is of it", f"its examples have {needs}"
        )
    note = f"track {track}: {len(kept):,} of {len(data.examples):,} examples"
    return Data(tuple(one for one, _ in kept), tuple(place for _, place in kept), (*data.notes, note))


def both(
    out: Path,
    arguments: Sequence[str],
    at_once: bool,
    devices: Sequence[str] | None = None,
    run: Callable[[Path, Sequence[str], Mapping[str, str], int], str] = run_trial,
) -> list[Path]:
    """Train each track into a folder of its name in `out`; returns the folders. The same command goes on.

    `arguments`: of `sft`, without `--out` and `--track`. `devices`: as CUDA_VISIBLE_DEVICES takes them; `None`: those
    of this machine that torch can use; several share the batches of a step. Raises `TrainingError` that names each
    track that failed; the other one is trained all the same.
    """
    some, lacking = usable() if devices is None else (tuple(devices), "")
    parts, told = shares(some, at_once)
    sys.stderr.write("".join(f"{line}\n" for line in (lacking, told) if line))

    def one(at: int) -> str:
        folder = out / TRACKS[at]
        environment = visible(parts[at]) if parts[at] else {}
        processes = 1 if "--device=cpu" in arguments else max(1, len(parts[at]))
        return run(folder, ["sft", *arguments, "--track", TRACKS[at], "--out", str(folder)], environment, processes)

    with ThreadPoolExecutor(2 if at_once and len(some) > 1 else 1) as pool:
        reasons = list(pool.map(one, range(len(TRACKS))))
    failed = [f"{track}: {reason}" for track, reason in zip(TRACKS, reasons, strict=True) if reason]
    if failed:
        raise TrainingError("\n".join(failed))
    for track in TRACKS:
        print(f"track {track}: {out / track / 'adapter'}")
    return [out / track for track in TRACKS]


def shares(devices: Sequence[str], at_once: bool) -> tuple[list[tuple[str, ...]], str]:
    """The devices of each track, and a line that says how they are trained."""
    whole = tuple(devices)
    if at_once and len(whole) > 1:
        parts = list(halves(whole))
        listed = " and ".join(f"{track} on {', '.join(part)}" for track, part in zip(TRACKS, parts, strict=True))
        return parts, f"both tracks at once: {listed}"
    there_are = f"{len(whole)} CUDA devices" if len(whole) != 1 else "one CUDA device"
    why = f", since torch has {there_are}" if at_once else ""
    return [whole, whole], f"one track after the other{why}"
