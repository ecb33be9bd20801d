"""A smaller set of cases that looks like the whole. Pure: the seed comes in as an argument."""

from __future__ import annotations

import random
from collections.abc import Sequence

from phi4bench.cases import Case
from phi4bench.datasets.packing import pack_cases
from phi4bench.errors import UsageError


def sample(cases: Sequence[Case], limit: int, seed: int = 0) -> Sequence[Case]:
    """`limit` of the cases in their order, each stratum (scenario and expected tools) in its share.

    Shares are rounded by largest remainder, so that the strata's counts differ from proportion by less than one.
    Groups are not kept whole: more groups of fewer cases each make tighter intervals. The same cases, limit and seed
    give the same sample.
    """
    if limit < 1:
        raise UsageError(f"limit={limit}, but should be at least 1")
    if limit >= len(cases):
        return pack_cases(cases)
    strata: dict[tuple[str, ...], list[int]] = {}
    for index, case in enumerate(cases):
        tools = sorted({call.name for call in case.expected.calls})
        strata.setdefault((case.scenario, *tools), []).append(index)
    keys = sorted(strata)
    shares = {key: limit * len(strata[key]) / len(cases) for key in keys}
    take = {key: int(share) for key, share in shares.items()}
    for key in sorted(keys, key=lambda key: (take[key] - shares[key], key))[: limit - sum(take.values())]:
        take[key] += 1
    chooser = random.Random(seed)  # noqa: S311 - a sample, no secret
    chosen = [index for key in keys for index in chooser.sample(strata[key], take[key])]
    return pack_cases(cases[index] for index in sorted(chosen))
