"""What the commands and the measured states of an arm or a car tell about its motion."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.messages import joints_of, targets_of
from wm_planner.driving.bridges.ackermann import AckermannControl
from wm_planner.driving.bridges.messages import ego_state_of
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.vehicle.drive_motion import DriveLimits
from wm_planner.errors import ConfigError
from wm_planner.launching.file import LaunchSpec
from wm_planner.manipulation.bridges.arm_control import ArmControl
from wm_planner.messaging import messages as m

Floats = NDArray[np.float64]

_STILL_RAD_S, _STILL_M_S = 0.01, 0.05  # below which a robot stands
_BRAKING = 1.0  # m/s^2, from which on a car brakes; less where a stop ends
_ENDING = 5.0  # 1/s, of the speed that a car loses where a stop ends
_SLACK = 1e-6


class Robot(Protocol):
    """A robot as seen from the bus.

    Attributes:
        command_topic, state_topic: of its commands and its measured states.
        still: speed in rad/s or m/s below which it stands.
        limits: largest change of a set-point (k,) per second.
    """

    command_topic: str
    state_topic: str
    still: float
    limits: Floats

    def set_point(self, message: m.Message) -> Floats:
        """What a command asks for, (k,)."""
        ...

    def measured(self, message: m.Message) -> Floats:
        """The same quantities in a measured state, NaN where it does not tell them, (k,)."""
        ...

    def speed(self, before: Floats, after: Floats, elapsed_s: float) -> float:
        """The speed that two points (k,) amount to, in rad/s or m/s."""
        ...

    def slows(self, before: float, after: float, elapsed_s: float) -> bool:
        """Whether a robot comes to rest, from two speeds; true if it stands."""
        ...


class ArmRobot:
    """Joint positions in rad."""

    command_topic, state_topic, still = "/command", "/joint_states", _STILL_RAD_S

    def __init__(self, control: ArmControl) -> None:
        self._joints = control.control.joints
        self.limits = control.motion_limits.velocity

    def set_point(self, message: m.Message) -> Floats:
        given = dict(zip(message.joint_names, targets_of(message), strict=True))
        return np.array([given[name] for name in self._joints])

    def measured(self, message: m.Message) -> Floats:
        return joints_of(message, self._joints)

    def speed(self, before: Floats, after: Floats, elapsed_s: float) -> float:
        return float(np.linalg.norm(after - before)) / elapsed_s

    def slows(self, before: float, after: float, elapsed_s: float) -> bool:
        return after < self.still or after < before - _SLACK


class CarRobot:
    """Speed in m/s and steering angle in rad."""

    command_topic, state_topic, still = "/drive", "/odom", _STILL_M_S

    def __init__(self, control: AckermannControl) -> None:
        limits = DriveLimits.of(control.vehicle)
        self.limits = np.array([limits.acceleration, limits.steering_rate])

    def set_point(self, message: m.Message) -> Floats:
        return np.array([message.drive.speed, message.drive.steering_angle])

    def measured(self, message: m.Message) -> Floats:
        return np.array([ego_state_of(message)[SPEED], np.nan])

    def speed(self, before: Floats, after: Floats, elapsed_s: float) -> float:
        return abs(float(after[0]))

    def slows(self, before: float, after: float, elapsed_s: float) -> bool:
        return after < self.still or before - after >= min(_BRAKING, _ENDING * after) * elapsed_s


def robot_of(spec: LaunchSpec) -> Robot:
    """The robot that a launch file controls.

    Raises:
        ConfigError: if it is neither an arm nor a car.
    """
    params: dict[str, Any] = next(
        (node.params["control"] for node in spec.nodes if "control" in node.params), {"type": "none"}
    )
    control = CONTROLLERS.build(params, "controller: params.control")
    if isinstance(control, ArmControl):
        return ArmRobot(control)
    if isinstance(control, AckermannControl):
        return CarRobot(control)
    raise ConfigError(f"faults are measured on arms and cars, {spec.name} controls by {params['type']}")
