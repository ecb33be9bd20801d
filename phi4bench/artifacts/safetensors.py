"""What a .safetensors file says of its tensors. Reads the header alone, never a weight.

Source: the format's description in huggingface/safetensors: eight bytes with the header's length, little-endian, the
header as JSON, then the tensors' bytes.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.errors import ArtifactError
from phi4bench.printable import printable

_LARGEST_HEADER = 100_000_000
"""The limit of the format's own reader."""
_MOST_DIMENSIONS = 64
_MOST_ELEMENTS = 2**63 - 1
_TYPES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "F64": "fp64"}


@dataclass(frozen=True)
class Stored:
    """One tensor: how many numbers of what type, and the bytes that they take."""

    name: str
    kind: str
    elements: int
    bytes: int


def elements_by_type(path: Path) -> Counter[str]:
    """How many numbers of each type the file holds; `ArtifactError` where it is truncated or something else."""
    counts: Counter[str] = Counter()
    for tensor in tensors(path):
        counts[tensor.kind] += tensor.elements
    return counts


def tensors(path: Path) -> tuple[Stored, ...]:
    """What the file holds, in its order; `ArtifactError` likewise."""
    shown = f"'{printable(str(path), 300)}'"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_LARGEST_HEADER, size - 8):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        found = []
        end = 0
        for name, tensor in header.items():
            if name != "__metadata__":
                first, last = (int(offset) for offset in tensor["data_offsets"])
                kind = _TYPES.get(tensor["dtype"], str(tensor["dtype"]))
                found.append(Stored(str(name), kind, _elements(tensor["shape"]), last - first))
                end = max(end, last)
        if 8 + length + end > size:
            raise ValueError(f"{size} bytes, but its tensors end at byte {8 + length + end}")
    except (
        OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError,
    ) as error:  # fmt: skip
        raise ArtifactError(
            f"{shown} is truncated or no safetensors file ({printable(str(error), 120)})", "copy it again, whole"
        ) from None
    return tuple(found)


def _elements(shape: Any) -> int:
    """How many numbers; `ValueError` for what is no shape. A text times a size would be as long as that."""
    if not isinstance(shape, list) or any(type(one) is not int or one < 0 for one in shape):
        raise ValueError("a shape is no list of sizes")
    if len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"a shape has {len(shape)} dimensions")
    if (elements := math.prod(shape)) > _MOST_ELEMENTS:
        raise ValueError("a tensor has more numbers than any memory holds")
    return elements
