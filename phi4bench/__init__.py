"""phi4bench: a pytest suite is the promotion criterion for tool-calling language models."""

from __future__ import annotations

__version__ = "0.1.0"
