"""Does the artifact read reference answers as its parent does? What moves here moves before any answer changes.

Measured; only `--targets` that name one of these figures can make it fail.
"""

import pytest

from phi4bench.plugin import Gate


@pytest.mark.judges("perplexity_ratio")
def test_perplexity_ratio(gate: Gate) -> None:
    """Its perplexity over the reference answers, as a multiple of its parent's."""
    gate.check()


@pytest.mark.judges("top1_agreement")
def test_top1_agreement(gate: Gate) -> None:
    """Of all tokens of the reference answers, those at which both find the same token likeliest."""
    gate.check()


@pytest.mark.judges("kl_mean")
def test_kl_mean(gate: Gate) -> None:
    """The mean divergence of its predictions from its parent's, in nats, at most."""
    gate.check()
