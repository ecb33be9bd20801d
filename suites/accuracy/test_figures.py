"""Figures beside the levels, from the same completions. Only `--targets` that name one can make it fail."""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("argument_accuracy")
def test_argument_accuracy(gate: Gate) -> None:
    """Of all expected arguments, those that are right."""
    gate.check()


@pytest.mark.judges("schema_validity")
def test_schema_validity(gate: Gate) -> None:
    """Of all calls that could be read, those that satisfy their tool's JSON Schema."""
    gate.check()


@pytest.mark.judges("selection")
def test_selection(gate: Gate) -> None:
    """Of the cases that offer several likely tools, those where the right one is called."""
    gate.check()


@pytest.mark.judges("multi_turn")
def test_multi_turn(gate: Gate) -> None:
    """Of the cases with a conversation before them, those that are wholly right."""
    gate.check()


@pytest.mark.judges("error_recovery")
def test_error_recovery(gate: Gate) -> None:
    """Of the cases after a tool's error or without what is needed, those where the right thing is done."""
    gate.check()


@pytest.mark.judges("structured.parsing")
def test_structured_parsing(gate: Gate) -> None:
    """Of the cases that want a JSON value, those whose whole answer is one."""
    gate.check()


@pytest.mark.judges("structured.tool")
def test_structured_schema(gate: Gate) -> None:
    """Of the cases that want a JSON value, those whose answer satisfies its JSON Schema."""
    gate.check()


@pytest.mark.judges("structured.parameter")
def test_structured_value(gate: Gate) -> None:
    """Of the cases that want a JSON value, those whose answer is the one wanted."""
    gate.check()
