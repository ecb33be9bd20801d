"""What one core gains by many rows: `python -m benchmarks.rows`. The rate of matrix products by precision and rows.

Cases that decode together share each weight that is read. How much that gives is the kernels' to say: where one row is
bound by memory, many rows are bound by arithmetic, and a kernel that has little more of that to give bounds whatever is
built on it. Measured on a chain of products as a layer of a nano has them, weights in the last cache, nothing between.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.commands import as_a_child, at_least_one, told
from benchmarks.readme import put_section
from benchmarks.roofline import section
from phi4bench.backends.session import onnxruntime
from phi4bench.machine import describe

HIDDEN, FFN, PAIRS = 256, 768, 10
KINDS = {"fp32": (32, 0), "int8 b32": (8, 32), "int8 b128": (8, 128), "int4 b32": (4, 32), "int4 b128": (4, 128)}
"""Bits, and values that share a scale."""
ROWS = (1, 4, 8, 16, 32, 64, 128)
LANE = 32
"""Rows that a lane decodes together."""
RUNS_S = 0.05
"""A measurement takes so long: the fastest run in it counts, and the best of the rounds."""


class Chain:
    """Products (rows, 256) × (256, 768) × (768, 256) × ... by the runtime's kernels for `bits`, on one core."""

    def __init__(self, bits: int, block: int) -> None:
        from onnx import TensorProto, helper, numpy_helper

        rng = np.random.default_rng(0)
        nodes, constants, value = [], [], "x"
        for number in range(2 * PAIRS):
            size, width = (FFN, HIDDEN) if number % 2 else (HIDDEN, FFN)
            weight, made = f"w{number}", f"y{number}"
            if not block:
                floats = rng.standard_normal((size, width)).astype(np.float32) / math.sqrt(size)
                constants.append(numpy_helper.from_array(floats, weight))
                nodes.append(helper.make_node("MatMul", [value, weight], [made]))
            else:
                packed = rng.integers(0, 256, (width, size // block, block * bits // 8)).astype(np.uint8)
                scales = np.full(width * size // block, 2.0 / 2**bits / math.sqrt(size), np.float32)
                constants += [numpy_helper.from_array(packed, weight), numpy_helper.from_array(scales, f"s{number}")]
                nodes.append(helper.make_node(
                    "MatMulNBits", [value, weight, f"s{number}"], [made], domain="com.microsoft",
                    K=size, N=width, bits=bits, block_size=block, accuracy_level=4,
                ))  # fmt: skip
            value = made
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", HIDDEN]) for name in ("x", value)]
        graph = helper.make_graph(nodes, "chain", [ends[0]], [ends[1]], constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session: Any = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def rate(self, rows: int) -> float:
        """Multiply-adds a second."""
        given = {"x": np.random.default_rng(1).standard_normal((rows, HIDDEN)).astype(np.float32)}
        fastest, until = math.inf, perf_counter() + RUNS_S
        while (began := perf_counter()) < until:
            self._session.run(None, given)
            fastest = min(fastest, perf_counter() - began)
        return 2 * PAIRS * rows * HIDDEN * FFN / fastest


Rates = Mapping[str, Mapping[int, float]]


def measure(rounds: int) -> Rates:
    """The best of the rounds, kinds and rows in turns."""
    chains = {kind: Chain(*made) for kind, made in KINDS.items()}
    best = {kind: dict.fromkeys(ROWS, 0.0) for kind in chains}
    for _ in range(rounds):
        for rows in ROWS:
            for kind, chain in chains.items():
                best[kind][rows] = max(best[kind][rows], chain.rate(rows))
    return best


def table(rates: Rates) -> list[str]:
    """A line for each number of rows, and what a lane's give over one."""
    lines = [f"{'rows':>16}" + "".join(f"{kind:>11}" for kind in rates)]
    lines += [f"{rows:>16}" + "".join(f"{rates[kind][rows] / 1e9:>9.0f} G" for kind in rates) for rows in ROWS]
    gains = "".join(f"{rates[kind][LANE] / rates[kind][1]:>10.1f}x" for kind in rates)
    return [*lines, f"{f'{LANE} rows over 1':>16}{gains}"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rows", description=__doc__)
    parser.add_argument("--rounds", type=at_least_one, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md too")
    options = parser.parse_args(arguments)
    with told(parser):
        lines = table(measure(options.rounds))
    here = f"one core of {describe()['cpu']}, onnxruntime {onnxruntime().__version__}"
    lines += ["", f"Multiply-adds a second of {here}; b: values that share a scale."]
    print("\n".join(lines))
    if options.write:
        put_section("rows", section("What rows give a core", "python -m benchmarks.rows --write", lines))


if __name__ == "__main__":
    as_a_child()
    main()
