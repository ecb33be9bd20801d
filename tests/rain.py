"""A conversation as other trainers write it: of rain in Oslo, with one tool."""

from __future__ import annotations

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "", "parameters": PARAMETERS}}


def conversation(**more):
    said = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    turns = [{"role": "user", "content": "Rain in Oslo?"}, {"role": "assistant", "content": None, "tool_calls": [said]}]
    return {"messages": turns, "tools": [WEATHER]} | more
