"""LoRA weights beside a decoder file: an .onnx_adapter's arrays, for inputs that are empty by default.

They are bound like any other input, since all that runs here runs by bindings; `RunOptions.add_active_adapter` is for
runs without.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from phi4bench.backends.likeliest import Array
from phi4bench.backends.reasons import one_line
from phi4bench.backends.session import Decoder, onnxruntime
from phi4bench.errors import ArtifactError


def read_adapter(path: Path | None, decoder: Decoder) -> Mapping[str, Array]:
    """By the names of the inputs. Raises `ArtifactError`, one line, where it is no adapter or another model's."""
    if path is None:
        return {}
    try:
        values = onnxruntime().AdapterFormat.read_adapter(str(path)).get_parameters()
        arrays = {str(name): np.array(value.numpy()) for name, value in values.items()}
    except Exception as error:  # onnxruntime's exceptions share no base class but this one
        raise ArtifactError(f"{path}: no .onnx_adapter file ({one_line(error)})", "export it again") from None
    inputs = {node.name: node.shape for node in decoder.session.get_overridable_initializers()}
    for name, array in arrays.items():
        fits = len(inputs.get(name, ())) == array.ndim and all(
            told == size for told, size in zip(inputs[name], array.shape, strict=True) if isinstance(told, int)
        )
        if not fits:
            has = f"{name} with shape {array.shape}"
            told = f"shape {tuple(inputs[name])}" if name in inputs else "no such input"
            raise ArtifactError(f"{path}: another model's adapter: it has {has}, the model {told}", "export it again")
    return arrays
