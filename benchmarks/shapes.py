"""What a model of 200M parameters gains, in ratios: `python -m benchmarks.shapes [--preset NAME] [--write]`.

Four questions, each figure beside the one that we want: what sharing a prefix of 512 tokens is worth; how much of the
memory's bandwidth decode uses; how much faster int8 and int4 are than fp32; how small their files are. The model is a
shape: random weights, of which speed and memory are real. Everything is measured in turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.commands import as_a_child, at_least_one, told
from benchmarks.readme import put_section
from benchmarks.roofline import NEW, PROMPT, Machine, Round, Subject, bandwidth_share, measure, section, table
from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.parts import weigh
from phi4bench.backends import Decoding, open_backend
from phi4bench.backends.kv import PrefixStore, SharedRows
from phi4bench.backends.providers import Provider
from phi4bench.backends.session import Spin, onnxruntime
from phi4bench.machine import usable_cores
from phi4bench.prompts import Prompt, Segment
from phi4bench.report.sizes import size_table
from phi4bench.run.measuring import PAUSE_S
from phi4bench.sizes import Size

PREFIX, REQUEST, ANSWER = 512, 34, 32
"""Tokens. The latter two are the medians over the shipped cases."""
LEAST_PARAMETERS = 200_000_000
WANTED_SHARING = 4.0
WANTED_BANDWIDTH = {"fp32": 0.90, "int8": 0.70, "int4": 0.70}
WANTED_SPEEDUP = {"int8": 2.67, "int4": 3.67}
WANTED_SAVING = {"int8": 75.0, "int4": 87.5}
SAVING_POINTS = 2.0
SHARED, AGAIN, ALONE = "shared", "read again", "read again, one at a time"
CASES = {SHARED: 32, AGAIN: 8, ALONE: 4}
_WORDS = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool_response|>", "<tool_use>", "</tool_use>")
PRECISIONS = ("fp32", "int8", "int4")
PROFILES = 3
"""Rounds of them: an odd number, which has a middle one."""


def row(what: str, measured: str, wanted: str = "", held: bool | None = None) -> str:
    return f"{what:52}{measured:>10}  {wanted:12}{'' if held is None else 'yes' if held else 'NO'}".rstrip()


# Sharing a prefix


def prompts(count: int, shared: bool) -> list[Prompt]:
    """Of exactly so many tokens each: every control token is one."""
    rng = np.random.default_rng(0)
    prefix = Segment(_WORDS[0] * PREFIX, True)
    requests = ["".join(rng.choice(_WORDS, REQUEST)) for _ in range(count)]
    return [Prompt((prefix, Segment(one, True)), int(shared), (), "") for one in requests]


def cases_per_s(backends: Mapping[str, Any], way: str) -> tuple[float, list[tuple[int, ...]]]:
    """Of one way to answer, and the tokens of the first cases."""
    asked = prompts(CASES[way], way == SHARED)
    time.sleep(PAUSE_S)
    began = perf_counter()
    found = dict(backends["alone" if way == ALONE else "batches"].generate(asked, Decoding(ANSWER)))
    spent = perf_counter() - began
    return len(asked) / spent, [found[at].token_ids for at in range(CASES[ALONE])]


def sharing(folder: Path, threads: int, rounds: int, spin: Spin | None = None) -> list[str]:
    """A row for each precision and way to answer, in cases/s. `spin`: as `open_backend` has it."""
    lines = [f"A prefix of {PREFIX} tokens, requests of {REQUEST}, answers of {ANSWER}", ""]
    for precision in PRECISIONS:
        artifact = open_artifact(str(folder / precision))
        backends = {
            name: open_backend(artifact, threads=threads, provider=Provider("cpu"), batch=batch, spin=spin)
            for name, batch in (("batches", None), ("alone", 1))
        }
        rates: dict[str, list[float]] = {way: [] for way in CASES}
        said: dict[str, list[tuple[int, ...]]] = {}
        for number in range(rounds):
            for way in list(CASES) if number % 2 else list(CASES)[::-1]:
                rate, said[way] = cases_per_s(backends, way)
                rates[way].append(rate)
        for backend in backends.values():
            backend.close()
        shared = statistics.median(rates[SHARED])
        lines.append(row(f"{precision}, prefix shared", f"{shared:.2f}/s"))
        for way in (AGAIN, ALONE):
            ratio = statistics.median(a / b for a, b in zip(rates[SHARED], rates[way], strict=True))
            wanted = (f">= {WANTED_SHARING:g}x", ratio >= WANTED_SHARING) if way == AGAIN else ("", None)
            lines.append(row(f"  against {way} ({statistics.median(rates[way]):.2f}/s)", f"{ratio:.2f}x", *wanted))
        other = sum(one != two for one, two in zip(said[SHARED], said[AGAIN], strict=True))
        if other:
            lines.append(f"  {other} of {CASES[ALONE]} answers differ, by the last bits of a prefix read in two pieces")
    return lines


# Decode


def decoding(subjects: Sequence[Subject], rounds: Sequence[Round]) -> list[str]:
    """Shares of the bandwidth, and what int8 and int4 gain over fp32."""
    lines = [f"A prompt of {PROMPT} tokens and {NEW} new ones, one call at a time", ""]
    for one in subjects:
        share, wanted = bandwidth_share(rounds, one.label), WANTED_BANDWIDTH[one.artifact.precision]
        lines.append(row(f"{one.label}, decode of the bandwidth", f"{share:.0%}", f">= {wanted:.0%}", share >= wanted))
    for one in subjects[1:]:
        decode, call = (
            statistics.median(getattr(timed["fp32"], of) / getattr(timed[one.label], of) for _, timed in rounds)
            for of in ("token_s", "call_s")
        )
        wanted = WANTED_SPEEDUP[one.artifact.precision]
        lines.append(row(f"{one.label}, decode against fp32", f"{decode:.2f}x", f">= {wanted:g}x", decode >= wanted))
        lines.append(row("  whole calls", f"{call:.2f}x"))
    return lines


def in_the_way(subjects: Sequence[Subject], threads: int) -> list[str]:
    """Where a step's time goes, by the runtime's own profile: what is no matrix reads no weights.

    The bandwidth is measured right before each profile, and a row is of the round whose share of it is the middle one.
    """
    machine = Machine(threads)
    found: dict[str, list[tuple[float, dict[str, float]]]] = {one.label: [] for one in subjects}
    for number in range(PROFILES):
        for one in subjects if number % 2 else subjects[::-1]:
            bandwidth, spent = machine.bandwidth(), profile(one, threads)
            found[one.label].append((one.weight_bytes / (spent["matrices"] / 1e6) / bandwidth, spent))
    lines = [f"{'of a step':20}{'matrices':>10}{'attention':>11}{'the rest':>10}   matrices alone, of the bandwidth"]
    for one in subjects:
        alone, spent = sorted(found[one.label], key=lambda round_: round_[0])[PROFILES // 2]
        cells = [f"{spent[part] / sum(spent.values()):.0%}" for part in ("matrices", "attention", "rest")]
        lines.append(f"{one.label:20}{cells[0]:>10}{cells[1]:>11}{cells[2]:>10}   {alone:.0%}")
    return lines


def profile(subject: Subject, threads: int) -> dict[str, float]:
    """Microseconds of a step in matrices, in attention, and in everything else, overheads between nodes included."""
    ort = onnxruntime()
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/profile"
        session = ort.InferenceSession(str(subject.artifact.model_file), options, providers=["CPUExecutionProvider"])
        rows = SharedRows(replace(subject.decoder, session=session), 1, PROMPT + NEW + 1, PrefixStore())
        token = int(rows.enter(0, np.arange(8, 8 + PROMPT), 0).argmax())
        for _ in range(NEW):
            token = int(rows.step([token])[0].argmax())
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs = [one for one in events if one["name"] == "model_run"][2:]  # without the prompt, and a step to warm up
    nodes = [one for one in events if one["cat"] == "Node" and one["ts"] >= runs[0]["ts"]]
    spent = {"matrices": 0.0, "attention": 0.0}
    for node in nodes:
        operator = node["args"].get("op_name", "")
        part = "matrices" if "MatMul" in operator else "attention" if "Attention" in operator else ""
        if part:
            spent[part] += node["dur"] / len(runs)
    return spent | {"rest": sum(one["dur"] for one in runs) / len(runs) - sum(spent.values())}


# Size


def sizes(folder: Path) -> list[str]:
    whole = weigh(open_artifact(str(folder / "fp32")))
    lines = ["Files against fp32, embeddings and head quantized", ""]
    for precision in PRECISIONS[1:]:
        found = Size(weigh(open_artifact(str(folder / precision))), whole)
        saved, wanted = 100 * (1 - (found.ratio or 0)), WANTED_SAVING[precision]
        held = abs(saved - wanted) <= SAVING_POINTS
        lines.append(row(f"{precision}, smaller by", f"{saved:.1f}%", f"{wanted:g} +- {SAVING_POINTS:g}", held))
        lines += [*size_table(found), ""]
    return lines[:-1]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    parser.add_argument("--preset", default="207m", metavar="NAME", help="(default: 207m)")
    parser.add_argument("--layers", type=at_least_one, metavar="N", help="(default: the preset's)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the shapes lie (default: runs/shapes-PRESET)")
    parser.add_argument(
        "--blocks",
        type=at_least_one,
        nargs="+",
        default=[128, 32],
        help="block sizes; the first is judged whole (default: 128 32)",
    )
    parser.add_argument(
        "--threads", type=at_least_one, default=usable_cores(), metavar="N", help="(default: all cores)"
    )
    parser.add_argument(
        "--busy", action="store_true", help="threads do not spin: for a try on a machine with other work"
    )
    parser.add_argument(
        "--rounds", type=at_least_one, default=7, metavar="N", help="of decode; of sharing, two (default: 7)"
    )
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md too")
    options = parser.parse_args(arguments)
    with told(parser):
        from trainers.shape import Packing, make, shape_named

        shape = shape_named(options.preset, layers=options.layers)
        root = options.folder or Path("runs") / f"shapes-{options.preset}"
        folders = {block: root / f"blocks-{block}" for block in options.blocks}
        for block, folder in folders.items():
            make(shape, PRECISIONS if block == options.blocks[0] else PRECISIONS[1:], folder, Packing(block))
    first = folders[options.blocks[0]]
    spin: Spin | None = "no" if options.busy else None
    subjects = [Subject(open_artifact(str(first / "fp32")), options.threads, "fp32", spin)]
    for block, folder in folders.items():
        for precision in PRECISIONS[1:]:
            label = f"{precision}, blocks of {block}"
            subjects.append(Subject(open_artifact(str(folder / precision)), options.threads, label, spin))
    rounds = measure(subjects, options.threads, options.rounds)
    lines = [
        f"{options.preset}: {shape.parameters / 1e6:,.0f}M random weights: speed and memory are real, accuracy is not"
    ]
    if shape.parameters < LEAST_PARAMETERS:
        lines.append("the figures that we want are for 200M parameters and more: here yes and NO say little")
    lines += [*table(subjects, rounds, options.threads), "", *decoding(subjects, rounds), ""]
    lines += [*in_the_way(subjects, options.threads), ""]
    subjects.clear()
    lines += [*sharing(first, options.threads, 2, spin), "", *sizes(first)]
    print("\n".join(lines))
    if options.write:
        command = "python -m benchmarks.shapes --write"
        put_section("shapes", section("A model of 200M parameters", command, lines))


if __name__ == "__main__":
    as_a_child()
    main()
