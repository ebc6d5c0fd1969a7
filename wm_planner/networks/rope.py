"""Rotary positions in three axes: time, row and column each turn a third of a head.

Source: Assran et al. 2025 (V-JEPA 2), sec. 2.1, after Su et al. 2021 (RoFormer). A head of size `d` gives
each axis `2 * (d // 3 // 2)` numbers; what is left over is not turned, and neither is an axis at position 0:
a conditioning token of frame t at (t, 0, 0) is turned by time alone.

Tables are made on the CPU even where the default device is another: a network built on the meta device is
complete once its weights are assigned.
"""

from typing import Literal

import torch
from torch import Tensor

BASE = 10_000.0
CPU = torch.device("cpu")

Order = Literal["interleaved", "tiled"]
"""Which frequencies the numbers of an axis get: both of a pair the same (f0, f0, f1, f1, ...), or the list
of frequencies twice over (f0, f1, ..., f0, f1, ...). The published weights of V-JEPA 2 were trained tiled,
which is no rotation, because pairs are neighbours in both orders; anything else breaks them."""


def grid_positions(frames: int, rows: int, columns: int) -> Tensor:
    """(time, row, column) of every patch, time slowest, column fastest: (frames * rows * columns, 3)."""
    axes = (torch.arange(size, device=CPU) for size in (frames, rows, columns))
    return torch.cartesian_prod(*axes).reshape(-1, 3)


def conditioned_positions(frames: int, conditions: int, rows: int, columns: int) -> Tensor:
    """Positions of frames of `conditions` tokens at (t, 0, 0), then the patches: (T, C + P, 3)."""
    patches = grid_positions(frames, rows, columns).reshape(frames, -1, 3)  # (T, P, 3)
    before = torch.zeros_like(patches[:, :1]).repeat(1, conditions, 1)  # (T, C, 3)
    before[..., 0] = torch.arange(frames, device=CPU).unsqueeze(1)
    return torch.cat((before, patches), dim=1)


def rope_tables(positions: Tensor, head_dim: int, order: Order = "interleaved") -> tuple[Tensor, Tensor]:
    """Cosines and sines for tokens at `positions` (L, 3): two float32 arrays (L, head_dim)."""
    pairs = head_dim // 3 // 2  # of each axis
    frequencies = BASE ** -(torch.arange(pairs, dtype=torch.float64, device=CPU) / pairs)
    angles = positions.double().unsqueeze(-1) * frequencies  # (L, 3, pairs)
    both = angles.repeat(1, 1, 2) if order == "tiled" else angles.repeat_interleave(2, dim=-1)
    angles = both.flatten(1)  # (L, 6 * pairs)
    angles = torch.nn.functional.pad(angles, (0, head_dim - angles.shape[1]))
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of neighbours in the last axis of `x` (..., L, head_dim) by its angle."""
    even, odd = x.reshape(*x.shape[:-1], -1, 2).unbind(-1)
    partner = torch.stack((-odd, even), dim=-1).flatten(-2)
    return x * cos + partner * sin
