"""Whether llguidance is there, which masks are computed with. Imports nothing until it is asked for the library."""

from __future__ import annotations

from typing import Any

from phi4bench.errors import UsageError

OLDEST = (1, 7)
"""The first llguidance that takes several tokens that end a turn."""
EXTRA = 'pip install "phi4bench[constrained]"'


def library() -> Any:
    """llguidance. Raises `UsageError` where it is not installed, or is older than `OLDEST`."""
    try:
        import llguidance
    except ImportError:
        raise UsageError("--decode constrained needs the package llguidance, which is not installed", EXTRA) from None
    version = mask_version()
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UsageError(f"--decode constrained needs llguidance {oldest} or newer, and {version} is installed", EXTRA)
    return llguidance


def mask_version() -> str:
    """The version of llguidance; empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # takes longer than all else that a child imports here

    try:
        return version("llguidance")
    except PackageNotFoundError:
        return ""
