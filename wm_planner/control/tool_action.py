"""Actions of an arm's tool: which components move, rotate and grip, by the names and units of a card."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

import mujoco
import numpy as np

from wm_planner.control.kinematics import Floats
from wm_planner.control.pose import euler_from_matrix, matrix_from_euler

Components: TypeAlias = tuple[tuple[str, str], ...]
"""Name and unit of each."""

Rotation: TypeAlias = Literal["none", "euler", "vector"]
Gripper: TypeAlias = Literal["none", "opening", "change"]

TRANSLATION: Components = (("dx", "m"), ("dy", "m"), ("dz", "m"))
ROTATIONS: dict[Rotation, Components] = {
    "none": (),
    "euler": (("droll", "rad"), ("dpitch", "rad"), ("dyaw", "rad")),
    "vector": (("drx", "rad"), ("dry", "rad"), ("drz", "rad")),
}
GRIPPERS: dict[Gripper, Components] = {
    "none": (),
    "opening": (("opening", "1"),),
    "change": (("dgripper", "share closed"),),
}
TAKEN = (
    "dx, dy, dz in m; then, for a tool that rotates, droll, dpitch, dyaw or drx, dry, drz in rad; then, for "
    "a gripper, opening in 1 or dgripper in share closed"
)
"""The supported components in words."""


@dataclass(frozen=True, slots=True)
class ToolAction:
    """A displacement of the tool point, perhaps a rotation of the tool, perhaps a command for the gripper.

    Attributes:
        rotation: `euler` for angles about the fixed axes x, y, z as in `control.pose`, `vector` for a
            rotation vector; both in the base frame, from the measured orientation. `none` keeps the tool's
            orientation in the home posture.
        gripper: `opening` for a set point, 0 closed, 1 open; `change` for a difference from the measured
            gripper position, which is 0 open, 1 closed.
    """

    rotation: Rotation = "none"
    gripper: Gripper = "none"

    @classmethod
    def of(cls, names: Sequence[str], units: Sequence[str]) -> "ToolAction | None":
        """The action with these components; None if it is not supported."""
        given = tuple(zip(names, units, strict=True))
        return next((kind for kind in cls.all() if kind.components == given), None)

    @classmethod
    def all(cls) -> "list[ToolAction]":
        """Every supported action."""
        return [cls(rotation, gripper) for rotation, gripper in product(ROTATIONS, GRIPPERS)]

    @property
    def components(self) -> Components:
        return TRANSLATION + ROTATIONS[self.rotation] + GRIPPERS[self.gripper]

    @property
    def has_gripper(self) -> bool:
        return self.gripper != "none"

    @property
    def arm_size(self) -> int:
        """Number of components that move the arm, which come first."""
        return 3 + len(ROTATIONS[self.rotation])

    def matrix(self, action: Floats) -> Floats | None:
        """The rotation (3, 3) of an action (A,); None for actions without one."""
        if self.rotation == "none":
            return None
        if self.rotation == "euler":
            rotation: Floats = matrix_from_euler(action[3:6])
            return rotation
        matrix, quaternion, angle = np.empty(9), np.empty(4), float(np.linalg.norm(action[3:6]))
        axis = action[3:6] / angle if angle else np.array([1.0, 0.0, 0.0])
        mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
        mujoco.mju_quat2Mat(matrix, quaternion)
        return matrix.reshape(3, 3)

    def angles(self, matrix: Floats) -> Floats:
        """The components (3,) of a rotation (3, 3), in rad; (0,) for actions without one."""
        if self.rotation == "none":
            return np.empty(0)
        if self.rotation == "euler":
            angles: Floats = euler_from_matrix(matrix)
            return angles
        quaternion, vector = np.empty(4), np.empty(3)
        mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(matrix).reshape(9))
        mujoco.mju_quat2Vel(vector, quaternion, 1.0)
        return vector

    def opening(self, component: float, measured: float) -> float:
        """The opening that the last component asks for at a measured opening; perhaps outside of 0 to 1."""
        return component if self.gripper == "opening" else measured - component

    def component(self, opening: float, measured: float) -> float:
        """The last component of the action that sets `opening` at a measured opening."""
        return opening if self.gripper == "opening" else measured - opening
