"""An arm with a gripper: an action moves the tool point and says how far the fingers are to be open."""

from dataclasses import dataclass, replace

import mujoco
import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta, ramp
from wm_planner.control.kinematics import Floats
from wm_planner.errors import SimulationError, did_you_mean


@dataclass(frozen=True, slots=True)
class GripperDelta:
    """End-effector deltas, and a fourth component: the opening, 0 closed, 1 open.

    The opening is absolute, so that the action of zeros stands still and holds what it has.

    Attributes:
        arm: what moves the tool point.
        fingers: joints of the fingers, (F,) names.
        opened: where a finger is when open, m; 0 is closed.
        speed: of a finger, m/s.
    """

    arm: EndEffectorDelta
    fingers: tuple[str, ...]
    opened: float
    speed: float = 0.2
    depends_on_posture: bool = True

    @classmethod
    def of(cls, model: mujoco.MjModel, arm: EndEffectorDelta, fingers: tuple[str, ...]) -> "GripperDelta":
        """The gripper of a model, whose actuators are those of the arm and then one a finger.

        Raises:
            SimulationError: if there is no such finger.
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
        """Targets (..., J) that carry out `action` (..., 4) from joint positions `q` (..., J)."""
        arm = self.arm.command(q[..., : -len(self.fingers)], action[..., :3])
        opening = np.clip(action[..., 3:], 0.0, 1.0) * self.opened
        return np.concatenate([arm, np.repeat(opening, len(self.fingers), axis=-1)], axis=-1)

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Targets (..., substeps, J) of a control period that leads from `start` to `end`, (..., J)."""
        return ramp(start, end, substeps)

    def with_iterations(self, iterations: int) -> "GripperDelta":
        """The same with so many iterations of the arm's inverse kinematics an action."""
        return replace(self, arm=self.arm.with_iterations(iterations))

    def at_rest(self, tcp: Floats) -> Floats:
        """Targets (J,) that hold the open hand at `tcp`, (3,) m."""
        return np.concatenate([self.arm.at_rest(tcp), np.full(len(self.fingers), self.opened)])
