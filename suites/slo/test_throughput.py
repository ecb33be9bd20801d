"""How much does the artifact get done, many calls at once?

Measured; only `--targets` that name one of these figures can make it fail.
"""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("slo.tokens_per_s")
def test_tokens_per_s(gate: Gate) -> None:
    """New tokens a second, eight calls at once."""
    gate.check()


@pytest.mark.judges("slo.calls_per_s")
def test_calls_per_s(gate: Gate) -> None:
    """Answers a second, eight calls at once."""
    gate.check()


@pytest.mark.judges("slo.goodput_per_s")
def test_goodput_per_s(gate: Gate) -> None:
    """Answers a second that are wholly right and within the latency that the targets allow, eight calls at once."""
    gate.check()
