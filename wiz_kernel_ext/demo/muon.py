"""Muon: momentum whose update matrix is orthogonalized by a Newton–Schulz iteration.

`torch.optim.Muon` iterates in bfloat16, which a CPU without bfloat16 units runs some fifty times
slower than float32; this one stays in float32 and iterates equal shapes together.
"""

# torch is untyped here: the project is checked without the [demo] extra
# mypy: allow-subclassing-any, allow-untyped-decorators
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_A, _B, _C = 3.4445, -4.7750, 2.0315  # the quintic of the published method
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Optimizer for weight matrices (embeddings and norms belong to AdamW)."""

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(list(matrices), {"lr": lr, "momentum": momentum, "decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            stacks: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                average = state.setdefault("average", torch.zeros_like(matrix))
                average.lerp_(matrix.grad, 1 - group["momentum"])
                stacks[matrix.shape].append((matrix, matrix.grad.lerp(average, group["momentum"])))
            for size, stack in stacks.items():
                updates = orthogonalized(torch.stack([update for _, update in stack]))
                rate = group["lr"] * max(1.0, size[0] / size[1]) ** 0.5
                for (matrix, _), update in zip(stack, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-rate)


def orthogonalized(stack: Tensor) -> Tensor:
    """Return, roughly, the nearest orthogonal matrices of a stack (count, rows, columns)."""
    tall = stack.shape[1] > stack.shape[2]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = _A * x + torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C) @ x
    return x.mT if tall else x
