"""End-effector deltas for an arm with a gripper: an action displaces the tool point and sets the opening."""

from dataclasses import dataclass, replace
from typing import Self

import mujoco
import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta, numeric, ramp
from wm_planner.control.kinematics import Floats
from wm_planner.errors import SimulationError, did_you_mean
from wm_planner.world_models.physics.drives import Kind, limits_of

GRIPPER = "gripper"
"""Name of the numeric with the closed and the open position of all fingers, or of each."""

STROKES = 5.0  # per second, of a finger between closed and open: 0.2 m/s for those of the Panda


@dataclass(frozen=True, slots=True)
class GripperDelta:
    """End-effector deltas with a fourth component, the opening of the gripper: 0 closed, 1 open.

    The opening is absolute, so that an action of zeros stands still and keeps the gripper closed. It is
    one minus the gripper position of the poses in `control.pose`.

    Attributes:
        arm: moves the tool point.
        fingers: names of the finger joints, (F,).
        opened, closed: positions of each finger, (F,) in m, or in rad for hinges.
    """

    arm: EndEffectorDelta
    fingers: tuple[str, ...]
    opened: Floats
    closed: Floats
    depends_on_posture: bool = True
    kind: Kind = "position"

    @classmethod
    def of(cls, model: mujoco.MjModel, arm: EndEffectorDelta, fingers: tuple[str, ...]) -> Self:
        """Control of an arm and the fingers of its gripper.

        A slide is closed at the end of its range that is nearer to 0, and open at the other, so that fingers
        may be mirrored. At which end hinges are open cannot be told from their range: the numeric `gripper`
        (closed, opened in rad, once or for each finger) says it, or overrides that of slides.

        Raises:
            SimulationError: if a finger joint does not exist, its ends are not known, or it cannot move that
                far.
        """
        known = [model.joint(i).name for i in range(model.njnt)]
        for finger in fingers:
            if finger not in known:
                raise SimulationError(f"the robot has no joint '{finger}', {did_you_mean(finger, known)}")
        closed, opened = np.array(_ends(model, fingers)).T.copy()
        return cls(arm, fingers, opened, closed)

    @property
    def joints(self) -> tuple[str, ...]:
        return (*self.arm.joints, *self.fingers)

    @property
    def bounds(self) -> tuple[Floats, Floats, Floats]:
        low, high, rate = self.arm.bounds
        return (
            np.append(low, np.minimum(self.closed, self.opened)),
            np.append(high, np.maximum(self.closed, self.opened)),
            np.append(rate, STROKES * np.abs(self.opened - self.closed)),
        )

    @property
    def coupled(self) -> int:
        """The joints of the arm slow down together, the fingers move at their own speed."""
        return self.arm.coupled

    def command(self, q: Floats, action: Floats) -> Floats:
        """Targets (..., J) that execute `action` (..., 4) from joint positions `q` (..., J)."""
        arm = self.arm.command(q[..., : -len(self.fingers)], action[..., :3])
        opening = np.clip(action[..., 3:], 0.0, 1.0)
        return np.concatenate([arm, self.closed + opening * (self.opened - self.closed)], axis=-1)

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Targets (..., substeps, J) within a control period, from `start` (..., J) to `end` (..., J)."""
        return ramp(start, end, substeps)

    def with_iterations(self, iterations: int) -> Self:
        """A copy with this number of inverse-kinematics iterations per action."""
        return replace(self, arm=self.arm.with_iterations(iterations))

    def at_rest(self, tcp: Floats) -> Floats:
        """Targets (J,) that hold the open gripper at `tcp`, (3,) in m."""
        return np.concatenate([self.arm.at_rest(tcp), self.opened])


def _ends(model: mujoco.MjModel, fingers: tuple[str, ...]) -> list[tuple[float, float]]:
    """The closed and the open position of each finger, in m or rad."""
    ranges = [limits_of(model, finger) for finger in fingers]
    if GRIPPER in [model.numeric(i).name for i in range(model.nnumeric)]:
        is_each = model.numeric(GRIPPER).data.size == 2 * len(fingers)
        given = numeric(model, GRIPPER, 2 * len(fingers) if is_each else 2).reshape(-1, 2)
        ends = [(float(closed), float(opened)) for closed, opened in given] * (1 if is_each else len(fingers))
    elif unclear := [
        finger for finger, ends in zip(fingers, ranges, strict=True) if not _is_clear(model, finger, *ends)
    ]:
        raise SimulationError(
            f"{', '.join(unclear)}: at which end of its range a finger is closed is not known for hinges, "
            f"slides without limits or with 0 in the middle: add <numeric name='{GRIPPER}' data='CLOSED "
            "OPENED'/>, in rad or m, or one such pair per finger, to the <custom> of the robot's MJCF"
        )
    else:
        ends = [(low, high) if abs(low) < abs(high) else (high, low) for low, high in ranges]
    for finger, (closed, opened), (low, high) in zip(fingers, ends, ranges, strict=True):
        if closed == opened or not (low <= min(closed, opened) and max(closed, opened) <= high):
            raise SimulationError(
                f"{finger}: a finger closed at {closed:g} and open at {opened:g} does not fit its range from "
                f"{low:g} to {high:g}: correct <numeric name='{GRIPPER}'/> or the joint's range"
            )
    return ends


def _is_clear(model: mujoco.MjModel, finger: str, low: float, high: float) -> bool:
    """Whether the range of a finger tells at which end it is closed."""
    is_slide = model.joint(finger).type[0] == mujoco.mjtJoint.mjJNT_SLIDE
    return bool(is_slide and np.isfinite([low, high]).all() and abs(low) != abs(high))
