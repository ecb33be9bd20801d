"""Muon for matrices, its orthogonalization shared out among a crew and done in fp32.

`torch.optim.Muon` does it in bf16, which a CPU without bf16 instructions emulates at a third of a step's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from trainers.nano.workers import Crew

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalized(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """`matrix`, (rows, columns), with its singular values brought to about one by Newton-Schulz iteration.

    Source: K. Jordan and others, Muon (2024), https://kellerjordan.github.io/posts/muon/.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalized. The step has the size that AdamW's would (Moonlight, arXiv:2502.16982).

    Every member of `crew` must hold the same gradients; each orthogonalizes its share of the matrices.
    """

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        crew: Crew,
        *,
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.crew = crew

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        assert closure is None
        for group in self.param_groups:
            updates = []
            for index, matrix in enumerate(group["params"]):
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                state["momentum"].lerp_(matrix.grad, 1 - group["momentum"])
                mine = index % self.crew.size == self.crew.rank
                wanted = matrix.grad.lerp(state["momentum"], group["momentum"])
                updates.append(orthogonalized(wanted) if mine else torch.zeros_like(matrix))
            for matrix, update in zip(group["params"], self.crew.summed(updates), strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * 0.2 * max(matrix.shape) ** 0.5)
