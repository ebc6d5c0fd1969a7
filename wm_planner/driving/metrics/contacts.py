"""Who is to blame where boxes meet, and how long until they would. Shared by nuPlan, PDM and NAVSIM.

Source: nuplan-devkit's metrics of collisions at fault and of time to collision, and their reworking in
tuplan_garage. Theirs judge whether a track stands by its first speed, here it is the speed at the contact.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.boxes import LENGTH, boxes, overlap
from wm_planner.driving.geometry.state_columns import SPEED, YAW, X, Y
from wm_planner.driving.metrics.drives import Drives
from wm_planner.driving.metrics.situation import Situation
from wm_planner.driving.scenarios.forecasts import constant_velocity
from wm_planner.driving.scenarios.obstacle_boxes import OBJECTS, Others
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Truths = NDArray[np.bool_]

STANDING = 0.05
"""Speed in m/s up to which ego and tracks stand at a collision."""

CREEPING = 5e-3
"""Speed in m/s up to which a time to collision is not asked for."""

AHEAD, BEHIND = np.deg2rad(30.0), np.deg2rad(150.0)
"""Angles between the ego's heading and the way from its rear axle to a track's centre."""


class Contacts(NamedTuple):
    """Where drives first touch each box; (C,) each.

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


def contacts(drives: Drives, others: Others, situation: Situation) -> Contacts:
    """The first contact of each drive with each box, and who is to blame.

    The ego is, where it drives into something that stands, or with its front bumper into something that is
    not behind it; and where it touches something sideways while it is between lanes or off them.
    """
    hits = first_hits(drives, others)
    drive, other = np.nonzero(hits < drives.steps)
    step = hits[drive, other]
    return Contacts(drive, other, step, _at_fault(drives, others, situation, drive, other, step))


def first_hits(drives: Drives, others: Others) -> Indices:
    """The step in which each drive first touches each box, (N, A); T where it never does.

    Raises:
        ShapeError: if the others are known for fewer steps.
    """
    if others.steps < drives.steps:
        raise ShapeError(f"drives of {drives.steps} steps among others known for {others.steps}")
    seen = others.states[: drives.steps, :, :3]
    ego = drives.states[..., :3]
    return collision.first_hits(ego, drives.vehicle.size, seen, others.sizes, drives.directions)


def time_to_collision(
    drives: Drives, others: Others, situation: Situation, touched: Contacts, horizon_s: float = 3.0
) -> Floats:
    """The least time in s until a drive would hit something ahead if both kept their velocity, (N,).

    Between lanes and in intersections, what is beside counts too. Not asked for when the ego stands, nor
    about who was touched already. 0 at a collision at fault, infinite where nothing is hit in time.
    """
    times = np.full(drives.count, np.inf)
    for n in range(drives.count):
        mine = touched.drive == n
        met = np.full(len(others.kinds), drives.steps)
        met[touched.other[mine]] = touched.step[mine]
        asked = _asked(drives, others, situation, n) & (np.arange(drives.steps)[:, None] < met)
        times[n] = _least_time(drives, others, n, asked, horizon_s)
    times[touched.drive[touched.at_fault]] = 0.0
    return times


def bearings(rear: Floats, points: Floats) -> Floats:
    """Angles from 0 to pi between headings of poses (..., 3) and the ways from there to points (..., 2)."""
    way = np.arctan2(points[..., Y] - rear[..., Y], points[..., X] - rear[..., X])
    turn = way - rear[..., YAW]
    return np.abs(turn - 2 * np.pi * np.round(turn / (2 * np.pi)))


def is_wide(drives: Drives, situation: Situation, n: Indices, t: Indices) -> Truths:
    """Whether, at steps t of drives n (C,), what is beside the ego matters too."""
    poses = drives.states[n, t]
    rear = drives.vehicle.at_rear_axle(poses)
    return situation.between_lanes(poses, drives.vehicle) | situation.in_intersection(rear[:, :2])


def _at_fault(
    drives: Drives, others: Others, situation: Situation, n: Indices, a: Indices, t: Indices
) -> Truths:
    ego, other = drives.states[n, t], others.states[t, a]
    moves = np.abs(ego[:, SPEED]) > STANDING
    stands = (np.abs(other[:, SPEED]) <= STANDING) | np.isin(others.kinds, list(OBJECTS))[a]
    behind = bearings(drives.vehicle.at_rear_axle(ego), other[:, :2]) > BEHIND
    bumper = boxes(_front(ego, drives.vehicle.length_m), drives.vehicle.size)
    bumper[:, LENGTH] = 0.0
    head_on = overlap(bumper, boxes(other, others.sizes[a]))
    aside = moves & ~stands & ~behind & ~head_on
    blamed = moves & (stands | (~behind & head_on))
    blamed[aside] = situation.between_lanes(ego[aside], drives.vehicle)
    return np.asarray(blamed)


def _front(states: Floats, length_m: float) -> Floats:
    """Poses (C, 3) of the front bumper's middle."""
    front = states[:, :3].copy()
    front[:, X] += 0.5 * length_m * np.cos(states[:, YAW])
    front[:, Y] += 0.5 * length_m * np.sin(states[:, YAW])
    return front


def _asked(drives: Drives, others: Others, situation: Situation, n: int) -> Truths:
    """At which steps of drive n a time to collision is asked for with whom, (T, A)."""
    steps = np.arange(drives.steps)
    wide = is_wide(drives, situation, np.full(drives.steps, n), steps)
    rear = drives.vehicle.at_rear_axle(drives.states[n])
    bearing = bearings(rear[:, None], others.states[: drives.steps, :, :2])
    near = (bearing < AHEAD) | (wide[:, None] & (bearing <= BEHIND))
    return np.asarray(near & (np.abs(drives.speed[n]) > CREEPING)[:, None])


def _least_time(drives: Drives, others: Others, n: int, asked: Truths, horizon_s: float) -> float:
    """The time to collision of drive n, in steps of dt: both are moved on from every step asked for."""
    counts = int(np.ceil(horizon_s / drives.dt - 1e-9)) - 1  # the horizon itself is not looked at
    rows, columns = asked.any(axis=1), asked.any(axis=0)
    if counts < 1 or not rows.any():
        return float(np.inf)
    now = np.where(asked[..., None], others.states[: drives.steps], np.nan)[rows][:, columns]
    ego = constant_velocity(drives.states[n, rows, :4], drives.dt, counts)  # (K, R, 4)
    there = constant_velocity(now, drives.dt, counts)  # (K, R, A, 4)
    flat = ego.reshape(1, -1, 4)[..., :3], there.reshape(-1, there.shape[2], 4)[..., :3]
    hit = collision.first_hit(flat[0], drives.vehicle.size, flat[1], others.sizes[columns])[0]
    later = int(hit) // int(rows.sum())  # the first hit of all is that after the fewest steps
    return (later + 1) * drives.dt if later < counts else float(np.inf)
