"""How near to the machine's limits an artifact runs: `python -m benchmarks.roofline [--model PATH ...]`.

Decode reads every weight once a token, so memory bounds it; prefill multiplies, so arithmetic does. Both limits are
measured beside the artifacts, in turns with them, and each figure is the median over the rounds of a round's own share:
what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.commands import as_a_child, at_least_one, given, open_onnx, told
from benchmarks.readme import put_section
from phi4bench.artifacts.artifact import Artifact
from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.artifacts.parts import read_a_token
from phi4bench.backends import open_backend
from phi4bench.backends.kv import PrefixStore, SharedRows
from phi4bench.backends.providers import Provider
from phi4bench.backends.session import Spin, onnxruntime
from phi4bench.machine import describe, usable_cores
from phi4bench.run.measuring import PAUSE_S

ROOT = Path(__file__).resolve().parent.parent
NANO = [ROOT / "fixtures" / "models" / f"nano-{precision}" for precision in ("fp32", "int8", "int4")]
READS = 8
ARRAY_BYTES = 512 << 20
"""A thread's, well above any last cache: of 128 MiB, read again and again, a part is still there."""
CACHED_BYTES = 64 << 20
"""Weights that may stay in the last cache."""
SIDE = 1536
"""Of the square matrices that are multiplied."""
PROMPT, NEW = 128, 24


@dataclass(frozen=True)
class Limits:
    """What the machine gives. Bytes and multiply-adds a second, the latter by precision (`fp32`, `int8`)."""

    bandwidth: float
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Timed:
    """One artifact in one round. `token_s`: the median of the decoded tokens. `read_bytes`: by each of them."""

    prompt_s: float
    token_s: float
    read_bytes: float
    weights: int

    @property
    def call_s(self) -> float:
        return self.prompt_s + NEW * self.token_s

    @property
    def bytes_per_s(self) -> float:
        return self.read_bytes / self.token_s

    @property
    def rate(self) -> float:
        """Multiply-adds a second while the prompt is read."""
        return PROMPT * self.weights / self.prompt_s


class Subject:
    """A loaded artifact on the CPU, one row, on all threads. `label`: how the tables call it."""

    def __init__(self, artifact: Artifact, threads: int, label: str = "", spin: Spin | None = None) -> None:
        self.artifact, self.label = artifact, label or artifact.id
        self._backend: Any = open_backend(
            artifact, threads=threads, provider=Provider("cpu"), batch=1, spin=spin, prune=False
        )
        self.decoder = decoder = self._backend._decoder
        self._rows = SharedRows(decoder, 1, PROMPT + NEW + 1, PrefixStore())
        self._ids = np.random.default_rng(0).integers(8, min(1000, decoder.vocabulary), PROMPT)
        self.weight_bytes, self._weights = read_a_token(read_onnx(artifact.model_file))
        a_token = sum(one.heads * one.head_size * np.dtype(one.dtype).itemsize for one in decoder.cache)
        self._bytes = self.weight_bytes + a_token * (PROMPT + NEW / 2)
        self.run()

    def run(self) -> Timed:
        """Read a prompt of `PROMPT` tokens, then decode `NEW`."""
        time.sleep(PAUSE_S)
        began = perf_counter()
        token = int(self._rows.enter(0, self._ids, 0).argmax())
        prompt_s = perf_counter() - began
        steps = []
        for _ in range(NEW):
            began = perf_counter()
            token = int(self._rows.step([token])[0].argmax())
            steps.append(perf_counter() - began)
        return Timed(prompt_s, statistics.median(steps), self._bytes, self._weights)


class Machine:
    """What measures the limits, with `threads` threads."""

    def __init__(self, threads: int) -> None:
        self._arrays = [np.ones(ARRAY_BYTES // 4, np.float32) for _ in range(threads)]
        self._products = {kind: _product(kind, threads) for kind in ("fp32", "int8")}

    def limits(self) -> Limits:
        """The best of some passes each: a limit is what can be reached."""
        rates = {}
        for kind, run in self._products.items():
            time.sleep(PAUSE_S)
            rates[kind] = SIDE**3 / min(_seconds(run) for _ in range(3))
        return Limits(self.bandwidth(), rates)

    def bandwidth(self) -> float:
        """The best of `READS` passes: the first ones after other work can be a third slower."""
        time.sleep(PAUSE_S)
        return ARRAY_BYTES * len(self._arrays) / min(self._read() for _ in range(READS))

    def _read(self) -> float:
        """Seconds in which every thread takes the maximum of its array, which numpy does without the interpreter."""
        threads = [threading.Thread(target=array.max) for array in self._arrays]
        began = perf_counter()
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return perf_counter() - began


def _seconds(run: Any) -> float:
    began = perf_counter()
    run()
    return perf_counter() - began


def _product(kind: str, threads: int) -> Any:
    """A product of square matrices by the runtime's own kernels, the second one constant as a model's are."""
    from onnx import TensorProto, helper, numpy_helper

    small = np.random.default_rng(0).integers(0, 100, (SIDE, SIDE))
    left, right = small.astype(np.uint8), small.astype(np.int8)
    operator, given, made = "MatMulInteger", TensorProto.UINT8, TensorProto.INT32
    if kind == "fp32":
        left, right = small.astype(np.float32), small.astype(np.float32)
        operator, given, made = "MatMul", TensorProto.FLOAT, TensorProto.FLOAT
    x, y = (helper.make_tensor_value_info(name, of, [SIDE, SIDE]) for name, of in (("x", given), ("y", made)))
    node = helper.make_node(operator, ["x", "w"], ["y"])
    graph = helper.make_graph([node], "product", [x], [y], [numpy_helper.from_array(right, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": left})


Round = tuple[Limits, Mapping[str, Timed]]


def measure(subjects: Sequence[Subject], threads: int, rounds: int) -> list[Round]:
    """The limits and each artifact once a round, the artifacts forwards and backwards by turns."""
    machine, found = Machine(threads), []
    for number in range(rounds):
        order = subjects if number % 2 else subjects[::-1]
        found.append((machine.limits(), {one.label: one.run() for one in order}))
    return found


def bandwidth_share(rounds: Sequence[Round], label: str) -> float:
    return statistics.median(timed[label].bytes_per_s / limits.bandwidth for limits, timed in rounds)


def rate_share(rounds: Sequence[Round], label: str, precision: str) -> float:
    kind = "fp32" if precision == "fp32" else "int8"
    return statistics.median(timed[label].rate / limits.rates[kind] for limits, timed in rounds)


def table(subjects: Sequence[Subject], rounds: Sequence[Round], threads: int) -> list[str]:
    """The limits, then a row an artifact."""

    def middle(of: Any) -> float:
        return statistics.median(of(one) for one in rounds)

    bandwidth = middle(lambda one: one[0].bandwidth)
    least, most = (of(one[0].bandwidth for one in rounds) for of in (min, max))
    rates = {kind: middle(lambda one, kind=kind: one[0].rates[kind]) for kind in ("fp32", "int8")}
    lines = [
        f"{describe()['cpu']}, {threads} threads: memory reads {bandwidth / 1e9:.1f} GB/s"
        f" ({least / 1e9:.1f} to {most / 1e9:.1f} over the rounds);",
        f"matrices multiply {rates['fp32'] / 1e9:,.0f} (fp32) and {rates['int8'] / 1e9:,.0f} (int8) G multiply-adds/s",
        "",
        f"{'artifact':20}{'decode':>12}{'a token':>12}{'reads':>11}{'of memory':>11}{'prefill':>13}{'of matrices':>13}",
    ]
    for one in subjects:
        token = middle(lambda pair, one=one: pair[1][one.label].token_s)
        prompt = middle(lambda pair, one=one: pair[1][one.label].prompt_s)
        size = rounds[0][1][one.label].read_bytes
        lines.append(
            f"{one.label:20}{1 / token:>8,.1f} t/s{size / 1e6:>9,.1f} MB{size / token / 1e9:>6.1f} GB/s"
            f"{100 * bandwidth_share(rounds, one.label):>10.0f}%{PROMPT / prompt:>9,.0f} t/s"
            f"{100 * rate_share(rounds, one.label, one.artifact.precision):>12.0f}%"
        )
    small = [one.label for one in subjects if one.weight_bytes <= CACHED_BYTES]
    if small:
        lines += ["", f"{', '.join(small)}: small enough for the processor's caches, which are faster than memory"]
    return lines


def untrained(artifacts: Mapping[str, Artifact]) -> list[str]:
    """What has to be said of those that are shapes, by their labels."""
    random = [label for label, artifact in artifacts.items() if artifact.random_weights]
    return ["", f"{', '.join(random)}: random weights: speed and memory are real, accuracy is not"] if random else []


def section(title: str, command: str, lines: Sequence[str]) -> str:
    """As it stands in benchmarks/README.md."""
    block = "\n".join(line.rstrip() for line in lines)
    return f"## {title}\n`{command}`\n```text\n{block}\n```"


def labels(artifacts: Sequence[Artifact]) -> list[str]:
    """What the table calls them: their names, where several have one with the folder that they lie in."""
    names = Counter(one.id for one in artifacts)
    return [one.id if names[one.id] == 1 else f"{one.path.resolve().parent.name}/{one.id}" for one in artifacts]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=__doc__)
    parser.add_argument("--model", action="append", type=Path, metavar="PATH", help="repeatable (default: the nanos)")
    parser.add_argument(
        "--threads", type=at_least_one, default=usable_cores(), metavar="N", help="(default: all cores)"
    )
    parser.add_argument("--rounds", type=at_least_one, default=7, metavar="N", help="(default: 7)")
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md too")
    options = parser.parse_args(arguments)
    with told(parser):
        artifacts = [open_onnx(path) for path in options.model or NANO]
        named = dict(zip(labels(artifacts), artifacts, strict=True))
        subjects = [Subject(artifact, options.threads, label) for label, artifact in named.items()]
        lines = table(subjects, measure(subjects, options.threads, options.rounds), options.threads)
        lines += untrained(named)
    print("\n".join(lines))
    if options.write:
        command = f"python -m benchmarks.roofline{given(options.model)} --write"
        put_section("roofline", section("How near to the machine's limits", command, lines))


if __name__ == "__main__":
    as_a_child()
    main()
