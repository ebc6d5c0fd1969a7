"""Films: frames as an MP4 file, which appears only when it is whole."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from imageio_ffmpeg import count_frames_and_secs
from numpy.typing import NDArray

from wm_planner.data.folders import atomic_file
from wm_planner.errors import RecordingError

Frame = NDArray[np.uint8]


def write_film(path: Path, frames: Iterable[Frame], fps: float, block: int = 16, quality: int = 8) -> None:
    """Write frames (H, W, 3), RGB, of the same size.

    Args:
        path: of the file, which is replaced.
        frames: at least one.
        fps: frames per second.
        block: height and width are scaled up to multiples of it, in pixels.
        quality: 1 to 10, from small to good.

    Raises:
        RecordingError: if it cannot be written whole.
    """
    count = written = 0
    with atomic_file(path) as temporary:
        try:
            settings: dict[str, Any] = {
                "macro_block_size": block,
                "quality": quality,
                "ffmpeg_log_level": "quiet",
            }
            writer: Any = imageio.get_writer(temporary, fps=fps, **settings)
            with writer:
                for frame in frames:
                    writer.append_data(frame)
                    count += 1
            written, _ = count_frames_and_secs(temporary)  # ffmpeg's failure at the end is not reported
        except (OSError, RuntimeError):  # of imageio, for a file that ffmpeg did not write or cannot read
            written = 0
        if not written == count > 0:
            raise RecordingError(f"{path}: the film cannot be written whole: is the disk full?")
