"""Models with two rotary tables, one for short and one for long sequences (longrope): where they change, and what a
cache must then do. Reads what a file says of itself.

Keys lie in the cache as they were rotated, so a sequence that grows over the switch is read again whole, as
transformers' Phi-3 does (`prepare_inputs_for_generation`) and onnxruntime-genai too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phi4bench.artifacts.onnxfile import OnnxFile
from phi4bench.backends.kv import Rows
from phi4bench.backends.likeliest import Array, Logits


def table_switch(onnx: OnnxFile) -> int | None:
    """Tokens up to which the file rotates by its first table; `None` where it has but one.

    The builder writes `If(Greater(tokens so far, 4096))` with the two tables as branches.
    """
    makers = {output: node for node in onnx.nodes for output in node.outputs}
    for node in onnx.nodes:
        condition = makers.get(node.inputs[0]) if node.operator == "If" and node.inputs else None
        if condition is None or condition.operator != "Greater" or not any("cos" in name for name in node.outputs):
            continue
        if condition.inputs[1] in onnx.constants:
            return onnx.constants[condition.inputs[1]]
    return None


class SwitchingRow:
    """One case that may grow beyond `switch` tokens, in slot 0 of `row`, which holds one case at a time."""

    def __init__(self, row: Rows, switch: int) -> None:
        self._row, self._switch = row, switch
        self._ids: list[int] = []

    def enter(self, slot: int, ids: Array, shared: int) -> Logits:
        """A prefix is shared only with what is rotated by the same table."""
        self._ids = ids.tolist()
        alike = shared > self._switch or len(ids) <= self._switch
        return self._row.enter(slot, ids, shared if alike else 0)

    def step(self, tokens: Sequence[int]) -> Logits:
        self._ids += tokens
        if len(self._ids) == self._switch + 1:
            return self._row.enter(0, np.asarray(self._ids, np.int64), 0)
        return self._row.step(tokens)

    def leave(self, slot: int) -> None:
        self._row.leave(slot)
