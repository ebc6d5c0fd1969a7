"""The encoder of V-JEPA 2 and the predictor that fills in what was masked, at every published size.

Parameters are named as in facebookresearch/vjepa2 (MIT), so its checkpoints fit, and the rotary positions
keep its tiled order. Source: Assran et al. 2025 (V-JEPA 2, arXiv 2506.09985), sec. 2.
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
    """How wide and deep a vision transformer is.

    Attributes:
        dim: numbers a token.
        mlp_ratio: hidden units of the MLP, as a multiple of `dim`.
    """

    dim: Positive
    depth: Positive
    heads: Positive
    mlp_ratio: float = 4.0

    def __post_init__(self) -> None:
        if self.dim % self.heads or self.dim // self.heads % 2:
            raise ValueError(
                f"dim is {self.dim}, which {self.heads} heads do not share in even parts: change dim or heads"
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
    """Tubelets of pixels to tokens, time slowest, column fastest."""

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
        picture: (height, width) in pixels, multiples of `patch`; need not be square.
        frames: longest video, in pictures, a multiple of `tubelet`; shorter ones are taken too.
        patch: side of a patch, in pixels.
        tubelet: pictures a token covers.

    Raises:
        ConfigError: if the clip does not divide into tubelets.
    """

    cos: Tensor
    sin: Tensor

    def __init__(
        self, size: VitSize, picture: tuple[int, int], frames: int = 64, patch: int = 16, tubelet: int = 2
    ) -> None:
        super().__init__()
        if picture[0] % patch or picture[1] % patch or frames % tubelet:
            raise ConfigError(
                f"{frames} pictures of {picture[0]}x{picture[1]} pixels do not divide into tubelets of "
                f"{tubelet}x{patch}x{patch}: change the size of the picture, the patch or the clip"
            )
        self.size = size
        self.picture = picture
        self.tubelet = tubelet
        self.grid: Grid = (frames // tubelet, picture[0] // patch, picture[1] // patch)
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
            seen: numbers of the tokens to encode, shape (B, N), the others hidden from them; all where None.

        Raises:
            ShapeError: if the pictures are of another size, or more than the encoder was built for.
        """
        frames, most = video.shape[2], self.grid[0] * self.tubelet
        if tuple(video.shape[3:]) != self.picture or frames > most or frames % self.tubelet:
            raise ShapeError(
                f"a video of shape {tuple(video.shape)} does not fit an encoder of (B, 3, T, "
                f"{self.picture[0]}, {self.picture[1]}) with T a multiple of {self.tubelet}, at most {most}: "
                "build it with this `picture` and `frames`; its weights fit any"
            )
        x = self.patch_embed(video)
        cos, sin = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
        if seen is not None:
            x, cos, sin = take(x, seen), cos[seen].unsqueeze(1), sin[seen].unsqueeze(1)
        for block in self.blocks:
            x = block(x, cos, sin)
        normed: Tensor = self.norm(x)
        return normed


class MaskedPredictor(nn.Module):
    """Fills in the tokens that an encoder did not see.

    It counts places as if a frame were square, with as many columns as rows: so does the reference, and
    weights trained on wide pictures expect it.

    Args:
        dim: of the encoder's tokens.
        grid: the encoder's.
        mask_tokens: how many ways of masking there are, each with a mask token of its own.
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
        """The encoder's tokens (B, M, dim) at the places `wanted` (B, M), from those `seen` (B, N).

        Args:
            tokens: shape (B, N, dim).
            mask: the way of masking, whose mask token is used.
        """
        blank = self.mask_tokens[mask].expand(*wanted.shape, -1)
        x = torch.cat((self.predictor_embed(tokens), blank), dim=1)  # (B, N + M, size.dim)
        places = torch.cat((seen, wanted), dim=1)
        cos, sin = self.cos[places].unsqueeze(1), self.sin[places].unsqueeze(1)
        for block in self.predictor_blocks:
            x = block(x, cos, sin)
        filled: Tensor = self.predictor_proj(self.predictor_norm(x[:, seen.shape[1] :]))
        return filled


def take(x: Tensor, numbers: Tensor) -> Tensor:
    """The rows `numbers` (B, N) of the second axis of `x` (B, L, D): (B, N, D)."""
    return x.gather(1, numbers.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def normalise(tokens: Tensor) -> Tensor:
    """Every token to mean 0 and deviation 1: what is compared, and what V-JEPA 2-AC reads and feeds back."""
    return layer_norm(tokens, tokens.shape[-1:])
