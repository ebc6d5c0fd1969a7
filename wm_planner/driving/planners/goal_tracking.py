"""Distance of trajectories to a goal: whether they arrive, and if not, whether they still can in time."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.drive import Drive
from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.scenarios.scenario import Goal

Floats = NDArray[np.float64]

ACCELERATION, DECELERATION = 1.5, 2.5
"""Assumed limits in m/s^2 when checking whether the ego can still arrive in time."""

_M_PER_RAD = 20.0  # weight of a yaw error
_NOT_ARRIVED_M = 0.2  # shortfall of every trajectory that has not arrived yet

_MARGIN, _MAX_MARGIN_MPS = 0.2, 0.3  # kept inside of goal ranges: a fraction of the range, and its maximum
_LATERAL_RANGE_M = 60.0  # before the goal, from where the lateral error counts increasingly

_SPACING_M = 0.5  # of samples along the path
_SIDEWAYS_M = np.arange(0.0, 8.0, 0.25)  # samples to either side of the path


class GoalRegion(NamedTuple):
    """A goal in the frame of the path.

    Attributes:
        goal: the goal itself.
        s_min, s_max: arc lengths between which the path is inside, in m; infinite for a goal without a place.
        d: lateral offset at which the goal is entered, in m; 0 where the path leads through it.
        half_width: how far the goal extends to either side of that offset, in m.
    """

    goal: Goal
    s_min: float
    s_max: float
    d: float = 0.0
    half_width: float = np.inf


class GoalTracker:
    """Measures how far trajectories are from the goals of a drive.

    Attributes:
        drive: the drive.
        line: centreline of its path.
        regions: its goals in the frame of the path.
    """

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        self.line = drive.path.line
        self.regions = tuple(self._region(goal) for goal in drive.problem.goals)
        self._max_speed = float(np.max(drive.path.speeds))

    def arrived(self, centres: Floats, step: int) -> NDArray[np.bool_]:
        """Whether states (N, T, 4 or more) of the box centre, the first at `step`, reach a goal, (N,)."""
        steps = np.broadcast_to(step + np.arange(centres.shape[1]), centres.shape[:2])
        reached = np.zeros(len(centres), np.bool_)
        for goal in self.drive.problem.goals:
            reached |= self.drive.scenario.goal_reached(goal, centres[..., :4], steps).any(axis=1)
        return reached

    def shortfall(self, centres: Floats, step: int) -> Floats:
        """By how much trajectories (N, T, 4 or more) miss the nearest goal, (N,), in m.

        It is 0 for those that arrive, small for those that still can, and grows with how late, early or fast
        they would be.
        """
        if not self.regions:
            return np.zeros(len(centres))
        shortfalls = [
            np.minimum(self._within(region.goal, centres, step), self._beyond(region, centres, step))
            for region in self.regions
        ]
        return np.asarray(np.min(shortfalls, axis=0))

    def _within(self, goal: Goal, centres: Floats, step: int) -> Floats:
        """The smallest yaw and speed error within the goal's region and time; infinite if never there."""
        first, last = (max(each - step, 0) for each in goal.steps)
        centres, step = centres[:, first : last + 1], step + first
        if not centres.shape[1] or goal.steps[1] < step:
            return np.full(len(centres), np.inf)
        steps = np.broadcast_to(step + np.arange(centres.shape[1]), centres.shape[:2])
        inside = self.drive.scenario.goal_reached(replace(goal, yaw=None, v=None), centres[..., :4], steps)
        error = np.zeros(inside.shape)
        if goal.yaw is not None:
            middle, half = np.mean(goal.yaw), 0.5 * (goal.yaw[1] - goal.yaw[0])
            yaw_error = wrap_to_pi(centres[..., YAW] - middle)
            error += _M_PER_RAD * np.maximum(np.abs(yaw_error) - half * (1 - _MARGIN), 0.0)
        if goal.v is not None:
            v, (v_min, v_max) = centres[..., SPEED], _inner_range(goal.v)
            error += np.maximum(v_min - v, 0.0) + np.maximum(v - v_max, 0.0)
        return np.asarray(np.where(inside, error, np.inf).min(axis=1))

    def _beyond(self, region: GoalRegion, centres: Floats, step: int) -> Floats:
        """The shortfall expected after the last step of the trajectory that lies within the goal's time."""
        first, last = region.goal.steps
        end = int(np.clip(last - step, 0, centres.shape[1] - 1))
        s, d, _ = self.line.project(centres[:, end, :2])
        v, dt = np.maximum(centres[:, end, SPEED], 0.0), self.drive.scenario.dt
        earliest, latest = (max(each - step - end, 0) * dt for each in (first, last))
        shortfall = _NOT_ARRIVED_M + self._longitudinal_shortfall(region, s, v, earliest, latest)
        lateral = np.maximum(np.abs(d - region.d) - region.half_width, 0.0)
        shortfall += lateral * np.clip(1 - (region.s_min - s) / _LATERAL_RANGE_M, 0.0, 1.0)
        return np.asarray(shortfall + _speed_shortfall(region, s, v, latest))

    def _longitudinal_shortfall(
        self, region: GoalRegion, s: Floats, v: Floats, earliest: float, latest: float
    ) -> Floats:
        """Distance by which the ego must fall short of the region or overshoot it, in m."""
        if np.isinf(region.s_max):
            return np.zeros_like(s)
        accelerating = np.minimum(latest, np.maximum(self._max_speed - v, 0.0) / ACCELERATION)
        farthest = s + v * latest + ACCELERATION * accelerating * (latest - accelerating / 2)
        braking = np.minimum(earliest, v / DECELERATION)
        nearest = s + v * braking - 0.5 * DECELERATION * braking**2
        return np.asarray(np.maximum(region.s_min - farthest, 0.0) + np.maximum(nearest - region.s_max, 0.0))

    def _region(self, goal: Goal) -> GoalRegion:
        outlines = list(self.drive.scenario.goal_outlines(goal))
        if not outlines:
            return GoalRegion(goal, -np.inf, np.inf)
        end_s = self.drive.line.length + 1.0
        s = np.append(np.arange(0.0, end_s, _SPACING_M), end_s)
        area = Polygons(outlines)
        inside = np.flatnonzero(area.contains(self.line.poses(s)[:, :2]))
        if len(inside):
            return self._region_on_path(goal, area, s, inside)
        corner_s, corner_d, _ = self.line.project(np.concatenate(outlines))
        d = float(self.line.project(np.mean(outlines[0], axis=0)).d) or float(corner_d.mean())
        return GoalRegion(goal, float(corner_s.min()), float(corner_s.max()), d, half_width=0.0)

    def _region_on_path(self, goal: Goal, area: Polygons, s: Floats, inside: NDArray[np.int64]) -> GoalRegion:
        """The first stretch of the path inside a goal's area, ahead of the start if there is one."""
        start = float(self.line.project([self.drive.problem.start.x, self.drive.problem.start.y]).s)
        ahead = inside[s[inside] >= start - 1.0]
        inside = ahead if len(ahead) else inside
        breaks = np.flatnonzero(np.diff(inside) > 1)
        s_min, s_max = s[inside[0]], s[inside[breaks[0]] if len(breaks) else inside[-1]]
        sides = np.stack([_SIDEWAYS_M, -_SIDEWAYS_M])
        points = self.line.poses(np.full(sides.shape, (s_min + s_max) / 2), sides)[..., :2]
        reach = area.contains(points).all(axis=0).cumprod().sum()
        return GoalRegion(goal, float(s_min), float(s_max), half_width=float(_SIDEWAYS_M[reach - 1]))


def _inner_range(speeds: tuple[float, float]) -> tuple[float, float]:
    """A goal's range of speeds with a margin on either side."""
    margin = min(_MAX_MARGIN_MPS, _MARGIN * (speeds[1] - speeds[0]))
    return speeds[0] + margin, speeds[1] - margin


def _speed_shortfall(region: GoalRegion, s: Floats, v: Floats, latest: float) -> Floats:
    """How much distance [m] and time [speed difference in m/s] the ego lacks to reach the goal's speeds."""
    if region.goal.v is None:
        return np.zeros_like(s)
    v_min, v_max = (max(each, 0.0) for each in _inner_range(region.goal.v))
    distance = np.maximum(region.s_max - s, 0.0)
    shortfall = np.zeros_like(s)
    for error, rate, squares in (
        (v - v_max, DECELERATION, v**2 - v_max**2),
        (v_min - v, ACCELERATION, v_min**2 - v**2),
    ):
        error = np.maximum(error, 0.0)
        shortfall += np.where(error > 0, np.maximum(squares / (2 * rate) - distance, 0.0), 0.0)
        shortfall += np.maximum(error - rate * latest, 0.0)
    return np.where(np.isfinite(shortfall), shortfall, 0.0)
