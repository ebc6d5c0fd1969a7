"""Images as messages: RGB, grey and depth, of the encodings that ROS 2 drivers publish.

In the engine an image is an array: RGB (H, W, 3) uint8, grey (H, W, 1) uint8, or depth (H, W, 1) float32 in
m, 0 where nothing was measured.

Source: sensor_msgs/image_encodings, and REP 118 for depth.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import ShapeError
from wm_planner.messaging.messages import Image, header


class _Encoding(NamedTuple):
    """The pixels of an encoding.

    Attributes:
        dtype: of a channel, little-endian.
        channels: per pixel.
        order: those that the engine keeps, in its order.
        metres: the unit of a depth image; None for colours.
    """

    dtype: str
    channels: int
    order: tuple[int, ...]
    metres: float | None = None


ENCODINGS = {
    "rgb8": _Encoding("u1", 3, (0, 1, 2)),
    "bgr8": _Encoding("u1", 3, (2, 1, 0)),
    "rgba8": _Encoding("u1", 4, (0, 1, 2)),
    "bgra8": _Encoding("u1", 4, (2, 1, 0)),
    "mono8": _Encoding("u1", 1, (0,)),
    "8UC1": _Encoding("u1", 1, (0,)),
    "16UC1": _Encoding("<u2", 1, (0,), metres=0.001),
    "32FC1": _Encoding("<f4", 1, (0,), metres=1.0),
}
"""What `image_array` reads."""

_WRITTEN = {(3, "u", 1): "rgb8", (1, "u", 1): "mono8", (1, "f", 4): "32FC1"}
"""(channels, kind and bytes of the dtype) of an array to the encoding of its message."""


def image(pixels: NDArray[Any], stamp_ns: int, frame_id: str = "") -> Image:
    """The message of an image.

    Args:
        pixels: RGB (H, W, 3) uint8, grey (H, W, 1) uint8, or depth (H, W, 1) float32 in m.

    Raises:
        ShapeError: if shape or type differ.
    """
    key = (pixels.shape[-1], pixels.dtype.kind, pixels.dtype.itemsize) if pixels.ndim == 3 else None
    encoding = _WRITTEN.get(key) if key else None
    if encoding is None:
        raise ShapeError(
            f"image has shape {pixels.shape} and type {pixels.dtype}, wanted (H, W, 3) uint8, "
            "(H, W, 1) uint8 or (H, W, 1) float32"
        )
    height, width, channels = pixels.shape
    data = np.ascontiguousarray(pixels, ENCODINGS[encoding].dtype)
    return Image(
        header=header(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * channels * data.itemsize,
        data=data.reshape(-1).view(np.uint8),
    )


def image_array(message: Image) -> NDArray[Any]:
    """The pixels of an image of any of `ENCODINGS`: a view where the message holds them in this form.

    Rows may be padded; an alpha channel is left out.

    Raises:
        ShapeError: for another encoding, or if the sizes disagree.
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ShapeError(
            f"image of '{message.header.frame_id}' is '{message.encoding}', wanted one of "
            f"{', '.join(ENCODINGS)}"
        )
    dtype = np.dtype(encoding.dtype)
    row = message.width * encoding.channels * dtype.itemsize
    if message.step < row or message.data.size != message.step * message.height:
        raise ShapeError(
            f"image of '{message.header.frame_id}' declares {message.height} rows of {message.width} pixels "
            f"'{message.encoding}' but holds {message.data.size} bytes in rows of {message.step}; "
            "its sender is broken"
        )
    rows = message.data.reshape(message.height, message.step)[:, :row]
    kind = dtype.newbyteorder(">") if message.is_bigendian else dtype
    pixels = np.ascontiguousarray(rows).view(kind).reshape(message.height, message.width, encoding.channels)
    if encoding.metres is not None:
        depth = pixels.astype(np.float32) * np.float32(encoding.metres)
        return np.where(np.isfinite(depth), depth, np.float32(0))
    return pixels if encoding.order == tuple(range(encoding.channels)) else pixels[:, :, encoding.order]
