"""Paths of agents: the recorded path, continued along the lanes, with target speeds and stop points."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.map.route import extended_ahead
from wm_planner.driving.scenarios.road import TrafficLight
from wm_planner.driving.traffic.speed_profile import curve_speed, max_speed_profile

Floats = NDArray[np.float64]

STOPPING_COLOURS = frozenset({"red", "redYellow", "yellow"})
"""Colours of a light at which a vehicle stops if it still can."""

MAX_STOP_BRAKING = 4.0
"""Maximum deceleration for stopping at a light, in m/s^2."""

SPEED_SPACING_M = 5.0  # spacing of a path's speeds

_SPACING_M = 0.5  # least spacing of recorded points: closer ones are noise
_LIMIT_EVERY = 4  # speed samples per look-up of the speed limit, which holds for whole lanes
_BEND_M = 10.0  # baseline of the curvature, long enough to suppress the noise of a recording
_LATERAL = 3.0  # m/s^2, lateral acceleration in bends
_BRAKING, _UNLIMITED = 2.0, 1e3  # m/s^2, before bends, and after them, where the IDM limits acceleration
_LOOKAHEAD_S = 1.0
_MIN_TRAVEL_M = 2.0  # agents that moved less are stationary,
_MIN_SPEED = 1.0  # m/s, unless they were seen at this speed, too briefly to move as far
_EXTENSION_M = 300.0
_MAX_HEADING_ERROR = np.pi / 2  # rad, between a lane and an agent that drives along it
_MAX_STOP_LINE_OFFSET_M = 2.0  # of a stop line's centre from the path
_RETURN_M = 20.0  # distance within which an agent returns to the lane's centre after its recording
_STRAIGHT_M = 300.0  # straight continuation beyond the last lane: agents do not stop at the end of the map


@dataclass(frozen=True, eq=False)
class StopPoint:
    """Where a path crosses a stop line with traffic lights.

    Attributes:
        s: arc length, in m.
        lights: ids of the lights.
    """

    s: float
    lights: tuple[int, ...]

    def is_closed(self, lights: Mapping[int, TrafficLight], step: int) -> bool:
        """Whether any of its lights is red or yellow at a step; `lights` are the road's, by id."""
        return any(lights[light].colour(step) in STOPPING_COLOURS for light in self.lights)


@dataclass(frozen=True, eq=False)
class Path:
    """A path that an agent follows.

    Attributes:
        line: line of the box's centre; it continues straight on beyond `end_s`.
        end_s: arc length at which the known path ends and the agent leaves, in m.
        speeds: allowed speed every SPEED_SPACING_M of the line, reduced before bends, in m/s.
        stops: stop points with traffic lights.
        desired_speed: speed that the agent never exceeds, in m/s.
    """

    line: Centreline
    end_s: float
    speeds: Floats
    stops: tuple[StopPoint, ...]
    desired_speed: float = np.inf

    def target_speed(self, s: float, speed: float) -> float:
        """The target speed in m/s of an agent at arc length `s` and `speed`, with a lookahead of 1 s.

        The lookahead compensates for the late reaction of the IDM to a lower target speed: it brakes with
        2 m/s^2 only at 1.3 times the target speed.
        """
        last = len(self.speeds) - 1
        here, ahead = (min(max(int(at / SPEED_SPACING_M), 0), last) for at in (s, s + _LOOKAHEAD_S * speed))
        return min(float(self.speeds[here]), float(self.speeds[ahead]), self.desired_speed)

    def target_speeds(self, s: Floats, speed: Floats) -> Floats:
        """`target_speed` of N agents, (N,) each."""
        samples = (np.stack([s, s + _LOOKAHEAD_S * speed]) / SPEED_SPACING_M).astype(int)
        at = np.clip(samples, 0, len(self.speeds) - 1)
        return np.asarray(np.minimum(self.speeds[at].min(axis=0), self.desired_speed))

    @classmethod
    def from_points(cls, points: Floats, lanes: Lanes, default_speed: float = np.inf) -> Self:
        """The path along points (P, 2).

        Args:
            default_speed: speed where no limit is known, in m/s.
        """
        line = Centreline(points)
        s = np.arange(0.0, line.length + SPEED_SPACING_M, SPEED_SPACING_M)
        limits = _speed_limits(lanes, line.poses(s[::_LIMIT_EVERY]), default_speed)
        ahead, behind = (line.poses(s + side * _BEND_M / 2)[:, YAW] for side in (1, -1))
        bends = curve_speed(np.unwrap(ahead - behind) / _BEND_M, _LATERAL)
        allowed = np.minimum(np.repeat(limits, _LIMIT_EVERY)[: len(s)], bends)
        speeds = max_speed_profile(s, allowed, allowed[0], _UNLIMITED, _BRAKING)
        return cls(line.extended(after_m=_STRAIGHT_M), line.length, speeds, _stop_points(line, lanes))


def recorded_path(states: Floats, lanes: Lanes, speed: float) -> Path | None:
    """The path of an agent recorded in states (T, 4), continued along the lanes; None for a stationary agent.

    Args:
        speed: least desired speed, in m/s; it is the agent's highest recorded speed if that is greater.
    """
    points = states[:1, :2]
    for point in states[1:, :2]:
        if np.hypot(*(point - points[-1])) >= _SPACING_M:
            points = np.concatenate([points, point[None]])
    moves = np.hypot(*np.diff(points, axis=0).T).sum() >= _MIN_TRAVEL_M
    if not moves and states[0, SPEED] < _MIN_SPEED:
        return None
    desired_speed = max(speed, float(states[:, SPEED].max()))
    points = np.concatenate([points, _points_ahead(_last_pose(points, states), lanes)])
    return replace(Path.from_points(points, lanes), desired_speed=desired_speed)


def lane_path(lane: int, lanes: Lanes) -> Path:
    """The path along a lane, by index, and the lanes that follow."""
    return Path.from_points(centre_points(lanes, lane), lanes)


def lane_at(lanes: Lanes, pose: Floats) -> int:
    """The lane under a pose x, y, yaw (3,) with the closest heading; see `lanes_at`."""
    return int(lanes_at(lanes, pose[None])[0])


def lanes_at(lanes: Lanes, poses: Floats) -> NDArray[np.int64]:
    """The lane under each of P poses x, y, yaw (P, 3) with the closest heading, (P,).

    The first one among equal headings; NO_LANE off the lanes and where no heading is closer than 90 degrees.
    """
    best, smallest = np.full(len(poses), NO_LANE), np.full(len(poses), _MAX_HEADING_ERROR)
    containing = lanes.containing(poses[:, :2])  # (P, K)
    for lane in np.unique(containing[containing >= 0]).tolist():
        rows = np.flatnonzero((containing == lane).any(axis=1))
        yaw = lanes.centreline(lane).project(poses[rows, :2]).yaw
        heading_error = np.abs(np.mod(poses[rows, 2] - yaw + np.pi, 2 * np.pi) - np.pi)
        is_closer = heading_error < smallest[rows]
        best[rows[is_closer]], smallest[rows[is_closer]] = lane, heading_error[is_closer]
    return best


def distance_to_red_light(
    path: Path,
    front_s: float,
    speed: float,
    lights: Mapping[int, TrafficLight],
    step: int,
    braking: float = MAX_STOP_BRAKING,
) -> float:
    """The distance in m from arc length `front_s` to the next closed stop point; infinite without one.

    Args:
        speed: in m/s.
        lights: of the road, by id.
        braking: maximum deceleration in m/s^2; stop points that would need more are passed.
    """
    ahead = [stop.s - front_s for stop in path.stops if stop.is_closed(lights, step)]
    return min((gap for gap in ahead if gap > 0 and speed**2 < 2 * gap * braking), default=np.inf)


def centre_points(lanes: Lanes, lane: int) -> Floats:
    """Centre points (P, 2) of a lane and of the lanes that follow."""
    return np.concatenate([lanes[each].centre for each in extended_ahead(lanes, [lane], _EXTENSION_M)])


def _last_pose(points: Floats, states: Floats) -> Floats:
    if len(points) < 2:
        return states[0, : YAW + 1]
    dx, dy = points[-1] - points[-2]
    return np.array([*points[-1], np.arctan2(dy, dx)])


def _points_ahead(pose: Floats, lanes: Lanes) -> Floats:
    """Points (P, 2) along the lanes ahead of a pose; a single one 1 m ahead off the lanes."""
    first: Floats = pose[:2] + np.array([np.cos(pose[2]), np.sin(pose[2])])
    lane = lane_at(lanes, pose)
    if lane == NO_LANE:
        return first[None]
    line = Centreline(centre_points(lanes, lane))
    start = line.project(pose[:2])
    s = np.arange(float(start.s) + 2.0, line.length, 2.0)
    d = float(start.d) * np.clip(1 - (s - float(start.s)) / _RETURN_M, 0.0, 1.0)
    return np.concatenate([first[None], line.poses(s, d)[:, :2]])


def _speed_limits(lanes: Lanes, poses: Floats, default: float) -> Floats:
    """Speed limits (P,) at poses (P, 3) in m/s, `default` where none is known."""
    limits = np.append(lanes.speed_limits, np.inf)[lanes_at(lanes, poses)]  # NO_LANE is the last
    return np.asarray(np.where(np.isfinite(limits), limits, default))


def _stop_points(line: Centreline, lanes: Lanes) -> tuple[StopPoint, ...]:
    """Stop points of the lanes with lights below the line: at their stop line, or else at their end."""
    found = []
    for index in range(len(lanes)):
        lane = lanes[index]
        if not lane.lights:
            continue
        position = lane.stop_line.points.mean(axis=0) if lane.stop_line else lane.centre[-1]
        at = line.project(position)
        if abs(at.d) < _MAX_STOP_LINE_OFFSET_M and lane_at(lanes, line.poses(at.s - 1.0)) == index:
            found.append(StopPoint(float(at.s), lane.lights))
    return tuple(found)
