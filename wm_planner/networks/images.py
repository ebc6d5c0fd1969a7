"""Preprocessing of camera images as part of the network, so that a robot sends raw pixels."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from wm_planner.contracts.card import ObservationSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import ConfigError
from wm_planner.networks.rope import CPU

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue in 0..1, which published image encoders expect."""


def side_by_side(
    cameras: tuple[str, ...], size: tuple[int, int], side: int, state: tuple[Quantity, ...] = ()
) -> ObservationSpec:
    """The observation of cameras joined side by side, with ImageNet normalisation.

    Args:
        cameras: names.
        size: (height, width) of a camera image, in pixels.
        side: height and width of each image after downsampling, in pixels.
        state: quantities observed with the images.
    """
    return ObservationSpec(
        cameras=cameras,
        height=size[0],
        width=size[1],
        joined="side_by_side",
        input_shape=(3, side, len(cameras) * side),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        state=state,
    )


class ImagePreprocessor(nn.Module):
    """Downsamples by area averaging, normalises and joins camera images according to an `ObservationSpec`.

    Raises:
        ConfigError: if the ratio of image size and input size is not a whole number.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ObservationSpec) -> None:
        super().__init__()
        if spec.input_shape is None or not spec.cameras:
            raise ConfigError("the observation has no cameras or no input_shape, wanted both")
        self.spec = spec
        cameras, height = len(spec.cameras), spec.input_shape[1]
        columns = cameras if spec.joined == "side_by_side" else 1
        self.shrink = max(1, spec.height // height)
        self.register_buffer("mean", torch.tensor(spec.mean, device=CPU).reshape(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std, device=CPU).reshape(-1, 1, 1), persistent=False)
        expected = (3 * cameras // columns, spec.height // self.shrink, columns * (spec.width // self.shrink))
        if spec.input_shape != expected or spec.height % height:
            raise ConfigError(
                f"{cameras} cameras of {spec.height}x{spec.width} pixels, joined as {spec.joined}, cannot "
                f"give an input of shape {spec.input_shape}, the closest is {expected}: change `picture`"
            )

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, cameras, H, W, 3) uint8 to float (B, *input_shape)."""
        x = images.movedim(-1, 2).flatten(0, 1).float()  # (B * cameras, 3, H, W)
        x = (avg_pool2d(x, self.shrink) / 255.0 - self.mean) / self.std
        x = x.reshape(-1, len(self.spec.cameras), *x.shape[1:])  # (B, cameras, 3, h, w)
        if self.spec.joined == "side_by_side":
            return x.permute(0, 2, 3, 1, 4).flatten(3)
        return x.flatten(1, 2)
