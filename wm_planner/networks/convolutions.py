"""Small convolutional networks between pictures and vectors, for square pictures of a few dozen pixels."""

import torch
from torch import Tensor, nn

from wm_planner.errors import ConfigError


def _check(side: int, channels: tuple[int, ...]) -> int:
    """Side of the picture after one halving per convolution.

    Raises:
        ConfigError: if it cannot be halved that often.
    """
    smallest = side >> len(channels)
    if not smallest or smallest << len(channels) != side:
        raise ConfigError(
            f"pictures of {side} pixels cannot be halved {len(channels)} times, once per value of channels"
        )
    return smallest


class ConvEncoder(nn.Sequential):
    """Stride-2 convolutions and one linear layer: pictures (B, C, side, side) to vectors (B, size).

    Args:
        planes: C, of the pictures.
        side: height and width of the pictures, in pixels.
        channels: of the convolutions, each of which halves the picture.
        size: of the vector.
    """

    def __init__(self, planes: int, side: int, channels: tuple[int, ...], size: int) -> None:
        smallest = _check(side, channels)
        layers: list[nn.Module] = []
        for before, after in zip((planes, *channels[:-1]), channels, strict=True):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.GroupNorm(1, after), nn.SiLU()]
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels[-1] * smallest**2, size), nn.SiLU())


class ConvDecoder(nn.Module):
    """The mirror image of `ConvEncoder`: vectors (B, size) to pictures (B, C, side, side)."""

    def __init__(self, size: int, channels: tuple[int, ...], planes: int, side: int) -> None:
        super().__init__()
        self.smallest, self.channels = _check(side, channels), channels[-1]
        self.linear = nn.Linear(size, channels[-1] * self.smallest**2)
        layers: list[nn.Module] = []
        for before, after in zip(channels[::-1], (*channels[-2::-1], planes), strict=True):
            layers += [nn.GroupNorm(1, before), nn.SiLU(), nn.ConvTranspose2d(before, after, 4, 2, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, vector: Tensor) -> Tensor:
        x = self.linear(vector).reshape(-1, self.channels, self.smallest, self.smallest)
        picture: Tensor = self.layers(x)
        return picture


def to_pixels(pictures: Tensor, mean: float, std: float, repeat: int) -> Tensor:
    """Normalised pictures (B, C, h, w) as uint8 images (B, C / 3, H, W, 3), each pixel repeated.

    Args:
        mean, std: that pixel values in 0..1 were normalised with.
        repeat: H / h.
    """
    levels = (255.0 * (pictures * std + mean)).round().clamp(0, 255).to(torch.uint8)
    large = levels.repeat_interleave(repeat, dim=2).repeat_interleave(repeat, dim=3)
    return large.reshape(-1, large.shape[1] // 3, 3, *large.shape[2:]).movedim(2, -1)
