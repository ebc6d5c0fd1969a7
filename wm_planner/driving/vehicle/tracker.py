"""Follow poses as nuPlan does: a linear-quadratic tracker, for many proposals at once.

Source: nuplan-devkit's LQRTracker; its batch of N is that of tuplan_garage. Longitudinally and laterally it
plans one constant input over its horizon, with small angles, and weighs the state at the end only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.state_columns import SPEED, YAW, X, Y
from wm_planner.driving.vehicle.pose_profiles import fit_curvature, fit_speed
from wm_planner.driving.vehicle.vehicle import STEERING, Vehicle
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]


class Reference(NamedTuple):
    """What N proposals ask for at T steps, beyond the last of which everything stays.

    Attributes:
        poses: of the rear axle, x, y, yaw, (T, N, 3).
        speed: (T, N), in m/s.
        curvature: (T, N), in 1/m.
    """

    poses: Floats
    speed: Floats
    curvature: Floats


class Tracker:
    """Turns poses into the commands of a vehicle."""

    class Config(config.Config, frozen=True, kw_only=True):
        """nuPlan's tracker.

        Attributes:
            speed_weight: on the squared error of speed.
            acceleration_weight: on squared acceleration.
            lateral_weight: on the squared lateral error.
            yaw_weight: on the squared error of yaw.
            steering_rate_weight: on the squared rate of steering.
            horizon: steps.
            jerk_penalty: where the reference's speed is fitted.
            curvature_rate_penalty: where its curvature is fitted.
            stopping_speed: in m/s; where speed and reference are not above it, the car is stopped.
            stopping_gain: acceleration a m/s of speed while it is, in 1/s.
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
        self._sums = np.tri(config.horizon)  # times it is quicker than np.cumsum

    def track(self, states: Floats, poses: Floats) -> Floats:
        """Drive N proposals: the states (N, T - 1, 6) of the vehicle at their second pose and all after.

        Args:
            states: of the vehicle at the first pose, (6,) or (N, 6), at the rear axle.
            poses: of the rear axle, x, y, yaw, (N, T, 3), T >= 2, `dt` apart.

        Raises:
            ShapeError: if the arrays do not fit each other.
        """
        reference = self.reference(poses)
        steps, count = reference.speed.shape
        now = np.broadcast_to(checked(states, "states", 6), (count, 6))
        driven = np.empty((steps - 1, count, 6))
        for step in range(steps - 1):
            now = driven[step] = self.vehicle.step(now, self.commands(now, reference, step), self.dt)
        return driven.swapaxes(0, 1)

    def reference(self, poses: Floats) -> Reference:
        """What the proposals (N, T, 3) ask for; speed and curvature are fitted."""
        poses = checked(poses, "poses", None, 3)
        if poses.ndim != 3 or poses.shape[1] < 2:
            raise ShapeError(f"poses have shape {poses.shape}, wanted (N, T, 3) with T >= 2")
        speed = fit_speed(poses, self.dt, self.config.jerk_penalty)
        curvature = fit_curvature(poses[..., 2], speed, self.dt, self.config.curvature_rate_penalty)
        profiles = (np.concatenate([p, p[:, -1:]], axis=1).T for p in (speed, curvature))
        return Reference(np.ascontiguousarray(poses.swapaxes(0, 1)), *map(np.ascontiguousarray, profiles))

    def commands(self, states: Floats, reference: Reference, step: int) -> Floats:
        """Accelerations and steering rates (N, 2) for states (N, 6) at a step of the reference."""
        c, now = self.config, states[:, SPEED]
        last = len(reference.speed) - 1
        wanted = reference.speed[min(step + c.horizon, last)]
        span = c.horizon * self.dt
        acceleration = (
            c.speed_weight * span / (c.speed_weight * span**2 + c.acceleration_weight) * (wanted - now)
        )
        curvature = reference.curvature[np.minimum(step + np.arange(c.horizon), last)]  # (horizon, N)
        speed = now + self.dt * np.arange(c.horizon)[:, None] * acceleration
        lateral, yaw = self._errors(states, reference.poses[min(step, last)])
        rate = self._steering_rate(lateral, yaw, states[:, STEERING], speed, curvature)
        stops = (wanted <= c.stopping_speed) & (now <= c.stopping_speed)
        braking = c.stopping_gain * (wanted - now)
        return np.stack([np.where(stops, braking, acceleration), np.where(stops, 0.0, rate)], axis=-1)

    @staticmethod
    def _errors(states: Floats, poses: Floats) -> tuple[Floats, Floats]:
        """How far states (N, 6) are to the left of poses (N, 3) in m, and turned left of them in rad."""
        dx, dy = states[:, X] - poses[:, 0], states[:, Y] - poses[:, 1]
        return dy * np.cos(poses[:, 2]) - dx * np.sin(poses[:, 2]), _wrapped(states[:, YAW] - poses[:, 2])

    def _steering_rate(
        self, lateral: Floats, yaw: Floats, steering: Floats, speed: Floats, curvature: Floats
    ) -> Floats:
        """The constant rate (N,) that is best at the horizon's end.

        With the way w of each step, yaw grows by w (steering / wheelbase - curvature) and the lateral error
        by w yaw, so that both ends are sums: of what comes of itself, and of what a rate of 1 adds.
        """
        way = speed * self.dt  # (horizon, N)
        ramp = self.dt * np.arange(len(way))[:, None]  # steering after a rate of 1
        free = self._sums @ (way * (steering / self.vehicle.wheelbase_m - curvature))
        forced = self._sums @ (way * ramp / self.vehicle.wheelbase_m)
        lateral_end = lateral + (way * yaw).sum(axis=0) + (way[1:] * free[:-1]).sum(axis=0)
        lateral_gain = (way[1:] * forced[:-1]).sum(axis=0)
        yaw_end, yaw_gain = _wrapped(yaw + free[-1]), forced[-1]
        c = self.config
        slope = c.lateral_weight * lateral_gain * lateral_end + c.yaw_weight * yaw_gain * yaw_end
        bend = c.lateral_weight * lateral_gain**2 + c.yaw_weight * yaw_gain**2 + c.steering_rate_weight
        return np.asarray(-slope / bend)


def _wrapped(angle: Floats) -> Floats:
    return angle - 2 * np.pi * np.round(angle / (2 * np.pi))
