"""Muon: momentum whose update of a weight matrix is made orthogonal by a Newton-Schulz iteration.

After K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), with the
update scaled to AdamW's usual size (J. Liu et al., "Muon is scalable for LLM training", 2025).
PyTorch's own does the iteration in bfloat16 and matrix by matrix, which is slow on a CPU; this one
works in float32 and takes all matrices of one shape at once.
"""

from collections import defaultdict

import torch

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that pushes singular values towards 1


def orthogonalise(matrices):
    """The nearest semi-orthogonal matrices, roughly, to each of `matrices` [count, rows, columns]."""
    a, b, c = COEFFICIENTS
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrices.shape[1] <= matrices.shape[2] else x.mT


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices, lr=0.0, momentum=0.95, weight_decay=0.0):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for weight in group["params"]:
                by_shape[weight.shape].append(weight)
            for (rows, columns), weights in by_shape.items():
                updates = []
                for weight in weights:
                    momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                    momentum.lerp_(weight.grad, 1 - group["momentum"])
                    updates.append(weight.grad.lerp(momentum, group["momentum"]))  # Nesterov's
                scale = 0.2 * max(rows, columns) ** 0.5
                for weight, update in zip(weights, orthogonalise(torch.stack(updates))):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(update, alpha=-group["lr"] * scale)
