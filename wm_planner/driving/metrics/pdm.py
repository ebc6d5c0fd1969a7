"""PDM's score: which of N proposals from one state is best. What NAVSIM's scores build on.

Source: tuplan_garage b51d5d0 and NAVSIM 0a380a9, which look the same things up proposal by proposal.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry import collision
from wm_planner.driving.metrics.contacts import (
    AHEAD,
    BEHIND,
    CREEPING,
    bearings,
    contacts,
    is_wide,
)
from wm_planner.driving.metrics.drives import Drives
from wm_planner.driving.metrics.parts import comfortable, drivable_area, steps_down, weighted
from wm_planner.driving.metrics.situation import Situation
from wm_planner.driving.scenarios.obstacle_boxes import OBJECTS, Others
from wm_planner.driving.vehicle.comfort import WHOLE_DRIVE

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LATER = np.array([0, 3, 6, 9])
"""Steps of 0.1 s after which a proposal that keeps its velocity must not meet anyone."""

STANDSTILL_M = 0.1
"""If no proposal gains more, all that break no rule count as having made progress."""

WEIGHTS = {"progress": 5.0, "time_to_collision": 5.0, "comfort": 2.0}


class Judged(NamedTuple):
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
        score: the product of the three multipliers, times the weighted mean of the other three.
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


def pdm_score(drives: Drives, others: Others, situation: Situation) -> PDM:
    """Score N proposals; who is in the way at the first step already is passed over.

    Args:
        others: as forecast (`Others.coasting`), for as many steps and 9 more: the time to collision is not
            asked for where they are not known.
    """
    found = judged(drives, others, situation)
    rules = {
        "no_at_fault_collisions": found.no_at_fault_collisions,
        "drivable_area": found.drivable_area,
        "driving_direction": steps_down(longest_run(oncoming(drives, situation))),
    }
    kept = np.prod(list(rules.values()), axis=0)
    gained = found.progress_m * kept
    most = gained.max(initial=0.0)
    parts = {
        **rules,
        "progress": gained / most if most > STANDSTILL_M else (kept > 0).astype(np.float64),
        "time_to_collision": found.time_to_collision,
        "comfort": comfortable(drives.comfort(WHOLE_DRIVE)),
    }
    return PDM(
        weighted(parts, WEIGHTS),
        **parts,
        progress_m=found.progress_m,
        collision_step=found.collision_step,
        ttc_step=found.ttc_step,
    )


def judged(drives: Drives, others: Others, situation: Situation) -> Judged:
    """What all scores ask of proposals."""
    touched = contacts(drives, others, situation)
    begun = np.zeros((drives.count, len(others.kinds)), np.bool_)
    begun[touched.drive[touched.step == 0], touched.other[touched.step == 0]] = True
    blamed = touched.at_fault & (touched.step > 0)
    drive, step = touched.drive[blamed], touched.step[blamed]
    is_object = np.isin(others.kinds, list(OBJECTS))[touched.other[blamed]]
    score, first = np.ones(drives.count), np.full(drives.count, drives.steps)
    np.minimum.at(score, drive, np.where(is_object, 0.5, 0.0))
    np.minimum.at(first, drive, step)
    soon = imminent(drives, others, situation, begun, LATER)
    line = situation.route.centreline
    s = line.project(drives.states[:, [0, -1], :2]).s
    return Judged(
        no_at_fault_collisions=score,
        drivable_area=drivable_area(drives, situation, 0.0),
        time_to_collision=(soon == drives.steps).astype(np.float64),
        progress_m=np.maximum(s[:, 1] - s[:, 0], 0.0),
        collision_step=first,
        ttc_step=soon,
    )


def oncoming(drives: Drives, situation: Situation) -> Floats:
    """What proposals move in each step off the lanes of the route, (N, T), in m."""
    return np.where(situation.on_route(drives.states[..., :2]), 0.0, drives.ways)


def longest_run(amounts: Floats) -> Floats:
    """The largest sum of amounts (N, T), none below 0, over steps without a 0 among them, (N,)."""
    total = np.cumsum(amounts, axis=1)
    before = np.maximum.accumulate(np.where(amounts > 0, 0.0, total), axis=1)
    return np.asarray((total - before).max(axis=1))


def imminent(
    drives: Drives, others: Others, situation: Situation, begun: NDArray[np.bool_], later: Indices
) -> Indices:
    """The first step from which a proposal would hit someone it should look out for, (N,); T if from none.

    Moved on by `later` steps, it meets others where they will be by then. Only the first meeting with each is
    looked at; if that one is beside or behind, the other is passed over from then on.

    Args:
        others: as forecast; not asked for where they are not known so much later.
        begun: who is passed over, (N, A).
        later: (K,), rising.
    """
    asked = min(drives.steps, others.steps - int(later[-1]))
    soon = np.full(drives.count, drives.steps)
    if asked < 1 or not others.kinds:
        return soon
    when = np.arange(asked)[:, None] + later  # (T, K)
    there = others.states[when.ravel(), :, :3]
    ego, directions = _moved_on(drives, asked, later)
    hits = collision.first_hits(ego, drives.vehicle.size, there, others.sizes, directions)
    n, a = np.nonzero((hits < when.size) & ~begun)
    t, k = np.divmod(hits[n, a], len(later))
    rear = drives.vehicle.at_rear_axle(drives.states[n, t])
    bearing = bearings(rear, others.states[when[t, k], a, :2])
    threat = bearing < AHEAD
    beside = ~threat & (bearing <= BEHIND)
    threat[beside] = is_wide(drives, situation, n[beside], t[beside])
    np.minimum.at(soon, n[threat], t[threat])
    return soon


def _moved_on(drives: Drives, steps: int, later: Indices) -> tuple[Floats, Floats]:
    """Poses (N, T K, 3) after each of `later` steps at the velocity of each step, and their directions.

    NaN where proposals creep.
    """
    x, y, yaw, speed = np.moveaxis(drives.states[:, :steps, :4], -1, 0)
    direction = drives.directions[:, :steps]
    way = np.where(np.abs(speed) < CREEPING, np.nan, speed * drives.dt)
    poses = np.empty((*yaw.shape, len(later), 3))
    np.add(x[..., None], (way * direction[..., 0])[..., None] * later, out=poses[..., 0])
    np.add(y[..., None], (way * direction[..., 1])[..., None] * later, out=poses[..., 1])
    poses[..., 2] = yaw[..., None]
    return poses.reshape(len(poses), -1, 3), np.repeat(direction, len(later), axis=1)
