"""Slow features: linear features with the largest change over a clip relative to their change per step.

The distance between tokens saturates: an arm one patch away from its goal is about as far as one three
patches away. Slow features change steadily on the way from one to the other, so their distance
discriminates; parts that are constant over a clip, such as the background, are not slow features.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from wm_planner.errors import ConfigError

DAMPING = 0.3
"""Fraction of the average change per step that is added to that of every direction, so that directions which
hardly change at all do not count as slow.
"""

MAX_SIZE = 8192
"""Largest number of values per frame: memory grows with its square, time with its cube."""


class SlowFeatures(nn.Module):
    """Computes `number` features of arrays (B, *shape), slowest first.

    They share one scale, in which the slowest changes by 1 (root mean square) over a clip. Source: the linear
    form of Wiskott & Sejnowski 2002. Differs in `DAMPING`, in that the change per step is compared with the
    change over a clip instead of the variance over the data, and in the common scale.
    """

    directions: Tensor

    def __init__(self, number: int, *shape: int) -> None:
        super().__init__()
        self.size = torch.Size(shape).numel()
        if not number <= self.size <= MAX_SIZE:
            raise ConfigError(
                f"{number} slow features of frames with {self.size} values: wanted {number} to {MAX_SIZE} "
                "values; leave `slow_features` at 0 for larger frames"
            )
        self.register_buffer("directions", torch.zeros(self.size, number))

    @torch.no_grad()
    def fit(self, clips: Iterable[Tensor]) -> None:
        """Compute the directions from clips (B, T, *shape), as a generalised eigenvalue problem."""
        per_clip, per_step = torch.zeros(2, self.size, self.size, dtype=torch.float64)
        count = 0
        for clip in clips:
            frames = clip.flatten(2)  # (B, T, D)
            per_clip += _outer_sum(frames[:, -1] - frames[:, 0])
            per_step += _outer_sum(frames.diff(dim=1).flatten(0, 1)) / (clip.shape[1] - 1)
            count += len(clip)
        per_step += DAMPING * per_step.trace() / self.size * torch.eye(self.size)
        root = torch.linalg.cholesky(per_step)
        left = torch.linalg.solve_triangular(root, per_clip, upper=False)
        ratios, vectors = torch.linalg.eigh(torch.linalg.solve_triangular(root, left.T, upper=False))
        slowest = vectors.flip(1)[:, : self.directions.shape[1]] * (count / ratios[-1]).sqrt()
        self.directions.copy_(torch.linalg.solve_triangular(root.T, slowest, upper=True))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, number) of `x` (B, *shape)."""
        return x.flatten(1) @ self.directions


def _outer_sum(rows: Tensor) -> Tensor:
    """The sum of the outer products of `rows` (n, D) with themselves, (D, D)."""
    return rows.T @ rows
