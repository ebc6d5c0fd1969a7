"""Whitening of frozen features: every number of every token to mean 0 and deviation 1 over the data.

Most of what a frozen encoder says of a scene is where it stands, which never changes; a loss over its tokens
is then small for a model that copies. What is left after whitening is what moves.
"""

import torch
from torch import Tensor, nn

FLOOR = 0.3
"""Numbers that vary less than this share of the typical deviation are not blown up to 1: they are noise."""


class Whitening(nn.Module):
    """Standardises arrays (B, *shape) by the mean and variance of all that it has observed."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.zeros(shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Take in `x` (B, *shape). Source: Chan, Golub & LeVeque 1979, the pairwise update."""
        total = self.count + len(x)
        share = (len(x) / total).float()
        off = x.mean(0) - self.mean
        self.variance += share * (x.var(0, correction=0) - self.variance + (1 - share) * off.square())
        self.mean += share * off
        self.count.copy_(total)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, *shape) with mean 0 and deviation 1, or less where it hardly varies."""
        typical = self.variance.mean()
        return (x - self.mean) / (self.variance + FLOOR**2 * typical).sqrt()
