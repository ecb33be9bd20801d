"""How much smaller is the artifact? Its files are read, and nothing is run.

Measured for every artifact with a baseline; only `--targets` that name it can make it fail.
"""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("size_ratio")
def test_size_ratio(gate: Gate) -> None:
    """Its bytes, embeddings and block scales included, as a share of its parent's at 32 bits a weight."""
    gate.check()
