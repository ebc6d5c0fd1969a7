"""Standardisation of every channel of every token, over the data or over the batch.

Most of the variation in a frozen encoder's tokens is between positions and constant in time, so that a model
which copies its input already has a small loss. After standardisation, what moves dominates.
"""

import torch
from torch import Tensor, nn

from wm_planner.networks import distributed

FLOOR = 0.3
"""Channels whose standard deviation is below about this fraction of the typical one are not scaled up to 1,
because they are noise.
"""


class Whitening(nn.Module):
    """Standardises arrays (B, *shape) by the mean and variance of all observed ones."""

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
        """Update the statistics with `x` (B, *shape), pairwise (Chan, Golub & LeVeque 1979)."""
        total = self.count + len(x)
        weight = (len(x) / total).float()
        mean, variance = x.mean(0), x.var(0, correction=0)
        delta = mean - self.mean
        self.variance += weight * (variance - self.variance + (1 - weight) * delta.square())
        self.mean += weight * delta
        self.count.copy_(total)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, *shape) with mean 0 and standard deviation 1, or less where it hardly varies."""
        typical = self.variance.mean()
        return (x - self.mean) / (self.variance + FLOOR**2 * typical).sqrt()


class BatchWhitening(nn.BatchNorm1d):
    """Batch normalisation without parameters of arrays (B, D), over the whole batch of all processes.

    PyTorch's BatchNorm1d uses the shard of one process only, and its SyncBatchNorm works on GPUs only.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def __init__(self, size: int) -> None:
        super().__init__(size, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or distributed.world_size() == 1:
            return super().forward(x)
        mean, variance = distributed.moments(x)
        with torch.no_grad():
            samples = len(x) * distributed.world_size()
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * samples / (samples - 1), self.momentum)
        return (x - mean) / (variance + self.eps).sqrt()
