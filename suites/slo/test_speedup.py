"""How many times as fast as its parent? Both answer the same prompts in turns, so that the machine's noise is on both.

Measured; only `--targets` that name one of these figures can make it fail.
"""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("speedup.decode")
def test_speedup_decode(gate: Gate) -> None:
    """Tokens after the first, the median of pairs."""
    gate.check()


@pytest.mark.judges("speedup.call")
def test_speedup_call(gate: Gate) -> None:
    """Whole calls, the median of pairs."""
    gate.check()
