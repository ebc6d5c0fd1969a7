"""nuPlan's closed-loop score; the open-loop score is in nuplan_open_loop.py.

Source: nuplan-devkit e924167, its metrics and the weights of its configuration.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.metrics.contacts import Contacts, contacts, time_to_collision
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.expert import ExpertProgress, progress
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.metrics.subscores import (
    WRONG_WAY_WINDOW_S,
    direction_compliance,
    drivable_area,
    is_comfortable,
    max_window_sum,
    weighted_score,
)
from wm_planner.driving.scenarios.obstacle_boxes import OBJECTS, ObstacleBoxes

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

OFF_ROAD_M = 0.3
"""A corner farther than this off the drivable area is outside."""

MIN_PROGRESS_RATIO = 0.2
"""Of the expert's progress, below which no progress is made."""
MIN_PROGRESS_M = 2.0
"""What progress is at least taken for; the configuration's, where the documentation says 0.1."""

MIN_TTC_S = 0.95
MAX_OVERSPEED = 2.23
"""In m/s: so much too fast all the time leaves nothing."""

WEIGHTS = {"progress": 5.0, "time_to_collision": 5.0, "speed_limit": 4.0, "comfort": 2.0}


class ClosedLoop(NamedTuple):
    """nuPlan's closed-loop score and its parts, (N,) each, from 0 to 1.

    Attributes:
        score: the product of the four multipliers, times the weighted_score mean of the other four.
        no_at_fault_collisions: multiplier: 0 by a road user or two objects, 0.5 by one object.
        drivable_area: multiplier: 0 or 1.
        driving_direction: multiplier: 0, 0.5 or 1.
        making_progress: multiplier: 0 or 1.
        progress: of the expert's, weight 5.
        time_to_collision: 0 or 1, weight 5.
        speed_limit: weight 4.
        comfort: 0 or 1, weight 2.
        progress_m: along the route.
        least_time_to_collision: in s, infinite beyond 3 s.
        expert: whose progress was wanted: "recorded" or "idm".
    """

    score: Floats
    no_at_fault_collisions: Floats
    drivable_area: Floats
    driving_direction: Floats
    making_progress: Floats
    progress: Floats
    time_to_collision: Floats
    speed_limit: Floats
    comfort: Floats
    progress_m: Floats
    least_time_to_collision: Floats
    expert: str


def closed_loop(
    trajectories: EgoTrajectories, others: ObstacleBoxes, road_context: RoadContext, expert: ExpertProgress
) -> ClosedLoop:
    """Judge N trajectories from their first step to their last.

    Args:
        others: for as many steps; they may have reacted to one drive only, then N is 1.
    """
    touched = contacts(trajectories, others, road_context)
    least = time_to_collision(trajectories, others, road_context, touched)
    followed = np.stack([road_context.lanes.match(points) for points in trajectories.states[..., :2]])
    gained = progress(trajectories.states, road_context)
    share = progress_ratio(gained, expert.progress_m)
    parts = {
        "no_at_fault_collisions": collision_score(touched, others, trajectories.count),
        "drivable_area": drivable_area(trajectories, road_context, OFF_ROAD_M),
        "driving_direction": direction_compliance(
            wrong_way_distance(trajectories, road_context.lanes, followed)
        ),
        "making_progress": (share >= MIN_PROGRESS_RATIO).astype(np.float64),
        "progress": share,
        "time_to_collision": (least > MIN_TTC_S).astype(np.float64),
        "speed_limit": speed_limit(trajectories, road_context.lanes, followed),
        "comfort": is_comfortable(trajectories.comfort()),
    }
    score = weighted_score(parts, WEIGHTS)
    return ClosedLoop(score, **parts, progress_m=gained, least_time_to_collision=least, expert=expert.source)


def collision_score(touched: Contacts, others: ObstacleBoxes, count: int) -> Floats:
    """1 without a collision at fault, 0.5 with one object, 0 with more or with a road user, (N,)."""
    is_object = np.isin(others.kinds, list(OBJECTS))[touched.other[touched.at_fault]]
    drive, body = touched.drive[touched.at_fault], others.object_ids[touched.other[touched.at_fault]]
    objects = np.unique(np.stack([drive[is_object], body[is_object]]), axis=1)[0]
    score = np.maximum(0.0, 1.0 - np.bincount(objects, minlength=count) / 2)
    score[drive[~is_object]] = 0.0
    return score


def wrong_way_distance(trajectories: EgoTrajectories, lanes: Lanes, followed: Indices) -> Floats:
    """How far trajectories go against the lanes they are on in any WRONG_WAY_WINDOW_S, (N,), in m.

    Args:
        followed: the lanes' indices, (N, T).
    """
    back = np.zeros(followed.shape)
    for n, lane in {(n, int(lane)) for n, row in enumerate(followed) for lane in row if lane != NO_LANE}:
        here = followed[n] == lane
        s = np.where(here, lanes.centreline(lane).project(trajectories.states[n, :, :2]).s, 0.0)
        back[n, 1:] += np.where(here[1:] & here[:-1], s[:-1] - s[1:], 0.0)
    return np.maximum(max_window_sum(back, WRONG_WAY_WINDOW_S, trajectories.dt), 0.0)


def progress_ratio(gained_m: Floats, expert_m: float) -> Floats:
    """Of the expert's progress, (N,), from 0 to 1; 0 for who goes back by more than MIN_PROGRESS_M."""
    share = np.maximum(gained_m, MIN_PROGRESS_M) / max(expert_m, MIN_PROGRESS_M)
    return np.where(gained_m < -MIN_PROGRESS_M, 0.0, np.minimum(share, 1.0))


def speed_limit(trajectories: EgoTrajectories, lanes: Lanes, followed: Indices) -> Floats:
    """1 within the limits, less by the mean excess over MAX_OVERSPEED, (N,)."""
    limits = np.append(_speed_limits(lanes), np.inf)  # NOWHERE has none
    excess = np.maximum(np.abs(trajectories.speed) - limits[followed], 0.0)
    duration = (trajectories.steps - 1) * trajectories.dt
    return np.asarray(
        np.maximum(0.0, 1.0 - excess.sum(axis=1) * trajectories.dt / (MAX_OVERSPEED * duration))
    )


def _speed_limits(lanes: Lanes) -> Floats:
    """Limits of lanes, (L,); in an intersection the highest of the lanes before and after."""
    limits = lanes.speed_limits.copy()
    for index in range(len(lanes)):
        lane = lanes[index]
        joined = lanes.indices((*lane.predecessors, *lane.successors))
        if lane.is_intersection and joined:
            limits[index] = lanes.speed_limits[joined].max()
    return limits
