"""What stops a run that was rightly asked for. Words only."""

from __future__ import annotations

from phi4bench.errors import Phi4benchError


class TrainingError(Phi4benchError):
    """A step that cannot go on: a loss that is no number, a full disk, a file that differs. What was saved stays."""


class SharedError(TrainingError):
    """One that every process of a launch meets at once: the first of them tells it."""
