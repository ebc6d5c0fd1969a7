"""PDM's score: which of N proposals from one state is best. What NAVSIM's scores build on.

Source: tuplan_garage b51d5d0 and NAVSIM 0a380a9, which look the same things up proposal by proposal.
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
    contacts,
    lateral_conflicts_count,
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
"""Steps of 0.1 s after which a proposal that keeps its velocity must not meet anyone."""

MIN_PROGRESS_M = 0.1
"""If no proposal gains more, all that break no rule count as having made progress."""

WEIGHTS = {"progress": 5.0, "time_to_collision": 5.0, "comfort": 2.0}


class SharedMetrics(NamedTuple):
    """What all scores ask of proposals, (N,) each.

    Attributes:
        no_at_fault_collisions: 0 by a road user, 0.5 by an object, else 1.
        drivable_area: 0 or 1.
        time_to_collision: 0 or 1.
        progress_m: along the route, from 0.
        collision_step: of the first collision at fault; T if there is none.
        ttc_step: from which a collision would follow within 0.9 s; T if from none.
    """

    no_at_fault_collisions: Floats
    drivable_area: Floats
    time_to_collision: Floats
    progress_m: Floats
    collision_step: Indices
    ttc_step: Indices


class PDM(NamedTuple):
    """PDM's score and its parts, (N,) each, from 0 to 1.

    Attributes:
        score: the product of the three multipliers, times the weighted_score mean of the other three.
        no_at_fault_collisions: multiplier: 0, 0.5 or 1.
        drivable_area: multiplier: 0 or 1.
        driving_direction: multiplier: 0, 0.5 or 1.
        progress: of that of the best proposal, times the multipliers, weight 5.
        time_to_collision: 0 or 1, weight 5.
        comfort: 0 or 1, weight 2.
        progress_m: along the route.
        collision_step: of the first collision at fault; T if there is none.
        ttc_step: from which a collision would follow within 0.9 s; T if from none.
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


def pdm_score(trajectories: EgoTrajectories, others: ObstacleBoxes, road_context: RoadContext) -> PDM:
    """Score N proposals; who is in the way at the first step already is passed over.

    Args:
        others: as forecast (`ObstacleBoxes.at_constant_velocity`), for as many steps and
            9 more: the time to collision is not asked for where they are not known.
    """
    found = shared_metrics(trajectories, others, road_context)
    rules = {
        "no_at_fault_collisions": found.no_at_fault_collisions,
        "drivable_area": found.drivable_area,
        "driving_direction": direction_compliance(max_run_sum(off_route_travel(trajectories, road_context))),
    }
    kept = np.prod(list(rules.values()), axis=0)
    gained = found.progress_m * kept
    most = gained.max(initial=0.0)
    parts = {
        **rules,
        "progress": gained / most if most > MIN_PROGRESS_M else (kept > 0).astype(np.float64),
        "time_to_collision": found.time_to_collision,
        "comfort": is_comfortable(trajectories.comfort(WHOLE_DRIVE)),
    }
    return PDM(
        weighted_score(parts, WEIGHTS),
        **parts,
        progress_m=found.progress_m,
        collision_step=found.collision_step,
        ttc_step=found.ttc_step,
    )


def shared_metrics(
    trajectories: EgoTrajectories, others: ObstacleBoxes, road_context: RoadContext
) -> SharedMetrics:
    """What all scores ask of proposals."""
    touched = contacts(trajectories, others, road_context)
    begun = np.zeros((trajectories.count, len(others.kinds)), np.bool_)
    begun[touched.drive[touched.step == 0], touched.other[touched.step == 0]] = True
    blamed = touched.at_fault & (touched.step > 0)
    drive, step = touched.drive[blamed], touched.step[blamed]
    is_object = np.isin(others.kinds, list(OBJECTS))[touched.other[blamed]]
    score, first = np.ones(trajectories.count), np.full(trajectories.count, trajectories.steps)
    np.minimum.at(score, drive, np.where(is_object, 0.5, 0.0))
    np.minimum.at(first, drive, step)
    soon = first_ttc_violation(trajectories, others, road_context, begun, TTC_STEPS)
    line = road_context.route.centreline
    s = line.project(trajectories.states[:, [0, -1], :2]).s
    return SharedMetrics(
        no_at_fault_collisions=score,
        drivable_area=drivable_area(trajectories, road_context, 0.0),
        time_to_collision=(soon == trajectories.steps).astype(np.float64),
        progress_m=np.maximum(s[:, 1] - s[:, 0], 0.0),
        collision_step=first,
        ttc_step=soon,
    )


def off_route_travel(trajectories: EgoTrajectories, road_context: RoadContext) -> Floats:
    """What proposals move in each step off the lanes of the route, (N, T), in m."""
    return np.where(road_context.on_route(trajectories.states[..., :2]), 0.0, trajectories.step_lengths_m)


def max_run_sum(amounts: Floats) -> Floats:
    """The largest sum of amounts (N, T), none below 0, over steps without a 0 among them, (N,)."""
    total = np.cumsum(amounts, axis=1)
    before = np.maximum.accumulate(np.where(amounts > 0, 0.0, total), axis=1)
    return np.asarray((total - before).max(axis=1))


def first_ttc_violation(
    trajectories: EgoTrajectories,
    others: ObstacleBoxes,
    road_context: RoadContext,
    begun: NDArray[np.bool_],
    later: Indices,
) -> Indices:
    """The first step from which a proposal would hit someone it should look out for, (N,); T if from none.

    Moved on by `later` steps, it meets others where they will be by then. Only the first meeting with each is
    looked at; if that one is beside or behind, the other is passed over from then on.

    Args:
        others: as forecast; not asked for where they are not known so much later.
        begun: who is passed over, (N, A).
        later: (K,), rising.
    """
    asked = min(trajectories.steps, others.steps - int(later[-1]))
    soon = np.full(trajectories.count, trajectories.steps)
    if asked < 1 or not others.kinds:
        return soon
    when = np.arange(asked)[:, None] + later  # (T, K)
    there = others.states[when.ravel(), :, :3]
    ego, directions = _extrapolated(trajectories, asked, later)
    hits = collision.first_collisions(ego, trajectories.vehicle.size, there, others.sizes, directions)
    n, a = np.nonzero((hits < when.size) & ~begun)
    t, k = np.divmod(hits[n, a], len(later))
    rear = trajectories.vehicle.at_rear_axle(trajectories.states[n, t])
    bearing = bearings(rear, others.states[when[t, k], a, :2])
    threat = bearing < AHEAD_RAD
    beside = ~threat & (bearing <= BEHIND_RAD)
    threat[beside] = lateral_conflicts_count(trajectories, road_context, n[beside], t[beside])
    np.minimum.at(soon, n[threat], t[threat])
    return soon


def _extrapolated(trajectories: EgoTrajectories, steps: int, later: Indices) -> tuple[Floats, Floats]:
    """Poses (N, T K, 3) after each of `later` steps at the velocity of each step, and their directions.

    NaN where proposals creep.
    """
    x, y, yaw, speed = np.moveaxis(trajectories.states[:, :steps, :4], -1, 0)
    direction = trajectories.directions[:, :steps]
    way = np.where(np.abs(speed) < MIN_TTC_SPEED, np.nan, speed * trajectories.dt)
    poses = np.empty((*yaw.shape, len(later), 3))
    np.add(x[..., None], (way * direction[..., 0])[..., None] * later, out=poses[..., 0])
    np.add(y[..., None], (way * direction[..., 1])[..., None] * later, out=poses[..., 1])
    poses[..., 2] = yaw[..., None]
    return poses.reshape(len(poses), -1, 3), np.repeat(direction, len(later), axis=1)
