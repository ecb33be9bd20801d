"""Which cases begin alike, and how many beginnings a run must hold at once. Pure: knows jobs, no cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from phi4bench.backends.job import Job


def together(jobs: Sequence[Job]) -> list[Job]:
    """Those that share a prefix stand together, in the order in which each is first seen.

    Among them the longest answers that are given come first: what is forced together ends together.
    """
    first_seen: dict[bytes, int] = {}
    for job in jobs:
        first_seen.setdefault(_prefix(job), job.index)
    return sorted(jobs, key=lambda job: (first_seen[_prefix(job)], -len(job.forced), job.index))


def by_commonness(jobs: Sequence[Job], common: int) -> list[list[Job]]:
    """First those whose prefix at least so many share, then the others; no part is empty."""
    sharing = Counter(map(_prefix, jobs))
    parts: tuple[list[Job], list[Job]] = ([], [])
    for job in jobs:
        parts[sharing[_prefix(job)] < common].append(job)
    return [part for part in parts if part]


def most_distinct(jobs: Sequence[Job], window: int) -> int:
    """The most prefixes that so many neighbours have between them."""
    within: Counter[bytes] = Counter()
    most = 0
    for at, job in enumerate(jobs):
        within[_prefix(job)] += 1
        if at >= window:
            gone = _prefix(jobs[at - window])
            within[gone] -= 1
            if not within[gone]:
                del within[gone]
        most = max(most, len(within))
    return most


def _prefix(job: Job) -> bytes:
    return job.ids[: job.shared].tobytes()
