"""Pictures in messages of cameras: sensor_msgs/Image in the usual encodings, and CompressedImage."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import RecordingError, missing_package

CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC3": 3, "8UC1": 1}
"""Encodings of sensor_msgs/Image to bytes per pixel; 8UC3 is OpenCV's BGR."""


def picture_of(message: Any, where: str) -> NDArray[np.uint8]:
    """The picture of a message as (H, W, 3), RGB.

    Args:
        message: a sensor_msgs/Image, whose rows may be padded, or a sensor_msgs/CompressedImage.
        where: recording and topic, for errors.

    Raises:
        RecordingError: if its encoding is not supported, or its sizes disagree.
    """
    if hasattr(message, "format"):
        return _decompressed(bytes(message.data), where)
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise RecordingError(
            f"{where}: pictures are encoded as '{message.encoding}', wanted one of {', '.join(CHANNELS)}"
        )
    height, width, step = int(message.height), int(message.width), int(message.step)
    if step < width * channels or message.data.size < height * step:
        raise RecordingError(
            f"{where}: a picture of {height} x {width} pixels in rows of {step} bytes holds only "
            f"{message.data.size} bytes"
        )
    rows = np.asarray(message.data[: height * step], np.uint8).reshape(height, step)
    pixels = rows[:, : width * channels].reshape(height, width, channels)
    if message.encoding.startswith(("bgr", "8UC3")):
        pixels = pixels[..., [2, 1, 0, *range(3, channels)]]
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=-1) if channels == 1 else pixels[..., :3])


def _decompressed(data: bytes, where: str) -> NDArray[np.uint8]:
    try:
        from wm_planner.data.lerobot.video import decoded
    except ModuleNotFoundError as error:
        raise RecordingError(missing_package(error, f"{where}: a compressed picture")) from None
    return decoded(data, where)
