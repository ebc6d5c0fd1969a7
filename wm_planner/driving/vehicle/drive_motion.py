"""Set-points of a car, within limits of speed, acceleration, jerk, steering angle and steering rate."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.state_columns import SPEED, YAW, X, Y
from wm_planner.driving.vehicle.braking import standstill_command
from wm_planner.driving.vehicle.vehicle import ACCELERATION, BMW_320I, STEERING, Vehicle

Floats = NDArray[np.float64]

BUILD_UP_S = 0.1  # in which brakes and engine reach their largest force
SILENCE_S = 0.2  # after which a vehicle brakes by itself
_SETTLING_S = 0.1  # time constant with which a bound of the speed, and standstill, are approached
_GAP_S = 0.2  # of acceleration and steering that set-points may be ahead of the measured state


@dataclass(frozen=True, slots=True)
class DriveLimits:
    """Limits of a car's motion.

    Attributes:
        speed: smallest and largest speed, in m/s; below 0 the car reverses.
        acceleration: along and across the direction of travel, in m/s^2.
        jerk: along the direction of travel, in m/s^3.
        steering: largest angle of the front wheel, in rad.
        steering_rate: in rad/s.
    """

    speed: tuple[float, float]
    acceleration: float
    jerk: float
    steering: float
    steering_rate: float

    @classmethod
    def of(cls, vehicle: Vehicle) -> Self:
        """Those of a vehicle; where it has none, those of a BMW 320i."""
        acceleration = min(vehicle.max_acceleration, BMW_320I.max_acceleration)
        rate = min(vehicle.max_steering_rate, BMW_320I.max_steering_rate)
        return cls(vehicle.speed_range, acceleration, acceleration / BUILD_UP_S, vehicle.max_steering, rate)


class DriveMotion:
    """Speeds and steering angles that follow each other within limits, and the state that they lead to.

    Set-points go on from each other, not from the measured state, so that no measurement makes them jump; the
    measured state bounds how far ahead of it they get.

    Attributes:
        limits: of the motion.
        state: (6,), measured last and moved on by the set-points since.
        speed: of the last set-point, in m/s.
        acceleration: with which it was reached, in m/s^2.
        steering: angle of its front wheel, in rad.

    Args:
        vehicle: which is driven.
        state: (6,) at the rear axle, from which set-points begin.
        stamp_ns: of that state.
    """

    def __init__(self, vehicle: Vehicle, state: Floats, stamp_ns: int) -> None:
        self.vehicle, self.limits = vehicle, DriveLimits.of(vehicle)
        self._set_point_ns: int | None = None
        self.measure(state, stamp_ns)
        limits = self.limits
        self.speed, self.acceleration = _clip(float(state[SPEED]), *limits.speed), 0.0
        self.steering = _clip(float(state[STEERING]), -limits.steering, limits.steering)

    def measure(self, state: Floats, stamp_ns: int) -> None:
        """Take in a measured state (6,)."""
        self.state, self._stamp_ns = state.copy(), stamp_ns

    def is_interrupted(self, stamp_ns: int) -> bool:
        """Whether there was no set-point for so long that the vehicle is no longer where they led to."""
        return self._set_point_ns is not None and stamp_ns - self._set_point_ns > SILENCE_S * 1e9

    def predict(self, stamp_ns: int) -> Floats:
        """The state (6,) at a time, if the car goes on as it does."""
        elapsed_s = max(0, stamp_ns - self._stamp_ns) / 1e9
        distance = float(self.state[SPEED]) * min(elapsed_s, 1.0)
        turn = distance * np.tan(self.state[STEERING]) / self.vehicle.wheelbase_m
        heading = self.state[YAW] + turn / 2
        self.state[[X, Y, YAW]] += [distance * np.cos(heading), distance * np.sin(heading), turn]
        self._stamp_ns = max(stamp_ns, self._stamp_ns)
        return self.state

    def advance(self, command: Floats, stamp_ns: int, period_s: float) -> None:
        """Move the set-point towards an acceleration in m/s^2 and a steering rate in rad/s, (2,).

        Args:
            command: what is wanted; components that are not finite count as 0.
            stamp_ns: now.
            period_s: time since the set-point before, if this is the first one.
        """
        if self._set_point_ns is not None:
            period_s = (stamp_ns - self._set_point_ns) / 1e9
        self._set_point_ns = stamp_ns
        if period_s <= 0:
            return
        acceleration, rate = np.where(np.isfinite(command), command, 0.0).tolist()
        speed, steering = self.speed, self.steering
        self._accelerate(acceleration, period_s)
        self._steer(rate, period_s)
        self.state[SPEED] += self.speed - speed
        self.state[STEERING] += self.steering - steering
        self.state[ACCELERATION] = self.acceleration

    def brake(self) -> float:
        """The acceleration in m/s^2 that leads the set-points to a standstill."""
        return float(standstill_command(self.speed, _SETTLING_S)[0])

    def _accelerate(self, wanted: float, period_s: float) -> None:
        limits, measured = self.limits, float(self.state[SPEED])
        gap = limits.acceleration * _GAP_S
        low, high = max(limits.speed[0], measured - gap), min(limits.speed[1], measured + gap)
        wanted = _clip(wanted, (low - self.speed) / _SETTLING_S, (high - self.speed) / _SETTLING_S)
        most = min(limits.acceleration, float(self.vehicle.max_acceleration_at(np.array(abs(self.speed)))))
        # The driving force is limited by power, the braking force is not.
        forwards, backwards = (most, limits.acceleration) if self.speed >= 0 else (limits.acceleration, most)
        wanted = _clip(wanted, -backwards, forwards)
        change = limits.jerk * period_s
        reached = _clip(wanted, self.acceleration - change, self.acceleration + change)
        if reached * self.speed > 0 and abs(self.steering) > self._steering_at(self.speed, reached):
            reached = _clip(0.0, self.acceleration - change, self.acceleration + change)
        speed = _clip(self.speed + reached * period_s, *limits.speed)
        self.acceleration = (speed - self.speed) / period_s
        self.speed = speed

    def _steer(self, rate: float, period_s: float) -> None:
        change = self.limits.steering_rate * period_s
        most = self._steering_at(self.speed, self.acceleration)
        wanted = _clip(self.steering + rate * period_s, -most, most)
        reached = _clip(wanted, self.steering - change, self.steering + change)
        self.steering = _clip(reached, -self.limits.steering, self.limits.steering)

    def _steering_at(self, speed: float, acceleration: float) -> float:
        """The largest steering angle at which a car that is accelerated grips the road soon, too."""
        soon = max(abs(speed), abs(speed + acceleration * _SETTLING_S))
        grip = self.limits.acceleration * self.vehicle.wheelbase_m
        return min(self.limits.steering, float(np.arctan2(grip, soon**2)))


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
