"""The table of topics: name, message type, delivery; shipped ones, and those that a run declares."""

import functools
import re
from typing import NamedTuple

from wm_planner.errors import MessagingError, did_you_mean
from wm_planner.messaging.messages import message_class


class Topic(NamedTuple):
    """A row of the table.

    Attributes:
        pattern: the name; `<name>` stands for one part of it.
        type: ROS 2 name of the message type.
        latched: a new reader gets the last message at once (ROS 2's transient-local, depth 1).
        latest_only: in realtime, a slow reader skips to the newest message.
        note: publishers, readers, rate.
        measured: fields that hold wall time, and differ between two equal runs.
        owned: nodes take it from one publisher at a time, and ignore any other.
    """

    pattern: str
    type: str
    latched: bool
    latest_only: bool
    note: str
    measured: tuple[str, ...] = ()
    owned: bool = False


ALL_FIELDS = ("*",)
"""What `measured` is for a topic that tells nothing else."""

TOPICS = (
    Topic("/clock", "rosgraph_msgs/msg/Clock", False, True, "simulator to all, every tick"),
    Topic(
        "/camera/<name>/image_raw",
        "sensor_msgs/msg/Image",
        False,
        True,
        "simulator or camera to perception, every tick",
    ),
    Topic(
        "/joint_states",
        "sensor_msgs/msg/JointState",
        False,
        True,
        "simulator to perception, planner and controller, every tick",
    ),
    Topic(
        "/tcp_pose",
        "geometry_msgs/msg/PoseStamped",
        False,
        True,
        "simulator to perception and controller, every tick: the tool centre point",
    ),
    Topic(
        "/signal/<name>",
        "wm_planner_msgs/msg/Signal",
        False,
        True,
        "simulator or sensor to perception, every tick: any other measured quantity",
    ),
    Topic("/goal", "wm_planner_msgs/msg/Goal", True, False, "user or task to perception, once per goal"),
    Topic("/latent", "wm_planner_msgs/msg/Latent", False, True, "perception to planner, every tick"),
    Topic("/goal_latent", "wm_planner_msgs/msg/Latent", True, False, "perception to planner, once per goal"),
    Topic(
        "/plan", "wm_planner_msgs/msg/Plan", False, True, "planner to controller, every replan", owned=True
    ),
    Topic("/plan_path", "nav_msgs/msg/Path", False, False, "planner to viewers, every replan"),
    Topic(
        "/plan_info",
        "wm_planner_msgs/msg/PlanInfo",
        False,
        False,
        "planner to viewers, every replan",
        ("elapsed_s", "input_age_s"),
    ),
    Topic(
        "/command",
        "trajectory_msgs/msg/JointTrajectory",
        False,
        True,
        "controller to simulator and robot, every tick",
        owned=True,
    ),
    Topic(
        "/action",
        "wm_planner_msgs/msg/Action",
        False,
        False,
        "controller to perception and planner, every tick, before its command: what was carried out",
    ),
    Topic("/emergency_stop", "std_msgs/msg/Bool", True, False, "anyone to controller: true stops the robot"),
    Topic(
        "/drive",
        "ackermann_msgs/msg/AckermannDriveStamped",
        False,
        True,
        "controller to simulator and vehicle, every tick: the /command of a car",
        owned=True,
    ),
    Topic(
        "/odom",
        "nav_msgs/msg/Odometry",
        False,
        True,
        "simulator or vehicle to planner and controller, every tick: the centre of the ego's box",
    ),
    Topic(
        "/objects",
        "wm_planner_msgs/msg/Objects",
        False,
        True,
        "simulator or perception to planner, every tick: other agents, with forecasts",
    ),
    Topic(
        "/map",
        "wm_planner_msgs/msg/Map",
        True,
        False,
        "simulator to planner and recorder, once per drive, before its first /objects",
    ),
    Topic("/route", "nav_msgs/msg/Path", True, False, "simulator to planner, once per drive: centre line"),
    Topic(
        "/episode",
        "wm_planner_msgs/msg/Episode",
        True,
        False,
        "simulator to all, every tick: a new id resets memory and warm start",
    ),
    Topic(
        "/diagnostics",
        "diagnostic_msgs/msg/DiagnosticArray",
        False,
        False,
        "every node, 1 Hz of wall time",
        ALL_FIELDS,
    ),
)


_declared: dict[str, Topic] = {}
_PLACEHOLDER = "<name>"


def add(row: Topic) -> None:
    """Add a topic to the table of this process; no effect if it is there.

    Raises:
        MessagingError: if its name is not one of a topic, its type is unknown, or the table has a topic of
            that name with another type or delivery.
    """
    check_name(row.pattern.replace(_PLACEHOLDER, "name"), f"topic '{row.pattern}'")
    message_class(row.type)
    known = _declared.get(row.pattern) or _shipped(row.pattern)
    if known is None:
        _declared[row.pattern] = row
    elif known[1:4] != row[1:4]:
        raise MessagingError(
            f"{row.pattern} carries {_delivery(known)} here, it cannot carry {_delivery(row)}; "
            "choose another name"
        )


def check_name(topic: str, what: str) -> None:
    """Refuse a name that ROS 2 does not allow for a topic.

    Args:
        what: describes the name, for the error.

    Raises:
        MessagingError: if it is not absolute, or has other characters.
    """
    if not re.fullmatch(r"(?:/[A-Za-z_][A-Za-z0-9_]*)+", topic):
        raise MessagingError(f"{what}: wanted a name such as /arm/force, of letters, digits and '_'")


def rows() -> tuple[Topic, ...]:
    """The shipped topics and those declared in this process."""
    return (*TOPICS, *_declared.values())


@functools.lru_cache(maxsize=256)
def find(topic: str) -> Topic:
    """The row of a topic.

    Raises:
        MessagingError: if it is unknown; names the closest topic.
    """
    for row in rows():
        if re.fullmatch(row.pattern.replace(_PLACEHOLDER, r"\w+"), topic):
            return row
    known = (row.pattern for row in rows())
    raise MessagingError(f"unknown topic '{topic}', {did_you_mean(topic, known)}; `topics:` declares others")


def _shipped(name: str) -> Topic | None:
    matches = (
        row for row in TOPICS if re.fullmatch(row.pattern.replace(_PLACEHOLDER, r"(?:\w+|<name>)"), name)
    )
    return next(matches, None)


def _delivery(row: Topic) -> str:
    words = [word for word, holds in (("latched", row.latched), ("latest only", row.latest_only)) if holds]
    return f"{row.type} ({', '.join(words)})" if words else row.type
