"""The environment of a process that runs an artifact."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_HUGE_PAGES = "glibc.malloc.hugetlb"


def child_environment(ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`ours`, with this very phi4bench first to be found; no fault handler, whose dump would bury the last words."""
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([package, *filter(None, [ours.get("PYTHONPATH")])])
    return with_huge_pages(ours) | {"PYTHONPATH": path, "PYTHONFAULTHANDLER": "", "ORT_DISABLE_TELEMETRY": "1"}


def with_huge_pages(ours: Mapping[str, str]) -> dict[str, str]:
    """`ours`, in which glibc asks for huge pages for what malloc maps, unless a word on that is there already.

    A runtime's weights are such blocks, and decode reads them all for each token: with pages of 2 MiB the processor
    looks up fewer addresses. It counts where the kernel gives huge pages to who asks (`madvise`), which is the default
    of most; elsewhere, and without glibc 2.35, nothing changes.
    Source: https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html
    """
    tunables = ours.get("GLIBC_TUNABLES", "")
    if _HUGE_PAGES in tunables:
        return dict(ours)
    return dict(ours) | {"GLIBC_TUNABLES": ":".join(filter(None, [tunables, f"{_HUGE_PAGES}=1"]))}
