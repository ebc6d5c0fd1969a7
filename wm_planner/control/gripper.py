"""End-effector deltas for an arm with a gripper: an action displaces the tool point and sets the opening."""

from dataclasses import dataclass, replace

import mujoco
import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta, ramp
from wm_planner.control.kinematics import Floats
from wm_planner.errors import SimulationError, did_you_mean


@dataclass(frozen=True, slots=True)
class GripperDelta:
    """End-effector deltas with a fourth component, the opening of the gripper: 0 closed, 1 open.

    The opening is absolute, so that an action of zeros stands still and keeps the gripper closed. It is
    one minus the gripper position of the poses in `control.pose`.

    Attributes:
        arm: moves the tool point.
        fingers: names of the finger joints, (F,).
        opened: position of a finger when open, in m; 0 is closed.
        speed: velocity limit of a finger, in m/s.
    """

    arm: EndEffectorDelta
    fingers: tuple[str, ...]
    opened: float
    speed: float = 0.2
    depends_on_posture: bool = True

    @classmethod
    def of(cls, model: mujoco.MjModel, arm: EndEffectorDelta, fingers: tuple[str, ...]) -> "GripperDelta":
        """Control of a model whose actuators are those of the arm, then one per finger.

        Raises:
            SimulationError: if a finger joint does not exist.
        """
        known = [model.joint(i).name for i in range(model.njnt)]
        for finger in fingers:
            if finger not in known:
                raise SimulationError(f"the robot has no joint '{finger}', {did_you_mean(finger, known)}")
        return cls(arm, fingers, float(model.joint(fingers[0]).range[1]))

    @property
    def joints(self) -> tuple[str, ...]:
        return (*self.arm.joints, *self.fingers)

    @property
    def bounds(self) -> tuple[Floats, Floats, Floats]:
        ends = ((0.0, self.opened, self.speed) for _ in self.fingers)
        low, high, rate = np.array([*zip(*self.arm.bounds, strict=True), *ends]).T
        return low, high, rate

    def command(self, q: Floats, action: Floats) -> Floats:
        """Targets (..., J) that execute `action` (..., 4) from joint positions `q` (..., J)."""
        arm = self.arm.command(q[..., : -len(self.fingers)], action[..., :3])
        opening = np.clip(action[..., 3:], 0.0, 1.0) * self.opened
        return np.concatenate([arm, np.repeat(opening, len(self.fingers), axis=-1)], axis=-1)

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Targets (..., substeps, J) within a control period, from `start` (..., J) to `end` (..., J)."""
        return ramp(start, end, substeps)

    def with_iterations(self, iterations: int) -> "GripperDelta":
        """A copy with this number of inverse-kinematics iterations per action."""
        return replace(self, arm=self.arm.with_iterations(iterations))

    def at_rest(self, tcp: Floats) -> Floats:
        """Targets (J,) that hold the open gripper at `tcp`, (3,) in m."""
        return np.concatenate([self.arm.at_rest(tcp), np.full(len(self.fingers), self.opened)])
