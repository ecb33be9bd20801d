"""What each matrix of a file reads when conversations go through it, as GPTQ wants it. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from phi4bench.backends.session import WEIGHTS
from phi4bench.printable import printable
from trainers.agreement import feeds_of
from trainers.faults import TrainingError
from trainers.rewriting import Graph, Matrix


def calibrate(graph: Graph, prompts: Sequence[Sequence[int]]) -> Callable[[Matrix], np.ndarray]:
    """Sums of x xᵀ over the inputs x of a matrix, made when they are asked for; the last one is kept, since gate and up
    read the same."""
    import onnx
    import onnxruntime

    inputs = {node.name: node.input[0] for node in graph.model.graph.node if node.op_type == "MatMul"}
    kept: dict[str, np.ndarray] = {}

    def hessian(matrix: Matrix) -> np.ndarray:
        name = inputs[matrix.name]
        if name not in kept:
            kept.clear()
            seen = onnx.ModelProto()
            seen.CopyFrom(graph.model)
            seen.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
            settings = onnxruntime.SessionOptions()
            settings.add_session_config_entry(WEIGHTS, str(graph.folder))
            session = onnxruntime.InferenceSession(
                seen.SerializeToString(), settings, providers=["CPUExecutionProvider"]
            )
            total = np.zeros((matrix.shape[0], matrix.shape[0]))
            for x in _inputs_of(session, name, prompts, graph.folder):
                if not np.isfinite(x).all():
                    what = f"what {printable(matrix.name, 120)} reads of the examples is not finite"
                    raise TrainingError(what, "see which weights are not; nothing was kept")
                total += x.T.astype(np.float64) @ x
            kept[name] = total
        return kept[name]

    return hessian


def _inputs_of(session: Any, name: str, prompts: Sequence[Sequence[int]], folder: Path) -> Iterator[np.ndarray]:
    for ids in prompts:
        (x,) = session.run([name], feeds_of(session, folder, ids))
        yield x.reshape(-1, x.shape[-1])
