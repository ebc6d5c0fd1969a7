"""How near drives come to a goal: whether they arrive, and if not yet, whether they still can in time."""

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

FASTER, SLOWER = 1.5, 2.5
"""What is counted on to arrive in time, in m/s^2."""

_YAW_M = 20.0  # what a rad beside the goal's range counts as
_WAITING_M = 0.2  # what it counts as not to have arrived yet

_MARGIN, _MARGIN_MPS = 0.2, 0.3  # inside what is asked for: a share of it, and at most so much
_NEAR_M = 60.0  # from here on it counts to be beside the goal

_APART_M = 0.5  # samples of the line
_SIDEWAYS_M = np.arange(0.0, 8.0, 0.25)  # and beside it


class GoalRegion(NamedTuple):
    """A goal as the line sees it.

    Attributes:
        goal: what is asked for.
        low, high: arc lengths between which the line is in it, in m; infinite where it is no place.
        d: how far to the left of the line it is entered, in m; 0 where the line leads through.
        room: how far to either side of that it still is, in m.
    """

    goal: Goal
    low: float
    high: float
    d: float = 0.0
    room: float = np.inf


class GoalTracker:
    """The goals of a drive."""

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        self.line = drive.path.line
        self.regions = tuple(self._target(goal) for goal in drive.problem.goals)
        self._fastest = float(np.max(drive.path.speeds))

    def arrived(self, centres: Floats, step: int) -> NDArray[np.bool_]:
        """Which of N drives arrive, (N,): centres (N, T, 4 or more), the first of them at `step`."""
        steps = np.broadcast_to(step + np.arange(centres.shape[1]), centres.shape[:2])
        there = np.zeros(len(centres), np.bool_)
        for goal in self.drive.problem.goals:
            there |= self.drive.scenario.goal_reached(goal, centres[..., :4], steps).any(axis=1)
        return there

    def shortfall(self, centres: Floats, step: int) -> Floats:
        """By how much N drives (N, T, 4 or more) miss the goal they come nearest to, (N,), in m.

        0 where they arrive. Where they can yet, it is little, and grows with what they would be late, early
        or too fast by.
        """
        if not self.regions:
            return np.zeros(len(centres))
        return np.asarray(np.min([self._missed(target, centres, step) for target in self.regions], axis=0))

    def _missed(self, target: GoalRegion, centres: Floats, step: int) -> Floats:
        """The lesser of what misses within the drive, and of what will miss after it."""
        return np.minimum(self._inside(target.goal, centres, step), self._after(target, centres, step))

    def _inside(self, goal: Goal, centres: Floats, step: int) -> Floats:
        """What is wrong with yaw and speed at the best moment in place and time; infinite without one."""
        first, last = (max(when - step, 0) for when in goal.steps)
        centres, step = centres[:, first : last + 1], step + first
        if not centres.shape[1] or goal.steps[1] < step:
            return np.full(len(centres), np.inf)
        steps = np.broadcast_to(step + np.arange(centres.shape[1]), centres.shape[:2])
        there = self.drive.scenario.goal_reached(replace(goal, yaw=None, v=None), centres[..., :4], steps)
        wrong = np.zeros(there.shape)
        if goal.yaw is not None:
            middle, half = np.mean(goal.yaw), 0.5 * (goal.yaw[1] - goal.yaw[0])
            turn = wrap_to_pi(centres[..., YAW] - middle)
            wrong += _YAW_M * np.maximum(np.abs(turn) - half * (1 - _MARGIN), 0.0)
        if goal.v is not None:
            v, (low, high) = centres[..., SPEED], _speeds(goal.v)
            wrong += np.maximum(low - v, 0.0) + np.maximum(v - high, 0.0)
        return np.asarray(np.where(there, wrong, np.inf).min(axis=1))

    def _after(self, target: GoalRegion, centres: Floats, step: int) -> Floats:
        """What misses from the last moment on that the drive has before the goal's time is over."""
        first, last = target.goal.steps
        end = int(np.clip(last - step, 0, centres.shape[1] - 1))
        s, d, _ = self.line.project(centres[:, end, :2])
        v, dt = np.maximum(centres[:, end, SPEED], 0.0), self.drive.scenario.dt
        soonest, latest = (max(when - step - end, 0) * dt for when in (first, last))
        missed = _WAITING_M + self._place_missed(target, s, v, soonest, latest)
        beside = np.maximum(np.abs(d - target.d) - target.room, 0.0)
        missed += beside * np.clip(1 - (target.low - s) / _NEAR_M, 0.0, 1.0)
        return np.asarray(missed + _speed_missed(target, s, v, latest))

    def _place_missed(
        self, target: GoalRegion, s: Floats, v: Floats, soonest: float, latest: float
    ) -> Floats:
        """By how much one must be too late or too early at the place, in m."""
        if np.isinf(target.high):
            return np.zeros_like(s)
        hurry = np.minimum(latest, np.maximum(self._fastest - v, 0.0) / FASTER)
        farthest = s + v * latest + FASTER * hurry * (latest - hurry / 2)
        brake = np.minimum(soonest, v / SLOWER)
        nearest = s + v * brake - 0.5 * SLOWER * brake**2
        return np.asarray(np.maximum(target.low - farthest, 0.0) + np.maximum(nearest - target.high, 0.0))

    def _target(self, goal: Goal) -> GoalRegion:
        outlines = list(self.drive.scenario.goal_outlines(goal))
        if not outlines:
            return GoalRegion(goal, -np.inf, np.inf)
        s = np.append(np.arange(0.0, self.drive.line.length + 1.0, _APART_M), self.drive.line.length + 1.0)
        area = Polygons(outlines)
        inside = np.flatnonzero(area.contains(self.line.poses(s)[:, :2]))
        if len(inside):
            start = float(self.line.project([self.drive.problem.start.x, self.drive.problem.start.y]).s)
            ahead = inside[s[inside] >= start - 1.0]
            inside = ahead if len(ahead) else inside
            breaks = np.flatnonzero(np.diff(inside) > 1)
            low, high = s[inside[0]], s[inside[breaks[0]] if len(breaks) else inside[-1]]
            sides = np.stack([_SIDEWAYS_M, -_SIDEWAYS_M])
            held = area.contains(self.line.poses(np.full(sides.shape, (low + high) / 2), sides)[..., :2])
            room = _SIDEWAYS_M[held.all(axis=0).cumprod().sum() - 1]
            return GoalRegion(goal, float(low), float(high), room=float(room))
        s_at, d_at, _ = self.line.project(np.concatenate(outlines))
        middle = self.line.project(np.mean(outlines[0], axis=0)).d
        d = float(middle) or float(d_at.mean())
        return GoalRegion(goal, float(s_at.min()), float(s_at.max()), d, room=0.0)


def _speeds(asked: tuple[float, float]) -> tuple[float, float]:
    """Those to aim at."""
    margin = min(_MARGIN_MPS, _MARGIN * (asked[1] - asked[0]))
    return asked[0] + margin, asked[1] - margin


def _speed_missed(target: GoalRegion, s: Floats, v: Floats, latest: float) -> Floats:
    """By how much one must be too fast or too slow at the place: in m of way, and m/s of time."""
    if target.goal.v is None:
        return np.zeros_like(s)
    low, high = (max(each, 0.0) for each in _speeds(target.goal.v))
    way = np.maximum(target.high - s, 0.0)
    missed = np.zeros_like(s)
    for off, rate, over in ((v - high, SLOWER, v**2 - high**2), (low - v, FASTER, low**2 - v**2)):
        off = np.maximum(off, 0.0)
        missed += np.where(off > 0, np.maximum(over / (2 * rate) - way, 0.0), 0.0)
        missed += np.maximum(off - rate * latest, 0.0)
    return np.where(np.isfinite(missed), missed, 0.0)
