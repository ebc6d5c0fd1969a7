"""The fingers of a gripper between a plan and their servos."""

from dataclasses import dataclass

import mujoco
import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.gripper import GripperDelta
from wm_planner.control.kinematics import Floats
from wm_planner.control.safety import Limited, Limits
from wm_planner.world_models.physics.drives import driven_joints


@dataclass(frozen=True)
class Fingers:
    """Commands for the opening of a gripper, within the limits of its fingers.

    Attributes:
        joints: names of the finger joints, (F,).
        opened, closed: positions of each finger, (F,) in m, or in rad for hinges.
        limits: of the finger positions, and of their speed in m/s or rad/s.
    """

    joints: tuple[str, ...]
    opened: Floats
    closed: Floats
    limits: Limits

    @classmethod
    def of(cls, model: mujoco.MjModel, arm: EndEffectorDelta) -> "Fingers | None":
        """The joints with an actuator that the arm carries; None for an arm without any.

        Raises:
            SimulationError: as for `GripperDelta.of`.
        """
        fingers = driven_joints(model, arm.joints[-1])
        if not fingers:
            return None
        gripper = GripperDelta.of(model, arm, fingers)
        low, high, rate = (bound[len(arm.joints) :] for bound in gripper.bounds)
        return cls(fingers, gripper.opened, gripper.closed, Limits(low, high, rate))

    def opening(self, q: Floats) -> float:
        """The opening, 0 closed, 1 open, at finger positions (F,) in m or rad."""
        return float(np.mean((q - self.closed) / (self.opened - self.closed)))

    def positions(self, opening: float) -> Floats:
        """Finger positions (F,) in m or rad at an opening."""
        return self.closed + opening * (self.opened - self.closed)

    def command(self, opening: float, q: Floats, period_s: float) -> Limited:
        """Targets (F,) in m or rad for an opening, within the limits, from measured positions (F,)."""
        return self.limits.apply(self.positions(opening), q, period_s)
