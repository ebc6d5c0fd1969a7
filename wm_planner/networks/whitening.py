"""Whitening: every number of every token to mean 0 and deviation 1, over the data or over the batch.

Most of what a frozen encoder says of a scene is where it stands, which never changes; a loss over its tokens
is then small for a model that copies. What is left after whitening is what moves.
"""

import torch
from torch import Tensor, nn

from wm_planner.networks import shares

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
        self.register_buffer("variance", torch.ones(shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Take in `x` (B, *shape). Source: Chan, Golub & LeVeque 1979, the pairwise update."""
        total = self.count + len(x)
        share = (len(x) / total).float()
        mean, variance = x.mean(0), x.var(0, correction=0)
        off = mean - self.mean
        self.variance += share * (variance - self.variance + (1 - share) * off.square())
        self.mean += share * off
        self.count.copy_(total)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, *shape) with mean 0 and deviation 1, or less where it hardly varies."""
        typical = self.variance.mean()
        return (x - self.mean) / (self.variance + FLOOR**2 * typical).sqrt()


class BatchWhitening(nn.BatchNorm1d):
    """Standardises arrays (B, D) under training by the batch, afterwards by the running mean and variance.

    The batch is the whole one where several processes share it.

    PyTorch's own BatchNorm sees only a process's share, its SyncBatchNorm works on GPUs only.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def __init__(self, size: int) -> None:
        super().__init__(size, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or shares.number() == 1:
            return super().forward(x)
        mean, variance = shares.moments(x)
        with torch.no_grad():
            samples = len(x) * shares.number()
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * samples / (samples - 1), self.momentum)
        return (x - mean) / (variance + self.eps).sqrt()
