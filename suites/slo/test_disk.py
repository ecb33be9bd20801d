"""What does the artifact take on disk? Its files are counted, and nothing is run.

Measured; only `--targets` that name it can make it fail.
"""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("slo.size_gb")
def test_size(gate: Gate) -> None:
    """Its model files, tokenizer and configuration not counted; `size_ratio` judges what of its parent's that is."""
    gate.check()
