"""Contacts of ego trajectories with obstacles: first contact, fault, and time to collision.

nuPlan, PDM and NAVSIM share these definitions.

Source: nuplan-devkit's metrics of at-fault collisions and time to collision, and their reworking in
tuplan_garage. They take a track for stopped by its first recorded speed; here it is its speed at the contact.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.boxes import LENGTH, oriented_boxes, overlap
from wm_planner.driving.geometry.state_columns import SPEED, YAW, X, Y
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.scenarios.forecasts import constant_velocity
from wm_planner.driving.scenarios.obstacle_boxes import OBJECTS, ObstacleBoxes
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Truths = NDArray[np.bool_]

STOPPED_SPEED = 0.05
"""Speed in m/s up to which the ego or a track counts as stopped at a collision."""

MIN_TTC_SPEED = 5e-3
"""Ego speed in m/s up to which the time to collision is not evaluated."""

AHEAD_RAD, BEHIND_RAD = np.deg2rad(30.0), np.deg2rad(150.0)
"""A track is ahead below the first bearing from the ego's rear axle, and behind above the second."""


class Contacts(NamedTuple):
    """First contacts of trajectories with obstacle boxes, (C,) each.

    Attributes:
        trajectory: index of the trajectory.
        obstacle: index of the box.
        step: step of the first contact.
        at_fault: whether the ego is at fault.
    """

    trajectory: Indices
    obstacle: Indices
    step: Indices
    at_fault: Truths


def find_contacts(
    trajectories: EgoTrajectories, obstacles: ObstacleBoxes, road_context: RoadContext
) -> Contacts:
    """The first contact of each trajectory with each box.

    The ego is at fault if, while moving, it hits a stopped obstacle, or hits with its front bumper one that
    is not behind it, or touches one sideways while it is in several lanes or off the lanes.
    """
    first = first_contact_steps(trajectories, obstacles)
    n, a = np.nonzero(first < trajectories.steps)
    step = first[n, a]
    return Contacts(n, a, step, _at_fault(trajectories, obstacles, road_context, n, a, step))


def first_contact_steps(trajectories: EgoTrajectories, obstacles: ObstacleBoxes) -> Indices:
    """The step at which each trajectory first touches each box, (N, A); T without contact.

    Raises:
        ShapeError: if the obstacles are known for fewer steps.
    """
    if obstacles.steps < trajectories.steps:
        raise ShapeError(
            f"the trajectories have {trajectories.steps} steps, but the obstacles only {obstacles.steps}"
        )
    boxes = obstacles.states[: trajectories.steps, :, :3]
    ego = trajectories.states[..., :3]
    return collision.first_collisions(
        ego, trajectories.vehicle.size, boxes, obstacles.sizes, trajectories.directions
    )


def time_to_collision(
    trajectories: EgoTrajectories,
    obstacles: ObstacleBoxes,
    road_context: RoadContext,
    contacts: Contacts,
    horizon_s: float = 3.0,
) -> Floats:
    """Minimum time to collision with tracks ahead at constant velocity, (N,), in s.

    In several lanes and in intersections, tracks to the side count too. Steps at which the ego stands, and
    tracks it has already touched, are ignored. 0 for a collision at fault, infinite beyond the horizon.
    """
    ttc = np.full(trajectories.count, np.inf)
    for n in range(trajectories.count):
        own = contacts.trajectory == n
        contact = np.full(len(obstacles.kinds), trajectories.steps)
        contact[contacts.obstacle[own]] = contacts.step[own]
        before_contact = np.arange(trajectories.steps)[:, None] < contact
        relevant = _relevant(trajectories, obstacles, road_context, n) & before_contact
        ttc[n] = _min_ttc(trajectories, obstacles, n, relevant, horizon_s)
    ttc[contacts.trajectory[contacts.at_fault]] = 0.0
    return ttc


def bearings(poses: Floats, points: Floats) -> Floats:
    """Absolute bearings of points (..., 2) from poses (..., 3), from 0 (ahead) to pi (behind)."""
    direction = np.arctan2(points[..., Y] - poses[..., Y], points[..., X] - poses[..., X])
    turn = direction - poses[..., YAW]
    return np.abs(turn - 2 * np.pi * np.round(turn / (2 * np.pi)))


def is_lateral_relevant(
    trajectories: EgoTrajectories, road_context: RoadContext, n: Indices, t: Indices
) -> Truths:
    """Whether tracks to the side of the ego count at steps t of trajectories n, (C,)."""
    poses = trajectories.states[n, t]
    rear = trajectories.vehicle.at_rear_axle(poses)
    return road_context.in_several_lanes(poses, trajectories.vehicle) | road_context.in_intersection(
        rear[:, :2]
    )


def _at_fault(
    trajectories: EgoTrajectories,
    obstacles: ObstacleBoxes,
    road_context: RoadContext,
    n: Indices,
    a: Indices,
    t: Indices,
) -> Truths:
    ego, other = trajectories.states[n, t], obstacles.states[t, a]
    ego_moves = np.abs(ego[:, SPEED]) > STOPPED_SPEED
    stopped = (np.abs(other[:, SPEED]) <= STOPPED_SPEED) | np.isin(obstacles.kinds, list(OBJECTS))[a]
    behind = bearings(trajectories.vehicle.at_rear_axle(ego), other[:, :2]) > BEHIND_RAD
    bumper = oriented_boxes(_front(ego, trajectories.vehicle.length_m), trajectories.vehicle.size)
    bumper[:, LENGTH] = 0.0
    frontal = overlap(bumper, oriented_boxes(other, obstacles.sizes[a]))
    lateral = ego_moves & ~stopped & ~behind & ~frontal
    at_fault = ego_moves & (stopped | (~behind & frontal))
    at_fault[lateral] = road_context.in_several_lanes(ego[lateral], trajectories.vehicle)
    return np.asarray(at_fault)


def _front(states: Floats, length_m: float) -> Floats:
    """Poses (C, 3) of the middle of the front bumper."""
    front = states[:, :3].copy()
    front[:, X] += 0.5 * length_m * np.cos(states[:, YAW])
    front[:, Y] += 0.5 * length_m * np.sin(states[:, YAW])
    return front


def _relevant(
    trajectories: EgoTrajectories, obstacles: ObstacleBoxes, road_context: RoadContext, n: int
) -> Truths:
    """Which obstacles count for the time to collision at each step of trajectory n, (T, A)."""
    steps = np.arange(trajectories.steps)
    lateral = is_lateral_relevant(trajectories, road_context, np.full(trajectories.steps, n), steps)
    rear = trajectories.vehicle.at_rear_axle(trajectories.states[n])
    bearing = bearings(rear[:, None], obstacles.states[: trajectories.steps, :, :2])
    relevant = (bearing < AHEAD_RAD) | (lateral[:, None] & (bearing <= BEHIND_RAD))
    return np.asarray(relevant & (np.abs(trajectories.speed[n]) > MIN_TTC_SPEED)[:, None])


def _min_ttc(
    trajectories: EgoTrajectories, obstacles: ObstacleBoxes, n: int, relevant: Truths, horizon_s: float
) -> float:
    """Minimum time to collision of trajectory n, in s: all are extrapolated from every relevant step."""
    counts = int(np.ceil(horizon_s / trajectories.dt - 1e-9)) - 1  # the horizon itself is excluded
    rows, columns = relevant.any(axis=1), relevant.any(axis=0)
    if counts < 1 or not rows.any():
        return float(np.inf)
    now = np.where(relevant[..., None], obstacles.states[: trajectories.steps], np.nan)[rows][:, columns]
    ego = constant_velocity(trajectories.states[n, rows, :4], trajectories.dt, counts)  # (K, R, 4)
    tracks = constant_velocity(now, trajectories.dt, counts)  # (K, R, A, 4)
    flat = ego.reshape(1, -1, 4)[..., :3], tracks.reshape(-1, tracks.shape[2], 4)[..., :3]
    hit = collision.first_collision(flat[0], trajectories.vehicle.size, flat[1], obstacles.sizes[columns])[0]
    ahead = int(hit) // int(rows.sum())  # K is the slow axis: the first hit has the smallest lookahead
    return (ahead + 1) * trajectories.dt if ahead < counts else float(np.inf)
