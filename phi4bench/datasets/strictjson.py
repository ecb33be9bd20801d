"""JSON as we accept it: finite numbers, keys that occur once, text that is Unicode, and a bounded depth. No files."""

from __future__ import annotations

import json
import math
from collections import Counter
from sys import intern
from typing import Any, NoReturn

from phi4bench.datasets.casejson import FormError, shown

MAX_DEPTH = 100


def read_json(text: str) -> Any:
    """The value that `text` holds; raises `FormError`, also where the `json` module would let it pass or give up."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise FormError(f"broken JSON ({error.msg}, {where}); write one whole JSON value") from None
    except RecursionError:
        raise FormError(f"nested too deeply; at most {MAX_DEPTH} levels are read") from None
    except FormError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise FormError(f"broken JSON ({error})") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        raise FormError(f"nested too deeply; at most {MAX_DEPTH} levels are read")
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            lone = shown(error.object[error.start : error.start + 1])
            raise FormError(f"half of a surrogate pair, {lone}, stands alone; write the whole character") from None
    return value


def _deeper(value: Any, depth: int) -> bool:
    layer = [value]
    for _ in range(depth):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True


def _no_constant(name: str) -> NoReturn:
    raise FormError(f"{name} is no JSON; write a finite number, null or a string")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise FormError(f"the number {shown(text)} is too large; write a finite number or a string")
    return number


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = {intern(key): value for key, value in pairs}  # thousands of cases have the same few keys
    if len(data) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, _ in pairs if counts[key] > 1)
        raise FormError(f"the key {shown(twice)} occurs twice in one object; keep one")
    return data


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_distinct)
