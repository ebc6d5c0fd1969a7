"""Layers of the networks of TD-MPC2: normalised MLPs, ensembles of them, and simplicial normalisation.

Source: TD-MPC2 (Hansen et al. 2024), appendix on architecture; SiLU instead of Mish, which is slow on a CPU.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu


class SimNorm(nn.Module):
    """A softmax over each group of `size` components: vectors (..., D) of D / size simplices."""

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        groups = x.reshape(*x.shape[:-1], x.shape[-1] // self.size, self.size)
        return groups.softmax(dim=-1).flatten(-2)


def normed_mlp(sizes: Sequence[int], last: nn.Module | None = None) -> nn.Sequential:
    """Linear layers with LayerNorm and SiLU between them.

    Args:
        sizes: of the input, the hidden layers and the output.
        last: after the output layer, which has a LayerNorm then; None for a plain linear output.
    """
    layers: list[nn.Module] = []
    for size, size_out in pairwise(sizes[:-1]):
        layers += [nn.Linear(size, size_out), nn.LayerNorm(size_out), nn.SiLU()]
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    if last is not None:
        layers += [nn.LayerNorm(sizes[-1]), last]
    return nn.Sequential(*layers)


class Ensemble(nn.Module):
    """`count` MLPs of the same sizes, with LayerNorm and SiLU, run in one batched multiplication.

    The output layers start at zero.

    Args:
        count: number of members, E.
        sizes: of the input, the hidden layers and the output.
    """

    def __init__(self, count: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for size, size_out in pairwise(sizes):
            bound = 1 / math.sqrt(size)
            self.weights.append(nn.Parameter(torch.empty(count, size, size_out).uniform_(-bound, bound)))
            self.biases.append(nn.Parameter(torch.zeros(count, 1, size_out)))
        nn.init.zeros_(self.weights[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (E, B, out) of inputs (B, in)."""
        hidden = x.expand(len(self.weights[0]), *x.shape)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            if i < last:
                hidden = silu(layer_norm(hidden, hidden.shape[-1:]))
        return hidden
