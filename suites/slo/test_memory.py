"""What does the artifact take? The most memory of the process that ran it, and on a GPU of the device.

Measured; only `--targets` that name one of these figures can make it fail.
"""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("slo.memory_gb")
def test_memory(gate: Gate) -> None:
    """The most main memory, one call at a time and in batches of up to eight."""
    gate.check()


@pytest.mark.judges("slo.gpu_memory_gb")
def test_gpu_memory(gate: Gate) -> None:
    """The most device memory; skipped where there is no GPU that can be asked."""
    gate.check()
