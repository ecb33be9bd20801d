"""Does the quantized artifact still do what its parent does? Each case is judged on both, and the pairs compared."""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("regression.detection")
def test_regression_detection(gate: Gate) -> None:
    """It attempts a call where its parent does."""
    gate.check()


@pytest.mark.judges("regression.parsing")
def test_regression_parsing(gate: Gate) -> None:
    """Its calls parse where its parent's do."""
    gate.check()


@pytest.mark.judges("regression.tool")
def test_regression_tool(gate: Gate) -> None:
    """It calls the right tools where its parent does."""
    gate.check()


@pytest.mark.judges("regression.parameter")
def test_regression_parameter(gate: Gate) -> None:
    """Its arguments are right where its parent's are."""
    gate.check()


@pytest.mark.judges("regression.abstention")
def test_regression_abstention(gate: Gate) -> None:
    """It holds back where its parent does."""
    gate.check()
