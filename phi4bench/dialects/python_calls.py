r"""One call as Python writes it: `grep(pattern='def.*auth', path='.')`. Pure: no files, no models, no clock.

The grammar is Python's own, read with `ast`; values go through `ast.literal_eval` alone, so nothing is ever run. What
JSON cannot hold (tuples, sets, bytes, complex, infinities) is refused. Two forms extend a plain call, so that any call
can be written: an argument that cannot stand before `=` in Python stands in a literal mapping,
`send(**{'content-type': 'x'})`, and a tool whose name has odd characters is quoted, `'my tool'(x=1)`. Neither is
accepted where the plain form would do.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

from phi4bench.calls import Call, Json

MAX_CHARS = 100_000
"""Longest text that is read; a longer one is a fault with a reason."""

MAX_DEPTH = 64
"""Deepest nesting of lists and objects that is read, so that code that walks a value needs no guard of its own."""

_PLAIN_NAME = re.compile(r"[\w.\-/:@]+")
_MAY_WARN = re.compile(r"\\|[0-9]\.?[a-zA-Z]")
"""Escapes and numbers that run into letters: all that Python's tokenizer warns about."""


class Unreadable(Exception):  # noqa: N818 - a result on its way to being a reason, not an error
    """Why a stretch of a completion is no call, or no value. `parse` turns it into a reason.

    `at`: where in the text reading stopped, where that is known.
    """

    def __init__(self, reason: str, at: int | None = None) -> None:
        self.at = at
        super().__init__(reason)


def is_plain_name(name: str) -> bool:
    """Whether a tool's name can stand before the parenthesis as it is."""
    return _PLAIN_NAME.fullmatch(name) is not None


def is_keyword_name(name: str) -> bool:
    """Whether an argument can be written `name=`. ASCII only: Python would fold other letters (NFKC)."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def write_python_call(call: Call, avoid: Sequence[str] = ()) -> str:
    """The call as text in which no text of `avoid` occurs: its first character is written `\\x3c` inside strings."""
    plain, odd = [], []
    for name, value in call.arguments.items():
        text = _write(value, avoid)
        if is_keyword_name(name):
            plain.append(f"{name}={text}")
        else:
            odd.append(f"{_quote(name, avoid)}: {text}")
    if odd:
        plain.append(f"**{{{', '.join(odd)}}}")
    tool = call.name if is_plain_name(call.name) else _escape(repr(call.name), avoid)
    return f"{tool}({', '.join(plain)})"


def write_python_value(value: Json, avoid: Sequence[str] = ()) -> str:
    """One argument's value as `write_python_call` writes it."""
    return _write(value, avoid)


def read_python_call(text: str) -> Call:
    """Read one whole call. Raises `Unreadable` with the reason for any other text."""
    name, node = _named_call(text.strip())
    if node.args:
        raise Unreadable(f"{name!r} is given a positional argument; arguments are named")
    arguments: dict[str, Json] = {}
    for word in node.keywords:
        if word.arg is None:
            for key, value in _spread(word.value).items():
                _add(arguments, key, value)
        else:
            value_node = word.value
            constant = value_node.value if type(value_node) is ast.Constant else None
            _add(arguments, word.arg, constant if type(constant) is str else _value(value_node, 1))
    return Call(name, arguments)


def called_names(text: str) -> list[str]:
    """The tools that a text is nothing but a call of, or a list of calls; none for any other text. Total.

    Values may be given by position, as no dialect has it. A bare name is no value: `read(file_path)` is a signature.
    """
    text = text.strip()
    try:
        if text.startswith("[") and len(text) <= MAX_CHARS:
            listed = _parse(text)
            return [_plain_call(item) for item in listed.elts] if isinstance(listed, ast.List) else []
        name, node = _named_call(text)
        _check_values(node)
    except Unreadable:
        return []
    return [name]


def _plain_call(node: ast.expr) -> str:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise Unreadable("the list holds something other than calls")
    _check_values(node)
    return node.func.id


def _check_values(node: ast.Call) -> None:
    for value in (*node.args, *(word.value for word in node.keywords)):
        _value(value, 1)


def _named_call(text: str) -> tuple[str, ast.Call]:
    """The name and the syntax of one whole call, whose arguments are not looked at."""
    if len(text) > MAX_CHARS:
        raise Unreadable(f"the call has {len(text)} characters, more than {MAX_CHARS}")
    name, paren, rest = text.partition("(")
    name = name.rstrip()
    if text[:1] in ("'", '"'):
        source, name = text, ""
    elif not paren:
        raise Unreadable(f"{_clip(text)} is not a call: it has no parenthesis" if text else "the block is empty")
    elif not is_plain_name(name):
        raise Unreadable(f"{_clip(name)} is not a tool's name")
    else:
        source = f"f({rest}"
    node = _parse(source)
    if not isinstance(node, ast.Call):
        raise Unreadable(f"{_clip(text)} is not one call")
    if not name:
        name = _quoted_name(node.func)
    elif not isinstance(node.func, ast.Name):
        raise Unreadable(f"something follows the call of {name!r}")
    if "#" in source and not _ends_with(node, source):
        raise Unreadable(f"something follows the call of {name!r}")
    return name, node


def _parse(source: str) -> ast.expr:
    try:
        if _MAY_WARN.search(source) is None:
            return ast.parse(source, mode="eval").body
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # '\d' is a common slip in a pattern; Python reads it as it stands
            return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise Unreadable(f"not Python call syntax: {error.msg}") from None
    except UnicodeEncodeError:
        raise Unreadable("not Python call syntax: it holds half of a surrogate pair") from None
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"not Python call syntax: {error}") from None
    except (RecursionError, MemoryError):
        raise Unreadable("not Python call syntax: nested too deeply") from None


def _value(node: ast.expr, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise Unreadable(f"a value is nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, ast.List):
        return [_value(item, depth + 1) for item in node.elts]
    if isinstance(node, ast.Dict):
        found: dict[str, Json] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            key = None if key_node is None else _leaf(key_node)
            if not isinstance(key, str):
                raise Unreadable("an object's key is not a string")
            _add(found, key, _value(value_node, depth + 1))
        return found
    value = _leaf(node)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unreadable("a number is not finite")
        return value
    raise Unreadable(f"a value is a Python {type(value).__name__}, which JSON does not have")


def _leaf(node: ast.expr) -> Any:
    if isinstance(node, ast.Tuple | ast.Set):
        raise Unreadable(f"a value is a Python {type(node).__name__.lower()}, which JSON does not have")
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        what = f"the name {node.id!r}" if isinstance(node, ast.Name) else f"a Python {type(node).__name__}"
        raise Unreadable(f"a value is {what}, not a literal") from None


def _spread(node: ast.expr) -> dict[str, Json]:
    if not isinstance(node, ast.Dict):
        raise Unreadable("arguments are spread from something that is not a literal mapping")
    found = _value(node, 0)
    assert isinstance(found, dict)
    for name in found:
        if is_keyword_name(name):
            raise Unreadable(f"argument {name!r} is spread from a mapping, but should be written {name}=")
    return found


def _quoted_name(node: ast.expr) -> str:
    name = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(name, str):
        raise Unreadable("the call does not begin with a tool's name")
    if is_plain_name(name):
        raise Unreadable(f"the tool's name {name!r} is quoted, but should be written as it is")
    return name


def _add(arguments: dict[str, Json], name: str, value: Json) -> None:
    if name in arguments:
        raise Unreadable(f"{name!r} is given twice")
    arguments[name] = value


def _ends_with(node: ast.Call, source: str) -> bool:
    """Whether nothing but space follows `node`; a trailing comment is the one thing that `ast` drops."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    tail = lines[node.end_lineno - 1].encode()[node.end_col_offset :]
    return not tail.strip() and not "".join(lines[node.end_lineno :]).strip()


def _write(value: Json, avoid: Sequence[str]) -> str:
    if isinstance(value, str):
        return _quote(value, avoid)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_write(item, avoid) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_quote(key, avoid)}: {_write(item, avoid)}' for key, item in value.items())}}}"
    return repr(value)


def _quote(text: str, avoid: Sequence[str]) -> str:
    """The literal in which `text` stands unchanged, where Python has one: what is copied is then what was read."""
    quoted = _verbatim(text)
    if quoted is None or any(marker in quoted for marker in avoid):
        return _escape(repr(text), avoid)
    return quoted


def _escape(quoted: str, avoid: Sequence[str]) -> str:
    for marker in avoid:
        if marker in quoted:
            quoted = quoted.replace(marker[0], f"\\x{ord(marker[0]):02x}")
    return quoted


def _verbatim(text: str) -> str | None:
    """Plain, raw (`r'\\d+'`) and triple-quoted literals, the shortest that needs no escape; `None` where none does."""
    if not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    raw = "r" if "\\" in text else ""
    for quote in ("'", '"') if "\n" not in text else ():
        if quote not in text and not text.endswith("\\"):
            return f"{raw}{quote}{text}{quote}"
    for quote in ("'", '"'):
        if quote * 3 not in text and not text.endswith((quote, "\\")):
            return f"{raw}{quote * 3}{text}{quote * 3}"
    return None


def _clip(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
