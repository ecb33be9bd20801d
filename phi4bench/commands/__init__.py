"""The smaller subcommands of `phi4bench`: each module declares its arguments and carries them out."""

from __future__ import annotations

from typing import Any

from phi4bench.commands import compare, plan, summary, verify


def add_commands(commands: Any) -> None:
    """Declare them all; each puts the function that carries it out under `carry_out`."""
    for command in (plan, compare, verify, summary):
        command.add(commands)
