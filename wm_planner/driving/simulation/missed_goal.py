"""Why a drive has not reached its goal, in words."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.edges import squared_edge_distance
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.scenarios.scenario import Goal, Scenario

Floats = NDArray[np.float64]

_PASSED_M = 1.0  # how much farther from a goal area than before a drive that has passed it is


def why_missed(scenario: Scenario, goals: tuple[Goal, ...], centres: Floats, first_step: int) -> str:
    """The first condition of the goal that a drive did not meet; of several goals, of the first.

    Args:
        centres: states of the box centre, x, y, yaw, v, (T, 4).
        first_step: step of the first state.
    """
    if not goals:
        return "the scenario has no goal"
    goal, dt = goals[0], scenario.dt
    times = first_step + np.arange(len(centres))
    outlines = scenario.goal_outlines(goal)
    distances = _distances(outlines, centres[:, :2]) if outlines else np.zeros(len(centres))
    inside = distances == 0
    if not inside.any():
        has_passed = distances[-1] > distances.min() + _PASSED_M
        if not has_passed and not _is_abreast(outlines, centres[-1]):
            return f"out of steps, {distances[-1]:.1f} m from the goal area"
        return _passed_beside(scenario, outlines, centres[distances.argmin()], float(distances.min()))
    first, last = goal.steps
    in_time = inside & (first <= times) & (times <= last)
    if not in_time.any():
        entered, left = dt * times[inside][[0, -1]]
        return (
            f"outside the time window: in the goal area from {entered:.1f} to {left:.1f} s, "
            f"wanted between {dt * first:.1f} and {dt * last:.1f} s"
        )
    return _motion_error(goal, centres[in_time])


def _distances(outlines: tuple[Floats, ...], points: Floats) -> Floats:
    """Distances (T,) of points (T, 2) to the union of polygons, in m."""
    edges = np.concatenate([np.hstack([outline, np.roll(outline, -1, axis=0)]) for outline in outlines])
    squared = squared_edge_distance(*points.T[..., None], *edges.T).min(axis=1)
    return np.where(Polygons(outlines).contains(points), 0.0, np.sqrt(squared))


def _is_abreast(outlines: tuple[Floats, ...], state: Floats) -> bool:
    """Whether a car is next to one of the polygons, so that driving straight on does not lead there."""
    ahead = np.array([np.cos(state[YAW]), np.sin(state[YAW])])
    return any(np.ptp(np.sign((outline - state[:2]) @ ahead)) == 2 for outline in outlines)


def _passed_beside(
    scenario: Scenario, outlines: tuple[Floats, ...], closest: Floats, distance_m: float
) -> str:
    """On which side a drive passed the goal area, from its state closest to it."""
    middle = np.mean(outlines[0], axis=0)
    (dx, dy), yaw = middle - closest[:2], closest[YAW]
    side = "left" if np.cos(yaw) * dy - np.sin(yaw) * dx > 0 else "right"
    passed = f"the goal area is {distance_m:.1f} m to the {side} of where the car drove"
    lanes = [lane.polygon for lane in scenario.road.lanes.values()]
    if not lanes:
        return passed
    driven, wanted = (set(Polygons(lanes).containing(point)) - {-1} for point in (closest[:2], middle))
    return f"wrong lane: {passed}" if driven and wanted and not driven & wanted else passed


def _motion_error(goal: Goal, centres: Floats) -> str:
    """What was wrong with the heading or the speed in the goal area, at the state that comes closest."""
    yaw_errors = np.zeros(len(centres))
    if goal.yaw is not None:
        low, high = goal.yaw
        middle, half = (low + high) / 2, (high - low) / 2
        yaw_errors = np.maximum(np.abs(wrap_to_pi(centres[:, YAW] - middle)) - half, 0.0)
    if yaw_errors.min() > 0 or goal.v is None:
        return f"wrong heading: off by {np.degrees(yaw_errors.min()):.0f} deg or more in the goal area"
    speeds = centres[yaw_errors == 0, SPEED]
    v_min, v_max = goal.v
    closest = speeds[np.abs(speeds - np.clip(speeds, v_min, v_max)).argmin()]
    return f"wrong speed: {closest:.1f} m/s in the goal area, wanted {v_min:.1f} to {v_max:.1f} m/s"
