"""nuPlan's linear-quadratic tracker, for many proposals at once.

Source: nuplan-devkit's LQRTracker, batched like tuplan_garage's. For the longitudinal and the lateral
direction it computes one constant input over its horizon, with small angles and a terminal cost only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry.angles import wrap_difference
from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.state_columns import SPEED, YAW, X, Y
from wm_planner.driving.vehicle.pose_profiles import fit_curvature, fit_speed
from wm_planner.driving.vehicle.vehicle import STEERING, Vehicle
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]


class Reference(NamedTuple):
    """Reference trajectories of N proposals over T steps; the last step holds beyond the end.

    Attributes:
        poses: x, y, yaw of the rear axle, (T, N, 3).
        speed: (T, N), in m/s.
        curvature: (T, N), in 1/m.
    """

    poses: Floats
    speed: Floats
    curvature: Floats


class Tracker:
    """Computes the commands with which a vehicle tracks poses."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Weights of the tracker; the defaults are nuPlan's.

        Attributes:
            speed_weight: of the squared speed error.
            acceleration_weight: of the squared acceleration.
            lateral_weight: of the squared lateral error.
            yaw_weight: of the squared yaw error.
            steering_rate_weight: of the squared steering rate.
            horizon: in steps.
            jerk_penalty: weight of jerk when the reference speed is fitted.
            curvature_rate_penalty: weight of the curvature rate when the reference curvature is fitted.
            stopping_speed: the car is stopped while its speed and the reference do not exceed this, in m/s.
            stopping_gain: proportional gain of the speed error while the car is stopped, in 1/s.
        """

        speed_weight: float = 10.0
        acceleration_weight: float = 1.0
        lateral_weight: float = 1.0
        yaw_weight: float = 10.0
        steering_rate_weight: float = 1.0
        horizon: config.Positive = 10
        jerk_penalty: float = 1e-4
        curvature_rate_penalty: float = 1e-2
        stopping_speed: float = 0.2
        stopping_gain: float = 0.5

    def __init__(self, config: Config, vehicle: Vehicle, dt: float = 0.1) -> None:
        self.config = config
        self.vehicle = vehicle
        self.dt = dt
        self._sums = np.tri(config.horizon)  # a product with it is faster than np.cumsum

    def track(self, states: Floats, poses: Floats) -> Floats:
        """Simulate the tracking of N proposals.

        Args:
            states: of the vehicle at the first pose, at the rear axle, (6,) or (N, 6).
            poses: x, y, yaw of the rear axle, `dt` apart, (N, T, 3), T >= 2.

        Returns:
            States of the vehicle at the second and all later poses, (N, T - 1, 6).

        Raises:
            ShapeError: if the arrays do not match each other.
        """
        reference = self.reference(poses)
        steps, count = reference.speed.shape
        now = np.broadcast_to(checked(states, "states", 6), (count, 6))
        driven = np.empty((steps - 1, count, 6))
        for step in range(steps - 1):
            now = driven[step] = self.vehicle.step(now, self.commands(now, reference, step), self.dt)
        return driven.swapaxes(0, 1)

    def reference(self, poses: Floats) -> Reference:
        """The reference of proposals (N, T, 3), with fitted speed and curvature."""
        poses = checked(poses, "poses", None, 3)
        if poses.ndim != 3 or poses.shape[1] < 2:
            raise ShapeError(f"poses have shape {poses.shape}, wanted (N, T, 3) with T >= 2")
        speed = fit_speed(poses, self.dt, self.config.jerk_penalty)
        curvature = fit_curvature(poses[..., 2], speed, self.dt, self.config.curvature_rate_penalty)
        profiles = (np.concatenate([p, p[:, -1:]], axis=1).T for p in (speed, curvature))
        return Reference(np.ascontiguousarray(poses.swapaxes(0, 1)), *map(np.ascontiguousarray, profiles))

    def commands(self, states: Floats, reference: Reference, step: int) -> Floats:
        """Accelerations and steering rates (N, 2) for states (N, 6) at a step of the reference."""
        c, current = self.config, states[:, SPEED]
        last = len(reference.speed) - 1
        target = reference.speed[min(step + c.horizon, last)]
        span = c.horizon * self.dt
        gain = c.speed_weight * span / (c.speed_weight * span**2 + c.acceleration_weight)
        acceleration = gain * (target - current)
        curvature = reference.curvature[np.minimum(step + np.arange(c.horizon), last)]  # (horizon, N)
        speed = current + self.dt * np.arange(c.horizon)[:, None] * acceleration
        lateral, yaw = self._errors(states, reference.poses[min(step, last)])
        rate = self._steering_rate(lateral, yaw, states[:, STEERING], speed, curvature)
        stops = (target <= c.stopping_speed) & (current <= c.stopping_speed)
        braking = c.stopping_gain * (target - current)
        return np.stack([np.where(stops, braking, acceleration), np.where(stops, 0.0, rate)], axis=-1)

    @staticmethod
    def _errors(states: Floats, poses: Floats) -> tuple[Floats, Floats]:
        """Lateral errors in m and yaw errors in rad of states (N, 6) to poses (N, 3), above 0 to the left."""
        dx, dy = states[:, X] - poses[:, 0], states[:, Y] - poses[:, 1]
        return dy * np.cos(poses[:, 2]) - dx * np.sin(poses[:, 2]), wrap_difference(
            states[:, YAW] - poses[:, 2]
        )

    def _steering_rate(
        self, lateral: Floats, yaw: Floats, steering: Floats, speed: Floats, curvature: Floats
    ) -> Floats:
        """The constant steering rate (N,) with the lowest cost at the end of the horizon.

        Over a step of length w the yaw error grows by w (steering / wheelbase - curvature) and the lateral
        error by w times the yaw error. The final errors are therefore a free response plus the rate times a
        forced response.
        """
        distance = speed * self.dt  # (horizon, N)
        ramp = self.dt * np.arange(len(distance))[:, None]  # steering angle for a rate of 1
        free = self._sums @ (distance * (steering / self.vehicle.wheelbase_m - curvature))
        forced = self._sums @ (distance * ramp / self.vehicle.wheelbase_m)
        lateral_end = lateral + (distance * yaw).sum(axis=0) + (distance[1:] * free[:-1]).sum(axis=0)
        lateral_gain = (distance[1:] * forced[:-1]).sum(axis=0)
        yaw_end, yaw_gain = wrap_difference(yaw + free[-1]), forced[-1]
        c = self.config
        gradient = c.lateral_weight * lateral_gain * lateral_end + c.yaw_weight * yaw_gain * yaw_end
        hessian = c.lateral_weight * lateral_gain**2 + c.yaw_weight * yaw_gain**2 + c.steering_rate_weight
        return np.asarray(-gradient / hessian)
