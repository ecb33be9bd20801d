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

from phi4bench.errors import ArtifactError
from phi4bench.printable import printable

_LARGEST_HEADER = 100_000_000
"""The limit of the format's own reader."""
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
                found.append(Stored(str(name), kind, math.prod(tensor["shape"]), last - first))
                end = max(end, last)
        if 8 + length + end > size:
            raise ValueError(f"{size} bytes, but its tensors end at byte {8 + length + end}")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{shown} is truncated or no safetensors file ({printable(str(error), 120)})", "copy it again, whole"
        ) from None
    return tuple(found)
