"""The fingers of a gripper between a plan and their servos."""

from dataclasses import dataclass

import mujoco
import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.gripper import GripperDelta
from wm_planner.control.kinematics import Floats
from wm_planner.control.safety import Limited, Limits


@dataclass(frozen=True)
class Fingers:
    """Commands for the opening of a gripper, within the limits of its fingers.

    Attributes:
        joints: names of the finger joints, (F,).
        opened: position of a finger when open, in m; 0 is closed.
        limits: of the finger positions in m, and of their speed in m/s.
    """

    joints: tuple[str, ...]
    opened: float
    limits: Limits

    @classmethod
    def of(cls, model: mujoco.MjModel, arm: EndEffectorDelta) -> "Fingers | None":
        """The slide joints that have an actuator; None for a robot without any."""
        driven = model.actuator_trnid[model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT, 0]
        slides = [int(joint) for joint in driven if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE]
        if not slides:
            return None
        gripper = GripperDelta.of(model, arm, tuple(model.joint(joint).name for joint in slides))
        size = len(arm.joints)
        return cls(gripper.fingers, gripper.opened, Limits(*(bound[size:] for bound in gripper.bounds)))

    def opening(self, q: Floats) -> float:
        """The opening, 0 closed, 1 open, at finger positions (F,) in m."""
        return float(np.mean(q)) / self.opened

    def command(self, opening: float, q: Floats, period_s: float) -> Limited:
        """Targets (F,) in m for an opening, within the limits, from measured positions (F,)."""
        return self.limits.apply(np.full(len(self.joints), opening * self.opened), q, period_s)
