"""The pre-norm transformer block of V-JEPA 2, with rotary position embeddings.

Parameters are named as in facebookresearch/vjepa2 (`norm1`, `attn.qkv`, `attn.proj`, `norm2`, `mlp.fc1`,
`mlp.fc2`), so its checkpoints load. Attention is written out, because torch's fused encoder layers do not
export to ONNX.
"""

import math
from collections.abc import Iterable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from wm_planner.networks.rope import rotate

KeysValues: TypeAlias = tuple[Tensor, Tensor]
"""Rotated keys and values of one layer, (B, heads, L, head_dim) each."""


class Attention(nn.Module):
    """Multi-head self-attention with rotary position embeddings."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None = None) -> Tensor:
        """Self-attention within `x` (B, L, dim).

        Args:
            x: tokens.
            cos, sin: shape (L, head_dim), or (B, 1, L, head_dim) for different positions per sample.
            mask: shape (L, L), True where attended; None attends everywhere.
        """
        return self._attend(*self._heads(x, cos, sin), mask)

    def extend(
        self, x: Tensor, cos: Tensor, sin: Tensor, past: KeysValues, mask: Tensor
    ) -> tuple[Tensor, KeysValues]:
        """Attention from new tokens to `past` tokens and to themselves.

        Args:
            x: new tokens, shape (B, L, dim).
            cos, sin: as in `forward`.
            past: rotated keys and values of earlier tokens, (B or 1, heads, L_past, head_dim).
            mask: shape (B or 1, L_past + L), True where attended, for all new tokens of a sample.

        Returns:
            The transformed tokens, (B, L, dim), and the rotated keys and values of the new tokens.
        """
        q, *new = self._heads(x, cos, sin)
        k, v = (
            torch.cat((old.expand(x.shape[0], -1, -1, -1), own), dim=2)
            for old, own in zip(past, new, strict=True)
        )
        return self._attend(q, k, v, mask[:, None, None]), (new[0], new[1])

    def _heads(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries and keys, and values, (B, heads, L, head_dim) each."""
        qkv: Tensor = self.qkv(x).reshape(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(qkv[:2], cos, sin).unbind(0)
        return q, k, qkv[2]

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Module):
    """Two linear layers with an exact GELU in between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Pre-norm attention and MLP, each with a residual connection."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, round(dim * mlp_ratio))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin, mask)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out

    def extend(
        self, x: Tensor, cos: Tensor, sin: Tensor, past: KeysValues, mask: Tensor
    ) -> tuple[Tensor, KeysValues]:
        """Transform new tokens (B, L, dim) after `past` ones; see `Attention.extend`."""
        attended, new = self.attn.extend(self.norm1(x), cos, sin, past, mask)
        x = x + attended
        return x + self.mlp(self.norm2(x)), new


def initialise(network: nn.Module, blocks: Iterable[nn.Module]) -> None:
    """Initialise linear and convolutional layers as V-JEPA 2 does.

    Weights are truncated normal with standard deviation 0.02, biases zero; the output layers of block n are
    scaled by 1 / sqrt(2 n). Source: Assran et al. 2025 (V-JEPA 2); facebookresearch/vjepa2.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv3d):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for depth, block in enumerate(blocks, start=1):
        assert isinstance(block, Block)
        for last in (block.attn.proj, block.mlp.fc2):
            with torch.no_grad():
                last.weight.div_(math.sqrt(2.0 * depth))
