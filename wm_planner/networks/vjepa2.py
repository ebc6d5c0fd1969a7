"""The encoder and the masked predictor of V-JEPA 2, in every published size.

Parameters are named as in facebookresearch/vjepa2 (MIT), so its checkpoints load, and the rotary position
embeddings keep its tiled order. Source: Assran et al. 2025 (V-JEPA 2, arXiv 2506.09985), sec. 2.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from wm_planner.config import Config, Positive
from wm_planner.errors import ConfigError, ShapeError
from wm_planner.networks.rope import grid_positions, rope_tables
from wm_planner.networks.transformer import Block, initialise


class VitSize(Config, frozen=True, kw_only=True):
    """Size of a vision transformer.

    Attributes:
        dim: channels per token.
        depth: number of blocks.
        heads: attention heads.
        mlp_ratio: hidden units of the MLP, as a multiple of `dim`.
    """

    dim: Positive
    depth: Positive
    heads: Positive
    mlp_ratio: float = 4.0

    def __post_init__(self) -> None:
        if self.dim % self.heads or self.dim // self.heads % 2:
            raise ValueError(
                f"dim is {self.dim}, wanted a multiple of twice the {self.heads} heads: change dim or heads"
            )


SIZES = {
    "tiny": VitSize(dim=192, depth=12, heads=3),
    "small": VitSize(dim=384, depth=12, heads=6),
    "base": VitSize(dim=768, depth=12, heads=12),
    "large": VitSize(dim=1024, depth=24, heads=16),
    "huge": VitSize(dim=1280, depth=32, heads=16),
    "giant": VitSize(dim=1408, depth=40, heads=22, mlp_ratio=48 / 11),
}
MASKED_PREDICTOR = VitSize(dim=384, depth=12, heads=12)

Grid = tuple[int, int, int]
"""Tokens of a clip: (frames / tubelet, rows, columns)."""


class PatchEmbed(nn.Module):
    """Tubelets of pixels to tokens; time varies slowest, column fastest."""

    def __init__(self, dim: int, patch: int, tubelet: int) -> None:
        super().__init__()
        size = (tubelet, patch, patch)
        self.proj = nn.Conv3d(3, dim, size, size)

    def forward(self, video: Tensor) -> Tensor:
        tokens: Tensor = self.proj(video).flatten(2).transpose(1, 2)
        return tokens


class VJepa2Encoder(nn.Module):
    """A vision transformer over the tubelets of a video.

    Args:
        size: of the transformer.
        picture: (height, width) of a frame in pixels, multiples of `patch`; need not be square.
        frames: longest video, a multiple of `tubelet`; shorter ones are accepted.
        patch: side of a patch, in pixels.
        tubelet: frames per token.

    Raises:
        ConfigError: if the video does not divide into tubelets.
    """

    cos: Tensor
    sin: Tensor

    def __init__(
        self, size: VitSize, picture: tuple[int, int], frames: int = 64, patch: int = 16, tubelet: int = 2
    ) -> None:
        super().__init__()
        self.size = size
        self.picture = picture
        self.tubelet = tubelet
        self.grid: Grid = checked_grid(picture, frames, patch, tubelet)
        self.patch_embed = PatchEmbed(size.dim, patch, tubelet)
        self.blocks = nn.ModuleList(Block(size.dim, size.heads, size.mlp_ratio) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.dim, eps=1e-6)
        initialise(self, self.blocks)
        cos, sin = rope_tables(grid_positions(*self.grid), size.dim // size.heads, "tiled")
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, video: Tensor, seen: Tensor | None = None) -> Tensor:
        """Tokens (B, L, dim) of a video (B, 3, T, H, W).

        Args:
            video: normalised pixels.
            seen: indices of the visible tokens, shape (B, N), which alone are encoded; None for all.

        Raises:
            ShapeError: for another frame size, or more frames than the encoder was built for.
        """
        frames, limit = video.shape[2], self.grid[0] * self.tubelet
        if tuple(video.shape[3:]) != self.picture or frames > limit or frames % self.tubelet:
            raise ShapeError(
                f"a video of shape {tuple(video.shape)} does not fit an encoder for (B, 3, T, "
                f"{self.picture[0]}, {self.picture[1]}), T a multiple of {self.tubelet}, at most {limit}: "
                "build it with this `picture` and `frames`; the same weights fit any size"
            )
        x = self.patch_embed(video)
        cos, sin = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
        if seen is not None:
            x, cos, sin = gather_tokens(x, seen), cos[seen].unsqueeze(1), sin[seen].unsqueeze(1)
        for block in self.blocks:
            x = block(x, cos, sin)
        normed: Tensor = self.norm(x)
        return normed


class MaskedPredictor(nn.Module):
    """Predicts the tokens that were hidden from an encoder.

    Token positions are computed as if frames were square, with as many columns as rows: the reference does
    so, and weights trained on wide images expect it.

    Args:
        size: of the transformer.
        dim: channels of the encoder's tokens.
        grid: of the encoder.
        mask_tokens: number of masking strategies, each of which has its own mask token.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, size: VitSize, dim: int, grid: Grid, mask_tokens: int = 10) -> None:
        super().__init__()
        self.predictor_embed = nn.Linear(dim, size.dim)
        self.mask_tokens = nn.ParameterList(torch.zeros(1, 1, size.dim) for _ in range(mask_tokens))
        self.predictor_blocks = nn.ModuleList(
            Block(size.dim, size.heads, size.mlp_ratio) for _ in range(size.depth)
        )
        self.predictor_norm = nn.LayerNorm(size.dim, eps=1e-6)
        self.predictor_proj = nn.Linear(size.dim, dim)
        initialise(self, self.predictor_blocks)
        frames, rows, columns = grid
        squares = grid_positions(math.ceil(frames * columns / rows), rows, rows)
        positions = squares[: frames * rows * columns]
        cos, sin = rope_tables(positions, size.dim // size.heads, "tiled")
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens: Tensor, seen: Tensor, wanted: Tensor, mask: int = 0) -> Tensor:
        """The encoder's tokens at the hidden positions, (B, M, dim).

        Args:
            tokens: the encoder's visible tokens, shape (B, N, dim).
            seen: their indices, shape (B, N).
            wanted: indices of the hidden tokens, shape (B, M).
            mask: index of the masking strategy, which selects the mask token.
        """
        mask_tokens = self.mask_tokens[mask].expand(*wanted.shape, -1)
        x = torch.cat((self.predictor_embed(tokens), mask_tokens), dim=1)  # (B, N + M, size.dim)
        indices = torch.cat((seen, wanted), dim=1)
        cos, sin = self.cos[indices].unsqueeze(1), self.sin[indices].unsqueeze(1)
        for block in self.predictor_blocks:
            x = block(x, cos, sin)
        predicted: Tensor = self.predictor_proj(self.predictor_norm(x[:, seen.shape[1] :]))
        return predicted


def checked_grid(picture: tuple[int, int], frames: int, patch: int, tubelet: int) -> Grid:
    """The tokens of a clip of `frames` of `picture` (height, width).

    Raises:
        ConfigError: if it does not divide into tubelets.
    """
    if picture[0] % patch or picture[1] % patch or frames % tubelet:
        raise ConfigError(
            f"{frames} frames of {picture[0]}x{picture[1]} pixels do not divide into tubelets of "
            f"{tubelet}x{patch}x{patch}: change the size of the image, the patch or the clip"
        )
    return frames // tubelet, picture[0] // patch, picture[1] // patch


def gather_tokens(x: Tensor, indices: Tensor) -> Tensor:
    """The tokens (B, N, D) of `x` (B, L, D) at `indices` (B, N)."""
    return x.gather(1, indices.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def normalise(tokens: Tensor) -> Tensor:
    """Layer norm without parameters, as for training targets and for the tokens of V-JEPA 2-AC."""
    return layer_norm(tokens, tokens.shape[-1:])
