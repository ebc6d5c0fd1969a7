"""Changes of a camera image that undo what may be wrong with it: flips, colours, and another crop."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.world_models.onnx.camera_images import resized

Image = NDArray[Any]


class PictureChange(NamedTuple):
    """A change of images.

    Attributes:
        fault: what is wrong without it; empty if nothing is.
        cure: what to do about it.
        undo: from a measured image (H, W, C) to that which the model expects, of the same shape.
    """

    fault: str
    cure: str
    undo: Callable[[Image], Image]


UNCHANGED = PictureChange("", "", lambda image: image)


def _centre(rows: float, columns: float) -> Callable[[Image], Image]:
    """Enlarges the centre of an image, of shares of its rows and columns, to the whole image."""

    def undo(image: Image) -> Image:
        height, width = image.shape[:2]
        inner_height, inner_width = max(1, round(rows * height)), max(1, round(columns * width))
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        inner = image[top : top + inner_height, left : left + inner_width]
        return resized(np.ascontiguousarray(inner), height, width)

    return undo


MIRRORED = PictureChange("the picture is mirrored", "flip it left to right", lambda image: image[:, ::-1])
UPSIDE_DOWN = PictureChange(
    "the picture is upside down", "turn it by 180 degrees", lambda image: image[::-1, ::-1]
)
BGR = PictureChange("red and blue are exchanged", "send RGB instead of BGR", lambda image: image[:, :, ::-1])
PICTURES = (
    MIRRORED,
    UPSIDE_DOWN,
    BGR,
    PictureChange(
        "the picture is squeezed from 16:9",
        "cut a square out of its centre instead of scaling its width",
        _centre(1.0, 9 / 16),
    ),
    PictureChange(
        "the picture is squeezed from 4:3",
        "cut a square out of its centre instead of scaling its width",
        _centre(1.0, 3 / 4),
    ),
    PictureChange(
        "the picture has bars above and below, or shows too much",
        "cut out its centre: 9/16 of its height and width",
        _centre(9 / 16, 9 / 16),
    ),
)
"""The changes that are tried."""
