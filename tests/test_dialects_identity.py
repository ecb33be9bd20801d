"""What makes two dialects the same: a declaration survives JSON, and every field of it changes the digest."""

from __future__ import annotations

import json

import pytest

from phi4bench.dialects import DIALECTS, Dialect, dialect_named
from phi4bench.errors import DialectError


def test_an_unknown_dialect_is_refused_with_the_known_ones():
    with pytest.raises(DialectError, match="tool_use, openai, phi4-mini, hermes, jsonrpc"):
        dialect_named("hermess")


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_declaration_survives_json(dialect):
    again = Dialect.from_json(json.loads(json.dumps(dialect.to_json())))
    assert again == dialect
    assert again.digest() == dialect.digest()


def leaves(value, path=()):
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    return [(path, value)]


OTHER = {
    ("listing", "style"): "mcp",
    ("calls", "style"): "python",
    ("calls", "shape"): "openai",
    ("calls", "batch"): "list",
    ("calls", "pad"): " ",
    ("calls", "separator"): " ",
    ("results", "style"): "text",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(*leaf, id=".".join(leaf[0]))
        for leaf in leaves(DIALECTS["hermes"].to_json())
        if leaf[0] != ("schema",)
    ],
)
def test_every_declared_field_changes_the_digest(path, value):
    changed = json.loads(json.dumps(DIALECTS["hermes"].to_json()))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if isinstance(value, bool):
        inner[path[-1]] = not value
    elif isinstance(value, tuple):
        inner[path[-1]] = [*value, "more"]
    else:
        inner[path[-1]] = OTHER.get(path, f"{value}<more>")
    assert Dialect.from_json(changed).digest() != DIALECTS["hermes"].digest()


def test_a_foreign_declaration_is_refused():
    with pytest.raises(DialectError, match="schema='other/1'"):
        Dialect.from_json({"schema": "other/1"})
