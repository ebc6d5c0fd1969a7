"""Rule-based proposals: lateral offsets at IDM speeds, passing static obstacles, timed arrivals, braking."""

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

SPEED_FRACTIONS = (0.4, 0.7, 1.0)
"""Of the path's target speed."""
OFFSETS_M = (0.0, 1.75, -1.75, 3.5, -3.5)
"""Half a lane and a lane to either side."""
DECELERATIONS = (2.0, 4.0, 7.0)
"""Of braking proposals, in m/s^2."""

_MIN_LANE_CHANGE_M, _LANE_CHANGE_S = 12.0, 3.0

_CLEARANCE_M = 0.35  # lateral, when passing a static obstacle
_MIN_LOOKAHEAD_M, _LOOKAHEAD_S = 30.0, 4.0  # within which a static obstacle is passed
_MIN_SWERVE_M = 6.0
_MAX_ARRIVAL_S = 12.0
_MAX_ARRIVALS = 8  # those with the smallest accelerations
_MAX_BRAKING, _MAX_ACCELERATION = 6.0, 3.5  # m/s^2, of arrivals


def generate_proposals(
    view: View, obstacles: ObstacleBoxes, goal_tracker: GoalTracker | None, horizon: int, idm: IDM
) -> Floats:
    """Poses of the rear axle, (N, H + 1, 3), all from the ego's current pose.

    Args:
        obstacles: a forecast of H + 1 steps or more.
    """
    here = view.path.line.project(view.vehicle.at_centre(view.ego)[:2])
    lane_change_m, block = lane_change_length(view), block_ahead(view)
    targets = [(d, lane_change_m) for d in (*OFFSETS_M, float(here.d))]
    if block:
        swerve_m = min(max(block.gap, _MIN_SWERVE_M), lane_change_m)
        targets += [(block.left, swerve_m), (block.right, swerve_m)]
    policies = IDMPolicies.grid(tuple(d for d, _ in targets), SPEED_FRACTIONS)
    s, offset = follow_path(view, policies, idm, horizon, obstacles), policies.offset
    lengths = np.repeat([length for _, length in targets], len(SPEED_FRACTIONS))
    timed = arrivals(view, goal_tracker, horizon)
    if len(timed):
        offsets = (
            {0.0, float(here.d), *(region.d for region in goal_tracker.regions)} if goal_tracker else {0.0}
        )
        s = np.concatenate([s, *[timed for _ in offsets]])
        offset = np.concatenate([offset, np.repeat(sorted(offsets), len(timed))])
        lengths = np.append(lengths, np.full(len(offset) - len(lengths), lane_change_m))
    stops = [braking_poses(view, horizon, deceleration) for deceleration in DECELERATIONS]
    shifted = poses_along_path(view, s, lateral_shift(view, s, offset, lengths))
    return np.concatenate([shifted, np.stack(stops)])


class Block(NamedTuple):
    """Static obstacles that block the path.

    Attributes:
        gap: bumper-to-bumper distance to the first of them, in m; negative next to it.
        left, right: lateral offsets that pass them on either side, in m.
    """

    gap: float
    left: float
    right: float


def block_ahead(view: View) -> Block | None:
    """The static obstacles that block the path within the lookahead; None if it is free."""
    static, vehicle, speed = view.static_corridor, view.vehicle, float(view.ego[SPEED])
    here = float(view.path.line.project(vehicle.at_centre(view.ego)[:2]).s)
    gap = static.s - static.half_length - here - vehicle.length_m / 2
    margin = vehicle.width_m / 2 + _CLEARANCE_M
    blocks = np.abs(static.d) < static.half_width + margin
    blocks &= (gap > -vehicle.length_m) & (gap < max(_MIN_LOOKAHEAD_M, _LOOKAHEAD_S * speed))
    if not blocks.any():
        return None
    left, right = (static.d + static.half_width)[blocks].max(), (static.d - static.half_width)[blocks].min()
    return Block(float(gap[blocks].min()), float(left) + margin, float(right) - margin)


def lane_change_length(view: View) -> float:
    """Distance along the path that a lane change takes, in m."""
    return max(_MIN_LANE_CHANGE_M, _LANE_CHANGE_S * float(view.ego[SPEED]))


def lateral_shift(view: View, s: Floats, offset: Floats, length: Floats) -> Floats:
    """Offsets (N, T) at arc lengths s (N, T) that change smoothly from the ego's offset to others (N,).

    Args:
        length: distance along the path over which the offset changes, (N,), in m.
    """
    centre = view.vehicle.at_centre(view.ego)
    here = view.path.line.project(centre[:2])
    heading_error = np.clip(wrap_to_pi(centre[YAW] - float(here.yaw)), -0.6, 0.6)
    start = np.array([float(here.d), np.tan(heading_error), 0.0])
    ends = np.stack([offset, np.zeros_like(offset), np.zeros_like(offset)], axis=-1)
    return evaluate(quintic(start, ends, length), s - s[:, :1], length)


def arrivals(view: View, goal_tracker: GoalTracker | None, horizon: int) -> Floats:
    """Arc lengths (N, T) that reach goals in time; N may be 0."""
    times = view.dt * np.arange(horizon + 1)
    centre = view.vehicle.at_centre(view.ego)
    s, v = float(view.path.line.project(centre[:2]).s), max(float(view.ego[SPEED]), 0.0)
    now = np.array([s, v, float(view.ego[ACCELERATION])])
    regions = goal_tracker.regions if goal_tracker else ()
    candidates = [end for region in regions for end in _ends(view, region, s, v)]
    if not candidates:
        return np.empty((0, horizon + 1))
    ends = np.array(candidates)
    profiles = quintic(now, np.stack([ends[:, 0], ends[:, 1], 0 * ends[:, 1]], axis=-1), ends[:, 2])
    speed = evaluate(profiles, times, ends[:, 2], 1)
    acceleration = evaluate(profiles, times, ends[:, 2], 2)
    feasible = (speed > -0.05).all(axis=1)
    feasible &= (acceleration > -_MAX_BRAKING).all(axis=1) & (acceleration < _MAX_ACCELERATION).all(axis=1)
    effort = np.square(acceleration[feasible]).mean(axis=1)
    best = np.flatnonzero(feasible)[effort.argsort()[:_MAX_ARRIVALS]]
    return np.maximum.accumulate(evaluate(profiles[best], times, ends[best, 2]), axis=1)


def _ends(view: View, region: GoalRegion, s: float, v: float) -> Iterator[tuple[float, float, float]]:
    """Arc lengths, speeds and times of arrivals in a goal region."""
    first, last = ((step - view.step) * view.dt for step in region.goal.steps)
    if np.isinf(region.s_max) or last <= view.dt:
        return
    margin = min(1.0, 0.25 * (region.s_max - region.s_min))
    v_min, v_max = region.goal.v or (0.0, np.inf)
    for end_s in {region.s_min + margin, 0.5 * (region.s_min + region.s_max), region.s_max - margin}:
        if end_s < s + 0.2:
            continue
        for time in _times(end_s - s, v, float(view.path.target_speed(s, v)), first, last):
            mean = (end_s - s) / time
            middle = 0.5 * (max(v_min, 0.0) + v_max) if np.isfinite(v_max) else v
            for speed in {mean, 2 * mean - v, v, middle}:
                yield end_s, float(np.clip(speed, max(v_min, 0.0), min(v_max, 45.0))), time


def _times(distance: float, v: float, target_speed: float, first: float, last: float) -> list[float]:
    """Arrival times in s from now: at natural speeds, and early, midway and late in the goal's window."""
    natural = [
        distance / max(v, 1.0),
        distance / max(0.5 * (v + target_speed), 1.0),
        1.8 * distance / max(v, 1.0),
    ]
    window = [first, min(0.5 * (first + last), _MAX_ARRIVAL_S), min(last, _MAX_ARRIVAL_S)]
    earliest = max(first, 0.4)
    return sorted({round(float(np.clip(t, earliest, max(last, 0.4))), 3) for t in (*natural, *window)})
