"""Targets on speed in a line each, as tests of service levels need them."""

from __future__ import annotations

from phi4bench.targets import Targets, parse_targets

P95 = "slo.latency_p95_ms"
DECODE = "speedup.decode"
HELD = """[[gate]]
name = "speedup.decode"
floor = { int8 = 2.67, int4 = 3.67 }
least_parameters = 200_000_000
source = "a test"
"""


def targets(*gates: str) -> Targets:
    """From `name <= figure` or `name >= figure` each."""
    return parse_targets(toml(*gates), "ours")


def toml(*gates: str) -> str:
    text = ""
    for gate in gates:
        name, sign, figure = gate.split(maxsplit=2)
        kind = "floor" if sign == ">=" else "ceiling"
        text += f'[[gate]]\nname = "{name}"\n{kind} = {figure}\nsource = "a test"\n'
    return text
