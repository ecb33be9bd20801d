"""How closely an artifact follows its baseline over reference answers that both are given to read. Pure.

Perplexity, agreement of the likeliest token, Kullback-Leibler divergence and the margin of the decision to call. What
moves here has moved before any answer changes, and where answers are few it is seen sooner than in their rates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import mul, sub
from typing import Any

from phi4bench.gates import GateResult, Outcome, too_few
from phi4bench.positions import Head, Position
from phi4bench.stats import Interval, even_groups, t_quantile
from phi4bench.targets import Targets

FRAGILE_MARGIN = 1.0
"""A logit gap of 1 is odds of e to 1 between calling and the best other token: a small change turns it around."""


@dataclass(frozen=True)
class CaseFidelity:
    """One reference answer read by both. `nll`: negative log-likelihood of the whole answer, in nats.

    `agreed`: positions whose likeliest token is the same. `kl`: the divergence from the baseline at each position in
    nats, at least; `kl_open`: by how much they may be larger altogether.
    """

    case_id: str
    group: str
    tokens: int
    nll: float
    baseline_nll: float
    agreed: int
    kl: tuple[float, ...]
    kl_open: float


@dataclass(frozen=True)
class Decision:
    """How surely one case's first token was a call or none. `margin`: see `Completion.margin`."""

    case_id: str
    margin: float | None
    baseline_margin: float | None
    same: bool


@dataclass(frozen=True)
class Fidelity:
    """Over all reference answers. `perplexity_ratio`: the candidate's perplexity per token over the baseline's.

    `interval`: of the ratio, by groups. `top1`: agreed positions as a share. `kl_open`: the most by which the mean may
    be larger. `None` where there was nothing to measure. `even_groups`: as how many groups of one size they count, by
    tokens; `None` of a run that was stored without it.
    """

    cases: int
    groups: int
    tokens: int
    perplexity: float | None
    baseline_perplexity: float | None
    perplexity_ratio: float | None
    interval: Interval | None
    top1: float | None
    kl_mean: float | None
    kl_p95: float | None
    kl_open: float | None
    even_groups: float | None = None


def divergence(baseline: Head, candidate: Head) -> Interval:
    """Bounds of KL(baseline || candidate) at one position, in nats; both heads are over the same tokens.

    The tokens of the head count exactly. The others are at least one lump of probability against another (the
    log-sum inequality), and at most as bad as the baseline's least likely token of the head would be at the
    candidate's lowest probability, since none of them is likelier in the one nor less likely in the other.
    """
    assert baseline.ids == candidate.ids, "heads over different tokens"
    ours, theirs = baseline.logprobs, candidate.logprobs
    if -math.inf in ours:  # what has no probability counts for nothing
        kept = [at for at, logprob in enumerate(ours) if logprob > -math.inf]
        ours, theirs = (tuple(some[at] for at in kept) for some in (ours, theirs))
    head = sum(map(mul, map(math.exp, ours), map(sub, ours, theirs)))
    if baseline.rest == -math.inf:
        return Interval(max(0.0, head), max(0.0, head))
    share = math.exp(baseline.rest)
    low = max(0.0, head + share * (baseline.rest - candidate.rest))
    likeliest = min((*baseline.logprobs, baseline.rest))
    return Interval(low, max(low, head + share * (likeliest - candidate.lowest)))


def compare_case(case_id: str, group: str, baseline: Sequence[Position], candidate: Sequence[Position]) -> CaseFidelity:
    """Both readings of one answer, token for token."""
    assert [one.token for one in baseline] == [one.token for one in candidate], "readings of different answers"
    bounds = [divergence(before.head, after.head) for before, after in zip(baseline, candidate, strict=True)]
    return CaseFidelity(
        case_id=case_id,
        group=group,
        tokens=len(candidate),
        nll=-math.fsum(one.logprob for one in candidate),
        baseline_nll=-math.fsum(one.logprob for one in baseline),
        agreed=sum(before.top1 == after.top1 for before, after in zip(baseline, candidate, strict=True)),
        kl=tuple(one.low for one in bounds),
        kl_open=math.fsum(one.high - one.low for one in bounds),
    )


def summarise(cases: Iterable[CaseFidelity], alpha: float = 0.05) -> Fidelity:
    """All answers together, each token counting once. `alpha`: one-sided, of each end of the interval."""
    some = list(cases)
    tokens = sum(one.tokens for one in some)
    sizes = Counter[str]()
    for one in some:
        sizes[one.group] += one.tokens
    if not tokens:
        return Fidelity(len(some), len(sizes), 0, *[None] * 8)
    kl = sorted(value for one in some for value in one.kl)
    nll, before = (math.fsum(values) / tokens for values in ([o.nll for o in some], [o.baseline_nll for o in some]))
    return Fidelity(
        cases=len(some),
        groups=len(sizes),
        tokens=tokens,
        perplexity=_exp(nll),
        baseline_perplexity=_exp(before),
        perplexity_ratio=_exp(nll - before),
        interval=ratio_interval(some, alpha),
        top1=sum(one.agreed for one in some) / tokens,
        kl_mean=math.fsum(kl) / tokens,
        kl_p95=percentile(kl, 0.95),
        kl_open=math.fsum(one.kl_open for one in some) / tokens,
        even_groups=even_groups(list(sizes.values())),
    )


def ratio_interval(cases: Sequence[CaseFidelity], alpha: float) -> Interval | None:
    """Of the ratio of perplexities; `None` with fewer than two groups.

    The mean difference per token is a ratio of two sums over groups, so its variance is that of the groups' residuals
    (linearised), with Student's t on one degree of freedom fewer than groups; then both ends are taken to the
    exponential. The t presumes many small residuals: where a few answers make most of the difference, the end beyond
    them is too near (docs/calibration.md). Source: Cochran, Sampling Techniques, 3rd ed., section 6.4 (ratio
    estimators) over clusters.
    """
    sums: dict[str, list[float]] = {}
    for one in cases:
        entry = sums.setdefault(one.group, [0.0, 0.0])
        entry[0] += one.nll - one.baseline_nll
        entry[1] += one.tokens
    count, tokens = len(sums), sum(size for _, size in sums.values())
    if count < 2:
        return None
    mean = math.fsum(more for more, _ in sums.values()) / tokens
    spread = math.fsum((more - mean * size) ** 2 for more, size in sums.values())
    error = math.sqrt(count / (count - 1) * spread) / tokens
    reach = t_quantile(1 - alpha, count - 1) * error
    return Interval(_exp(mean - reach), _exp(mean + reach))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the sorted values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def fragile(decisions: Iterable[Decision], within: float = FRAGILE_MARGIN) -> list[Decision]:
    """Cases that call, or hold back, as the baseline does, but by a hair; the closest first."""
    near = [one for one in decisions if one.same and one.margin is not None and abs(one.margin) < within]
    return sorted(near, key=lambda one: (abs(one.margin or 0.0), one.case_id))


def fidelity_to_json(found: Fidelity) -> dict[str, Any]:
    """As it stands in a stored run and in report.json."""
    return asdict(found)


def fidelity_from_json(data: Mapping[str, Any]) -> Fidelity:
    """What `fidelity_to_json` gave; raises `ValueError`, among others, for anything else."""
    ends = data["interval"]
    found = Fidelity(**{**data, "interval": Interval(ends["low"], ends["high"]) if ends else None})
    if found.tokens and None in (value for name, value in data.items() if name not in ("interval", "even_groups")):
        raise ValueError("a figure is missing")
    return found


def judge_fidelity(found: Fidelity, targets: Targets, precision: str) -> dict[str, GateResult]:
    """The figures as gates: `perplexity_ratio` is judged by its interval, the others by what was measured.

    Agreement and divergence are described over these very answers and have no interval here.
    """
    values: Mapping[str, tuple[float | None, Interval | None]] = {
        "perplexity_ratio": (found.perplexity_ratio, found.interval),
        "top1_agreement": (found.top1, None),
        "kl_mean": (None if found.kl_mean is None else found.kl_mean + (found.kl_open or 0.0), None),
    }
    few = too_few(found.groups, found.groups if found.even_groups is None else found.even_groups)
    results = {}
    for name, (value, interval) in values.items():
        target = targets.gate(name)
        figure = target.figure(precision) if target else None
        outcome, reason = None, ""
        if target is not None and figure is not None:
            outcome, reason = _outcome(value, interval, figure, target.kind == "floor", few)
        results[name] = GateResult(
            name=name,
            passed=0,
            total=found.cases,
            rate=value,
            interval=interval,
            target=figure,
            outcome=outcome,
            groups=found.groups,
            reason=reason,
        )
    return results


def _outcome(
    value: float | None, interval: Interval | None, figure: float, floor: bool, few: str
) -> tuple[Outcome, str]:
    if value is None:
        return Outcome.INCONCLUSIVE, "no reference answer was read"
    if few:
        return Outcome.INCONCLUSIVE, few
    low, high = (interval.low, interval.high) if interval else (value, value)
    passes, fails = (low >= figure, high < figure) if floor else (high <= figure, low > figure)
    shown = f"{value:.4g} ({low:.4g} to {high:.4g})" if interval else f"{value:.4g}"
    word = "at least" if floor else "at most"
    if passes or fails:
        return (Outcome.PASS if passes else Outcome.FAIL), f"{shown}, but should be {word} {figure:g}" if fails else ""
    return Outcome.INCONCLUSIVE, f"{shown} lies on both sides of {figure:g}; more families of cases would decide it"


def _exp(value: float) -> float:
    """Capped where a float ends: a perplexity beyond that is as good as infinite, and JSON knows no infinity."""
    return math.exp(min(value, 700.0))
