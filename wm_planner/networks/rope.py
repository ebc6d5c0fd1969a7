"""3-D rotary position embeddings: time, row and column each rotate a third of a head's channels.

Source: Assran et al. 2025 (V-JEPA 2), sec. 2.1, after Su et al. 2021 (RoFormer). In a head of size `d`, each
axis rotates `2 * (d // 3 // 2)` channels; the remaining ones are not rotated. Position 0 is no rotation, so a
conditioning token of frame t at (t, 0, 0) is rotated by time only.

The tables are always created on the CPU, so that a network built on the meta device is complete once its
weights are assigned.
"""

from typing import Literal

import torch
from torch import Tensor

BASE = 10_000.0
CPU = torch.device("cpu")

Order = Literal["interleaved", "tiled"]
"""Order of the frequencies in an axis: `interleaved` gives both channels of a pair the same one (f0, f0, f1,
f1, ...), `tiled` repeats the whole list (f0, f1, ..., f0, f1, ...). Pairs are adjacent channels in both
orders, so `tiled` is not a rotation, but the published weights of V-JEPA 2 were trained with it and need it.
"""


def grid_positions(frames: int, rows: int, columns: int) -> Tensor:
    """(time, row, column) of every patch, (frames * rows * columns, 3); the column varies fastest."""
    axes = (torch.arange(size, device=CPU) for size in (frames, rows, columns))
    return torch.cartesian_prod(*axes).reshape(-1, 3)


def conditioned_positions(frames: int, conditions: int, rows: int, columns: int) -> Tensor:
    """Positions of frames with C conditioning tokens at (t, 0, 0) before P patches, (T, C + P, 3)."""
    patches = grid_positions(frames, rows, columns).reshape(frames, -1, 3)  # (T, P, 3)
    before = torch.zeros_like(patches[:, :1]).repeat(1, conditions, 1)  # (T, C, 3)
    before[..., 0] = torch.arange(frames, device=CPU).unsqueeze(1)
    return torch.cat((before, patches), dim=1)


def rope_tables(positions: Tensor, head_dim: int, order: Order = "interleaved") -> tuple[Tensor, Tensor]:
    """Cosines and sines for tokens at `positions` (L, 3), float32 (L, head_dim) each."""
    pairs = head_dim // 3 // 2  # of each axis
    frequencies = BASE ** -(torch.arange(pairs, dtype=torch.float64, device=CPU) / pairs)
    angles = positions.double().unsqueeze(-1) * frequencies  # (L, 3, pairs)
    both = angles.repeat(1, 1, 2) if order == "tiled" else angles.repeat_interleave(2, dim=-1)
    angles = both.flatten(1)  # (L, 6 * pairs)
    angles = torch.nn.functional.pad(angles, (0, head_dim - angles.shape[1]))
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each pair of adjacent channels of `x` (..., L, head_dim) by its angle."""
    even, odd = x.reshape(*x.shape[:-1], -1, 2).unbind(-1)
    partner = torch.stack((-odd, even), dim=-1).flatten(-2)
    return x * cos + partner * sin
