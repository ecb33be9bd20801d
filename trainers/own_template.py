"""A model's own chat template, rendered in a process of its own: it is code from anywhere, and may never end.

jinja's sandbox bounds neither loops nor memory. As a program: JSON of `render`'s arguments in, JSON of its texts out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from trainers import child

SECONDS = 20.0
_BYTES = 1 << 30
"""Of memory, the interpreter's own included, where the system can hold a process to it."""


class RenderingError(Exception):
    """Why a template cannot be rendered, in a clause."""


def render(template: str, conversations: Sequence[Mapping[str, Any]]) -> list[str]:
    """The text of each conversation, given as the template's variables. Raises `RenderingError`."""
    try:
        done = subprocess.run(
            child.command(__name__),
            input=json.dumps([template, conversations]),
            env=child.environment_of(os.environ),
            capture_output=True, encoding="ascii", timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RenderingError(f"it takes more than {SECONDS:g} s") from None
    if done.returncode:
        raise RenderingError("the process that renders it broke down")
    texts: list[str] | str = json.loads(done.stdout)
    if isinstance(texts, str):
        raise RenderingError(texts)
    return texts


def _rendered(template: str, conversations: Sequence[Mapping[str, Any]]) -> list[str]:
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    given = {"add_generation_prompt": False, "bos_token": "", "eos_token": "", "raise_exception": refuse}
    made = environment.from_string(template)
    return [made.render(**conversation, **given) for conversation in conversations]


def _main() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    except (ImportError, OSError, ValueError):
        pass
    told: list[str] | str
    try:
        told = _rendered(*json.load(sys.stdin))
    except Exception as error:  # a template's own code raises what it likes: it adds texts to numbers, nests too deeply
        told = str(error) or type(error).__name__
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    _main()
