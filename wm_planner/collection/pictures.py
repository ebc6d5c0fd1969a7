"""Pictures in messages of cameras: sensor_msgs/Image or CompressedImage, as RGB."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import RecordingError, ShapeError, missing_package
from wm_planner.messaging.images import image_array


def picture_of(message: Any, where: str) -> NDArray[np.uint8]:
    """The picture of a message as (H, W, 3), RGB; grey ones have three equal channels.

    Args:
        message: a sensor_msgs/Image, whose rows may be padded, or a sensor_msgs/CompressedImage.
        where: recording and topic, for errors.

    Raises:
        RecordingError: if it is no colour or grey picture of a supported encoding, or its sizes disagree.
    """
    if hasattr(message, "format"):
        return _decompressed(bytes(message.data), where)
    try:
        pixels = image_array(message)
    except ShapeError as error:
        raise RecordingError(f"{where}: {error}") from None
    if pixels.dtype != np.uint8:
        raise RecordingError(
            f"{where}: depth pictures ('{message.encoding}') cannot be stored in a data set: leave the "
            "camera out, or publish depth as a signal of one value per pixel and name it under `state`"
        )
    rgb: NDArray[np.uint8] = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
    return np.ascontiguousarray(rgb)


def _decompressed(data: bytes, where: str) -> NDArray[np.uint8]:
    try:
        from wm_planner.data.lerobot.video import decoded
    except ModuleNotFoundError as error:
        raise RecordingError(missing_package(error, f"{where}: a compressed picture")) from None
    return decoded(data, where)
