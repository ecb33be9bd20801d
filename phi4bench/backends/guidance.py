"""Whether llguidance is there, which masks are computed with. Imports nothing until it is asked for the library."""

from __future__ import annotations

from typing import Any

from phi4bench.errors import UsageError

EXTRA = 'pip install "phi4bench[constrained]"'


def library() -> Any:
    """llguidance. Raises `UsageError` where it is not installed."""
    try:
        import llguidance
    except ImportError:
        raise UsageError("--decode constrained needs the package llguidance, which is not installed", EXTRA) from None
    return llguidance


def mask_version() -> str:
    """The version of llguidance; empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # takes longer than all else that a child imports here

    try:
        return version("llguidance")
    except PackageNotFoundError:
        return ""
