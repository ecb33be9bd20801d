"""What a command's help says of its options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator


def untold_defaults(parser: argparse.ArgumentParser) -> list[str]:
    """Options of it, and of its commands, that take a value where none is given and do not say which."""
    return [f"{parser.prog} {'/'.join(one.option_strings)}" for one in _options(parser) if _is_untold(one)] + [
        told for command in _commands(parser) for told in untold_defaults(command)
    ]


def _is_untold(option: argparse.Action) -> bool:
    given = option.default not in (None, False, "", [], argparse.SUPPRESS)
    return given and option.help != argparse.SUPPRESS and "default" not in (option.help or "")


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (one for one in parser._actions if one.option_strings)


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for one in parser._actions:
        if isinstance(one, argparse._SubParsersAction):
            yield from one.choices.values()
