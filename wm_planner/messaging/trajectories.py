"""CDR bytes of joint trajectories, whose points all have the same sizes.

Trajectories of one joint group differ in their numbers only. So the bytes of one, which the type store has
written, are the template of those that follow: their numbers replace its own. Bytes are read in the same way
if their names and lengths equal those of bytes that the type store has read.
"""

import itertools
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.messaging.messages import (
    STORE,
    Duration,
    Header,
    JointTrajectory,
    JointTrajectoryPoint,
    Message,
    Time,
)

TYPE = "trajectory_msgs/msg/JointTrajectory"
MOST_VALUES = 16_384
"""Numbers in a trajectory; longer ones, which gain nothing, are left to the type store."""

STAMP = struct.Struct("<iI")
ENCAPSULATION = b"\x00\x01\x00\x00"  # plain CDR, little-endian
_START = 4  # bytes of the encapsulation; offsets are counted behind them
_MOST_TEMPLATES = 32
_FLOAT64 = np.dtype(np.float64)
_NONE = np.empty(0)
_NONE.flags.writeable = False


class Layout(NamedTuple):
    """Where a trajectory has its parts in the bytes behind the encapsulation.

    Attributes:
        size: in bytes.
        fixed: (k,) offsets of the bytes of names and lengths.
        values: (points, n) offsets of positions, velocities, accelerations and efforts, in doubles.
        times: (points,) offsets of the seconds of `time_from_start`, in words of 4 bytes; the nanoseconds
            follow them.
    """

    size: int
    fixed: NDArray[np.intp]
    values: tuple[NDArray[np.intp], ...]
    times: NDArray[np.intp]

    @classmethod
    def of(cls, message: Message) -> "Layout | None":
        """The layout of a trajectory; None without points, or if they are too many or their sizes differ."""
        sizes = {tuple(map(len, _arrays(point))) for point in message.points}
        if len(sizes) != 1 or sum(next(iter(sizes))) * len(message.points) > MOST_VALUES:
            return None
        walk = _Walk()
        walk.string(message.header.frame_id)
        walk.count()
        for name in message.joint_names:
            walk.string(name)
        walk.count()
        values: tuple[list[range], ...] = ([], [], [], [])
        times = []
        for point in message.points:
            for found, array in zip(values, _arrays(point), strict=True):
                found.append(walk.doubles(len(array)))
            times.append(walk.time())
        places = tuple(np.array(each, np.intp).reshape(len(times), -1) for each in values)
        fixed = np.fromiter(itertools.chain(*walk.fixed), np.intp)
        return cls(walk.at, fixed, places, np.array(times, np.intp))


class _Walk:
    """Steps through the parts of a message."""

    def __init__(self) -> None:
        self.at = 8  # behind the stamp
        self.fixed: list[range] = []

    def count(self) -> None:
        self._align(4)
        self._fix(4)

    def string(self, text: str) -> None:
        self.count()
        self._fix(len(text.encode()) + 1)

    def doubles(self, count: int) -> range:
        self.count()
        if count:
            self._align(8)
        first = self.at // 8
        self.at += 8 * count
        return range(first, first + count)

    def time(self) -> int:
        self._align(4)
        self.at += 8
        return self.at // 4 - 2

    def _align(self, to: int) -> None:
        self.at += -self.at % to

    def _fix(self, count: int) -> None:
        self.fixed.append(range(self.at, self.at + count))
        self.at += count


class TrajectoryEncoder:
    """Writes trajectories; keeps the templates of the last kinds."""

    def __init__(self) -> None:
        self._templates: dict[Any, _Template | None] = {}

    def encode(self, message: Message) -> memoryview:
        """The CDR bytes of a trajectory, valid until the next call; raises as the type store does."""
        kind, values = _kind(message) or (None, ())
        if kind is None:
            return STORE.serialize_cdr(message, TYPE, little_endian=True)
        template = self._templates.get(kind)
        if template is None:
            return self._first(message, kind)
        return template.filled(message.header.stamp, values)

    def _first(self, message: Message, kind: Any) -> memoryview:
        """The bytes of the first message of a kind, and of the second, which makes the template."""
        data = STORE.serialize_cdr(message, TYPE, little_endian=True)
        layout = Layout.of(message) if kind in self._templates else None
        if len(self._templates) == _MOST_TEMPLATES:
            self._templates.clear()
        self._templates[kind] = None if layout is None else _Template(data, layout)
        return data


class _Template:
    """Bytes of a trajectory, and the places of its numbers in them."""

    def __init__(self, data: memoryview, layout: Layout) -> None:
        buffer = bytearray(_START) + data  # so that doubles are aligned
        self._doubles = np.frombuffer(buffer, _FLOAT64, (len(data) - _START) // 8, 2 * _START)
        self._places = [places.ravel() for places in layout.values if places.size]
        self._bytes = memoryview(buffer)[_START:]

    def filled(self, stamp: Time, values: Sequence[bytes]) -> memoryview:
        STAMP.pack_into(self._bytes, _START, stamp.sec, stamp.nanosec)
        for places, data in zip(self._places, values, strict=True):
            self._doubles[places] = np.frombuffer(data)
        return self._bytes.toreadonly()


def _kind(message: Message) -> tuple[Any, list[bytes]] | None:
    """What two trajectories of one template have in common, and the bytes of the arrays that are not empty.

    Returns:
        None if the arrays of its points are not all float64, or differ in length.
    """
    points = message.points
    if not points:
        return None
    try:
        packed = [
            _packed([point.positions for point in points]),
            _packed([point.velocities for point in points]),
            _packed([point.accelerations for point in points]),
            _packed([point.effort for point in points]),
        ]
        times = [point.time_from_start for point in points]
    except (AttributeError, TypeError, ValueError, BufferError):
        return None
    kind = (
        message.header.frame_id,
        tuple(message.joint_names),
        tuple([length for length, _ in packed]),
        tuple([time.sec for time in times]),
        tuple([time.nanosec for time in times]),
    )
    return kind, [data for length, data in packed if length]


def _packed(arrays: list[Any]) -> tuple[int, bytes]:
    """The length of each of some arrays, and the bytes of all.

    Raises:
        ValueError: if they are not all float64, or differ in length.
        BufferError: if one is not contiguous.
    """
    length = len(arrays[0])
    if length == 0 and len(set(map(id, arrays))) == 1 and arrays[0].dtype is _FLOAT64:
        return 0, b""
    data = b"".join(arrays)
    if set(map(len, arrays)) != {length} or {id(array.dtype) for array in arrays} != {id(_FLOAT64)}:
        raise ValueError("arrays of different kinds")
    if len(data) != length * len(arrays) * _FLOAT64.itemsize:
        raise ValueError("arrays of several axes")
    return length, data


class TrajectoryDecoder:
    """Reads trajectories; keeps the layouts of the last kinds."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Layout, bytes, str, tuple[str, ...]]] = {}

    def decode(self, data: memoryview) -> Message:
        """The trajectory in CDR bytes; its arrays are read-only. Raises as the type store does."""
        known = self._known.get(len(data)) if data[:_START] == ENCAPSULATION else None
        if known is not None:
            template, fixed, frame_id, names = known
            if np.frombuffer(data, np.uint8, template.size, _START)[template.fixed].tobytes() == fixed:
                return _filled(data, template, frame_id, names)
        message: Message = STORE.deserialize_cdr(data, TYPE)
        layout = Layout.of(message) if data[:_START] == ENCAPSULATION else None
        if layout is not None:
            fixed = np.frombuffer(data, np.uint8, layout.size, _START)[layout.fixed].tobytes()
            if len(self._known) == _MOST_TEMPLATES:
                self._known.clear()
            self._known[len(data)] = layout, fixed, message.header.frame_id, tuple(message.joint_names)
        return message


def _filled(data: memoryview, layout: Layout, frame_id: str, names: tuple[str, ...]) -> Message:
    sec, nanosec = STAMP.unpack_from(data, _START)
    doubles = np.frombuffer(data, _FLOAT64, layout.size // 8, _START)
    words = np.frombuffer(data, "<i4", layout.size // 4, _START)
    seconds = words[layout.times].tolist()
    nanoseconds = words.view("<u4")[layout.times + 1].tolist()
    columns = [_rows(doubles, places) for places in layout.values]
    return JointTrajectory(
        header=Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id),
        joint_names=list(names),
        points=list(map(JointTrajectoryPoint, *columns, map(Duration, seconds, nanoseconds))),
    )


def _rows(doubles: NDArray[np.float64], places: NDArray[np.intp]) -> Iterable[NDArray[np.float64]]:
    if not places.size:
        return itertools.repeat(_NONE)
    values = doubles[places]
    values.flags.writeable = False
    return list(values)


def _arrays(point: Message) -> tuple[Any, ...]:
    return point.positions, point.velocities, point.accelerations, point.effort
