"""Slow features: the directions in which tokens change most over a clip for how little they do in a step.

The arm in another patch than the goal's is as far off as one two patches further, in the distance between
tokens. What changes slowly runs on over the way from one to the other, so its distance tells them apart; and
what stands still for a whole clip, as the scenery does, is no slow feature.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from wm_planner.errors import ConfigError

DAMPING = 0.3
"""Of a mean direction's change in a step, added to every direction's: what hardly changes is not slow."""

MOST_NUMBERS = 8192
"""That a frame may have: memory goes with their square, time with their cube."""


class SlowFeatures(nn.Module):
    """Reads `number` features off arrays (B, *shape), slowest first; the slowest changes by 1 over a clip.

    Source: Wiskott & Sejnowski 2002, the linear form; differs in `DAMPING`, in what is held against the
    change in a step (there the variance over the data), and in one unit for all.
    """

    directions: Tensor

    def __init__(self, number: int, *shape: int) -> None:
        super().__init__()
        self.size = torch.Size(shape).numel()
        if not number <= self.size <= MOST_NUMBERS:
            raise ConfigError(
                f"{number} slow features of frames of {self.size} numbers: wanted frames of {number} to "
                f"{MOST_NUMBERS}; for larger ones leave `slow_features` at 0"
            )
        self.register_buffer("directions", torch.zeros(self.size, number))

    @torch.no_grad()
    def fit(self, clips: Iterable[Tensor]) -> None:
        """Find the directions, of clips (B, T, *shape)."""
        far, near = torch.zeros(2, self.size, self.size, dtype=torch.float64)
        number = 0
        for clip in clips:
            frames = clip.flatten(2)  # (B, T, D)
            far += _square(frames[:, -1] - frames[:, 0])
            near += _square(frames.diff(dim=1).flatten(0, 1)) / (clip.shape[1] - 1)
            number += len(clip)
        near += DAMPING * near.trace() / self.size * torch.eye(self.size)
        root = torch.linalg.cholesky(near)
        left = torch.linalg.solve_triangular(root, far, upper=False)
        ratios, vectors = torch.linalg.eigh(torch.linalg.solve_triangular(root, left.T, upper=False))
        slowest = vectors.flip(1)[:, : self.directions.shape[1]] * (number / ratios[-1]).sqrt()
        self.directions.copy_(torch.linalg.solve_triangular(root.T, slowest, upper=True))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, number) of `x` (B, *shape)."""
        return x.flatten(1) @ self.directions


def _square(rows: Tensor) -> Tensor:
    """The sum of the outer products of `rows` (n, D), (D, D)."""
    return rows.T @ rows
