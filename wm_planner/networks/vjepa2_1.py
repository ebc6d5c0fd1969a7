"""The encoder of V-JEPA 2.1, in every published size.

Next to V-JEPA 2's it has patches of single images, an array added to all tokens of a video and another to
those of an image, and a norm for each of four levels. Its rotary position embeddings rotate each pair of
channels by one angle, and stretch rows and columns to the grid of 256 pixels, whatever the picture's size.
Parameters are named as in facebookresearch/vjepa2 (MIT, app/vjepa_2_1), so its checkpoints load. Source:
V-JEPA 2.1 (arXiv 2603.14482).
"""

import torch
from torch import Tensor, nn

from wm_planner.errors import ShapeError
from wm_planner.networks.rope import grid_positions, rope_tables
from wm_planner.networks.transformer import Block, initialise
from wm_planner.networks.vjepa2 import SIZES, Grid, PatchEmbed, VitSize, checked_grid, gather_tokens

SIZES_2_1 = {
    **{name: SIZES[name] for name in ("base", "large", "giant")},
    "gigantic": VitSize(dim=1664, depth=48, heads=26, mlp_ratio=64 / 13),
}

LEVELS = {48: (11, 23, 37, 47)}
"""Blocks whose outputs are the four levels, by depth; at other depths the last one of each quarter."""

ROPE_SIDE = 256
"""Side in pixels of the picture whose rows and columns the position embeddings count."""


class VJepa21Encoder(nn.Module):
    """A vision transformer over the tubelets of a video, or the patches of an image.

    Args:
        size: of the transformer.
        picture: (height, width) of a frame in pixels, multiples of `patch`; need not be square.
        frames: longest video, a multiple of `tubelet`; shorter ones are accepted.
        patch: side of a patch, in pixels.
        tubelet: frames per token of a video.

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
        self.patch_embed_img = PatchEmbed(size.dim, patch, 1)
        self.img_mod_embed = nn.Parameter(torch.randn(1, 1, size.dim) * 1e-6)
        self.video_mod_embed = nn.Parameter(torch.randn(1, 1, size.dim) * 1e-6)
        self.blocks = nn.ModuleList(Block(size.dim, size.heads, size.mlp_ratio) for _ in range(size.depth))
        self.levels = _levels(size.depth)
        self.norms_block = nn.ModuleList(nn.LayerNorm(size.dim, eps=1e-6) for _ in self.levels)
        initialise(self, self.blocks)
        positions = grid_positions(*self.grid).double()
        for axis in (1, 2):  # rows and columns
            positions[:, axis] *= (ROPE_SIDE // patch - 1) / max(self.grid[axis] - 1, 1)
        cos, sin = rope_tables(positions, size.dim // size.heads)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, video: Tensor, seen: Tensor | None = None) -> Tensor:
        """Tokens (B, L, dim) of a video (B, 3, T, H, W), or of an image (B, 3, 1, H, W).

        Args:
            video: normalised pixels.
            seen: indices of the visible tokens, shape (B, N), which alone are encoded; None for all.

        Raises:
            ShapeError: for another frame size, or more frames than the encoder was built for.
        """
        normed: Tensor = self.norms_block[-1](self._blocks(video, seen)[-1])
        return normed

    def hierarchy(self, video: Tensor, seen: Tensor | None = None) -> Tensor:
        """The tokens of all four levels, (B, L, 4 dim), as its training predicts them; see `forward`."""
        outputs = self._blocks(video, seen)
        normed = [norm(outputs[i]) for i, norm in zip(self.levels, self.norms_block, strict=True)]
        return torch.cat(normed, dim=-1)

    def _blocks(self, video: Tensor, seen: Tensor | None) -> list[Tensor]:
        """The output of each block, (B, L, dim)."""
        x = self._embed(video)
        cos, sin = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
        if seen is not None:
            x, cos, sin = gather_tokens(x, seen), cos[seen].unsqueeze(1), sin[seen].unsqueeze(1)
        outputs = []
        for block in self.blocks:
            x = block(x, cos, sin)
            outputs.append(x)
        return outputs

    def _embed(self, video: Tensor) -> Tensor:
        frames, limit = video.shape[2], self.grid[0] * self.tubelet
        fits = frames == 1 or (frames <= limit and frames % self.tubelet == 0)
        if tuple(video.shape[3:]) != self.picture or not fits:
            raise ShapeError(
                f"a video of shape {tuple(video.shape)} does not fit an encoder for (B, 3, T, "
                f"{self.picture[0]}, {self.picture[1]}), T 1 or a multiple of {self.tubelet}, at most "
                f"{limit}: build it with this `picture` and `frames`; the same weights fit any size"
            )
        image = frames == 1
        embed, modality = (
            (self.patch_embed_img, self.img_mod_embed) if image else (self.patch_embed, self.video_mod_embed)
        )
        tokens: Tensor = embed(video) + modality
        return tokens


def _levels(depth: int) -> tuple[int, ...]:
    """The indices of the blocks whose outputs are the four levels."""
    return LEVELS.get(depth, tuple(-(-depth * k // 4) - 1 for k in range(1, 5)))
