"""Sample polynomials beside the path, and take the cheapest that meets nobody and stays on the road.

Source: Werling et al. 2010, with the sampling, the cost and the lazy checks of commonroad-reactive-planner.
Differs in that offsets are polynomials of the way at all speeds, and that what is checked lazily are blocks.
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
from wm_planner.driving.planners.pdm_closed import EMERGENCY_BRAKE, braking_poses
from wm_planner.driving.planners.proposals import changing_way, swerved
from wm_planner.driving.vehicle.vehicle import ACCELERATION

Floats = NDArray[np.float64]

_BLOCK = 16  # candidates that are checked at once, cheapest first


class Sampled(NamedTuple):
    """N trajectories of H + 1 moments beside the path.

    Attributes:
        poses: of the rear axle, (N, H + 1, 3).
        speed: along the path, (N, H + 1), in m/s.
        pull: its derivative, (N, H + 1), in m/s^2.
        offset: to the left of the path, (N, H + 1), in m.
    """

    poses: Floats
    speed: Floats
    pull: Floats
    offset: Floats


class FrenetPlanner:
    """Keeps the wanted speed and the middle of the path as far as obstacles let it."""

    class Config(config.Config, frozen=True, kw_only=True):
        """What is sampled.

        Attributes:
            horizon: steps of a plan.
            levels: samples of each axis, level by level, until one holds a way that is free.
            offset_m: largest, to either side.
            least_s: shortest time in which a speed and an offset are reached.
        """

        horizon: config.Positive = 40
        levels: tuple[int, ...] = (3, 5, 9)
        offset_m: float = 3.0
        least_s: float = 0.4

    def __init__(self, config: Config) -> None:
        self.config = config

    def plan(self, view: View) -> Floats:
        """Poses of the rear axle, (H + 1, 3); a full brake where no way is free."""
        for count in self.config.levels:
            sampled = self.sampled(view, count)
            found = first_free(view, sampled.poses[_cheapest(view, sampled)])
            if found is not None:
                return found
        return braking_poses(view, self.config.horizon, EMERGENCY_BRAKE)

    def sampled(self, view: View, count: int) -> Sampled:
        """All combinations of `count` times, speeds and offsets."""
        c, speed = self.config, max(float(view.ego[SPEED]), 0.0)
        end_s = c.horizon * view.dt
        s = float(view.path.line.project(view.vehicle.at_centre(view.ego)[:2]).s)
        wanted = min(
            float(view.path.target_speed(s, speed)), speed + 0.25 * end_s * view.vehicle.max_acceleration
        )
        speeds = np.linspace(0.0, max(wanted, speed), count)
        sides = np.linspace(-c.offset_m, c.offset_m, count)
        grid = np.meshgrid(np.linspace(c.least_s, end_s, count), speeds, sides, indexing="ij")
        duration, goal, side = (axis.ravel() for axis in grid)
        now = np.array([s, speed, float(view.ego[ACCELERATION])])
        ways = quartic(now, np.stack([goal, 0 * goal], axis=-1), duration)
        times = view.dt * np.arange(c.horizon + 1)
        along, fast, pull = (evaluate(ways, times, duration, order) for order in range(3))
        along = np.maximum.accumulate(along, axis=1)
        offset = swerved(view, along, side, np.full(len(side), changing_way(view)))
        return Sampled(poses_along_path(view, along, offset), fast, pull, offset)


def first_free(view: View, poses: Floats) -> Floats | None:
    """The first of proposals (N, T, 3) that meets nobody and stays on the road, (T, 3)."""
    obstacles = view.forecast(poses.shape[1] - 1)
    for start in range(0, len(poses), _BLOCK):
        block = view.vehicle.at_centre(poses[start : start + _BLOCK])
        hit = collision.first_collision(block, view.vehicle.size, obstacles.states, obstacles.sizes)
        off = view.drive.road_context.area.box_outside(block, view.vehicle.size, OFF_ROAD_M).any(axis=1)
        free = np.flatnonzero((hit == poses.shape[1]) & ~off)
        if len(free):
            return np.asarray(poses[start + int(free[0])])
    return None


def _cheapest(view: View, sampled: Sampled) -> NDArray[np.int64]:
    """Those that the vehicle can drive, cheapest first."""
    most, bend = view.vehicle.max_acceleration, np.tan(view.vehicle.max_steering) / view.vehicle.wheelbase_m
    turn = np.abs(wrap_to_pi(np.diff(sampled.poses[..., 2], axis=1)))
    way = np.hypot(*np.moveaxis(np.diff(sampled.poses[..., :2], axis=1), -1, 0))
    drivable = (np.abs(sampled.pull) <= most).all(axis=1) & (sampled.speed > -0.1).all(axis=1)
    drivable &= (turn <= bend * way + 0.05).all(axis=1)
    order = _costs(view, sampled).argsort()
    return np.asarray(order[drivable[order]])


def _costs(view: View, sampled: Sampled) -> Floats:
    """Those of the reactive planner, (N,)."""
    s = view.path.line.project(view.vehicle.at_centre(view.ego)[:2]).s
    wanted = min(float(view.path.target_speed(float(s), float(view.ego[SPEED]))), 50.0)
    off, middle = sampled.speed - wanted, sampled.speed.shape[1] // 2
    turn = sampled.poses[..., 2] - view.path.line.project(sampled.poses[..., :2]).yaw
    turn = wrap_to_pi(turn)
    running = np.square(5 * sampled.pull) + np.square(5 * off)
    running += np.square(0.25 * sampled.offset) + np.square(0.25 * turn)
    ends = 50 * np.square(off[:, -1]) + 100 * np.square(off[:, middle])
    ends += np.square(20 * sampled.offset[:, -1]) + np.square(5 * turn[:, -1])
    return np.asarray(running.sum(axis=1) + ends)
