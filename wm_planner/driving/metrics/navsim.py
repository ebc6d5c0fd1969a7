"""NAVSIM's scores of plans: PDMS (version 1) and EPDMS (version 2).

Source: NAVSIM 0811876 (1.1) and 0a380a9 (2.2). NAVSIM measures progress relative to PDM-Closed; here it is
relative to the recorded drive, or to IDM on an empty road. Keep that in mind when comparing published scores.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.state_columns import YAW
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.expert import ExpertProgress
from wm_planner.driving.metrics.pdm import SharedMetrics, off_route_travel, shared_metrics
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.metrics.subscores import (
    WRONG_WAY_WINDOW_S,
    direction_compliance,
    is_comfortable,
    max_window_sum,
    weighted_score,
)
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.vehicle.comfort import (
    NUPLAN,
    WHOLE_DRIVE,
    Comfort,
    smoothed,
)
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

MIN_PROGRESS_M = 5.0
"""If neither the plan nor the expert makes more progress than this, the progress subscore is 1."""

LANE_KEEPING_OFFSET_M = 0.5
LANE_KEEPING_DURATION_S = 2.0
"""A lateral offset from the route's centreline, and how long it may last."""

EXTENDED_COMFORT_LIMITS = {"magnitude": 0.7, "jerk": 0.5, "yaw_rate": 0.1, "yaw_acceleration": 0.1}
"""Largest RMS differences between consecutive plans, in m/s^2, m/s^3, rad/s, rad/s^2."""

PDMS_WEIGHTS = {"progress": 5.0, "time_to_collision": 5.0, "comfort": 2.0}
EPDMS_WEIGHTS = {
    "progress": 5.0,
    "time_to_collision": 5.0,
    "lane_keeping": 2.0,
    "history_comfort": 2.0,
    "extended_comfort": 2.0,
}


class PDMS(NamedTuple):
    """NAVSIM 1's score and its subscores, (N,) each, from 0 to 1.

    Attributes:
        score: the product of the two multipliers, times the weighted mean of the other three.
        no_at_fault_collisions: multiplier: 0, 0.5 or 1.
        drivable_area: multiplier: 0 or 1.
        progress: relative to the expert's progress, times the multipliers; weight 5.
        time_to_collision: 0 or 1; weight 5.
        comfort: 0 or 1; weight 2.
        expert: source of the expert's progress: "recorded" or "idm".
    """

    score: Floats
    no_at_fault_collisions: Floats
    drivable_area: Floats
    progress: Floats
    time_to_collision: Floats
    comfort: Floats
    expert: str


class EPDMS(NamedTuple):
    """NAVSIM 2's score and its subscores, (N,) each, from 0 to 1.

    Attributes:
        score: the product of the four multipliers, times the weighted mean of the other subscores.
        no_at_fault_collisions: multiplier: 0, 0.5 or 1.
        drivable_area: multiplier: 0 or 1.
        driving_direction: multiplier: 0, 0.5 or 1.
        traffic_light: multiplier: 0 or 1.
        progress: relative to the expert's progress; weight 5.
        time_to_collision: 0 or 1; weight 5.
        lane_keeping: 0 or 1; weight 2.
        history_comfort: 0 or 1, over the ego's history and the plan; weight 2.
        extended_comfort: 0 or 1; weight 2; NaN, and left out of the score, without a previous plan.
        expert: source of the expert's progress: "recorded" or "idm".
        human_filter: whether subscores that are 0 for the recorded drive are set to 1.
    """

    score: Floats
    no_at_fault_collisions: Floats
    drivable_area: Floats
    driving_direction: Floats
    traffic_light: Floats
    progress: Floats
    time_to_collision: Floats
    lane_keeping: Floats
    history_comfort: Floats
    extended_comfort: Floats
    expert: str
    human_filter: bool


class PreviousPlan(NamedTuple):
    """A plan made some steps before the one that is scored.

    Attributes:
        states: columns as in EgoTrajectories, (N, T, 4 or more), or (1, T, 4 or more) for all N.
        steps: by how many steps it begins earlier.
    """

    states: Floats
    steps: int


def pdms(
    trajectories: EgoTrajectories, obstacles: ObstacleBoxes, road_context: RoadContext, expert: ExpertProgress
) -> PDMS:
    """Score N plans of 4 s independently, given the trajectories that they lead to."""
    shared = shared_metrics(trajectories, obstacles, road_context)
    rules = {
        "no_at_fault_collisions": shared.no_at_fault_collisions,
        "drivable_area": shared.drivable_area,
    }
    compliance = np.prod(list(rules.values()), axis=0)
    parts = {
        **rules,
        "progress": np.where(
            compliance > 0,
            _progress_ratio(shared.progress_m * compliance, np.ones_like(compliance), expert),
            0.0,
        ),
        "time_to_collision": shared.time_to_collision,
        "comfort": is_comfortable(trajectories.comfort(WHOLE_DRIVE)),
    }
    return PDMS(weighted_score(parts, PDMS_WEIGHTS), **parts, expert=expert.source)


def epdms(
    trajectories: EgoTrajectories,
    obstacles: ObstacleBoxes,
    road_context: RoadContext,
    expert: ExpertProgress,
    first_step: int = 0,
    history: Floats | None = None,
    previous: PreviousPlan | None = None,
    human: EgoTrajectories | None = None,
) -> EPDMS:
    """Score N plans of 4 s independently, given the trajectories that they lead to.

    Args:
        first_step: step of the scenario at which the plans begin, for its traffic lights.
        history: the ego's states before that, (P, 4 or more), columns as in EgoTrajectories.
        previous: the plan made 0.5 s before.
        human: the recorded drive (N = 1) from the same state; None disables the human filter.
    """
    parts = _subscores(trajectories, obstacles, road_context, expert, first_step)
    parts["history_comfort"] = is_comfortable(comfort_with_history(trajectories, history))
    if human is not None:
        for name, part in _subscores(human, obstacles, road_context, expert, first_step).items():
            if part[0] == 0:
                parts[name] = np.ones(trajectories.count)
    extended = extended_comfort(trajectories, previous) if previous else np.full(trajectories.count, np.nan)
    counted = {**parts, "extended_comfort": extended} if previous else parts
    weights = {name: weight for name, weight in EPDMS_WEIGHTS.items() if name in counted}
    return EPDMS(
        score=weighted_score(counted, weights),
        **parts,
        extended_comfort=extended,
        expert=expert.source,
        human_filter=human is not None,
    )


def lane_keeping(trajectories: EgoTrajectories, road_context: RoadContext) -> Floats:
    """0 if the ego is off the route's centreline for too long outside of intersections, else 1, (N,)."""
    points = trajectories.states[..., :2]
    off = np.abs(road_context.route.centreline.project(points).d) > LANE_KEEPING_OFFSET_M
    inside = road_context.in_intersection(points)
    run, longest = np.zeros(trajectories.count), np.zeros(trajectories.count)
    for step in range(trajectories.steps):
        run = np.where(inside[:, step], run, np.where(off[:, step], run + 1, 0))
        longest = np.maximum(longest, run)
    return np.where(longest >= np.ceil(LANE_KEEPING_DURATION_S / trajectories.dt - 1e-9), 0.0, 1.0)


def extended_comfort(trajectories: EgoTrajectories, previous: PreviousPlan) -> Floats:
    """1 if plans have similar dynamics to the previous plan at the same times, else 0, (N,).

    Raises:
        ShapeError: if the two have no step in common, or their shapes differ.
    """
    return is_consistent(plan_changes(trajectories, previous))


def is_consistent(changes: Sequence[Floats]) -> Floats:
    """1 if all changes, (N,) each, as fractions of EXTENDED_COMFORT_LIMITS, are at most 1, else 0, (N,)."""
    return np.asarray(np.all([change <= 1.0 for change in changes], axis=0), np.float64)


def comfort_with_history(trajectories: EgoTrajectories, history: Floats | None) -> Comfort:
    """Ride comfort over an optional history (L, 4 or more) and the trajectories, (N, L + T) each."""
    if history is None:
        return trajectories.comfort(NUPLAN)
    past = np.broadcast_to(history, (trajectories.count, *np.shape(history)))
    columns = min(past.shape[2], trajectories.states.shape[2])
    states = np.concatenate([past[..., :columns], trajectories.states[..., :columns]], axis=1)
    return EgoTrajectories(states, trajectories.vehicle, trajectories.dt).comfort(NUPLAN)


def plan_changes(trajectories: EgoTrajectories, previous: PreviousPlan) -> list[Floats]:
    """RMS differences to the previous plan as fractions of EXTENDED_COMFORT_LIMITS, (N,) each."""
    shift, steps = previous.steps, trajectories.steps
    before = np.asarray(previous.states, np.float64)
    if not 0 < shift < steps or before.shape[:2] not in ((1, steps), (trajectories.count, steps)):
        raise ShapeError(
            f"the previous plan has shape {before.shape} and begins {shift} steps earlier, wanted (N or 1, "
            f"{steps}, 4 or more) and 1 to {steps - 1} steps"
        )
    now = _plan_dynamics(
        EgoTrajectories(trajectories.states[:, :-shift], trajectories.vehicle, trajectories.dt)
    )
    then = _plan_dynamics(EgoTrajectories(before[:, shift:], trajectories.vehicle, trajectories.dt))
    return [
        np.sqrt(np.square(now[name] - then[name]).mean(axis=1)) / limit
        for name, limit in EXTENDED_COMFORT_LIMITS.items()
    ]


def _subscores(
    trajectories: EgoTrajectories,
    obstacles: ObstacleBoxes,
    road_context: RoadContext,
    expert: ExpertProgress,
    first_step: int,
) -> dict[str, Floats]:
    """All subscores of version 2 except comfort."""
    shared: SharedMetrics = shared_metrics(trajectories, obstacles, road_context)
    wrong_way = off_route_travel(trajectories, road_context)
    wrong_way[road_context.in_intersection(trajectories.states[..., :2])] = 0.0
    rules = {
        "no_at_fault_collisions": shared.no_at_fault_collisions,
        "drivable_area": shared.drivable_area,
        "driving_direction": direction_compliance(
            max_window_sum(wrong_way, WRONG_WAY_WINDOW_S, trajectories.dt)
        ),
        "traffic_light": np.asarray(
            1.0 - road_context.red_lights.violations(trajectories, first_step), np.float64
        ),
    }
    compliance = np.prod(list(rules.values()), axis=0)
    return {
        **rules,
        "progress": _progress_ratio(shared.progress_m, compliance, expert),
        "time_to_collision": shared.time_to_collision,
        "lane_keeping": lane_keeping(trajectories, road_context),
    }


def _progress_ratio(progress_m: Floats, compliance: Floats, expert: ExpertProgress) -> Floats:
    """Progress relative to the expert's, or to the plan's own if larger and rule-compliant, (N,)."""
    reference = np.maximum(progress_m * compliance, expert.progress_m)
    ratio = np.clip(progress_m / np.maximum(reference, MIN_PROGRESS_M), 0.0, 1.0)
    return np.where(reference > MIN_PROGRESS_M, ratio, 1.0)


def _plan_dynamics(trajectories: EgoTrajectories) -> dict[str, Floats]:
    """The quantities of EXTENDED_COMFORT_LIMITS, (N, T) each.

    As in NAVSIM, yaw acceleration is the second derivative of a local quadratic fit here.
    """
    comfort = trajectories.comfort(NUPLAN)
    yaw = np.unwrap(trajectories.states[..., YAW], axis=-1)
    yaw_acceleration = smoothed(yaw, 5, 2, 2, trajectories.dt)
    limited = {name: getattr(comfort, name) for name in EXTENDED_COMFORT_LIMITS}
    return {**limited, "yaw_acceleration": yaw_acceleration}
