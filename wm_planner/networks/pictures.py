"""From raw camera pictures to what a network sees, inside the graph, so that a robot sends plain pixels."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from wm_planner.contracts.card import ObservationSpec, Quantity
from wm_planner.errors import ConfigError
from wm_planner.networks.rope import CPU

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in 0..1; what published encoders of pictures were trained with."""


def side_by_side(
    cameras: tuple[str, ...], size: tuple[int, int], side: int, state: tuple[Quantity, ...] = ()
) -> ObservationSpec:
    """Cameras next to each other in one picture, normalised as published encoders want it.

    Args:
        size: (height, width) of a camera picture, in pixels.
        side: height and width of each after area averaging, in pixels.
        state: quantities seen beside the pictures.
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


class Pictures(nn.Module):
    """Shrinks by area averaging, normalises and joins the cameras, as an `ObservationSpec` says.

    Raises:
        ConfigError: if the pictures do not shrink to the input by a whole factor.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ObservationSpec) -> None:
        super().__init__()
        if spec.input_shape is None or not spec.cameras:
            raise ConfigError("a network of pictures needs cameras and an input_shape; this one has none")
        self.spec = spec
        cameras, height = len(spec.cameras), spec.input_shape[1]
        beside = cameras if spec.joined == "side_by_side" else 1
        self.shrink = max(1, spec.height // height)
        self.register_buffer("mean", torch.tensor(spec.mean, device=CPU).reshape(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std, device=CPU).reshape(-1, 1, 1), persistent=False)
        expected = (3 * cameras // beside, spec.height // self.shrink, beside * (spec.width // self.shrink))
        if spec.input_shape != expected or spec.height % height:
            raise ConfigError(
                f"{cameras} cameras of {spec.height}x{spec.width} pixels, joined as {spec.joined}, cannot "
                f"give an input of shape {spec.input_shape}, the nearest is {expected}: change `picture`"
            )

    def forward(self, images: Tensor) -> Tensor:
        """Pictures (B, cameras, H, W, 3) uint8 to float (B, *input_shape)."""
        x = images.movedim(-1, 2).flatten(0, 1).float()  # (B * cameras, 3, H, W)
        x = (avg_pool2d(x, self.shrink) / 255.0 - self.mean) / self.std
        x = x.reshape(-1, len(self.spec.cameras), *x.shape[1:])  # (B, cameras, 3, h, w)
        beside = self.spec.joined == "side_by_side"
        joined: Tensor = x.permute(0, 2, 3, 1, 4).flatten(3) if beside else x.flatten(1, 2)
        return joined
