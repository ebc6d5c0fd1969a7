"""Vehicles: size, limits, and a kinematic single-track model with actuator lags.

A state is x, y of the rear axle [m], yaw [rad], speed along yaw [m/s], acceleration [m/s^2] and angle of the
front wheel [rad]; a command is an acceleration [m/s^2] and a steering rate [rad/s]. Boxes and scenarios refer
to the box centre instead of the rear axle: `at_centre` and `at_rear_axle` convert between the two.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner import config
from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.state_columns import SPEED, YAW, X, Y
from wm_planner.driving.vehicle.single_track import integrate_motion

Floats = NDArray[np.float64]

ACCELERATION, STEERING = 4, 5  # columns of a state, after those of a track

MIN_ROLLING_SPEED = 0.5
"""Speed in m/s above which the yaw rate determines the steering angle."""


class Vehicle(config.Config, frozen=True, kw_only=True):
    """A vehicle.

    Attributes:
        length_m: of the box.
        width_m: of the box.
        wheelbase_m: distance between the axles.
        rear_to_centre_m: distance from the rear axle to the box centre.
        max_steering: maximum angle of the front wheel, in rad.
        max_steering_rate: in rad/s.
        max_acceleration: also the maximum deceleration, in m/s^2.
        switching_speed: speed in m/s above which power limits the acceleration, proportionally to 1 / speed.
        speed_range: minimum and maximum speed, in m/s; below 0 the vehicle reverses.
        acceleration_lag_s: time constant of the acceleration.
        steering_lag_s: time constant of the steering.
    """

    length_m: float
    width_m: float
    wheelbase_m: float
    rear_to_centre_m: float
    max_steering: float
    max_steering_rate: float = np.inf
    max_acceleration: float = np.inf
    switching_speed: float = np.inf
    speed_range: tuple[float, float] = (0.0, np.inf)
    acceleration_lag_s: float = 0.0
    steering_lag_s: float = 0.0

    @property
    def size(self) -> Floats:
        """Length and width of the box, (2,), in m."""
        return np.array([self.length_m, self.width_m])

    def step(self, states: ArrayLike, commands: ArrayLike, dt: float) -> Floats:
        """States (..., 6) `dt` s after `states` (..., 6) with `commands` (..., 2)."""
        return self.rollout(states, np.asarray(commands, np.float64)[..., None, :], dt)[..., 0, :]

    def rollout(self, states: ArrayLike, commands: ArrayLike, dt: float) -> Floats:
        """States (..., H, 6) after each of H steps.

        Args:
            states: initial states (..., 6), broadcast against the commands.
            commands: (..., H, 2).
            dt: step duration, in s.
        """
        wanted = checked(commands, "commands", None, 2)
        shape, steps = wanted.shape[:-2], wanted.shape[-2]
        start = np.broadcast_to(checked(states, "states", 6), (*shape, 6)).reshape(-1, 6)
        inputs = np.moveaxis(wanted.reshape(-1, steps, 2), (0, 1, 2), (2, 1, 0))  # (2, H, N)
        acceleration, steering = self._actuate(start, inputs, dt)
        curvature = np.tan(steering) / self.wheelbase_m
        mean, change = 0.5 * (curvature[:-1] + curvature[1:]), np.diff(curvature, axis=0)
        initial = start[:, :2].T, start[:, YAW], start[:, SPEED]
        moved = integrate_motion(*initial, acceleration, mean, dt, self.speed_range, change)
        speed = np.concatenate([start[None, :, SPEED], moved.speed])
        columns = [
            *moved.position.swapaxes(0, 1),
            moved.heading,
            moved.speed,
            np.diff(speed, axis=0) / dt,
            steering[1:],
        ]
        return np.stack(columns, axis=-1).swapaxes(0, 1).reshape(*shape, steps, 6)

    def yaw_rate(self, states: Floats) -> Floats:
        """Yaw rates (...) of states (..., 6), in rad/s."""
        return np.asarray(states[..., SPEED] * np.tan(states[..., STEERING]) / self.wheelbase_m)

    def steering_for_yaw_rate(self, yaw_rate: float, speed: float, default: float = 0.0) -> float:
        """The steering angle in rad, within the limits, for a yaw rate in rad/s at a speed in m/s.

        `default` up to MIN_ROLLING_SPEED, where the yaw rate does not determine it.
        """
        if speed <= MIN_ROLLING_SPEED:
            return default
        angle = float(np.arctan(yaw_rate * self.wheelbase_m / speed))
        return float(np.clip(angle, -self.max_steering, self.max_steering))

    def max_acceleration_at(self, speed: Floats) -> Floats:
        """Maximum acceleration (...) at speeds (...), in m/s^2."""
        if np.isinf(self.switching_speed):
            return np.full_like(speed, self.max_acceleration)
        return self.max_acceleration * self.switching_speed / np.maximum(speed, self.switching_speed)

    def at_centre(self, states: Floats) -> Floats:
        """States (..., 3 or more) with x, y of the box centre, from states with x, y of the rear axle."""
        return _shifted(states, self.rear_to_centre_m)

    def at_rear_axle(self, states: Floats) -> Floats:
        """States (..., 3 or more) with x, y of the rear axle, from states with x, y of the box centre."""
        return _shifted(states, -self.rear_to_centre_m)

    def _actuate(self, start: Floats, inputs: Floats, dt: float) -> tuple[Floats, Floats]:
        """The acceleration (H, N) during each step, and the steering angle (H + 1, N) between them."""
        acceleration, steering = np.empty_like(inputs[0]), np.empty((len(inputs[0]) + 1, len(start)))
        current, speed, steering[0] = start[:, ACCELERATION], start[:, SPEED], start[:, STEERING]
        response, steering_response = (
            dt / (dt + self.acceleration_lag_s),
            dt * dt / (dt + self.steering_lag_s),
        )
        targets = np.maximum(inputs[0], -self.max_acceleration)
        changes = steering_response * np.clip(inputs[1], -self.max_steering_rate, self.max_steering_rate)
        for h in range(len(targets)):
            current = current + response * (np.minimum(targets[h], self.max_acceleration_at(speed)) - current)
            changed = np.maximum(steering[h] + changes[h], -self.max_steering)
            np.minimum(changed, self.max_steering, out=steering[h + 1])
            reached = np.minimum(np.maximum(speed + current * dt, self.speed_range[0]), self.speed_range[1])
            acceleration[h], current, speed = current, (reached - speed) / dt, reached
        return acceleration, steering


PACIFICA = Vehicle(
    length_m=5.176,
    width_m=2.297,
    wheelbase_m=3.089,
    rear_to_centre_m=1.461,
    max_steering=np.pi / 3,
    acceleration_lag_s=0.2,
    steering_lag_s=0.05,
)
"""The Chrysler Pacifica of nuPlan and NAVSIM, with the lags of their simulations."""

_COMMONROAD: dict[str, Any] = {"max_steering_rate": 0.4, "max_acceleration": 11.5}

FORD_ESCORT = Vehicle(
    length_m=4.298,
    width_m=1.674,
    wheelbase_m=0.88392 + 1.50876,
    rear_to_centre_m=1.50876,
    max_steering=0.91,
    switching_speed=4.755,
    speed_range=(-13.9, 45.8),
    **_COMMONROAD,
)
BMW_320I = Vehicle(
    length_m=4.508,
    width_m=1.61,
    wheelbase_m=1.1561957064 + 1.4227170936,
    rear_to_centre_m=1.4227170936,
    max_steering=1.066,
    switching_speed=7.319,
    speed_range=(-13.9, 50.8),
    **_COMMONROAD,
)
VW_VANAGON = Vehicle(
    length_m=4.569,
    width_m=1.844,
    wheelbase_m=1.1507916024 + 1.3211363976,
    rear_to_centre_m=1.3211363976,
    max_steering=1.023,
    switching_speed=7.824,
    speed_range=(-11.2, 41.7),
    **_COMMONROAD,
)
"""CommonRoad's vehicles 1 to 3. Source: Althoff and Würsching 2020, CommonRoad: Vehicle Models, table 6."""

VehicleName = Literal["pacifica", "ford_escort", "bmw_320i", "vw_vanagon"]

VEHICLES: dict[VehicleName, Vehicle] = {
    "pacifica": PACIFICA,
    "ford_escort": FORD_ESCORT,
    "bmw_320i": BMW_320I,
    "vw_vanagon": VW_VANAGON,
}
"""Vehicles by name."""


def _shifted(states: Floats, distance_m: float) -> Floats:
    """States (..., 3 or more), moved by `distance_m` along their yaw."""
    moved = np.array(states, np.float64)
    moved[..., X] += distance_m * np.cos(moved[..., YAW])
    moved[..., Y] += distance_m * np.sin(moved[..., YAW])
    return moved
