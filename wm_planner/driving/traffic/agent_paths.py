"""Where an agent is going: the way it was recorded to go, and on along the lanes."""

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
"""Colours of lights that stop who still can."""

MAX_STOP_BRAKING = 4.0
"""Braking for a light, in m/s^2."""

SAMPLE_M = 5.0  # of wanted speeds

_SPACING_M = 0.5  # of recorded points: nearer ones only tell of noise
_LIMIT_EVERY = 4  # samples: limits hold for whole lanes
_BEND_M = 10.0  # over which a bend is measured, so that noise of a recording is none
_LATERAL, _BRAKING, _AT_ONCE = 3.0, 2.0, 1e3  # m/s^2: in bends, before them, and after them by the IDM alone
_LOOK_S = 1.0
_LEAST_M = 2.0  # of way, for who is to move at all
_LEAST_SPEED = 1.0  # m/s, of who is seen too shortly to have moved
_ONWARD_M = 300.0
_ALIGNED = np.pi / 2  # rad, between a lane and who drives along it
_BESIDE_M = 2.0  # of a stop line's middle, for who drives across it
_RETURN_M = 20.0  # over which an agent comes back to the middle of its lane after its recording
_STRAIGHT_M = 300.0  # where no lane leads on: nobody is to stop for the end of a map


@dataclass(frozen=True, eq=False)
class StopPoint:
    """Where a path crosses the stop line of lights.

    Attributes:
        s: arc length, in m.
        lights: their ids.
    """

    s: float
    lights: tuple[int, ...]

    def is_closed(self, lights: Mapping[int, TrafficLight], step: int) -> bool:
        """Whether one of its lights, by id, stops who still can at a step."""
        return any(lights[light].colour(step) in STOPPING_COLOURS for light in self.lights)


@dataclass(frozen=True, eq=False)
class Path:
    """A line that an agent follows.

    Attributes:
        line: its centre is to drive along it; it goes straight on after its end.
        end_s: arc length at which the known way ends, and the agent leaves, in m.
        speeds: what one may drive every SAMPLE_M of the line, in m/s, slower before bends.
        stops: where lights may stop it.
        likes: the speed that the agent never exceeds, in m/s.
    """

    line: Centreline
    end_s: float
    speeds: Floats
    stops: tuple[StopPoint, ...]
    desired_speed: float = np.inf

    def target_speed(self, s: float, speed: float) -> float:
        """The speed in m/s that is wanted at an arc length by who is at `speed`, and looks _LOOK_S ahead.

        The IDM gets to a lower speed late: it brakes by 2 m/s^2 at 1.3 times the wanted one.
        """
        last = len(self.speeds) - 1
        here, there = (min(max(int(at / SAMPLE_M), 0), last) for at in (s, s + _LOOK_S * speed))
        return min(float(self.speeds[here]), float(self.speeds[there]), self.desired_speed)

    def target_speeds(self, s: Floats, speed: Floats) -> Floats:
        """The same for many, (N,) each."""
        at = np.clip((np.stack([s, s + _LOOK_S * speed]) / SAMPLE_M).astype(int), 0, len(self.speeds) - 1)
        return np.asarray(np.minimum(self.speeds[at].min(axis=0), self.desired_speed))

    @classmethod
    def from_points(cls, points: Floats, lanes: Lanes, default_speed: float = np.inf) -> Self:
        """The path along points (P, 2).

        Args:
            unknown: speed wanted where no limit is known, in m/s.
        """
        line = Centreline(points)
        s = np.arange(0.0, line.length + SAMPLE_M, SAMPLE_M)
        limits = _limits(lanes, line.poses(s[::_LIMIT_EVERY]), default_speed)
        ahead, behind = (line.poses(s + side * _BEND_M / 2)[:, YAW] for side in (1, -1))
        bends = curve_speed(np.unwrap(ahead - behind) / _BEND_M, _LATERAL)
        wanted = np.minimum(np.repeat(limits, _LIMIT_EVERY)[: len(s)], bends)
        slowed = max_speed_profile(s, wanted, wanted[0], _AT_ONCE, _BRAKING)
        return cls(line.extended(after_m=_STRAIGHT_M), line.length, slowed, _stops(line, lanes))


def recorded_path(states: Floats, lanes: Lanes, speed: float) -> Path | None:
    """The path of an agent that was seen in states (T, 4), in order; None for one that stands.

    Args:
        speed: in m/s, that it likes where it was never seen to drive faster.
    """
    points, way = states[:1, :2], states[:, :2]
    for point in way[1:]:
        if np.hypot(*(point - points[-1])) >= _SPACING_M:
            points = np.concatenate([points, point[None]])
    moves = np.hypot(*np.diff(points, axis=0).T).sum() >= _LEAST_M
    if not moves and states[0, SPEED] < _LEAST_SPEED:
        return None
    likes = max(speed, float(states[:, SPEED].max()))
    way = np.concatenate([points, _onward(_last_pose(points, states), lanes)])
    return replace(Path.from_points(way, lanes), desired_speed=likes)


def lane_path(lane: int, lanes: Lanes) -> Path:
    """The path along a lane by index, and straight on."""
    return Path.from_points(centre_points(lanes, lane), lanes)


def lane_at(lanes: Lanes, pose: Floats) -> int:
    """The lane that holds a pose x, y, yaw (3,) and is best aligned with it; NO_LANE off the lanes."""
    return int(lanes_at(lanes, pose[None])[0])


def lanes_at(lanes: Lanes, poses: Floats) -> NDArray[np.int64]:
    """The lane that holds each of poses x, y, yaw (P, 3) and is best aligned with it, (P,).

    The first of equally aligned lanes; NO_LANE off the lanes, and across or against all that hold a pose.
    """
    best, least = np.full(len(poses), NO_LANE), np.full(len(poses), _ALIGNED)
    held = lanes.containing(poses[:, :2])  # (P, K)
    for lane in np.unique(held[held >= 0]).tolist():
        on = np.flatnonzero((held == lane).any(axis=1))
        yaw = lanes.centreline(lane).project(poses[on, :2]).yaw
        turn = np.abs(np.mod(poses[on, 2] - yaw + np.pi, 2 * np.pi) - np.pi)
        better = on[turn < least[on]]
        best[better], least[better] = lane, turn[turn < least[on]]
    return best


def distance_to_red_light(
    path: Path,
    front_s: float,
    speed: float,
    lights: Mapping[int, TrafficLight],
    step: int,
    braking: float = MAX_STOP_BRAKING,
) -> float:
    """The way in m from arc length `front_s` to the next light that stops; infinite where none does.

    Args:
        speed: in m/s.
        lights: by id.
        braking: in m/s^2; who cannot stop with so much passes.
    """
    free = [stop.s - front_s for stop in path.stops if stop.is_closed(lights, step)]
    return min((way for way in free if way > 0 and speed**2 < 2 * way * braking), default=np.inf)


def _last_pose(points: Floats, states: Floats) -> Floats:
    if len(points) < 2:
        return states[0, : YAW + 1]
    way = points[-1] - points[-2]
    return np.array([*points[-1], np.arctan2(way[1], way[0])])


def _onward(pose: Floats, lanes: Lanes) -> Floats:
    """Points (P, 2) of the lanes ahead of a pose; a metre ahead where there are none."""
    ahead: Floats = pose[:2] + np.array([np.cos(pose[2]), np.sin(pose[2])])
    lane = lane_at(lanes, pose)
    if lane == NO_LANE:
        return ahead[None]
    line = Centreline(centre_points(lanes, lane))
    there = line.project(pose[:2])
    s = np.arange(float(there.s) + 2.0, line.length, 2.0)
    aside = float(there.d) * np.clip(1 - (s - float(there.s)) / _RETURN_M, 0.0, 1.0)
    return np.concatenate([ahead[None], line.poses(s, aside)[:, :2]])


def centre_points(lanes: Lanes, lane: int) -> Floats:
    """The centres (P, 2) of a lane and of those after it."""
    return np.concatenate([lanes[each].centre for each in extended_ahead(lanes, [lane], _ONWARD_M)])


def _limits(lanes: Lanes, poses: Floats, unknown: float) -> Floats:
    """Speed limits at poses (P, 3), (P,), and `unknown` where none is known."""
    limits = np.append(lanes.speed_limits, np.inf)[lanes_at(lanes, poses)]  # NO_LANE is the last
    return np.asarray(np.where(np.isfinite(limits), limits, unknown))


def _stops(line: Centreline, lanes: Lanes) -> tuple[StopPoint, ...]:
    """Where lanes with lights end below the line, or have their stop line."""
    found = []
    for index in range(len(lanes)):
        lane = lanes[index]
        if not lane.lights:
            continue
        place = lane.stop_line.points.mean(axis=0) if lane.stop_line else lane.centre[-1]
        at = line.project(place)
        if abs(at.d) < _BESIDE_M and lane_at(lanes, line.poses(at.s - 1.0)) == index:
            found.append(StopPoint(float(at.s), lane.lights))
    return tuple(found)
