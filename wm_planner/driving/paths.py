"""Where an agent is going: the way it was recorded to go, and on along the lanes."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.centreline import Centreline
from wm_planner.driving.lanes import Lanes
from wm_planner.driving.speed_profile import curve_speed, reachable
from wm_planner.driving.tracks import SPEED, YAW

Floats = NDArray[np.float64]

SAMPLE_M = 5.0  # of wanted speeds

_SPACING_M = 0.5  # of recorded points: nearer ones only tell of noise
_LIMIT_EVERY = 4  # samples: limits hold for whole lanes
_BEND_M = 10.0  # over which a bend is measured, so that noise of a recording is none
_LATERAL, _BRAKING, _AT_ONCE = 3.0, 2.0, 1e3  # m/s^2: in bends, before them, and after them by the IDM alone
_LEAST_M = 2.0  # of way, for who is to move at all
_LEAST_SPEED = 1.0  # m/s, of who is seen too shortly to have moved
_ONWARD_M = 300.0
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


@dataclass(frozen=True, eq=False)
class Path:
    """A line that an agent follows.

    Attributes:
        line: its centre is to drive along it; it goes straight on after its end.
        end_s: arc length at which the known way ends, and the agent leaves, in m.
        speeds: what is wanted every SAMPLE_M of the line, in m/s, slower before bends.
        stops: where lights may stop it.
    """

    line: Centreline
    end_s: float
    speeds: Floats
    stops: tuple[StopPoint, ...]

    def speed(self, s: float) -> float:
        """What is wanted at an arc length, in m/s."""
        return float(self.speeds[min(max(int(s / SAMPLE_M), 0), len(self.speeds) - 1)])

    @classmethod
    def along(cls, points: Floats, lanes: Lanes, speed: float) -> Self:
        """The path along points (P, 2) of who likes to drive at `speed`, in m/s."""
        line = Centreline(points)
        s = np.arange(0.0, line.length + SAMPLE_M, SAMPLE_M)
        limits = np.array([_limit(lanes, pose) for pose in line.poses(s[::_LIMIT_EVERY])])
        ahead, behind = (line.poses(s + side * _BEND_M / 2)[:, YAW] for side in (1, -1))
        bends = curve_speed(np.unwrap(ahead - behind) / _BEND_M, _LATERAL)
        wanted = np.minimum(np.minimum(np.repeat(limits, _LIMIT_EVERY)[: len(s)], bends), speed)
        slowed = reachable(s, wanted, wanted[0], _AT_ONCE, _BRAKING)
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
    return Path.along(np.concatenate([points, _onward(_last_pose(points, states), lanes)]), lanes, max(speed, float(states[:, SPEED].max())))


def lane_path(lane: int, lanes: Lanes, speed: float) -> Path:
    """The path along a lane and straight on, of who likes to drive at `speed`, in m/s."""
    way = (lane, *lanes.onward(lane, _ONWARD_M))
    return Path.along(np.concatenate([lanes.centre(each).points for each in way]), lanes, speed)


def _last_pose(points: Floats, states: Floats) -> Floats:
    if len(points) < 2:
        return states[0, : YAW + 1]
    way = points[-1] - points[-2]
    return np.array([*points[-1], np.arctan2(way[1], way[0])])


def _onward(pose: Floats, lanes: Lanes) -> Floats:
    """Points (P, 2) of the lanes ahead of a pose; a metre ahead where there are none."""
    ahead = pose[:2] + np.array([np.cos(pose[2]), np.sin(pose[2])])
    under = lanes.under(pose)
    if not under:
        return ahead[None]
    way = (under[0], *lanes.onward(under[0], _ONWARD_M))
    line = Centreline(np.concatenate([lanes.centre(lane).points for lane in way]))
    there = line.project(pose[:2])
    s = np.arange(float(there.s) + 2.0, line.length, 2.0)
    aside = float(there.d) * np.clip(1 - (s - float(there.s)) / _RETURN_M, 0.0, 1.0)
    return np.concatenate([ahead[None], line.poses(s, aside)[:, :2]])


def _limit(lanes: Lanes, pose: Floats) -> float:
    under = lanes.under(pose)
    return lanes.road.lanes[under[0]].speed_limit if under else np.inf


def _stops(line: Centreline, lanes: Lanes) -> tuple[StopPoint, ...]:
    """Where lanes with lights end below the line, or have their stop line."""
    found = []
    for lane in lanes.ids:
        lights = lanes.road.lanes[lane].lights
        if not lights:
            continue
        stop = lanes.road.lanes[lane].stop_line
        place = stop.points.mean(axis=0) if stop is not None else lanes.centre(lane).points[-1]
        at = line.project(place)
        if abs(at.d) < _BESIDE_M and lane in lanes.under(line.poses(at.s - 1.0)):
            found.append(StopPoint(float(at.s), lights))
    return tuple(found)
