"""Rule-based proposals: ways beside the path, speeds behind obstacles, arrivals in time, and braking."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.polynomials import evaluate, quintic
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.following import IDMPolicies, follow_path, poses_along_path
from wm_planner.driving.planners.goal_tracking import GoalRegion, GoalTracker
from wm_planner.driving.planners.pdm_closed import braking_poses
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.traffic.car_following import IDM
from wm_planner.driving.vehicle.vehicle import ACCELERATION

Floats = NDArray[np.float64]

SHARES = (0.4, 0.7, 1.0)
BESIDE_M = (0.0, 1.75, -1.75, 3.5, -3.5)
"""Half a lane and a lane to either side."""
BRAKING = (2.0, 4.0, 7.0)

_LEAST_WAY_M, _CHANGE_S = 12.0, 3.0

_BESIDE_M = 0.35  # left between the ego and what it passes
_LEAST_LOOK_M, _LOOK_S = 30.0, 4.0
_LEAST_SWERVE_M = 6.0
_LATEST_S = 12.0
_ARRIVALS = 8  # the gentlest of them
_HARDEST, _FASTEST = 6.0, 3.5  # m/s^2, of arrivals


def proposals(
    view: View, obstacles: ObstacleBoxes, aim: GoalTracker | None, horizon: int, idm: IDM
) -> Floats:
    """Poses of the rear axle, (N, H + 1, 3), all of which begin where the ego is.

    Args:
        obstacles: everybody, as forecast for H steps or more.
    """
    here = view.path.line.project(view.vehicle.at_centre(view.ego)[:2])
    way, block = changing_way(view), block_ahead(view)
    aside = [(d, way) for d in (*BESIDE_M, float(here.d))]
    if block:
        swerve = min(max(block.gap, _LEAST_SWERVE_M), way)
        aside += [(block.left, swerve), (block.right, swerve)]
    policies = IDMPolicies.grid(tuple(d for d, _ in aside), SHARES)
    s, offset = follow_path(view, policies, idm, horizon, obstacles), policies.offset
    ways = np.repeat([way for _, way in aside], len(SHARES))
    timed = arrivals(view, aim, horizon)
    if len(timed):
        beside = {0.0, float(here.d), *(target.d for target in aim.regions)} if aim else {0.0}
        s = np.concatenate([s, *[timed for _ in beside]])
        offset = np.concatenate([offset, np.repeat(sorted(beside), len(timed))])
        ways = np.append(ways, np.full(len(offset) - len(ways), way))
    stops = [braking_poses(view, horizon, hard) for hard in BRAKING]
    return np.concatenate([poses_along_path(view, s, swerved(view, s, offset, ways)), np.stack(stops)])


class Block(NamedTuple):
    """What stands in the way.

    Attributes:
        gap: to the first of it, in m; below 0 beside it.
        left, right: offsets that lead past it, in m.
    """

    gap: float
    left: float
    right: float


def block_ahead(view: View) -> Block | None:
    """The next one that is near enough to be thought of."""
    seen, vehicle, speed = view.static_corridor, view.vehicle, float(view.ego[SPEED])
    here = float(view.path.line.project(vehicle.at_centre(view.ego)[:2]).s)
    gap = seen.s - seen.half_length - here - vehicle.length_m / 2
    room = vehicle.width_m / 2 + _BESIDE_M
    blocks = np.abs(seen.d) < seen.half_width + room
    blocks &= (gap > -vehicle.length_m) & (gap < max(_LEAST_LOOK_M, _LOOK_S * speed))
    if not blocks.any():
        return None
    left, right = (seen.d + seen.half_width)[blocks].max(), (seen.d - seen.half_width)[blocks].min()
    return Block(float(gap[blocks].min()), float(left) + room, float(right) - room)


def changing_way(view: View) -> float:
    """What a change to the next lane takes, in m."""
    return max(_LEAST_WAY_M, _CHANGE_S * float(view.ego[SPEED]))


def swerved(view: View, s: Floats, offset: Floats, length: Floats) -> Floats:
    """Offsets (N, T) that go over from the ego's to obstacles (N,), at arc lengths s (N, T).

    Args:
        length: of the way over, (N,), in m.
    """
    centre = view.vehicle.at_centre(view.ego)
    here = view.path.line.project(centre[:2])
    turn = np.clip(wrap_to_pi(centre[YAW] - float(here.yaw)), -0.6, 0.6)
    begin = np.array([float(here.d), np.tan(turn), 0.0])
    ends = np.stack([offset, np.zeros_like(offset), np.zeros_like(offset)], axis=-1)
    ways = quintic(begin, ends, length)
    return evaluate(ways, s - s[:, :1], length)


def arrivals(view: View, aim: GoalTracker | None, horizon: int) -> Floats:
    """Arc lengths (N, T) that lead to goals in time; N may be 0."""
    times = view.dt * np.arange(horizon + 1)
    centre = view.vehicle.at_centre(view.ego)
    s, v = float(view.path.line.project(centre[:2]).s), max(float(view.ego[SPEED]), 0.0)
    now = np.array([s, v, float(view.ego[ACCELERATION])])
    wanted = [each for target in (aim.regions if aim else ()) for each in _ends(view, target, s, v)]
    if not wanted:
        return np.empty((0, horizon + 1))
    ends = np.array(wanted)
    ways = quintic(now, np.stack([ends[:, 0], ends[:, 1], 0 * ends[:, 1]], axis=-1), ends[:, 2])
    speed = evaluate(ways, times, ends[:, 2], 1)
    pull = evaluate(ways, times, ends[:, 2], 2)
    fit = (speed > -0.05).all(axis=1) & (pull > -_HARDEST).all(axis=1) & (pull < _FASTEST).all(axis=1)
    gentle = np.flatnonzero(fit)[np.square(pull[fit]).mean(axis=1).argsort()[:_ARRIVALS]]
    return np.maximum.accumulate(evaluate(ways[gentle], times, ends[gentle, 2]), axis=1)


def _ends(view: View, target: GoalRegion, s: float, v: float) -> Iterator[tuple[float, float, float]]:
    """Arc lengths, speeds and times of arrivals at a target."""
    first, last = ((when - view.step) * view.dt for when in target.goal.steps)
    if np.isinf(target.high) or last <= view.dt:
        return
    margin = min(1.0, 0.25 * (target.high - target.low))
    low, high = target.goal.v or (0.0, np.inf)
    for place in {target.low + margin, 0.5 * (target.low + target.high), target.high - margin}:
        if place < s + 0.2:
            continue
        for when in _times(place - s, v, float(view.path.target_speed(s, v)), first, last):
            mean = (place - s) / when
            for speed in {mean, 2 * mean - v, v, 0.5 * (max(low, 0.0) + high) if np.isfinite(high) else v}:
                yield place, float(np.clip(speed, max(low, 0.0), min(high, 45.0))), when


def _times(way: float, v: float, wanted: float, first: float, last: float) -> list[float]:
    """When to arrive, in s from now: as one drives, early, in the middle, and late in the window."""
    natural = [way / max(v, 1.0), way / max(0.5 * (v + wanted), 1.0), 1.8 * way / max(v, 1.0)]
    window = [first, min(0.5 * (first + last), _LATEST_S), min(last, _LATEST_S)]
    earliest = max(first, 0.4)
    return sorted({round(float(np.clip(t, earliest, max(last, 0.4))), 3) for t in (*natural, *window)})
