"""End-effector deltas for an arm with a gripper: an action displaces the tool point and sets the opening."""

from dataclasses import dataclass, replace

import mujoco
import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta, numeric, ramp
from wm_planner.control.kinematics import Floats
from wm_planner.errors import SimulationError, did_you_mean

GRIPPER = "gripper"
"""Name of the numeric that says where fingers are closed and open."""

STROKES = 5.0  # per second, of a finger between closed and open: 0.2 m/s for those of the Panda


@dataclass(frozen=True, slots=True)
class GripperDelta:
    """End-effector deltas with a fourth component, the opening of the gripper: 0 closed, 1 open.

    The opening is absolute, so that an action of zeros stands still and keeps the gripper closed. It is
    one minus the gripper position of the poses in `control.pose`.

    Attributes:
        arm: moves the tool point.
        fingers: names of the finger joints, (F,).
        opened, closed: positions of a finger, in m, or in rad for hinges.
    """

    arm: EndEffectorDelta
    fingers: tuple[str, ...]
    opened: float
    closed: float = 0.0
    depends_on_posture: bool = True

    @classmethod
    def of(cls, model: mujoco.MjModel, arm: EndEffectorDelta, fingers: tuple[str, ...]) -> "GripperDelta":
        """Control of a model whose actuators are those of the arm, then one per finger.

        Slides are closed at 0 and open at the end of their range. At which end hinges are open cannot be
        told from their range: the numeric `gripper` (closed, opened in rad) says it, or overrides slides'.

        Raises:
            SimulationError: if a finger joint does not exist, is a hinge without a numeric `gripper`, or
                cannot move that far.
        """
        known = [model.joint(i).name for i in range(model.njnt)]
        for finger in fingers:
            if finger not in known:
                raise SimulationError(f"the robot has no joint '{finger}', {did_you_mean(finger, known)}")
        closed, opened = _ends(model, fingers)
        return cls(arm, fingers, opened, closed)

    @property
    def joints(self) -> tuple[str, ...]:
        return (*self.arm.joints, *self.fingers)

    @property
    def bounds(self) -> tuple[Floats, Floats, Floats]:
        speed = STROKES * abs(self.opened - self.closed)
        ends = ((min(self.closed, self.opened), max(self.closed, self.opened), speed) for _ in self.fingers)
        low, high, rate = np.array([*zip(*self.arm.bounds, strict=True), *ends]).T
        return low, high, rate

    @property
    def coupled(self) -> int:
        """The joints of the arm slow down together, the fingers move at their own speed."""
        return self.arm.coupled

    def command(self, q: Floats, action: Floats) -> Floats:
        """Targets (..., J) that execute `action` (..., 4) from joint positions `q` (..., J)."""
        arm = self.arm.command(q[..., : -len(self.fingers)], action[..., :3])
        opening = np.clip(action[..., 3:], 0.0, 1.0)
        finger = self.closed + opening * (self.opened - self.closed)
        return np.concatenate([arm, np.repeat(finger, len(self.fingers), axis=-1)], axis=-1)

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Targets (..., substeps, J) within a control period, from `start` (..., J) to `end` (..., J)."""
        return ramp(start, end, substeps)

    def with_iterations(self, iterations: int) -> "GripperDelta":
        """A copy with this number of inverse-kinematics iterations per action."""
        return replace(self, arm=self.arm.with_iterations(iterations))

    def at_rest(self, tcp: Floats) -> Floats:
        """Targets (J,) that hold the open gripper at `tcp`, (3,) in m."""
        return np.concatenate([self.arm.at_rest(tcp), np.full(len(self.fingers), self.opened)])


def _ends(model: mujoco.MjModel, fingers: tuple[str, ...]) -> tuple[float, float]:
    """Positions of the closed and of the open fingers, in m or rad."""
    joints = [model.joint(finger) for finger in fingers]
    if GRIPPER in [model.numeric(i).name for i in range(model.nnumeric)]:
        closed, opened = map(float, numeric(model, GRIPPER, 2))
    elif hinges := [joint.name for joint in joints if joint.type[0] == mujoco.mjtJoint.mjJNT_HINGE]:
        raise SimulationError(
            f"{', '.join(hinges)}: at which end of its range a hinge finger is closed is not known: add "
            f"<numeric name='{GRIPPER}' data='CLOSED OPENED'/>, in rad, to the <custom> of the robot's MJCF"
        )
    else:
        closed, opened = 0.0, float(joints[0].range[1])
    for joint in joints:
        low, high = joint.range if joint.limited[0] else (-np.inf, np.inf)
        if closed == opened or not (low <= min(closed, opened) and max(closed, opened) <= high):
            raise SimulationError(
                f"{joint.name}: a finger closed at {closed:g} and open at {opened:g} does not fit its "
                f"range from {low:g} to {high:g}: correct <numeric name='{GRIPPER}'/> or the joint's range"
            )
    return closed, opened
