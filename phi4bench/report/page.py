"""`report.html`: placeholder."""

from __future__ import annotations
from typing import Any


def page(results: Any, targets: Any, created: str) -> str:
    return ""
