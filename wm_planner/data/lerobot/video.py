"""Frames of one camera in video files: written without loss, read in order or at random."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import DatasetError

CODEC = "libx264rgb"
PIXELS = "rgb24"
OPTIONS = {"qp": "0", "preset": "ultrafast", "g": "10"}
"""H.264 without loss in RGB: 3000 frames of 224 x 224 per second and core written, 1900 read.

A key frame every 10 frames keeps access at random cheap; `ultrafast` uses no B-frames, which some readers of
LeRobot data cannot cut.
"""

Image = NDArray[np.uint8]


class VideoWriter:
    """Writes a video file.

    Args:
        path: of the file.
        fps: frames per second.
        height, width: of a frame, in pixels.
    """

    def __init__(self, path: Path, fps: int, height: int, width: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.frames, self._fps = path, 0, fps
        self._container = av.open(str(path), "w")
        self._stream: Any = self._container.add_stream(CODEC, rate=fps, options=OPTIONS)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, PIXELS
        self._stream.codec_context.thread_count = 1

    def write(self, images: Image) -> None:
        """Append an episode (T, H, W, 3), RGB, which starts with a key frame."""
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=PIXELS)
            frame.pts, frame.time_base = self.frames, Fraction(1, self._fps)
            if index == 0:
                frame.pict_type = av.video.frame.PictureType.I
            self._container.mux(self._stream.encode(frame))
            self.frames += 1

    def close(self) -> None:
        """Complete the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


class VideoReader:
    """Reads a video file; consecutive frames are decoded without seeking.

    Args:
        path: of the file.
        fps: frames per second.

    Raises:
        DatasetError: if the file cannot be read.
    """

    def __init__(self, path: Path, fps: int) -> None:
        self._path, self._fps = path, fps
        try:
            self._container = av.open(str(path))
            self._stream = self._container.streams.video[0]
        except (av.FFmpegError, IndexError) as error:
            raise DatasetError(f"{path}: cannot be read as a video ({error})") from None
        self._stream.codec_context.thread_count = 1
        self._decoded: Iterator[tuple[int, Any]] = iter(())
        self._next = -1

    def read(self, first: int, count: int) -> Image:
        """The frames `first` to `first` + `count` - 1, (count, H, W, 3), RGB.

        Raises:
            DatasetError: if the file does not contain them.
        """
        if first != self._next:
            self._decoded = self._decode_from(first)
        images: list[Image] = []
        try:
            while len(images) < count:
                index, frame = next(self._decoded)
                if index == first + len(images):
                    images.append(frame.to_ndarray(format=PIXELS))
                elif index > first + len(images):
                    break
        except StopIteration:
            pass
        except av.FFmpegError as error:
            raise DatasetError(f"{self._path}: damaged near frame {first + len(images)} ({error})") from None
        if len(images) < count:
            raise DatasetError(f"{self._path}: frame {first + len(images)} is missing; is the file complete?")
        self._next = first + count
        return np.stack(images)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _decode_from(self, first: int) -> Iterator[tuple[int, Any]]:
        """Frames with their numbers, from the key frame before `first` on."""
        base = self._stream.time_base
        assert base is not None  # of every stream with frames
        start = self._stream.start_time or 0
        try:
            self._container.seek(start + int(first / self._fps / base), stream=self._stream)
        except av.FFmpegError as error:
            raise DatasetError(f"{self._path}: cannot seek to frame {first} ({error})") from None
        for frame in self._container.decode(self._stream):
            if frame.pts is not None:
                yield round((frame.pts - start) * base * self._fps), frame


def decoded(encoded: bytes, where: str) -> Image:
    """The picture of a PNG or JPEG file, (H, W, 3), RGB.

    Args:
        encoded: contents of the file.
        where: it comes from, for errors.

    Raises:
        DatasetError: if it is damaged.
    """
    try:
        with av.open(io.BytesIO(encoded)) as container:
            picture: Image = next(container.decode(video=0)).to_ndarray(format="rgb24")
            return picture
    except (av.FFmpegError, StopIteration) as error:
        raise DatasetError(f"{where}: a picture cannot be decoded ({error})") from None
