"""How long does a tool call take? One call at a time, warmed up, nothing from a cache, each percentile with its bounds.

Measured; only `--targets` that name one of these figures can make it fail.
"""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("slo.latency_p50_ms")
def test_latency_p50(gate: Gate) -> None:
    """Half of all calls have the whole answer within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.latency_p95_ms")
def test_latency_p95(gate: Gate) -> None:
    """19 calls of 20 have the whole answer within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.latency_p99_ms")
def test_latency_p99(gate: Gate) -> None:
    """99 calls of 100 have the whole answer within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.first_token_p50_ms")
def test_first_token_p50(gate: Gate) -> None:
    """Half of all calls have the first token within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.first_token_p95_ms")
def test_first_token_p95(gate: Gate) -> None:
    """19 calls of 20 have the first token within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.first_token_p99_ms")
def test_first_token_p99(gate: Gate) -> None:
    """99 calls of 100 have the first token within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.token_p50_ms")
def test_token_p50(gate: Gate) -> None:
    """Half of all calls have each further token, on average, within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.token_p95_ms")
def test_token_p95(gate: Gate) -> None:
    """19 calls of 20 have each further token, on average, within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.token_p99_ms")
def test_token_p99(gate: Gate) -> None:
    """99 calls of 100 have each further token, on average, within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.first_call_p50_ms")
def test_first_call_p50(gate: Gate) -> None:
    """Half of all calls have the first call that can be read within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.first_call_p95_ms")
def test_first_call_p95(gate: Gate) -> None:
    """19 calls of 20 have the first call that can be read within so many milliseconds."""
    gate.check()


@pytest.mark.judges("slo.first_call_p99_ms")
def test_first_call_p99(gate: Gate) -> None:
    """99 calls of 100 have the first call that can be read within so many milliseconds."""
    gate.check()
