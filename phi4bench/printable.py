"""Text that is safe to print: what a model or a user wrote, made harmless for a terminal. Pure."""

from __future__ import annotations

import re
import textwrap
import unicodedata

WIDTH = 79
"""Columns of a line that wraps on no terminal of 80."""
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal may act on or hide: controls (ESC among them), bidirectional overrides,
lone surrogates, private use and unassigned code points, line and paragraph separators."""


def printable(text: str, limit: int | None = None) -> str:
    """`text` on one line with every control character escaped, shortened in the middle to `limit` characters."""
    if limit is not None and len(text) > 2 * limit:
        text = text[:limit] + text[-limit:]  # no escape makes text shorter, so the middle cannot be shown anyway
    escaped = "".join(character if _is_safe(character) else _escape(character) for character in text)
    if limit is None or len(escaped) <= limit:
        return escaped
    head = (limit - 5) * 2 // 3
    return f"{escaped[:head]} ... {escaped[len(escaped) - (limit - 5 - head) :]}"


def wrapped(text: str, first: str = "", further: str = "    ", break_words: bool = False) -> list[str]:
    """`text` in lines for a terminal of 80 columns. A path that is longer stays whole, unless `break_words`."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=further,
        break_on_hyphens=False,
        break_long_words=break_words,
    )


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment, which would stand in a job's log; any other text as it is."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    authority, slash, path = re.split("[?#]", rest)[0].partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def _is_safe(character: str) -> bool:
    return " " <= character <= "~" or unicodedata.category(character) not in _UNSAFE


def _escape(character: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character) or (
        f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{ord(character):04x}"
    )
