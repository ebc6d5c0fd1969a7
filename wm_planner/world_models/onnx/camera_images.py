"""Camera images in the form that a card asks for: colours, grey or depth, of the card's size."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ObservationSpec
from wm_planner.errors import ShapeError

_DEPTH, _COLOURS = {(1, "f", 4)}, {(1, "u", 1), (3, "u", 1)}  # channels and dtype; its name takes 2 us to get
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def image_shape(spec: ObservationSpec) -> tuple[int, int, int]:
    """(height, width, channels) of an image input of the encoder."""
    return (spec.height, spec.width, 3 if spec.encoding == "rgb8" else 1)


def image_dtype(spec: ObservationSpec) -> str:
    """Name of the dtype of an image input of the encoder."""
    return "float32" if spec.encoding == "32FC1" else "uint8"


def noise_image(spec: ObservationSpec, rng: np.random.Generator, batch: tuple[int, ...] = ()) -> NDArray[Any]:
    """Random images (*batch, H, W, C) as the encoder takes them, for examples and tests."""
    shape = (*batch, *image_shape(spec))
    if spec.encoding == "32FC1":
        return rng.uniform(0, 10, shape).astype(np.float32)
    return rng.integers(256, size=shape, dtype=np.uint8)


def check_image(spec: ObservationSpec, image: NDArray[Any], where: str) -> None:
    """Check that a camera image can be given to the encoder, see `fitted`.

    Args:
        spec: of the card.
        image: RGB (H, W, 3) uint8, grey (H, W, 1) uint8, or depth (H, W, 1) float32 in m.
        where: the beginning of errors.

    Raises:
        ShapeError: for depth where the card wants colours or the reverse, another size where the card does
            not say how to fit it, or depth that is not finite.
    """
    height, width, _ = image_shape(spec)
    kinds = _DEPTH if spec.encoding == "32FC1" else _COLOURS
    is_kind = image.ndim == 3 and (image.shape[2], image.dtype.kind, image.dtype.itemsize) in kinds
    is_size = image.shape[:2] == (height, width)
    if not is_kind or (not is_size and spec.fit == "exact"):
        wanted = f"{image_dtype(spec)} {image_shape(spec)}"
        cure = ": scale it to that size, or let the card say how (observation.fit)" if is_kind else ""
        raise ShapeError(f"{where} {image.dtype} {image.shape}, wanted {wanted}{cure}")
    if image.dtype == np.float32 and not np.isfinite(image).all():
        raise ShapeError(
            f"{where} depth of which {(~np.isfinite(image)).sum()} pixels are not finite, wanted 0 where "
            "nothing was measured"
        )


def fitted(spec: ObservationSpec, image: NDArray[Any]) -> NDArray[Any]:
    """A checked camera image as the encoder takes it, of `image_shape` and `image_dtype`."""
    height, width, channels = image_shape(spec)
    if image.shape[:2] != (height, width):
        image = resized(cropped(image, height / width) if spec.fit == "crop" else image, height, width)
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    return np.rint(image @ _LUMA).astype(np.uint8)[:, :, None]


def cropped(image: NDArray[Any], ratio: float) -> NDArray[Any]:
    """The largest centred part of an image (H, W, C) whose height / width is `ratio`, to a pixel."""
    height, width = image.shape[:2]
    rows = min(height, max(1, round(width * ratio)))
    columns = min(width, max(1, round(height / ratio)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[top : top + rows, left : left + columns]


def resized(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """An image (H, W, C) of another size, by bilinear interpolation that averages where it shrinks.

    Depth is not interpolated: each pixel is the nearest one, so no depth appears between two surfaces.
    """
    if image.dtype == np.float32:
        rows = ((np.arange(height) + 0.5) * image.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * image.shape[1] / width).astype(int)
        return np.asarray(image[rows[:, None], columns])
    along_rows, along_columns = _weights(image.shape[0], height), _weights(image.shape[1], width)
    blurred = np.einsum("hr,rcx->hcx", along_rows, image.astype(np.float32), optimize=True)
    scaled = np.einsum("wc,hcx->hwx", along_columns, blurred, optimize=True)
    return np.asarray(np.rint(scaled).clip(0, 255), np.uint8)


@lru_cache(maxsize=16)
def _weights(size: int, size_out: int) -> NDArray[np.float32]:
    """The triangle filter (size_out, size) of a resize by a factor; its rows add up to 1."""
    scale = size / size_out
    centres = (np.arange(size_out) + 0.5) * scale - 0.5
    reach = max(scale, 1.0)
    weights = np.maximum(0, 1 - np.abs(np.arange(size) - centres[:, None]) / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
