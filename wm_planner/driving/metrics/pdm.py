"""PDM's score, which ranks N proposals from one state and which NAVSIM's scores build on.

Source: tuplan_garage b51d5d0 and NAVSIM 0a380a9. They score one proposal at a time; here it is a batch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry import collision
from wm_planner.driving.metrics.contacts import (
    AHEAD_RAD,
    BEHIND_RAD,
    MIN_TTC_SPEED,
    bearings,
    find_contacts,
    is_lateral_relevant,
)
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.metrics.subscores import (
    direction_compliance,
    drivable_area,
    is_comfortable,
    weighted_score,
)
from wm_planner.driving.scenarios.obstacle_boxes import OBJECTS, ObstacleBoxes
from wm_planner.driving.vehicle.comfort import WHOLE_DRIVE

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

TTC_STEPS = np.array([0, 3, 6, 9])
"""Lookahead of the time to collision: steps of 0.1 s over which velocities are extrapolated."""

MIN_PROGRESS_M = 0.1
"""If no proposal makes more progress than this, all that break no rule get the full progress score."""

WEIGHTS = {"progress": 5.0, "time_to_collision": 5.0, "comfort": 2.0}


class SharedMetrics(NamedTuple):
    """Metrics that PDM's and NAVSIM's scores have in common, (N,) each.

    Attributes:
        no_at_fault_collisions: 0 after a collision with a road user, 0.5 with an object, else 1.
        drivable_area: 0 or 1.
        time_to_collision: 0 or 1.
        progress_m: progress along the route, at least 0, in m.
        collision_step: step of the first collision at fault; T without one.
        ttc_step: first step with a time to collision of 0.9 s or less; T without one.
    """

    no_at_fault_collisions: Floats
    drivable_area: Floats
    time_to_collision: Floats
    progress_m: Floats
    collision_step: Indices
    ttc_step: Indices


class PDM(NamedTuple):
    """PDM's score and its subscores, (N,) each, from 0 to 1.

    Attributes:
        score: the product of the three multipliers, times the weighted mean of the other three.
        no_at_fault_collisions: multiplier: 0, 0.5 or 1.
        drivable_area: multiplier: 0 or 1.
        driving_direction: multiplier: 0, 0.5 or 1.
        progress: relative to the best proposal, each times its multipliers; weight 5.
        time_to_collision: 0 or 1; weight 5.
        comfort: 0 or 1; weight 2.
        progress_m: progress along the route, in m.
        collision_step: step of the first collision at fault; T without one.
        ttc_step: first step with a time to collision of 0.9 s or less; T without one.
    """

    score: Floats
    no_at_fault_collisions: Floats
    drivable_area: Floats
    driving_direction: Floats
    progress: Floats
    time_to_collision: Floats
    comfort: Floats
    progress_m: Floats
    collision_step: Indices
    ttc_step: Indices


def pdm_score(trajectories: EgoTrajectories, obstacles: ObstacleBoxes, road_context: RoadContext) -> PDM:
    """Score N proposals; obstacles that the ego touches at the first step are ignored.

    Args:
        obstacles: a forecast (`ObstacleBoxes.at_constant_velocity`) for as many steps and 9 more; the time
            to collision is not evaluated beyond its end.
    """
    shared = shared_metrics(trajectories, obstacles, road_context)
    rules = {
        "no_at_fault_collisions": shared.no_at_fault_collisions,
        "drivable_area": shared.drivable_area,
        "driving_direction": direction_compliance(max_run_sum(off_route_travel(trajectories, road_context))),
    }
    compliance = np.prod(list(rules.values()), axis=0)
    progress = shared.progress_m * compliance
    best = progress.max(initial=0.0)
    parts = {
        **rules,
        "progress": progress / best if best > MIN_PROGRESS_M else (compliance > 0).astype(np.float64),
        "time_to_collision": shared.time_to_collision,
        "comfort": is_comfortable(trajectories.comfort(WHOLE_DRIVE)),
    }
    return PDM(
        weighted_score(parts, WEIGHTS),
        **parts,
        progress_m=shared.progress_m,
        collision_step=shared.collision_step,
        ttc_step=shared.ttc_step,
    )


def shared_metrics(
    trajectories: EgoTrajectories, obstacles: ObstacleBoxes, road_context: RoadContext
) -> SharedMetrics:
    """Compute the metrics that PDM's and NAVSIM's scores have in common."""
    contacts = find_contacts(trajectories, obstacles, road_context)
    at_start = np.zeros((trajectories.count, len(obstacles.kinds)), np.bool_)
    at_start[contacts.trajectory[contacts.step == 0], contacts.obstacle[contacts.step == 0]] = True
    at_fault = contacts.at_fault & (contacts.step > 0)
    n, step = contacts.trajectory[at_fault], contacts.step[at_fault]
    is_object = np.isin(obstacles.kinds, list(OBJECTS))[contacts.obstacle[at_fault]]
    score, first = np.ones(trajectories.count), np.full(trajectories.count, trajectories.steps)
    np.minimum.at(score, n, np.where(is_object, 0.5, 0.0))
    np.minimum.at(first, n, step)
    ttc_step = first_ttc_violation(trajectories, obstacles, road_context, at_start, TTC_STEPS)
    line = road_context.route.centreline
    s = line.project(trajectories.states[:, [0, -1], :2]).s
    return SharedMetrics(
        no_at_fault_collisions=score,
        drivable_area=drivable_area(trajectories, road_context, 0.0),
        time_to_collision=(ttc_step == trajectories.steps).astype(np.float64),
        progress_m=np.maximum(s[:, 1] - s[:, 0], 0.0),
        collision_step=first,
        ttc_step=ttc_step,
    )


def off_route_travel(trajectories: EgoTrajectories, road_context: RoadContext) -> Floats:
    """Distance travelled off the route's lanes in each step, (N, T), in m."""
    return np.where(road_context.on_route(trajectories.states[..., :2]), 0.0, trajectories.step_lengths_m)


def max_run_sum(amounts: Floats) -> Floats:
    """The largest sum over a run of consecutive positive amounts (N, T), which are 0 or more, (N,)."""
    total = np.cumsum(amounts, axis=1)
    before = np.maximum.accumulate(np.where(amounts > 0, 0.0, total), axis=1)
    return np.asarray((total - before).max(axis=1))


def first_ttc_violation(
    trajectories: EgoTrajectories,
    obstacles: ObstacleBoxes,
    road_context: RoadContext,
    ignored: NDArray[np.bool_],
    lookahead: Indices,
) -> Indices:
    """The first step from which constant velocity leads to a relevant collision, (N,); T without one.

    Only the first extrapolated collision with each obstacle counts; if the obstacle is behind the ego then,
    or to its side where that is not relevant, it is ignored from then on.

    Args:
        obstacles: a forecast; steps whose lookahead goes beyond its end are not evaluated.
        ignored: obstacles to ignore, (N, A).
        lookahead: steps over which the ego's velocity is extrapolated, (K,), ascending.
    """
    evaluated = min(trajectories.steps, obstacles.steps - int(lookahead[-1]))
    first = np.full(trajectories.count, trajectories.steps)
    if evaluated < 1 or not obstacles.kinds:
        return first
    when = np.arange(evaluated)[:, None] + lookahead  # (T, K)
    boxes = obstacles.states[when.ravel(), :, :3]
    ego, directions = _extrapolated(trajectories, evaluated, lookahead)
    hits = collision.first_collisions(ego, trajectories.vehicle.size, boxes, obstacles.sizes, directions)
    n, a = np.nonzero((hits < when.size) & ~ignored)
    t, k = np.divmod(hits[n, a], len(lookahead))
    rear = trajectories.vehicle.at_rear_axle(trajectories.states[n, t])
    bearing = bearings(rear, obstacles.states[when[t, k], a, :2])
    relevant = bearing < AHEAD_RAD
    lateral = ~relevant & (bearing <= BEHIND_RAD)
    relevant[lateral] = is_lateral_relevant(trajectories, road_context, n[lateral], t[lateral])
    np.minimum.at(first, n[relevant], t[relevant])
    return first


def _extrapolated(trajectories: EgoTrajectories, steps: int, lookahead: Indices) -> tuple[Floats, Floats]:
    """Poses (N, T K, 3) at constant velocity after each lookahead from each step, and their directions.

    NaN at speeds below MIN_TTC_SPEED.
    """
    x, y, yaw, speed = np.moveaxis(trajectories.states[:, :steps, :4], -1, 0)
    direction = trajectories.directions[:, :steps]
    step_m = np.where(np.abs(speed) < MIN_TTC_SPEED, np.nan, speed * trajectories.dt)
    poses = np.empty((*yaw.shape, len(lookahead), 3))
    np.add(x[..., None], (step_m * direction[..., 0])[..., None] * lookahead, out=poses[..., 0])
    np.add(y[..., None], (step_m * direction[..., 1])[..., None] * lookahead, out=poses[..., 1])
    poses[..., 2] = yaw[..., None]
    return poses.reshape(len(poses), -1, 3), np.repeat(direction, len(lookahead), axis=1)
