"""Token masks: the frame-causal attention mask, and random masks that hide parts of a video from the encoder.

Source of the latter: Bardes et al. 2024 (V-JEPA), sec. 3.2, and Assran et al. 2025 (V-JEPA 2), sec. 2.1, with
the parameters of facebookresearch/vjepa2. Differs in that surplus tokens, where the clips of a batch keep
different numbers, are dropped at random; the reference drops them from the end, always from the last frame.
"""

import math
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from wm_planner.config import Config, Positive
from wm_planner.errors import ConfigError
from wm_planner.networks.rope import CPU

TRIES = 100


def frame_causal(frames: int, tokens_per_frame: int) -> Tensor:
    """Attention mask in which a token sees all tokens of its own and of earlier frames.

    Returns:
        Shape (L, L), L = frames * tokens_per_frame; True where row attends to column.
    """
    frame = torch.arange(frames, device=CPU).repeat_interleave(tokens_per_frame)
    return frame.unsqueeze(1) >= frame.unsqueeze(0)


class BlockMask(Config, frozen=True, kw_only=True):
    """A masking strategy: hide the union of randomly placed blocks of the same size, in all frames.

    Attributes:
        blocks: number of blocks per clip.
        area: of a block, as a fraction of the grid's rows times columns.
        aspect: range of the ratio of height to width, which is uniform random.
    """

    blocks: Positive
    area: Annotated[float, msgspec.Meta(gt=0, le=1)]
    aspect: tuple[float, float] = (0.75, 1.5)


SHORT_RANGE = BlockMask(blocks=8, area=0.15)
LONG_RANGE = BlockMask(blocks=2, area=0.7)


class BlockSampler:
    """Samples masks over a grid of tokens.

    Args:
        mask: the masking strategy.
        grid: (frames, rows, columns) of tokens.
    """

    def __init__(self, mask: BlockMask, grid: tuple[int, int, int]) -> None:
        self.mask = mask
        self.grid = grid

    def draw(self, clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Sample the masks of a batch: one block size for all clips, positions for each.

        Returns:
            Indices of the visible tokens, (clips, N), and of those to predict, (clips, M), disjoint and in
            ascending order.

        Raises:
            ConfigError: if the blocks cover the whole grid.
        """
        size = self._size(generator)
        hidden = [self._hidden(size, generator) for _ in range(clips)]
        return _indices([~h for h in hidden], generator), _indices(hidden, generator)

    def _size(self, generator: torch.Generator) -> tuple[int, int, int]:
        frames, rows, columns = self.grid
        low, high = self.mask.aspect
        aspect = low + (high - low) * torch.rand((), generator=generator).item()
        area = self.mask.area * rows * columns
        height, width = math.sqrt(area * aspect), math.sqrt(area / aspect)
        return frames, _at_least_one(height, rows), _at_least_one(width, columns)

    def _hidden(self, size: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Which tokens of one clip are hidden, (L,); at least one is visible."""
        for _ in range(TRIES):
            hidden = torch.zeros(self.grid, dtype=torch.bool)
            for _ in range(self.mask.blocks):
                block = tuple(
                    slice(start := _randint(whole - part + 1, generator), start + part)
                    for whole, part in zip(self.grid, size, strict=True)
                )
                hidden[block] = True
            if not hidden.all():
                return hidden.flatten()
        raise ConfigError(
            f"{self.mask.blocks} blocks of {size} tokens covered the whole grid of {self.grid} in {TRIES} "
            "tries; use fewer blocks, a smaller area, or images with more patches"
        )


def _at_least_one(size: float, limit: int) -> int:
    return min(max(round(size), 1), limit)


def _randint(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))


def _indices(chosen: list[Tensor], generator: torch.Generator) -> Tensor:
    """Indices of the chosen tokens of each clip, reduced at random to as many as the smallest clip has."""
    indices = [choice.nonzero().squeeze(1) for choice in chosen]
    count = min(len(i) for i in indices)
    kept = [i[torch.randperm(len(i), generator=generator)[:count]].sort().values for i in indices]
    return torch.stack(kept)
