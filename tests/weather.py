"""A whole case about the weather, of which a test changes what it is about."""

from __future__ import annotations

import json
from pathlib import Path

WEATHER = {
    "name": "get_weather",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def line(**changes: object) -> dict[str, object]:
    """A whole case, with `changes`; a change to `...` leaves the key out."""
    case: dict[str, object] = {
        "id": "w-1",
        "scenario": "single",
        "group": "weather/of",
        "tools": [WEATHER],
        "messages": [{"role": "user", "content": "Weather in Oslo?"}],
        "expected": {"calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}]},
    }
    return {key: value for key, value in (case | changes).items() if value is not ...}


def calls(**arguments: object) -> dict[str, object]:
    return {"calls": [{"name": "get_weather", "arguments": arguments}]}


def write(path: Path, *lines: object) -> str:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)
