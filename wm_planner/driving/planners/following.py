"""Follow whoever is ahead on lines beside the way, N times at once: the policies of PDM-Closed.

Source: tuplan_garage b51d5d0 (BatchIDMPolicy). Who is ahead is asked anew at every step of the forecast.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.boxes import oriented_boxes
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.map.frenet_boxes import FrenetBoxes
from wm_planner.driving.planners.base import View
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.traffic.agent_paths import distance_to_red_light
from wm_planner.driving.traffic.car_following import IDM, advance

Floats = NDArray[np.float64]


class IDMPolicies(NamedTuple):
    """N ways to drive, (N,) each.

    Attributes:
        offset: to the left of the path, in m.
        speed_fraction: fraction of the target speed, from 0 to 1.
    """

    offset: Floats
    speed_fraction: Floats

    @classmethod
    def grid(cls, offsets: tuple[float, ...], shares: tuple[float, ...]) -> "IDMPolicies":
        """Each offset with each share."""
        offset, share = np.meshgrid(offsets, shares, indexing="ij")
        return cls(offset.ravel(), share.ravel())


def follow_path(
    view: View, policies: IDMPolicies, idm: IDM, horizon: int, obstacles: ObstacleBoxes | None = None
) -> Floats:
    """Arc lengths (N, H + 1) of the centre on the path, now and after each step.

    Args:
        obstacles: everybody for as many steps; None for who keeps its velocity.
    """
    path, vehicle = view.path, view.vehicle
    seen = _seen(view, obstacles.window(0, horizon + 1) if obstacles else view.forecast(horizon))
    s = np.full(len(policies.speed_fraction), float(path.line.project(vehicle.at_centre(view.ego)[:2]).s))
    speed = np.full_like(s, max(float(view.ego[SPEED]), 0.0))
    front = float(s[0]) + vehicle.length_m / 2
    red_s = front + distance_to_red_light(
        path, front, float(speed[0]), view.lights, view.step, idm.hardest_braking
    )
    places = [s]
    for step in range(horizon):
        gap, leader = _leader(seen, step, s, policies.offset, vehicle.length_m, vehicle.width_m)
        red = red_s - s - vehicle.length_m / 2
        gap, leader = np.minimum(gap, red), np.where(red < gap, 0.0, leader)
        wanted = policies.speed_fraction * path.target_speeds(s, speed)
        s, speed = advance(s, speed, idm.accelerations(speed, gap, leader, wanted), view.dt)
        places.append(s)
    return np.stack(places, axis=1)


def poses_along_path(view: View, s: Floats, d: Floats) -> Floats:
    """Poses (N, T, 3) of the rear axle where the centre is at arc lengths s and offsets d, (N, T) both."""
    back = s - view.vehicle.rear_to_centre_m
    poses = view.path.line.poses(back, d)
    way = np.maximum(np.gradient(back, axis=-1), 1e-3)
    moves = np.ptp(s, axis=-1, keepdims=True) > 1e-3
    poses[..., 2] += np.where(moves, np.arctan(np.clip(np.gradient(d, axis=-1) / way, -0.5, 0.5)), 0.0)
    return poses


def _seen(view: View, obstacles: ObstacleBoxes) -> FrenetBoxes:
    """Everybody at each of the steps as the path sees them, (T, A) each."""
    flat = obstacles.states.reshape(-1, 4)
    sizes = np.tile(obstacles.sizes, (obstacles.steps, 1))
    found = FrenetBoxes.from_boxes(view.path.line, oriented_boxes(flat, sizes), flat[:, SPEED])
    return FrenetBoxes(*(each.reshape(obstacles.steps, -1) for each in found))


def _leader(
    seen: FrenetBoxes, step: int, s: Floats, offset: Floats, length_m: float, width_m: float
) -> tuple[Floats, Floats]:
    """Gaps to who is ahead, and their speeds, (N,); infinite and 0 where nobody is."""
    way = seen.s[step] - s[:, None]  # (N, A)
    beside = np.abs(seen.d[step] - offset[:, None]) < seen.half_width[step] + width_m / 2
    gaps = np.where(beside & (way > 0), way - seen.half_length[step] - length_m / 2, np.inf)
    if not gaps.shape[1]:
        return np.full(len(s), np.inf), np.zeros(len(s))
    nearest, rows = gaps.argmin(axis=1), np.arange(len(s))
    gap = gaps[rows, nearest]
    return gap, np.where(np.isfinite(gap), np.maximum(seen.speed[step, nearest], 0.0), 0.0)
