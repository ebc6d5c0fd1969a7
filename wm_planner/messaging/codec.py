"""Conversion of messages to ROS 2 CDR bytes (little-endian) and back.

All types use the type store of `messages` except two. Images are nearly all of the traffic: they are
written as a cached prefix and the pixels, and read as a view of the bytes. Trajectories are the largest
messages of control: see `trajectories`.
"""

import functools
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from rosbags.serde import SerdeError

from wm_planner.clock import NANOSECONDS
from wm_planner.errors import MessagingError, did_you_mean
from wm_planner.messaging.messages import (
    STORE,
    Header,
    Image,
    JointTrajectory,
    Message,
    Time,
)
from wm_planner.messaging.trajectories import (
    ENCAPSULATION,
    STAMP,
    TYPE,
    TrajectoryDecoder,
    TrajectoryEncoder,
)

Buffer: TypeAlias = bytes | memoryview
Room: TypeAlias = Callable[[int], memoryview | None]

_IMAGE = "sensor_msgs/msg/Image"
_MOST_PREFIXES = 64
_UINT32 = struct.Struct("<I")
_TORN = (SerdeError, struct.error, ValueError, IndexError, OverflowError)

_trajectories = TrajectoryDecoder()


class Encoder:
    """Encodes messages; images reuse one buffer, because allocating it costs more than filling it."""

    def __init__(self) -> None:
        self._picture = bytearray()
        self._trajectories = TrajectoryEncoder()

    def encode(self, message: Message, room: Room | None = None) -> Buffer:
        """The CDR bytes of a message, valid until the next call.

        Args:
            room: given the size of an image in bytes, the memory to write it to, or None.

        Raises:
            MessagingError: if it is not a message, or a field's value does not fit its type.
        """
        type_name = type_of(message)
        try:
            if isinstance(message, Image):
                return self._encode_image(message, room)
            if isinstance(message, JointTrajectory):
                return self._trajectories.encode(message)
            return STORE.serialize_cdr(message, type_name, little_endian=True)
        except (*_TORN, AttributeError, TypeError, AssertionError) as error:
            raise MessagingError(f"{type_name} cannot be encoded: {_misfit(message) or error}") from None

    def _encode_image(self, image: Image, room: Room | None) -> Buffer:
        if image.data.dtype != np.uint8:
            raise ValueError("data is not an array of uint8")
        prefix = _image_prefix(
            image.header.frame_id,
            image.height,
            image.width,
            image.encoding,
            image.is_bigendian,
            image.step,
            image.data.size,
        )
        start = len(ENCAPSULATION) + STAMP.size + len(prefix)
        view = room(start + image.data.size) if room else None
        if view is None:
            view = self._own(start + image.data.size)
        view[:start] = ENCAPSULATION + STAMP.pack(image.header.stamp.sec, image.header.stamp.nanosec) + prefix
        view[start:] = image.data.data
        return view.toreadonly()

    def _own(self, size: int) -> memoryview:
        if len(self._picture) != size:
            self._picture = bytearray(size)
        return memoryview(self._picture)


def encode(message: Message) -> bytes:
    """The CDR bytes of one message.

    Raises:
        MessagingError: if it is not a message, or a field's value does not fit its type.
    """
    return bytes(Encoder().encode(message))


def decode(type_name: str, data: Buffer) -> Message:
    """The message in CDR bytes; its arrays are read-only views of them.

    Raises:
        MessagingError: if the type is unknown, or the bytes are cut off or of another type.
    """
    view = memoryview(data)
    try:
        if type_name == _IMAGE and view[:4] == ENCAPSULATION:
            return _images.decode(view)
        if type_name == TYPE:
            return _trajectories.decode(view)
        return STORE.deserialize_cdr(view, type_name)
    except KeyError:
        raise MessagingError(
            f"unknown message type '{type_name}', {did_you_mean(type_name, STORE.types)}"
        ) from None
    except _TORN as error:
        raise MessagingError(f"{len(view)} bytes are not a {type_name}: {error}") from None


def check_encapsulation(type_name: str, data: Buffer) -> None:
    """Refuse bytes that do not begin as plain little-endian CDR.

    Raises:
        MessagingError: naming the bytes that they begin with.
    """
    if bytes(data[:2]) != ENCAPSULATION[:2] or len(data) < len(ENCAPSULATION):
        raise MessagingError(
            f"{len(data)} bytes beginning with '{bytes(data[:4]).hex(' ')}' are not a {type_name}: wanted "
            "little-endian CDR, which begins with '00 01 00 00'"
        )


def type_of(message: Message) -> str:
    """The ROS 2 name of a message's type.

    Raises:
        MessagingError: if it is not a message.
    """
    name = getattr(message, "__msgtype__", None)
    if not isinstance(name, str):
        raise MessagingError(
            f"got {type(message).__name__}, wanted a message (wm_planner.messaging.messages)"
        )
    return name


def peek_stamp_ns(data: Buffer) -> int:
    """The stamp of a message whose first field is a header (or a time), without decoding the rest.

    Raises:
        MessagingError: if there are too few bytes.
    """
    if len(data) < 12:
        raise MessagingError(f"{len(data)} bytes hold no stamp")
    sec, nanosec = STAMP.unpack_from(data, 4)
    return int(sec) * NANOSECONDS + int(nanosec)


@functools.lru_cache(maxsize=64)
def _image_prefix(
    frame_id: str, height: int, width: int, encoding: str, is_bigendian: int, step: int, size: int
) -> bytes:
    """The bytes between the stamp and the pixels."""
    head = _padded(_string(frame_id)) + struct.pack("<II", height, width)
    head = _padded(head + _string(encoding) + struct.pack("<B", is_bigendian))
    return head + struct.pack("<II", step, size)


def _string(text: str) -> bytes:
    data = text.encode() + b"\0"
    return _UINT32.pack(len(data)) + data


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


class _ImageDecoder:
    """Decodes images; between stamp and pixels, most have the bytes of the last image of their size."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[bytes, tuple[Any, ...]]] = {}

    def decode(self, data: memoryview) -> Image:
        """An image, whose pixels are a view of the bytes.

        Raises:
            ValueError: if the bytes are cut off or of another type; struct.error likewise.
        """
        known = self._known.get(len(data))
        if known is None or bytes(data[12 : 12 + len(known[0])]) != known[0]:
            known = _read_prefix(data)
            if len(self._known) > _MOST_PREFIXES:
                self._known.clear()
            self._known[len(data)] = known
        frame_id, height, width, encoding, is_bigendian, step, size, start = known[1]
        sec, nanosec = STAMP.unpack_from(data, 4)
        header = Header(Time(sec, nanosec), frame_id)
        pixels = np.frombuffer(data, np.uint8, size, start)
        return Image(header, height, width, encoding, is_bigendian, step, pixels)


def _read_prefix(data: memoryview) -> tuple[bytes, tuple[Any, ...]]:
    """The bytes of an image between its stamp and its pixels, and what they hold, with the size and the
    offset of the pixels.
    """
    frame_id, at = _read_string(data, 12)
    at += -at % 4
    height, width = struct.unpack_from("<II", data, at)
    encoding, at = _read_string(data, at + 8)
    is_bigendian = data[at]
    at += 1
    at += -at % 4
    step, size = struct.unpack_from("<II", data, at)
    at += 8
    if at + size > len(data):
        raise ValueError(f"they declare {size} pixel bytes and hold {len(data) - at}")
    if at + size + 3 < len(data):
        raise ValueError(f"{len(data) - at - size} bytes are left over")
    return bytes(data[12:at]), (frame_id, height, width, encoding, is_bigendian, step, size, at)


_images = _ImageDecoder()


def _read_string(data: memoryview, at: int) -> tuple[str, int]:
    (size,) = _UINT32.unpack_from(data, at)
    start, end = at + 4, at + 4 + size
    if size < 1 or end > len(data) or data[end - 1] != 0:
        raise ValueError(f"no string of {size} bytes at offset {at}")
    return str(data[start : end - 1], "utf-8"), end


def _misfit(message: Message) -> str:
    """The first array field whose element type is not the definition's, or nothing."""
    expected: Any
    for name, expected in STORE.get_msgdef(type_of(message)).fields:
        value = getattr(message, name, None)
        kind, detail = expected
        if int(kind) in (3, 4) and int(detail[0][0]) == 1 and detail[0][1][0] != "string":
            wanted = {"byte": "int8", "char": "uint8"}.get(detail[0][1][0], detail[0][1][0])
            if not isinstance(value, np.ndarray):
                return f"{name} is {type(value).__name__}, wanted a numpy array of {wanted}"
            if value.dtype.name != wanted:
                return f"{name} is an array of {value.dtype}, wanted {wanted}"
    return ""
