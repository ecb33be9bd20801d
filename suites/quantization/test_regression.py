"""Does the quantized artifact still do what its parent does? Each case is judged on both, and the pairs compared."""

import pytest

from phi4bench.plugin import Judged


@pytest.mark.gate("regression.detection")
def test_regression_detection(judged: Judged) -> None:
    """It attempts a call where its parent does."""
    judged.gate("regression.detection").check()


@pytest.mark.gate("regression.parsing")
def test_regression_parsing(judged: Judged) -> None:
    """Its calls parse where its parent's do."""
    judged.gate("regression.parsing").check()


@pytest.mark.gate("regression.tool")
def test_regression_tool(judged: Judged) -> None:
    """It calls the right tools where its parent does."""
    judged.gate("regression.tool").check()


@pytest.mark.gate("regression.parameter")
def test_regression_parameter(judged: Judged) -> None:
    """Its arguments are right where its parent's are."""
    judged.gate("regression.parameter").check()


@pytest.mark.gate("regression.abstention")
def test_regression_abstention(judged: Judged) -> None:
    """It holds back where its parent does."""
    judged.gate("regression.abstention").check()
