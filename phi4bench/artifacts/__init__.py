"""Artifacts: what `--model` names, opened, checked and hashed."""

from __future__ import annotations

from phi4bench.artifacts.artifact import Artifact, unique_ids
from phi4bench.artifacts.manifest import MANIFEST, Manifest, read_manifest
from phi4bench.artifacts.opening import open_artifact

__all__ = ["MANIFEST", "Artifact", "Manifest", "open_artifact", "read_manifest", "unique_ids"]
