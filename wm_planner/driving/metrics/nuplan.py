"""nuPlan's closed-loop score; the open-loop score is in nuplan_open_loop.py.

Source: nuplan-devkit e924167, its metrics and the weights of its configuration.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.metrics.contacts import Contacts, find_contacts, time_to_collision
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
"""Distance off the drivable area beyond which a corner counts as outside."""

MIN_PROGRESS_RATIO = 0.2
"""Fraction of the expert's progress below which the ego does not make progress."""
MIN_PROGRESS_M = 2.0
"""Lower bound on progress in the ratio; nuPlan's configuration has 2, its documentation says 0.1."""

MIN_TTC_S = 0.95
MAX_OVERSPEED = 2.23
"""Mean overspeed in m/s at which the speed limit subscore is 0."""

WEIGHTS = {"progress": 5.0, "time_to_collision": 5.0, "speed_limit": 4.0, "comfort": 2.0}


class ClosedLoop(NamedTuple):
    """nuPlan's closed-loop score and its subscores, (N,) each, from 0 to 1.

    Attributes:
        score: the product of the four multipliers, times the weighted mean of the other four.
        no_at_fault_collisions: multiplier: 0 after a collision with a road user or two objects, 0.5 with one
            object.
        drivable_area: multiplier: 0 or 1.
        driving_direction: multiplier: 0, 0.5 or 1.
        making_progress: multiplier: 0 or 1.
        progress: relative to the expert's progress; weight 5.
        time_to_collision: 0 or 1; weight 5.
        speed_limit: weight 4.
        comfort: 0 or 1; weight 2.
        progress_m: progress along the route, in m.
        min_time_to_collision: in s, infinite beyond 3 s.
        expert: source of the expert's progress: "recorded" or "idm".
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
    min_time_to_collision: Floats
    expert: str


def closed_loop(
    trajectories: EgoTrajectories, obstacles: ObstacleBoxes, road_context: RoadContext, expert: ExpertProgress
) -> ClosedLoop:
    """Score N whole trajectories.

    Args:
        obstacles: over the same steps; N is 1 if they reacted to the ego.
    """
    contacts = find_contacts(trajectories, obstacles, road_context)
    min_ttc = time_to_collision(trajectories, obstacles, road_context, contacts)
    lanes = np.stack([road_context.lanes.match(points) for points in trajectories.states[..., :2]])
    gained = progress(trajectories.states, road_context)
    ratio = progress_ratio(gained, expert.progress_m)
    parts = {
        "no_at_fault_collisions": collision_score(contacts, obstacles, trajectories.count),
        "drivable_area": drivable_area(trajectories, road_context, OFF_ROAD_M),
        "driving_direction": direction_compliance(
            wrong_way_distance(trajectories, road_context.lanes, lanes)
        ),
        "making_progress": (ratio >= MIN_PROGRESS_RATIO).astype(np.float64),
        "progress": ratio,
        "time_to_collision": (min_ttc > MIN_TTC_S).astype(np.float64),
        "speed_limit": speed_limit(trajectories, road_context.lanes, lanes),
        "comfort": is_comfortable(trajectories.comfort()),
    }
    score = weighted_score(parts, WEIGHTS)
    return ClosedLoop(score, **parts, progress_m=gained, min_time_to_collision=min_ttc, expert=expert.source)


def collision_score(contacts: Contacts, obstacles: ObstacleBoxes, count: int) -> Floats:
    """1 without a collision at fault, 0.5 with one object, 0 with more or with a road user, (N,)."""
    n, box = contacts.trajectory[contacts.at_fault], contacts.obstacle[contacts.at_fault]
    is_object = np.isin(obstacles.kinds, list(OBJECTS))[box]
    hit_objects = np.stack([n, obstacles.object_ids[box]])[:, is_object]
    hits = np.bincount(np.unique(hit_objects, axis=1)[0], minlength=count)
    score = np.maximum(0.0, 1.0 - hits / 2)
    score[n[~is_object]] = 0.0
    return score


def wrong_way_distance(trajectories: EgoTrajectories, lanes: Lanes, matched: Indices) -> Floats:
    """The largest distance driven against the direction of lanes within WRONG_WAY_WINDOW_S, (N,), in m.

    Args:
        matched: index of the lane that the ego is on at each step, (N, T).
    """
    back = np.zeros(matched.shape)
    for n, lane in {(n, int(lane)) for n, row in enumerate(matched) for lane in row if lane != NO_LANE}:
        here = matched[n] == lane
        s = np.where(here, lanes.centreline(lane).project(trajectories.states[n, :, :2]).s, 0.0)
        back[n, 1:] += np.where(here[1:] & here[:-1], s[:-1] - s[1:], 0.0)
    return np.maximum(max_window_sum(back, WRONG_WAY_WINDOW_S, trajectories.dt), 0.0)


def progress_ratio(gained_m: Floats, expert_m: float) -> Floats:
    """Progress relative to the expert's, (N,), from 0 to 1; 0 after reversing by more than MIN_PROGRESS_M."""
    ratio = np.maximum(gained_m, MIN_PROGRESS_M) / max(expert_m, MIN_PROGRESS_M)
    return np.where(gained_m < -MIN_PROGRESS_M, 0.0, np.minimum(ratio, 1.0))


def speed_limit(trajectories: EgoTrajectories, lanes: Lanes, matched: Indices) -> Floats:
    """1 minus the mean overspeed as a fraction of MAX_OVERSPEED, at least 0, (N,)."""
    limits = np.append(_speed_limits(lanes), np.inf)  # NO_LANE indexes the last one
    excess = np.maximum(np.abs(trajectories.speed) - limits[matched], 0.0)
    duration = (trajectories.steps - 1) * trajectories.dt
    return np.asarray(
        np.maximum(0.0, 1.0 - excess.sum(axis=1) * trajectories.dt / (MAX_OVERSPEED * duration))
    )


def _speed_limits(lanes: Lanes) -> Floats:
    """Speed limits of lanes, (L,); in an intersection the highest limit of the adjoining lanes."""
    limits = lanes.speed_limits.copy()
    for index in range(len(lanes)):
        lane = lanes[index]
        adjoining = lanes.indices((*lane.predecessors, *lane.successors))
        if lane.is_intersection and adjoining:
            limits[index] = lanes.speed_limits[adjoining].max()
    return limits
