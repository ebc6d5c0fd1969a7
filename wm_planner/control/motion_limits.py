"""Limits of the motion of joints: position, velocity, acceleration and jerk."""

from dataclasses import dataclass

import mujoco
import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta, numeric
from wm_planner.control.kinematics import Floats
from wm_planner.errors import ConfigError

ACCELERATION_S = 0.15
JERK_S = 0.02
"""Time in which joints without declared limits reach their largest velocity and acceleration."""


@dataclass(frozen=True, slots=True)
class MotionLimits:
    """Limits of joints, (J,) each, in rad or m and seconds.

    Raises:
        ConfigError: if the shapes differ, a low is not below its high, or another limit is not positive.
    """

    low: Floats
    high: Floats
    velocity: Floats
    acceleration: Floats
    jerk: Floats

    def __post_init__(self) -> None:
        rates = np.array([self.velocity, self.acceleration, self.jerk])
        if not (self.low.shape == self.high.shape == rates.shape[1:] and np.all(self.low < self.high)):
            raise ConfigError(f"limits of joints: low {self.low}, high {self.high}, wanted low < high")
        if not (np.isfinite(rates).all() and np.all(rates > 0)):
            raise ConfigError(
                f"limits of joints: velocity {self.velocity}, acceleration {self.acceleration}, jerk "
                f"{self.jerk}: wanted positive finite numbers"
            )

    @classmethod
    def of(
        cls,
        low: Floats,
        high: Floats,
        velocity: Floats,
        acceleration: Floats | None = None,
        jerk: Floats | None = None,
    ) -> "MotionLimits":
        """With accelerations and jerks that are reached within ACCELERATION_S and JERK_S, if not given."""
        acceleration = velocity / ACCELERATION_S if acceleration is None else acceleration
        return cls(low, high, velocity, acceleration, acceleration / JERK_S if jerk is None else jerk)

    @classmethod
    def of_model(cls, model: mujoco.MjModel, arm: EndEffectorDelta) -> "MotionLimits":
        """The bounds of an arm, and the numerics `joint_acceleration_limits` (rad/s^2) and
        `joint_jerk_limits` (rad/s^3) of its model, where it has them.

        Raises:
            SimulationError: for another number of limits than joints.
        """
        declared = {model.numeric(i).name for i in range(model.nnumeric)}
        rates = (
            numeric(model, name, len(arm.joints)) if name in declared else None
            for name in ("joint_acceleration_limits", "joint_jerk_limits")
        )
        return cls.of(*arm.bounds, *rates)
