"""SIGReg: prevents collapse by making every one-dimensional projection of the latents a standard Gaussian.

Source: Balestriero & LeCun 2025 (LeJEPA, arXiv 2511.08544), in the form of LeWM (arXiv 2603.19312).
"""

import torch
from torch import Tensor, nn

from wm_planner.networks import distributed

REACH = 3.0
"""Characteristic functions are compared at points in [0, REACH]; they are even functions."""


class SigReg(nn.Module):
    """The Epps-Pulley statistic between random projections of latents and a standard Gaussian.

    Args:
        projections: random directions per call.
        knots: points of the trapezoidal rule.
    """

    knots: Tensor
    gaussian: Tensor
    weights: Tensor

    def __init__(self, projections: int = 128, knots: int = 17) -> None:
        super().__init__()
        self.projections = projections
        points = torch.linspace(0.0, REACH, knots)
        gaussian = torch.exp(-0.5 * points**2)
        trapezoid = torch.full((knots,), 2.0 * REACH / (knots - 1))
        trapezoid[[0, -1]] /= 2.0
        self.register_buffer("knots", points, persistent=False)
        self.register_buffer("gaussian", gaussian, persistent=False)
        self.register_buffer("weights", trapezoid * gaussian, persistent=False)

    def forward(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """The statistic of samples `z` (B, ..., D) over B, averaged over the middle axes, times B.

        In a distributed training, B is the whole batch.
        """
        directions = torch.randn(z.shape[-1], self.projections, generator=generator).to(z.device)
        angles = (z @ (directions / directions.norm(dim=0))).unsqueeze(-1) * self.knots  # (B, ..., M, knots)
        real = distributed.mean(angles.cos().mean(0))
        imaginary = distributed.mean(angles.sin().mean(0))
        distance = (real - self.gaussian).square() + imaginary.square()
        statistic: Tensor = (distance @ self.weights).mean() * (z.shape[0] * distributed.world_size())
        return statistic
