"""Regression by classification: values as two-hot distributions over bins that are even in symlog.

Source: DreamerV3 (Hafner et al. 2023), symlog and two-hot; TD-MPC2 (Hansen et al. 2024) for 101 bins over
symlog values from -10 to 10.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax


def symlog(x: Tensor) -> Tensor:
    """sign(x) log(1 + |x|), elementwise."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


def symexp(x: Tensor) -> Tensor:
    """The inverse of `symlog`."""
    return torch.sign(x) * torch.expm1(torch.abs(x))


class TwoHot(nn.Module):
    """Distributions over real values, as logits of bins.

    Args:
        bins: number of bins.
        limit: symlog of the largest value; larger ones count as that one.
    """

    centres: Tensor

    def __init__(self, bins: int = 101, limit: float = 10.0) -> None:
        super().__init__()
        self.bins, self.limit = bins, limit
        self.register_buffer("centres", torch.linspace(-limit, limit, bins), persistent=False)

    def mean(self, logits: Tensor) -> Tensor:
        """Expected values (...,) of logits (..., bins), the expectation taken in symlog."""
        return symexp((logits.softmax(dim=-1) * self.centres).sum(dim=-1))

    def encode(self, values: Tensor) -> Tensor:
        """Probabilities (..., bins) whose expectation in symlog is that of `values` (...,)."""
        width = 2 * self.limit / (self.bins - 1)
        place = (symlog(values).clamp(-self.limit, self.limit) + self.limit) / width
        return torch.relu(1 - torch.abs(place.unsqueeze(-1) - torch.arange(self.bins).to(place)))

    def loss(self, logits: Tensor, values: Tensor) -> Tensor:
        """Cross entropy (...,) between logits (..., bins) and `values` (...,)."""
        return -(self.encode(values) * log_softmax(logits, dim=-1)).sum(dim=-1)
