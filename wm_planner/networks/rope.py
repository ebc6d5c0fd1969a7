"""Rotary positions in three axes: time, row and column each turn a third of a head.

Source: Assran et al. 2025 (V-JEPA 2), sec. 2.1, after Su et al. 2021 (RoFormer). A head of size `d` gives
each axis `2 * (d // 3 // 2)` numbers; what is left over is not turned, and neither is an axis at position 0:
a conditioning token of frame t at (t, 0, 0) is turned by time alone.
"""

import torch
from torch import Tensor

BASE = 10_000.0


def grid_positions(frames: int, rows: int, columns: int) -> Tensor:
    """(time, row, column) of every patch, time slowest, column fastest: (frames * rows * columns, 3)."""
    axes = (torch.arange(frames), torch.arange(rows), torch.arange(columns))
    return torch.cartesian_prod(*axes).reshape(-1, 3)


def rope_tables(positions: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines for tokens at `positions` (L, 3): two float32 arrays (L, head_dim)."""
    pairs = head_dim // 3 // 2  # of each axis
    frequencies = BASE ** -(torch.arange(pairs, dtype=torch.float64) / pairs)
    angles = (positions.double().unsqueeze(-1) * frequencies).flatten(1)  # (L, 3 * pairs)
    angles = angles.repeat_interleave(2, dim=1)  # (L, 6 * pairs): both numbers of a pair turn alike
    angles = torch.nn.functional.pad(angles, (0, head_dim - angles.shape[1]))
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of neighbours in the last axis of `x` (..., L, head_dim) by its angle."""
    even, odd = x.reshape(*x.shape[:-1], -1, 2).unbind(-1)
    partner = torch.stack((-odd, even), dim=-1).flatten(-2)
    return x * cos + partner * sin
