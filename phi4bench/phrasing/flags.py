"""Flags that a command is run again with, and where in it they may stand. Pure."""

from __future__ import annotations

import random
import re

from phi4bench.phrasing import requests

FLAGS = (
    "-v",
    "--verbose",
    "-q",
    "--quiet",
    "--debug",
    "-x",
    "--dry-run",
    "--force",
    "-f",
    "--no-cache",
    "--json",
    "-n 5",
    "--watch",
    "--all",
    "-r",
    "-h",
    "--help",
)
# Programs, with their subcommand, that take a flag anywhere behind it. Of what is not named here, such as an
# interpreter, only a flag at the end is known to be meant.
_FREE = re.compile(
    r"(?:git stash pop|git (?!stash)[\w-]+|(?:pip|composer|bundle|docker-compose|kubectl|terraform|poetry|helm) [\w-]+"
    r"|ruff \w+|npm (?:install|i|ci)|pnpm i|yarn add|cargo (?:build|test|clippy|add)"
    r"|docker (?:ps|build|logs|images|stop|pull|compose \w+)|gh \w+ \w+|go (?:build|test|vet|mod \w+)"
    r"|(?:sudo )?(?:systemctl|apt|apt-get) \w+|brew \w+|uv sync|pytest|mypy|black|flake8|isort|ls|du|df|free|uname"
    r"|rm|cp|mv|mkdir|chmod|eslint|prettier|curl|wget|unzip|md5sum|sha256sum|base64|ping|tsc|make|wc)(?= |$)"
)
_WITHOUT_VALUE = (
    "-a", "-h", "-i", "-l", "-la", "-lh", "-q", "-sh", "-v", "-x", "-y", "-I",
    "--check", "--fix", "--release", "--rebase", "--all", "--write",
)  # fmt: skip
_TAKE_NONE_AFTER_THEM = ("git", "ls", "rm", "cp", "mv", "pytest")
_PASSED_ON = re.compile(r"npm (?:run \S+|test|start)")
_MERGED = ("ls", "du", "df", "free", "uname")


def with_flag(command: str, flag: str) -> list[str]:
    """`command` with `flag` at its end, then the forms that are as right; `command` is no pipe."""
    words = command.split(" ")
    forms = [f"{command} {flag}"]
    may_take_value = flag in ("-f", "-r", "-x") and words[0] not in _TAKE_NONE_AFTER_THEM
    if (free := _FREE.match(command)) and not may_take_value:
        for at in range(len(free[0].split(" ")), len(words)):
            if any(quote in words[at - 1] for quote in "'\""):
                break
            if not words[at - 1].startswith("-") or words[at - 1] in _WITHOUT_VALUE:
                forms.append(" ".join((*words[:at], flag, *words[at:])))
    if _PASSED_ON.fullmatch(command):
        forms.append(f"{command} -- {flag}")
    if words[0] in _MERGED and re.fullmatch(r"-\w", flag):
        forms += [
            " ".join((*words[:at], word + flag[1:], *words[at + 1 :]))
            for at, word in enumerate(words)
            if re.fullmatch(r"-\w+", word)
        ]
    return list(dict.fromkeys(forms))


def plain_command(rng: random.Random) -> str:
    """No pipe, no list."""
    while True:
        command = requests.unmistakable(rng)
        if not set("|>&;") & set(command):
            return command
