"""Frenet sampling planner: the cheapest polynomial trajectory that is collision-free and on the road.

Source: Werling et al. 2010, with the sampling, cost and lazy checks of commonroad-reactive-planner; differs
in that lateral offsets are polynomials of the arc length at all speeds, and that checks run in blocks.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.polynomials import evaluate, quartic
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.metrics.nuplan import OFF_ROAD_M
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.following import poses_along_path
from wm_planner.driving.planners.pdm_closed import braking_poses
from wm_planner.driving.planners.proposals import lane_change_length, lateral_shift
from wm_planner.driving.vehicle.braking import EMERGENCY_BRAKE
from wm_planner.driving.vehicle.vehicle import ACCELERATION

Floats = NDArray[np.float64]

_BLOCK = 16  # candidates per collision check, cheapest first


class FrenetSamples(NamedTuple):
    """N sampled trajectories of H + 1 states.

    Attributes:
        poses: of the rear axle, (N, H + 1, 3).
        speed: along the path, (N, H + 1), in m/s.
        acceleration: along the path, (N, H + 1), in m/s^2.
        offset: lateral offset from the path, positive to the left, (N, H + 1), in m.
    """

    poses: Floats
    speed: Floats
    acceleration: Floats
    offset: Floats


class FrenetPlanner:
    """Keeps the target speed and the centre of the path as far as obstacles permit."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Sampling.

        Attributes:
            horizon: steps of a plan.
            samples_per_axis: numbers of durations, speeds and offsets to sample, tried in turn until one of
                them yields a valid trajectory.
            max_offset_m: largest lateral offset to either side.
            min_duration_s: shortest time in which a speed is reached.
        """

        horizon: config.Positive = 40
        samples_per_axis: tuple[int, ...] = (3, 5, 9)
        max_offset_m: float = 3.0
        min_duration_s: float = 0.4

    def __init__(self, config: Config) -> None:
        self.config = config

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, (H + 1, 3); an emergency brake if no sample is valid."""
        for count in self.config.samples_per_axis:
            samples = self.sample(view, count)
            valid = first_valid(view, samples.poses[_cheapest(view, samples)])
            if valid is not None:
                return valid
        return braking_poses(view, self.config.horizon, EMERGENCY_BRAKE)

    def sample(self, view: View, count: int) -> FrenetSamples:
        """All combinations of `count` durations, final speeds and lateral offsets."""
        c, speed = self.config, max(float(view.ego[SPEED]), 0.0)
        end_s = c.horizon * view.dt
        s = float(view.path.line.project(view.vehicle.at_centre(view.ego)[:2]).s)
        reachable = speed + 0.25 * end_s * view.vehicle.max_acceleration
        target_speed = min(float(view.path.target_speed(s, speed)), reachable)
        speeds = np.linspace(0.0, max(target_speed, speed), count)
        offsets = np.linspace(-c.max_offset_m, c.max_offset_m, count)
        durations = np.linspace(c.min_duration_s, end_s, count)
        grid = np.meshgrid(durations, speeds, offsets, indexing="ij")
        duration, end_speed, end_offset = (axis.ravel() for axis in grid)
        now = np.array([s, speed, float(view.ego[ACCELERATION])])
        profiles = quartic(now, np.stack([end_speed, 0 * end_speed], axis=-1), duration)
        times = view.dt * np.arange(c.horizon + 1)
        along, speed_along, acceleration = (evaluate(profiles, times, duration, order) for order in range(3))
        along = np.maximum.accumulate(along, axis=1)
        length = np.full(len(end_offset), lane_change_length(view))
        offset = lateral_shift(view, along, end_offset, length)
        return FrenetSamples(poses_along_path(view, along, offset), speed_along, acceleration, offset)


def first_valid(view: View, poses: Floats) -> Floats | None:
    """The first of trajectories (N, T, 3) that is collision-free and on the road, (T, 3)."""
    obstacles = view.forecast(poses.shape[1] - 1)
    for start in range(0, len(poses), _BLOCK):
        block = view.vehicle.at_centre(poses[start : start + _BLOCK])
        hit = collision.first_collision(block, view.vehicle.size, obstacles.states, obstacles.sizes)
        off_road = view.drive.road_context.area.box_outside(block, view.vehicle.size, OFF_ROAD_M).any(axis=1)
        valid = np.flatnonzero((hit == poses.shape[1]) & ~off_road)
        if len(valid):
            return np.asarray(poses[start + int(valid[0])])
    return None


def _cheapest(view: View, samples: FrenetSamples) -> NDArray[np.int64]:
    """Indices of the samples that are kinematically feasible, cheapest first."""
    vehicle = view.vehicle
    max_curvature = np.tan(vehicle.max_steering) / vehicle.wheelbase_m
    turn = np.abs(wrap_to_pi(np.diff(samples.poses[..., 2], axis=1)))
    step_m = np.hypot(*np.moveaxis(np.diff(samples.poses[..., :2], axis=1), -1, 0))
    feasible = (np.abs(samples.acceleration) <= vehicle.max_acceleration).all(axis=1)
    feasible &= (samples.speed > -0.1).all(axis=1)
    feasible &= (turn <= max_curvature * step_m + 0.05).all(axis=1)
    order = _costs(view, samples).argsort()
    return np.asarray(order[feasible[order]])


def _costs(view: View, samples: FrenetSamples) -> Floats:
    """Costs of commonroad-reactive-planner, (N,)."""
    s = view.path.line.project(view.vehicle.at_centre(view.ego)[:2]).s
    target_speed = min(float(view.path.target_speed(float(s), float(view.ego[SPEED]))), 50.0)
    speed_error, middle = samples.speed - target_speed, samples.speed.shape[1] // 2
    path_yaw = view.path.line.project(samples.poses[..., :2]).yaw
    yaw_error = wrap_to_pi(samples.poses[..., 2] - path_yaw)
    running = np.square(5 * samples.acceleration) + np.square(5 * speed_error)
    running += np.square(0.25 * samples.offset) + np.square(0.25 * yaw_error)
    terminal = 50 * np.square(speed_error[:, -1]) + 100 * np.square(speed_error[:, middle])
    terminal += np.square(20 * samples.offset[:, -1]) + np.square(5 * yaw_error[:, -1])
    return np.asarray(running.sum(axis=1) + terminal)
