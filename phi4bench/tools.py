"""A tool: what a model may call. Words only: no files, no validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Tool:
    """One tool as MCP lists it (`tools/list`).

    `schema` is the JSON Schema of the arguments (`inputSchema`), an object schema.
    Source: Model Context Protocol, revision 2025-06-18, "Tools".
    """

    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the declared arguments, in the schema's order."""
        return tuple(self.schema.get("properties", {}))

    @property
    def required(self) -> frozenset[str]:
        return frozenset(self.schema.get("required", ()))
