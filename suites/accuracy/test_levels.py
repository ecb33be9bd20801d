"""Does the model call the right tool with the right arguments, and hold back where no call is wanted?

Four levels over the cases that expect a call, each presuming the one before it, and abstention over the rest.
"""

import pytest

from phi4bench.plugin import Judged


@pytest.mark.gate("detection")
def test_detection(judged: Judged) -> None:
    """The completion attempts a call."""
    judged.gate("detection").check()


@pytest.mark.gate("parsing")
def test_parsing(judged: Judged) -> None:
    """The attempt parses, whole, into named calls with arguments, and leaves no debris."""
    judged.gate("parsing").check()


@pytest.mark.gate("tool")
def test_tool(judged: Judged) -> None:
    """The tools called are those wanted, in the order wanted."""
    judged.gate("tool").check()


@pytest.mark.gate("parameter")
def test_parameter(judged: Judged) -> None:
    """Every argument of every call is the one wanted."""
    judged.gate("parameter").check()


@pytest.mark.gate("abstention")
def test_abstention(judged: Judged) -> None:
    """Where no call is wanted, the completion is prose that the model ended itself."""
    judged.gate("abstention").check()
