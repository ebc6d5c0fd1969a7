"""Message types: those of ROS 2 and a few of our own, in one type store.

Messages are the store's dataclasses, and there is no other schema: `Header` is ROS 2's `std_msgs/msg/Header`.
Our own types are built when this module loads, so a type checker sees them as `Any`; annotate a message as
`Message`.
"""

import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.stores import ros2_jazzy as ros

from wm_planner.clock import NANOSECONDS, nanoseconds
from wm_planner.errors import InputError, MessagingError, ShapeError, did_you_mean
from wm_planner.messaging.definitions import ACKERMANN, OWN

Message: TypeAlias = Any  # a dataclass of STORE

Clock = ros.rosgraph_msgs__msg__Clock
DiagnosticArray = ros.diagnostic_msgs__msg__DiagnosticArray
DiagnosticStatus = ros.diagnostic_msgs__msg__DiagnosticStatus
Duration = ros.builtin_interfaces__msg__Duration
Header = ros.std_msgs__msg__Header
Image = ros.sensor_msgs__msg__Image
JointState = ros.sensor_msgs__msg__JointState
JointTrajectory = ros.trajectory_msgs__msg__JointTrajectory
JointTrajectoryPoint = ros.trajectory_msgs__msg__JointTrajectoryPoint
KeyValue = ros.diagnostic_msgs__msg__KeyValue
Odometry = ros.nav_msgs__msg__Odometry
Bool = ros.std_msgs__msg__Bool
Path = ros.nav_msgs__msg__Path
Point = ros.geometry_msgs__msg__Point
Pose = ros.geometry_msgs__msg__Pose
PoseStamped = ros.geometry_msgs__msg__PoseStamped
PoseWithCovariance = ros.geometry_msgs__msg__PoseWithCovariance
Quaternion = ros.geometry_msgs__msg__Quaternion
Time = ros.builtin_interfaces__msg__Time
Twist = ros.geometry_msgs__msg__Twist
TwistWithCovariance = ros.geometry_msgs__msg__TwistWithCovariance
Vector3 = ros.geometry_msgs__msg__Vector3

STORE = get_typestore(Stores.ROS2_JAZZY)
for _package, _texts in (("wm_planner_msgs", OWN), ("ackermann_msgs", ACKERMANN)):
    for _name, _text in _texts.items():
        STORE.register(get_types_from_msg(_text, f"{_package}/msg/{_name}"))

SHIPPED = frozenset(STORE.types)
"""The types that every process knows."""

NamedArray: Any = STORE.types["wm_planner_msgs/msg/NamedArray"]
Latent: Any = STORE.types["wm_planner_msgs/msg/Latent"]
Signal: Any = STORE.types["wm_planner_msgs/msg/Signal"]
Goal: Any = STORE.types["wm_planner_msgs/msg/Goal"]
Plan: Any = STORE.types["wm_planner_msgs/msg/Plan"]
Action: Any = STORE.types["wm_planner_msgs/msg/Action"]
PlanInfo: Any = STORE.types["wm_planner_msgs/msg/PlanInfo"]
Episode: Any = STORE.types["wm_planner_msgs/msg/Episode"]
Objects: Any = STORE.types["wm_planner_msgs/msg/Objects"]
Map: Any = STORE.types["wm_planner_msgs/msg/Map"]
AckermannDrive: Any = STORE.types["ackermann_msgs/msg/AckermannDrive"]
AckermannDriveStamped: Any = STORE.types["ackermann_msgs/msg/AckermannDriveStamped"]

_LONGEST = 200  # characters of another library's error

_DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "float32", "float64"),
    )
}


def register(type_name: str, text: str) -> None:
    """Add a message type to the type store; no effect if it is there.

    Args:
        type_name: as in `my_robot_msgs/msg/Force`.
        text: its `.msg` text. Types in it are known, or follow after a line of 80 `=` and a line
            `MSG: package/Name`, as in a recording.

    Raises:
        MessagingError: if a name or the text cannot be used, or the type is defined differently here.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*", type_name):
        raise MessagingError(f"message type '{type_name}': wanted a name such as my_robot_msgs/msg/Force")
    types = defined(type_name, text)
    known = types.keys() | STORE.types.keys()
    for field, inner in _references(types):
        if inner not in known:
            raise MessagingError(f"{field} has the unknown type '{inner}', {did_you_mean(inner, known)}")
    try:
        STORE.register(types)
    except TypesysError as error:
        raise MessagingError(f"{error} Give the type another name, or run one version of it") from None


def defined(type_name: str, text: str) -> dict[str, Any]:
    """The types that a `.msg` text defines, by name, for a type store.

    Raises:
        MessagingError: if it is not a message definition.
    """
    try:
        return dict(get_types_from_msg(text, type_name))
    except (TypesysError, ValueError, AssertionError) as error:  # the last two for numbers and constants
        problem = " ".join(f"{error}".split())[:_LONGEST]
        raise MessagingError(f"{type_name}: the text is not a message definition ({problem})") from None


def message_class(type_name: str) -> Any:
    """The class of the messages of a type.

    Raises:
        MessagingError: if the type is unknown; names the closest one.
    """
    if type_name not in STORE.types:
        raise MessagingError(f"unknown message type '{type_name}', {did_you_mean(type_name, STORE.types)}")
    return STORE.types[type_name]


def _references(types: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every field of another message type, `type.field`, and that type."""
    for type_name, (_, fields) in types.items():
        for field, (kind, detail) in fields:
            is_list = kind in (Nodetype.ARRAY, Nodetype.SEQUENCE)
            inner_kind, inner = detail[0] if is_list else (kind, detail)
            if inner_kind == Nodetype.NAME:
                yield f"{type_name}.{field}", inner


def definition(type_name: str) -> str:
    """The `.msg` text of a type and of all types in it, as recordings and viewers need it."""
    return STORE.generate_msgdef(type_name, ros_version=2)[0]


@functools.cache
def type_hash(type_name: str) -> str:
    """ROS 2's hash of a type's definition ("RIHS01_...")."""
    return STORE.hash_rihs01(type_name)


def time(nanoseconds: int) -> Time:
    """The stamp of a time in nanoseconds."""
    sec, nanosec = divmod(nanoseconds, NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def header(stamp_ns: int, frame_id: str = "") -> Header:
    """A header; `stamp_ns` is simulation time in lockstep."""
    return Header(stamp=time(stamp_ns), frame_id=frame_id)


def stamp_ns(message: Message) -> int:
    """The stamp of a message that has a header, or of a clock, in nanoseconds."""
    stamp = message.clock if isinstance(message, Clock) else message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def named_arrays(arrays: Mapping[str, NDArray[Any]]) -> list[Message]:
    """Messages of arrays by name, in the mapping's order.

    Raises:
        ShapeError: if a dtype cannot be sent (objects, text, dates).
    """
    for name, array in arrays.items():
        if array.dtype.name not in _DTYPES:
            raise ShapeError(f"array '{name}' has type {array.dtype}, wanted one of {', '.join(_DTYPES)}")
    return [
        NamedArray(
            name=name,
            dtype=array.dtype.name,
            shape=np.array(array.shape, np.uint32),
            data=np.ascontiguousarray(array, _DTYPES[array.dtype.name]).reshape(-1).view(np.uint8),
        )
        for name, array in arrays.items()
    ]


def signal(name: str, values: NDArray[Any], stamp_ns: int) -> Message:
    """The message of one measured quantity.

    Raises:
        ShapeError: if its dtype cannot be sent.
    """
    return Signal(header=header(stamp_ns), array=named_arrays({name: values})[0])


def named_arrays_of(messages: Sequence[Message]) -> dict[str, NDArray[Any]]:
    """The arrays in messages by name, as views of their bytes.

    Raises:
        InputError: if a dtype is unknown, or shape and size disagree.
    """
    arrays = {}
    for message in messages:
        dtype = _DTYPES.get(message.dtype)
        if dtype is None:
            raise InputError(
                f"array '{message.name}' has type '{message.dtype}', wanted one of {', '.join(_DTYPES)}"
            )
        shape = tuple(int(n) for n in message.shape)
        if math.prod(shape) * dtype.itemsize != message.data.size:
            raise InputError(
                f"array '{message.name}' declares {shape} {message.dtype} but holds {message.data.size} bytes"
            )
        arrays[message.name] = message.data.view(dtype).reshape(shape)
    return arrays


def pose_stamped(
    position: ArrayLike, quaternion: ArrayLike, stamp_ns: int, frame_id: str = ""
) -> PoseStamped:
    """The message of a pose.

    Args:
        position: shape (3,), in m.
        quaternion: shape (4,), in ROS 2's order x, y, z, w (MuJoCo's is w, x, y, z).
    """
    x, y, z = np.asarray(position, np.float64).tolist()
    qx, qy, qz, qw = np.asarray(quaternion, np.float64).tolist()
    pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
    return PoseStamped(header=header(stamp_ns, frame_id), pose=pose)


def running_episode(number: int, stamp_ns: int, goal_position: ArrayLike = (0.0, 0.0, 0.0)) -> Message:
    """The message of the first tick of an episode, with seed 0 and no reward."""
    return Episode(
        header=header(stamp_ns),
        id=number,
        seed=0,
        phase="running",
        step=0,
        distance=0.0,
        success=False,
        reason="",
        goal_position=np.asarray(goal_position, np.float64),
        total_reward=0.0,
    )


def joint_state(
    names: Sequence[str], positions: ArrayLike, stamp_ns: int, velocities: ArrayLike = ()
) -> JointState:
    """The message of joint positions in rad and, if known, velocities in rad/s."""
    return JointState(
        header=header(stamp_ns),
        name=list(names),
        position=np.asarray(positions, np.float64),
        velocity=np.asarray(velocities, np.float64),
        effort=np.empty(0),
    )


def joint_trajectory(
    names: Sequence[str], positions: NDArray[np.float64], dt_s: float, stamp_ns: int
) -> JointTrajectory:
    """The message of joint positions in rad over time.

    Args:
        positions: shape (H, J); row h is due (h + 1) * dt_s after the stamp.
    """
    none = np.empty(0)
    points = [
        JointTrajectoryPoint(row, none, none, none, _duration(step * nanoseconds(dt_s)))
        for step, row in enumerate(np.asarray(positions, np.float64), start=1)
    ]
    return JointTrajectory(header=header(stamp_ns), joint_names=list(names), points=points)


def joint_efforts(
    names: Sequence[str], efforts: NDArray[np.float64], dt_s: float, stamp_ns: int
) -> JointTrajectory:
    """The message of torques (J,) in N m, or forces in N, that are exerted for `dt_s` from the stamp on."""
    none, due = np.empty(0), _duration(nanoseconds(dt_s))
    point = JointTrajectoryPoint(none, none, none, np.asarray(efforts, np.float64), due)
    return JointTrajectory(header=header(stamp_ns), joint_names=list(names), points=[point])


def seconds_of(duration: Message) -> float:
    """A Duration in s."""
    return float(duration.sec + duration.nanosec / NANOSECONDS)


def _duration(nanoseconds: int) -> Duration:
    sec, nanosec = divmod(nanoseconds, NANOSECONDS)
    return Duration(sec=sec, nanosec=nanosec)
