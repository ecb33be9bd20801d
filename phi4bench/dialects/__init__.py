"""Dialects: wire formats, each declared once. Pure: no files, no models, no clock."""

from __future__ import annotations

from phi4bench.dialects.builtin import DIALECTS, dialect_named, has_any_marker
from phi4bench.dialects.custom import load_dialect_text
from phi4bench.dialects.dialect import Dialect, Results
from phi4bench.dialects.infer import infer_dialect
from phi4bench.dialects.json_calls import read_value
from phi4bench.dialects.listing import Listing
from phi4bench.dialects.markerless import markerless_call
from phi4bench.dialects.python_calls import Unreadable
from phi4bench.dialects.syntax import CallSyntax
from phi4bench.dialects.turns import TURNS, Turn, Turns

__all__ = [
    "DIALECTS",
    "TURNS",
    "CallSyntax",
    "Dialect",
    "Listing",
    "Results",
    "Turn",
    "Turns",
    "Unreadable",
    "dialect_named",
    "has_any_marker",
    "infer_dialect",
    "load_dialect_text",
    "markerless_call",
    "read_value",
]
