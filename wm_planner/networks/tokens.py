"""Transformers over patch tokens: of a single image, and of frames with conditioning tokens, causal in time.

Source: Assran et al. 2025 (V-JEPA 2), sec. 2.1 and 3.1; facebookresearch/vjepa2.
"""

import torch
from torch import Tensor, nn

from wm_planner.networks.masks import frame_causal
from wm_planner.networks.rope import conditioned_positions, grid_positions, rope_tables
from wm_planner.networks.transformer import Block


class Trunk(nn.Module):
    """Transformer blocks and a final layer norm over tokens at fixed positions.

    Args:
        positions: (time, row, column) of every token, (L, 3).
        dim: channels per token.
        heads: attention heads.
        depth: number of blocks.
        mlp_ratio: hidden units of the MLP, as a multiple of `dim`.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, positions: Tensor, dim: int, heads: int, depth: int, mlp_ratio: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        cos, sin = rope_tables(positions, dim // heads)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Transform tokens (B, L, dim) at the first L positions; `mask` (L, L) is True where attended."""
        length = x.shape[1]
        for block in self.blocks:
            x = block(x, self.cos[:length], self.sin[:length], mask)
        normed: Tensor = self.norm(x)
        return normed


class ImageTransformer(nn.Module):
    """Images (B, C, h, w) to tokens (B, P, dim), row by row."""

    def __init__(
        self,
        channels: int,
        patch: int,
        grid: tuple[int, int],
        dim: int,
        heads: int,
        depth: int,
        mlp_ratio: float,
    ) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(channels, dim, patch, patch)
        self.trunk = Trunk(grid_positions(1, *grid), dim, heads, depth, mlp_ratio)

    def forward(self, pictures: Tensor) -> Tensor:
        tokens: Tensor = self.trunk(self.patch_embed(pictures).flatten(2).transpose(1, 2))
        return tokens


class FrameCausalTransformer(nn.Module):
    """Frames of C conditioning tokens (action, state, ...) and P patches; causal between frames.

    Conditioning tokens have the position (t, 0, 0), so only time rotates them.
    """

    mask: Tensor

    def __init__(
        self,
        frames: int,
        conditions: int,
        grid: tuple[int, int],
        dim: int,
        heads: int,
        depth: int,
        mlp_ratio: float,
    ) -> None:
        super().__init__()
        positions = conditioned_positions(frames, conditions, *grid)  # (T, C + P, 3)
        self.trunk = Trunk(positions.flatten(0, 1), dim, heads, depth, mlp_ratio)
        self.register_buffer("mask", frame_causal(frames, positions.shape[1]), persistent=False)

    def forward(self, conditions: Tensor, patches: Tensor) -> Tensor:
        """Conditioning tokens (B, T, C, dim) and patches (B, T, P, dim) to tokens (B, T, C + P, dim)."""
        x = torch.cat((conditions, patches), dim=2)
        frames, length = x.shape[1], x.shape[1] * x.shape[2]
        mask = None if frames == 1 else self.mask[:length, :length]
        tokens: Tensor = self.trunk(x.flatten(1, 2), mask).reshape(x.shape)
        return tokens
