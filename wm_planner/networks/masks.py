"""Masks of tokens: which may see which, and which of a video are hidden from the encoder.

Source of the latter: Bardes et al. 2024 (V-JEPA), sec. 3.2, and Assran et al. 2025 (V-JEPA 2), sec. 2.1; the
numbers of facebookresearch/vjepa2. Differs in one thing: where the clips of a batch keep unequal numbers of
tokens, the surplus is dropped at random, there from the end, which is always the latest frame.
"""

import math
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from wm_planner.config import Config, Positive
from wm_planner.errors import ConfigError

CPU = torch.device("cpu")
TRIES = 100


def frame_causal(frames: int, tokens_per_frame: int) -> Tensor:
    """Every token sees all tokens of its own and of earlier frames: (L, L), L = frames * tokens_per_frame.

    True where seen.
    """
    frame = torch.arange(frames, device=CPU).repeat_interleave(tokens_per_frame)
    return frame.unsqueeze(1) >= frame.unsqueeze(0)


class BlockMask(Config, frozen=True, kw_only=True):
    """One way of masking: the union of some blocks of one size is hidden, at drawn places, in all frames.

    Attributes:
        blocks: in one clip.
        area: of a block, as a share of the grid's rows times columns.
        aspect: height over width, drawn between the two, all alike.
    """

    blocks: Positive
    area: Annotated[float, msgspec.Meta(gt=0, le=1)]
    aspect: tuple[float, float] = (0.75, 1.5)


SHORT_RANGE = BlockMask(blocks=8, area=0.15)
LONG_RANGE = BlockMask(blocks=2, area=0.7)


class BlockSampler:
    """Draws masks over a grid of tokens.

    Args:
        grid: (frames, rows, columns) of tokens.
    """

    def __init__(self, mask: BlockMask, grid: tuple[int, int, int]) -> None:
        self.mask = mask
        self.grid = grid

    def draw(self, clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Token numbers to see (clips, N) and to predict (clips, M), ascending; none is in both.

        One size of block is drawn for all clips, its places for each.

        Raises:
            ConfigError: if the blocks leave no token of this grid to see.
        """
        size = self._size(generator)
        hidden = [self._hidden(size, generator) for _ in range(clips)]
        return _equal([~h for h in hidden], generator), _equal(hidden, generator)

    def _size(self, generator: torch.Generator) -> tuple[int, int, int]:
        frames, rows, columns = self.grid
        low, high = self.mask.aspect
        aspect = low + (high - low) * torch.rand((), generator=generator).item()
        area = self.mask.area * rows * columns
        height, width = math.sqrt(area * aspect), math.sqrt(area / aspect)
        return frames, _at_least_one(height, rows), _at_least_one(width, columns)

    def _hidden(self, size: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Which tokens of one clip are hidden, (L,); at least one is not."""
        for _ in range(TRIES):
            hidden = torch.zeros(self.grid, dtype=torch.bool)
            for _ in range(self.mask.blocks):
                place = tuple(
                    slice(start := _below(whole - part + 1, generator), start + part)
                    for whole, part in zip(self.grid, size, strict=True)
                )
                hidden[place] = True
            if not hidden.all():
                return hidden.flatten()
        raise ConfigError(
            f"{self.mask.blocks} blocks of {size} tokens leave none of a grid of {self.grid} to see, in "
            f"{TRIES} tries; take fewer blocks, a smaller area, or pictures of more patches"
        )


def _at_least_one(wanted: float, most: int) -> int:
    return min(max(round(wanted), 1), most)


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))


def _equal(chosen: list[Tensor], generator: torch.Generator) -> Tensor:
    """The numbers of the chosen tokens of each clip, as many as the clip with the fewest has."""
    numbers = [choice.nonzero().squeeze(1) for choice in chosen]
    least = min(len(n) for n in numbers)
    kept = [n[torch.randperm(len(n), generator=generator)[:least]].sort().values for n in numbers]
    return torch.stack(kept)
