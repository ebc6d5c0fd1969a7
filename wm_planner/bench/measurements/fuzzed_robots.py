"""Robots whose controllers are fuzzed: the messages that they expect, and what their set-points must keep."""

import random
from typing import Any, Protocol

import numpy as np

from wm_planner.bridges.messages import plan_message
from wm_planner.clock import nanoseconds
from wm_planner.contracts.card import ActionSpec
from wm_planner.control.kinematics import Floats
from wm_planner.driving.bridges.ackermann import AckermannControl
from wm_planner.driving.bridges.messages import EGO_FRAME, POSES, odometry_message
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.vehicle.drive_motion import DriveLimits
from wm_planner.driving.vehicle.vehicle import STEERING, VEHICLES, VehicleName
from wm_planner.manipulation.bridges.ee_delta import EndEffectorControl
from wm_planner.messaging import messages as m

RATE_HZ = 100.0
STEP_NS = nanoseconds(1 / RATE_HZ)
ROUNDING = 1e-6  # of shares of limits; ruckig's own is 1e-8
_HORIZON = 5


class FuzzedRobot(Protocol):
    """A robot that is exactly where its set-points put it.

    Attributes:
        control: of the controller node.
        period_s: between two plans.
        topics: of the measured state and of the command.
    """

    control: dict[str, Any]
    period_s: float
    topics: tuple[str, str]

    def state(self, stamp_ns: int) -> m.Message:
        """The measured state."""
        ...

    def plan(self, number: int, stamp_ns: int, draw: random.Random) -> m.Message:
        """A random plan that its controller should follow, as far as its limits let it."""
        ...

    def follow(self, command: m.Message, before: int) -> dict[str, float]:
        """Go to a set-point; the share of each limit that it used, 1 at most.

        Args:
            command: of the controller.
            before: number of set-points since they began, with which this one can be compared.
        """
        ...


class FuzzedArm:
    """An arm whose actions are displacements of its tool."""

    topics = "/joint_states", "/command"
    period_s = 0.2

    def __init__(self, robot: str) -> None:
        self.control = {"type": "ee_delta", "robot": robot}
        self._own = EndEffectorControl(EndEffectorControl.Config(robot=robot))
        self._limits, arm = self._own.motion_limits, self._own.control
        fingers = self._own.fingers
        self._joints = (*arm.joints, *(fingers.joints if fingers else ()))
        self._rest = fingers.opened if fingers else np.empty(0)
        names: tuple[str, ...] = ("dx", "dy", "dz")
        units: tuple[str, ...] = ("m", "m", "m")
        if fingers:
            names, units = (*names, "opening"), (*units, "1")
        self._spec = ActionSpec(names=names, units=units, low=(-0.3,) * len(names), high=(0.3,) * len(names))
        self._q, self._speed, self._gain = arm.home.copy(), 0 * arm.home, 0 * arm.home

    def state(self, stamp_ns: int) -> m.Message:
        return m.joint_state(
            self._joints, np.append(self._q, self._rest), stamp_ns, np.zeros(len(self._joints))
        )

    def plan(self, number: int, stamp_ns: int, draw: random.Random) -> m.Message:
        size = len(self._spec.names)
        actions = np.array(
            [[draw.uniform(-0.3, 0.3) for _ in range(size)] for _ in range(_HORIZON)], np.float32
        )
        return plan_message(
            number, actions, self._spec, self.period_s, stamp_ns, execute_steps=_HORIZON, fallback=False
        )

    def follow(self, command: m.Message, before: int) -> dict[str, float]:
        limits, clearance, size = self._limits, self._own.admissibility.clearance, len(self._q)
        q = np.asarray(command.points[0].positions, np.float64)[:size]
        assert clearance is not None
        speed = (q - self._q) * RATE_HZ
        gain = (speed - self._speed) * RATE_HZ
        jerk = (gain - self._gain) * RATE_HZ
        self._q, self._speed, self._gain = q, speed, gain
        middle, half = (limits.high + limits.low) / 2, (limits.high - limits.low) / 2
        return {
            "position": _most((q - middle) / half),
            "velocity": _most(speed / limits.velocity) if before >= 1 else 0.0,
            "acceleration": _most(gain / limits.acceleration) if before >= 2 else 0.0,
            "jerk": _most(jerk / limits.jerk) if before >= 3 else 0.0,
            "margin to itself": self._own.admissibility.margin_m / max(clearance.distance(q), 1e-9),
        }


class FuzzedCar:
    """A car that follows poses."""

    topics = "/odom", "/drive"
    period_s = 0.1

    def __init__(self, name: VehicleName) -> None:
        self.control = {"type": "ackermann", "vehicle": name}
        self._vehicle = AckermannControl(AckermannControl.Config(vehicle=name)).vehicle
        self._limits = DriveLimits.of(self._vehicle)
        self._state, self._gain = np.zeros(6), 0.0

    def state(self, stamp_ns: int) -> m.Message:
        vehicle, state = self._vehicle, self._state
        return odometry_message(vehicle.at_centre(state)[:4], float(vehicle.yaw_rate(state)), stamp_ns)

    def plan(self, number: int, stamp_ns: int, draw: random.Random) -> m.Message:
        horizon = 4 * _HORIZON
        speed = np.linspace(self._state[SPEED], draw.uniform(-5, 40), horizon)
        yaw = np.cumsum(speed * self.period_s * draw.gauss(0, draw.choice((0.02, 0.3))))
        steps = self.period_s * speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
        poses = np.column_stack([np.cumsum(steps, axis=0) - steps[0], yaw - yaw[0]]).astype(np.float32)
        return plan_message(
            *(number, poses, POSES, self.period_s, stamp_ns),
            frame=EGO_FRAME,
            execute_steps=_HORIZON,
            fallback=False,
        )

    def follow(self, command: m.Message, before: int) -> dict[str, float]:
        drive, limits, state = command.drive, self._limits, self._state
        gain = (drive.speed - state[SPEED]) * RATE_HZ
        jerk, rate = (gain - self._gain) * RATE_HZ, (drive.steering_angle - state[STEERING]) * RATE_HZ
        self._state = self._vehicle.step(state, [gain, rate], 1 / RATE_HZ)
        self._state[SPEED], self._state[STEERING] = drive.speed, drive.steering_angle
        self._gain = gain
        low, high = limits.speed
        return {
            "speed": _most((drive.speed - (high + low) / 2) / ((high - low) / 2)),
            "acceleration": _most(gain / limits.acceleration) if before >= 1 else 0.0,
            "jerk": _most(jerk / limits.jerk) if before >= 2 else 0.0,
            "steering": _most(drive.steering_angle / limits.steering),
            "steering rate": _most(rate / limits.steering_rate) if before >= 1 else 0.0,
        }


def robot_of(name: str) -> FuzzedRobot:
    """A vehicle by its name, or the arm of an MJCF file."""
    return FuzzedCar(name) if name in VEHICLES else FuzzedArm(name)


def _most(shares: Floats | float) -> float:
    """The largest magnitude; infinite if one is not finite."""
    most = float(np.max(np.abs(shares)))
    return most if np.isfinite(most) else float("inf")
