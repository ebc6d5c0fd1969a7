"""Driving as messages: the map, the others and the ego, and back.

/map carries the scenario without its agents as CommonRoad XML, which already has a reader and a writer;
/objects carries the agents of one tick, /odom the ego's state, /route a centre line.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.scenarios.readers.commonroad import parse_commonroad
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import empty_tracks
from wm_planner.driving.scenarios.writers.commonroad import commonroad_text
from wm_planner.driving.vehicle.braking import EMERGENCY_BRAKE
from wm_planner.driving.vehicle.drive_motion import DriveLimits
from wm_planner.driving.vehicle.vehicle import STEERING
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m

_UNIT = 0.01  # that a quaternion may be longer or shorter than 1

MAP_FRAME = "map"
EGO_FRAME = "ego"

POSES = ActionSpec(
    names=("x", "y", "yaw"),
    units=("m", "m", "rad"),
    low=(-np.inf, -np.inf, -np.inf),
    high=(np.inf, np.inf, np.inf),
)
"""A plan's rows: poses of the rear axle in the ego's frame at the plan's stamp, the first of them now."""


@dataclass(frozen=True, eq=False)
class Objects:
    """The others at one tick.

    Attributes:
        ids: (A,).
        kinds: (A,), of `tracks.AGENT_KINDS`.
        sizes: (A, 2), length and width in m.
        states: (A, 4), x, y, yaw, v as in Tracks.
        forecasts: (A, H, 4), states at the steps to come; H = 0 for none.
    """

    ids: tuple[int, ...]
    kinds: tuple[str, ...]
    sizes: NDArray[np.float64]
    states: NDArray[np.float64]
    forecasts: NDArray[np.float64]


def map_message(scenario: Scenario, ego_size: Sequence[float], stamp_ns: int) -> m.Message:
    """The scenario without its agents.

    Args:
        ego_size: length and width of the ego, in m.
    """
    still = replace(scenario, tracks=empty_tracks())
    areas = {str(index): area for index, area in enumerate(scenario.road.areas)}
    return m.Map(
        header=m.header(stamp_ns, MAP_FRAME),
        commonroad=commonroad_text(still).decode(),
        areas=m.named_arrays(areas),
        ego_size=np.asarray(ego_size, np.float64),
    )


def scenario_of(message: m.Message) -> Scenario:
    """The scenario in a /map, without agents.

    Raises:
        ScenarioError: if it cannot be read.
    """
    scenario = parse_commonroad(message.commonroad.encode(), "/map")
    areas = tuple(m.named_arrays_of(message.areas).values())
    return replace(scenario, road=replace(scenario.road, areas=areas))


def objects_message(objects: Objects, stamp_ns: int) -> m.Message:
    """The others at one tick."""
    return m.Objects(
        header=m.header(stamp_ns, MAP_FRAME),
        ids=np.array(objects.ids, np.int64),
        kinds=list(objects.kinds),
        sizes=np.ravel(objects.sizes).astype(np.float64),
        states=np.ravel(objects.states).astype(np.float64),
        horizon=objects.forecasts.shape[1],
        forecasts=np.ravel(objects.forecasts).astype(np.float64),
    )


def objects_of(message: m.Message) -> Objects:
    """The others in a message.

    Raises:
        InputError: if its lengths disagree, or a size or state is not finite.
    """
    count = len(message.ids)
    try:
        objects = Objects(
            ids=tuple(message.ids.tolist()),
            kinds=tuple(message.kinds[row] for row in range(count)),
            sizes=message.sizes.reshape(count, 2),
            states=message.states.reshape(count, 4),
            forecasts=message.forecasts.reshape(count, message.horizon, 4),
        )
    except (ValueError, IndexError):
        raise InputError(
            f"/objects has {count} ids, {len(message.kinds)} kinds, {message.sizes.size} numbers of sizes, "
            f"{message.states.size} of states, {message.forecasts.size} of forecasts: its sender is broken"
        ) from None
    for what, values in (("size", objects.sizes), ("state", objects.states)):
        for row in np.flatnonzero(~np.isfinite(values).all(axis=1))[:1]:
            raise InputError(
                f"/objects: the {what} of {objects.kinds[row]} {objects.ids[row]} is {values[row].tolist()}, "
                "wanted finite values"
            )
    return objects


def odometry_message(state: NDArray[np.float64], yaw_rate: float, stamp_ns: int) -> m.Message:
    """The ego's state (4,): x, y, yaw, v of the centre of its box; `yaw_rate` in rad/s."""
    x, y, yaw, v = np.asarray(state, np.float64).tolist()
    pose = m.pose_stamped((x, y, 0.0), (0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)), stamp_ns).pose
    twist = m.Twist(linear=m.Vector3(x=v, y=0.0, z=0.0), angular=m.Vector3(x=0.0, y=0.0, z=float(yaw_rate)))
    unknown = np.zeros(36)
    return m.Odometry(
        header=m.header(stamp_ns, MAP_FRAME),
        child_frame_id=EGO_FRAME,
        pose=m.PoseWithCovariance(pose=pose, covariance=unknown),
        twist=m.TwistWithCovariance(twist=twist, covariance=unknown),
    )


def ego_state_of(message: m.Message) -> NDArray[np.float64]:
    """The ego's state (4,): x, y, yaw within pi, v.

    Raises:
        InputError: if one of them, or the yaw rate, is not finite, or the orientation is no unit quaternion.
    """
    pose, turn = message.pose.pose, message.pose.pose.orientation
    length = math.hypot(turn.x, turn.y, turn.z, turn.w)
    if not abs(length - 1) <= _UNIT:
        raise InputError(f"/odom: the orientation is a quaternion of length {length:g}, wanted 1")
    yaw = np.arctan2(2 * (turn.w * turn.z + turn.x * turn.y), 1 - 2 * (turn.y**2 + turn.z**2))
    twist = message.twist.twist
    state = np.array([pose.position.x, pose.position.y, yaw, twist.linear.x])
    _check_finite("/odom", dict(zip(("x", "y", "yaw", "v"), state, strict=True), yaw_rate=twist.angular.z))
    return state


def _check_finite(topic: str, values: Mapping[str, float]) -> None:
    if bad := [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]:
        raise InputError(f"{topic}: {', '.join(bad)}, wanted finite values")


def drive_message(
    state: NDArray[np.float64], command: NDArray[np.float64], dt: float, stamp_ns: int
) -> m.Message:
    """What a vehicle in a state (6,) is to do for `dt` s, from an acceleration and a steering rate (2,).

    It says where that leads to, too; a vehicle that hears no more of it gets there and stays so.
    """
    acceleration, rate = command.tolist()
    drive = m.AckermannDrive(
        steering_angle=float(state[STEERING]) + rate * dt,
        steering_angle_velocity=abs(rate),
        speed=float(state[SPEED]) + acceleration * dt,
        acceleration=abs(acceleration),
        jerk=0.0,
    )
    return m.AckermannDriveStamped(header=m.header(stamp_ns, EGO_FRAME), drive=drive)


def standstill_message(steering_angle: float, stamp_ns: int) -> m.Message:
    """The command to brake to a standstill from any speed, with the front wheels at an angle in rad."""
    drive = m.AckermannDrive(
        steering_angle=steering_angle,
        steering_angle_velocity=0.0,
        speed=0.0,
        acceleration=EMERGENCY_BRAKE,
        jerk=0.0,
    )
    return m.AckermannDriveStamped(header=m.header(stamp_ns, EGO_FRAME), drive=drive)


def set_point_message(speed: float, steering_angle: float, limits: DriveLimits, stamp_ns: int) -> m.Message:
    """The speed in m/s and the angle of the front wheels in rad that are to be reached now, within limits."""
    drive = m.AckermannDrive(
        steering_angle=steering_angle,
        steering_angle_velocity=limits.steering_rate,
        speed=speed,
        acceleration=limits.acceleration,
        jerk=limits.jerk,
    )
    return m.AckermannDriveStamped(header=m.header(stamp_ns, EGO_FRAME), drive=drive)


def to_ego_frame(poses: NDArray[np.float64], ego: NDArray[np.float64]) -> NDArray[np.float32]:
    """Poses x, y, yaw (..., 3) as seen from the pose `ego` (3,), of the rear axle; near it float32 is exact
    enough, which it is not far from a map's origin."""
    away, turn = poses[..., :2] - ego[:2], poses[..., 2:] - ego[2]
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    ahead = np.stack([away @ [cos, sin], away @ [-sin, cos]], axis=-1)
    return np.concatenate([ahead, turn], axis=-1).astype(np.float32)


def from_ego_frame(poses: NDArray[np.floating], ego: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `to_ego_frame`."""
    near = poses.astype(np.float64)
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    there = np.stack([near[..., :2] @ [cos, -sin], near[..., :2] @ [sin, cos]], axis=-1) + ego[:2]
    return np.concatenate([there, near[..., 2:] + ego[2]], axis=-1)


def command_of(message: m.Message, state: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
    """The acceleration and steering rate (2,) by which a vehicle in a state (6,) obeys within `dt` s.

    Raises:
        InputError: if the command is not finite.
    """
    drive = message.drive
    names = ("speed", "acceleration", "steering_angle", "steering_angle_velocity")
    _check_finite("/drive", {name: getattr(drive, name) for name in names})
    pull = _held((drive.speed - state[SPEED]) / dt, drive.acceleration)
    return np.array(
        [pull, _held((drive.steering_angle - state[STEERING]) / dt, drive.steering_angle_velocity)]
    )


def _held(wanted: float, most: float) -> float:
    """What is wanted, either way no more than `most`, where that is not 0."""
    return min(max(wanted, -most), most) if most else wanted


def route_message(points: NDArray[np.float64], stamp_ns: int) -> m.Message:
    """A centre line (P, 2) in m, each pose along the way to the next."""
    way = np.gradient(points, axis=0)
    yaws = np.arctan2(way[:, 1], way[:, 0]).tolist()
    poses = [
        m.pose_stamped((x, y, 0.0), (0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)), stamp_ns, MAP_FRAME)
        for (x, y), yaw in zip(points.tolist(), yaws, strict=True)
    ]
    return m.Path(header=m.header(stamp_ns, MAP_FRAME), poses=poses)


def route_of(message: m.Message) -> NDArray[np.float64]:
    """The centre line (P, 2) of a /route, in m."""
    return np.array([(p.pose.position.x, p.pose.position.y) for p in message.poses]).reshape(-1, 2)
