"""Who is to blame where boxes meet, and how long until they would. Shared by nuPlan, PDM and NAVSIM.

Source: nuplan-devkit's metrics of collisions at fault and of time to collision, and their reworking in
tuplan_garage. Theirs judge whether a track stands by its first speed, here it is the speed at the contact.
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
"""Speed in m/s up to which ego and tracks stand at a collision."""

MIN_TTC_SPEED = 5e-3
"""Speed in m/s up to which a time to collision is not asked for."""

AHEAD_RAD, BEHIND_RAD = np.deg2rad(30.0), np.deg2rad(150.0)
"""Angles between the ego's heading and the way from its rear axle to a track's centre."""


class Contacts(NamedTuple):
    """Where trajectories first touch each box; (C,) each.

    Attributes:
        drive: index of the drive.
        other: index of the box.
        step: at which they touch first.
        at_fault: whether the ego is to blame.
    """

    drive: Indices
    other: Indices
    step: Indices
    at_fault: Truths


def contacts(trajectories: EgoTrajectories, others: ObstacleBoxes, road_context: RoadContext) -> Contacts:
    """The first contact of each drive with each box, and who is to blame.

    The ego is, where it drives into something that stands, or with its front bumper into something that is
    not behind it; and where it touches something sideways while it is between lanes or off them.
    """
    hits = first_hits(trajectories, others)
    drive, other = np.nonzero(hits < trajectories.steps)
    step = hits[drive, other]
    return Contacts(drive, other, step, _at_fault(trajectories, others, road_context, drive, other, step))


def first_hits(trajectories: EgoTrajectories, others: ObstacleBoxes) -> Indices:
    """The step in which each drive first touches each box, (N, A); T where it never does.

    Raises:
        ShapeError: if the others are known for fewer steps.
    """
    if others.steps < trajectories.steps:
        raise ShapeError(f"trajectories of {trajectories.steps} steps among others known for {others.steps}")
    seen = others.states[: trajectories.steps, :, :3]
    ego = trajectories.states[..., :3]
    return collision.first_collisions(
        ego, trajectories.vehicle.size, seen, others.sizes, trajectories.directions
    )


def time_to_collision(
    trajectories: EgoTrajectories,
    others: ObstacleBoxes,
    road_context: RoadContext,
    touched: Contacts,
    horizon_s: float = 3.0,
) -> Floats:
    """The least time in s until a drive would hit something ahead if both kept their velocity, (N,).

    Between lanes and in intersections, what is beside counts too. Not asked for when the ego stands, nor
    about who was touched already. 0 at a collision at fault, infinite where nothing is hit in time.
    """
    times = np.full(trajectories.count, np.inf)
    for n in range(trajectories.count):
        mine = touched.drive == n
        met = np.full(len(others.kinds), trajectories.steps)
        met[touched.other[mine]] = touched.step[mine]
        asked = _relevant(trajectories, others, road_context, n) & (
            np.arange(trajectories.steps)[:, None] < met
        )
        times[n] = _min_ttc(trajectories, others, n, asked, horizon_s)
    times[touched.drive[touched.at_fault]] = 0.0
    return times


def bearings(rear: Floats, points: Floats) -> Floats:
    """Angles from 0 to pi between headings of poses (..., 3) and the ways from there to points (..., 2)."""
    way = np.arctan2(points[..., Y] - rear[..., Y], points[..., X] - rear[..., X])
    turn = way - rear[..., YAW]
    return np.abs(turn - 2 * np.pi * np.round(turn / (2 * np.pi)))


def lateral_conflicts_count(
    trajectories: EgoTrajectories, road_context: RoadContext, n: Indices, t: Indices
) -> Truths:
    """Whether, at steps t of trajectories n (C,), what is beside the ego matters too."""
    poses = trajectories.states[n, t]
    rear = trajectories.vehicle.at_rear_axle(poses)
    return road_context.between_lanes(poses, trajectories.vehicle) | road_context.in_intersection(rear[:, :2])


def _at_fault(
    trajectories: EgoTrajectories,
    others: ObstacleBoxes,
    road_context: RoadContext,
    n: Indices,
    a: Indices,
    t: Indices,
) -> Truths:
    ego, other = trajectories.states[n, t], others.states[t, a]
    moves = np.abs(ego[:, SPEED]) > STOPPED_SPEED
    stands = (np.abs(other[:, SPEED]) <= STOPPED_SPEED) | np.isin(others.kinds, list(OBJECTS))[a]
    behind = bearings(trajectories.vehicle.at_rear_axle(ego), other[:, :2]) > BEHIND_RAD
    bumper = oriented_boxes(_front(ego, trajectories.vehicle.length_m), trajectories.vehicle.size)
    bumper[:, LENGTH] = 0.0
    head_on = overlap(bumper, oriented_boxes(other, others.sizes[a]))
    aside = moves & ~stands & ~behind & ~head_on
    blamed = moves & (stands | (~behind & head_on))
    blamed[aside] = road_context.between_lanes(ego[aside], trajectories.vehicle)
    return np.asarray(blamed)


def _front(states: Floats, length_m: float) -> Floats:
    """Poses (C, 3) of the front bumper's middle."""
    front = states[:, :3].copy()
    front[:, X] += 0.5 * length_m * np.cos(states[:, YAW])
    front[:, Y] += 0.5 * length_m * np.sin(states[:, YAW])
    return front


def _relevant(
    trajectories: EgoTrajectories, others: ObstacleBoxes, road_context: RoadContext, n: int
) -> Truths:
    """At which steps of drive n a time to collision is asked for with whom, (T, A)."""
    steps = np.arange(trajectories.steps)
    wide = lateral_conflicts_count(trajectories, road_context, np.full(trajectories.steps, n), steps)
    rear = trajectories.vehicle.at_rear_axle(trajectories.states[n])
    bearing = bearings(rear[:, None], others.states[: trajectories.steps, :, :2])
    near = (bearing < AHEAD_RAD) | (wide[:, None] & (bearing <= BEHIND_RAD))
    return np.asarray(near & (np.abs(trajectories.speed[n]) > MIN_TTC_SPEED)[:, None])


def _min_ttc(
    trajectories: EgoTrajectories, others: ObstacleBoxes, n: int, asked: Truths, horizon_s: float
) -> float:
    """The time to collision of drive n, in steps of dt: both are moved on from every step asked for."""
    counts = int(np.ceil(horizon_s / trajectories.dt - 1e-9)) - 1  # the horizon itself is not looked at
    rows, columns = asked.any(axis=1), asked.any(axis=0)
    if counts < 1 or not rows.any():
        return float(np.inf)
    now = np.where(asked[..., None], others.states[: trajectories.steps], np.nan)[rows][:, columns]
    ego = constant_velocity(trajectories.states[n, rows, :4], trajectories.dt, counts)  # (K, R, 4)
    there = constant_velocity(now, trajectories.dt, counts)  # (K, R, A, 4)
    flat = ego.reshape(1, -1, 4)[..., :3], there.reshape(-1, there.shape[2], 4)[..., :3]
    hit = collision.first_collision(flat[0], trajectories.vehicle.size, flat[1], others.sizes[columns])[0]
    later = int(hit) // int(rows.sum())  # the first hit of all is that after the fewest steps
    return (later + 1) * trajectories.dt if later < counts else float(np.inf)
