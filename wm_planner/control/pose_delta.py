"""Pose deltas for an arm with a gripper: an action is a difference of poses, as in `control.pose`."""

from dataclasses import dataclass

import numpy as np

from wm_planner.control.gripper import GripperDelta
from wm_planner.control.kinematics import Floats
from wm_planner.control.pose import euler_from_matrix, matrix_from_euler


@dataclass(frozen=True, slots=True)
class PoseDelta(GripperDelta):
    """Displacements and rotations of the tool, and changes of its gripper, all from what was measured."""

    def pose(self, q: Floats) -> Floats:
        """The pose (..., 7), base frame, at joint positions `q` (..., J)."""
        position, rotation = self.arm.chain.forward(q[..., : -len(self.fingers)])
        return np.concatenate([position, euler_from_matrix(rotation), self.share_closed(q)[..., None]], -1)

    def share_closed(self, q: Floats) -> Floats:
        """The gripper position (...,), 0 open, 1 closed, at joint positions `q` (..., J)."""
        shares = (self.opened - q[..., -len(self.fingers) :]) / (self.opened - self.closed)
        return np.asarray(np.clip(shares.mean(axis=-1), 0.0, 1.0))

    def command(self, q: Floats, action: Floats) -> Floats:
        """Targets (..., J) that execute `action` (..., 7) from joint positions `q` (..., J)."""
        rotation = matrix_from_euler(action[..., 3:6])
        arm = self.arm.command(q[..., : -len(self.fingers)], action[..., :3], rotation)
        closed = np.clip(self.share_closed(q)[..., None] + action[..., 6:], 0.0, 1.0)
        return np.concatenate([arm, self.opened + closed * (self.closed - self.opened)], axis=-1)

    def action(self, displacement: Floats, opening: float, pose: Floats) -> Floats:
        """The action (7,) that displaces the tool by (3,) in m and asks for an opening, at a pose (7,)."""
        return np.array([*displacement, 0.0, 0.0, 0.0, 1.0 - opening - pose[6]])
