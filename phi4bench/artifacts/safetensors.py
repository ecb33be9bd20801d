"""What a .safetensors file says of its tensors. Reads the header alone, never a weight.

Source: the format's description in huggingface/safetensors: eight bytes with the header's length, little-endian, the
header as JSON, then the tensors' bytes.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

from phi4bench.errors import ArtifactError
from phi4bench.printable import printable

_LARGEST_HEADER = 100_000_000
"""The limit of the format's own reader."""
_TYPES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "F64": "fp64"}


def elements_by_type(path: Path) -> Counter[str]:
    """How many numbers of each type the file holds; `ArtifactError` where it is truncated or something else."""
    shown = f"'{printable(str(path), 300)}'"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_LARGEST_HEADER, size - 8):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        counts: Counter[str] = Counter()
        end = 0
        for name, tensor in header.items():
            if name != "__metadata__":
                counts[_TYPES.get(tensor["dtype"], str(tensor["dtype"]))] += math.prod(tensor["shape"])
                end = max(end, int(tensor["data_offsets"][1]))
        if 8 + length + end > size:
            raise ValueError(f"{size} bytes, but its tensors end at byte {8 + length + end}")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{shown} is truncated or no safetensors file ({printable(str(error), 120)})", "copy it again, whole"
        ) from None
    return counts
