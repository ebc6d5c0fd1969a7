"""The recurrent state-space model: a deterministic GRU state h, and a normally distributed state z.

Source: Hafner et al. 2019, "Learning Latent Dynamics for Planning from Pixels" (PlaNet), section 3.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

SMALLEST_STD = 0.1
"""As in PlaNet: a posterior that is certain would make the divergence from the prior unbounded."""


class Normal(NamedTuple):
    """A normal distribution with independent components, mean and std (..., Z)."""

    mean: Tensor
    std: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """The sample of standard normal `noise` (..., Z)."""
        return self.mean + self.std * noise

    def detach(self) -> "Normal":
        """The same distribution as a constant."""
        return Normal(self.mean.detach(), self.std.detach())

    def divergence(self, other: "Normal") -> Tensor:
        """KL(self || other) in nats, (...)."""
        ratio = (self.std / other.std).square()
        shift = ((self.mean - other.mean) / other.std).square()
        return 0.5 * (ratio + shift - 1 - ratio.log()).sum(dim=-1)


class RecurrentState(nn.Module):
    """The transition, and the distributions of z before and after an observation.

    Args:
        memory: size of h.
        latent: size of z.
        actions: number of action components.
        embedding: size of an encoded observation.
        hidden: units of the hidden layers.
    """

    def __init__(self, memory: int, latent: int, actions: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Sequential(nn.Linear(latent + actions, hidden), nn.LayerNorm(hidden), nn.SiLU())
        self.cell = nn.GRUCell(hidden, memory)
        self.priors = two_layers(memory, hidden, 2 * latent)
        self.posteriors = two_layers(memory + embedding, hidden, 2 * latent)

    def advance(self, h: Tensor, z: Tensor, action: Tensor) -> Tensor:
        """h (B, M) after `action` (B, A), scaled to about -1..1, in state h (B, M), z (B, Z)."""
        after: Tensor = self.cell(self.inputs(torch.cat((z, action), dim=-1)), h)
        return after

    def prior(self, h: Tensor) -> Normal:
        """Distribution of z given only the past."""
        return _normal(self.priors(h))

    def posterior(self, h: Tensor, embedding: Tensor) -> Normal:
        """Distribution of z given the past and the current observation (B, E)."""
        return _normal(self.posteriors(torch.cat((h, embedding), dim=-1)))


def two_layers(size: int, hidden: int, out: int) -> nn.Sequential:
    """An MLP (..., size) to (..., out) with one hidden layer."""
    return nn.Sequential(nn.Linear(size, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, out))


def _normal(values: Tensor) -> Normal:
    mean, std = values.chunk(2, dim=-1)
    return Normal(mean, softplus(std) + SMALLEST_STD)
