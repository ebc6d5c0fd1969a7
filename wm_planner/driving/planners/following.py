"""Path following behind the leader by the IDM, for a batch of N policies: the proposals of PDM-Closed.

Source: tuplan_garage b51d5d0 (BatchIDMPolicy). The leader is looked up anew at every step of the forecast.
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
    """N policies, (N,) each.

    Attributes:
        offset: lateral offset from the path, positive to the left, in m.
        speed_fraction: fraction of the path's target speed.
    """

    offset: Floats
    speed_fraction: Floats

    @classmethod
    def grid(cls, offsets: tuple[float, ...], speed_fractions: tuple[float, ...]) -> "IDMPolicies":
        """Every combination of an offset and a speed fraction."""
        offset, speed_fraction = np.meshgrid(offsets, speed_fractions, indexing="ij")
        return cls(offset.ravel(), speed_fraction.ravel())


def follow_path(
    view: View, policies: IDMPolicies, idm: IDM, horizon: int, obstacles: ObstacleBoxes | None = None
) -> Floats:
    """Arc lengths of the ego's centre on the path, now and after each step, (N, H + 1).

    Args:
        obstacles: a forecast of H + 1 steps or more; by default at constant velocity.
    """
    path, vehicle = view.path, view.vehicle
    forecast = obstacles.window(0, horizon + 1) if obstacles else view.forecast(horizon)
    boxes = _in_path_frame(view, forecast)
    s = np.full(len(policies.speed_fraction), float(path.line.project(vehicle.at_centre(view.ego)[:2]).s))
    speed = np.full_like(s, max(float(view.ego[SPEED]), 0.0))
    front = float(s[0]) + vehicle.length_m / 2
    red_light_s = front + distance_to_red_light(
        path, front, float(speed[0]), view.lights, view.step, idm.hardest_braking
    )
    arc_lengths = [s]
    for step in range(horizon):
        gap, leader_speed = _leader(boxes, step, s, policies.offset, vehicle.length_m, vehicle.width_m)
        red_light_gap = red_light_s - s - vehicle.length_m / 2
        gap, leader_speed = np.minimum(gap, red_light_gap), np.where(red_light_gap < gap, 0.0, leader_speed)
        target_speed = policies.speed_fraction * path.target_speeds(s, speed)
        s, speed = advance(s, speed, idm.accelerations(speed, gap, leader_speed, target_speed), view.dt)
        arc_lengths.append(s)
    return np.stack(arc_lengths, axis=1)


def poses_along_path(view: View, s: Floats, d: Floats) -> Floats:
    """Poses of the rear axle where the centre is at arc lengths s and offsets d (N, T), (N, T, 3)."""
    rear_s = s - view.vehicle.rear_to_centre_m
    poses = view.path.line.poses(rear_s, d)
    step_m = np.maximum(np.gradient(rear_s, axis=-1), 1e-3)
    moves = np.ptp(s, axis=-1, keepdims=True) > 1e-3
    poses[..., 2] += np.where(moves, np.arctan(np.clip(np.gradient(d, axis=-1) / step_m, -0.5, 0.5)), 0.0)
    return poses


def _in_path_frame(view: View, obstacles: ObstacleBoxes) -> FrenetBoxes:
    """Obstacles in the frame of the path, (T, A) each."""
    flat = obstacles.states.reshape(-1, 4)
    sizes = np.tile(obstacles.sizes, (obstacles.steps, 1))
    boxes = FrenetBoxes.from_boxes(view.path.line, oriented_boxes(flat, sizes), flat[:, SPEED])
    return FrenetBoxes(*(column.reshape(obstacles.steps, -1) for column in boxes))


def _leader(
    boxes: FrenetBoxes, step: int, s: Floats, offset: Floats, length_m: float, width_m: float
) -> tuple[Floats, Floats]:
    """Gap to the leader and its speed, (N,) each; infinite and 0 without a leader."""
    distance = boxes.s[step] - s[:, None]  # (N, A)
    overlaps = np.abs(boxes.d[step] - offset[:, None]) < boxes.half_width[step] + width_m / 2
    gaps = np.where(overlaps & (distance > 0), distance - boxes.half_length[step] - length_m / 2, np.inf)
    if not gaps.shape[1]:
        return np.full(len(s), np.inf), np.zeros(len(s))
    nearest, rows = gaps.argmin(axis=1), np.arange(len(s))
    gap = gaps[rows, nearest]
    return gap, np.where(np.isfinite(gap), np.maximum(boxes.speed[step, nearest], 0.0), 0.0)
