"""Does the model call the right tool with the right arguments, and hold back where no call is wanted?

Four levels over the cases that expect a call, each presuming the one before it, and abstention over the rest.
"""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("detection")
def test_detection(gate: Gate) -> None:
    """The completion attempts a call."""
    gate.check()


@pytest.mark.judges("parsing")
def test_parsing(gate: Gate) -> None:
    """The attempt parses, whole, into named calls with arguments, and leaves no debris."""
    gate.check()


@pytest.mark.judges("tool")
def test_tool(gate: Gate) -> None:
    """The tools called are those wanted, in the order wanted."""
    gate.check()


@pytest.mark.judges("parameter")
def test_parameter(gate: Gate) -> None:
    """Every argument of every call is the one wanted."""
    gate.check()


@pytest.mark.judges("abstention")
def test_abstention(gate: Gate) -> None:
    """Where no call is wanted, the completion is prose that the model ended itself."""
    gate.check()
