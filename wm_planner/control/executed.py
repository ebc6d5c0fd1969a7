"""What a limited command of an arm amounts to, in the terms of the action that was planned."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.kinematics import Floats
from wm_planner.control.safety import Limited, Limits
from wm_planner.control.tool_action import ToolAction

_TRANSLATION = ToolAction()


def executed_displacement(
    control: EndEffectorDelta,
    limits: Limits,
    q: Floats,
    limited: Limited,
    planned: NDArray[np.float32] | None = None,
    kind: ToolAction = _TRANSLATION,
) -> NDArray[np.float32]:
    """The motion of the tool, (3,) in m or (6,) in m and rad, base frame, that is commanded from a posture.

    Args:
        control: of the arm.
        limits: that were applied to the command.
        q: the measured posture, (J,) in rad.
        limited: the command.
        planned: the action of the arm behind it, which is returned bit by bit if neither the workspace nor a
            limit changed it; None for a hold.
        kind: what the components mean.
    """
    tcp = control.position(q)
    if planned is not None:
        action = planned[:3].astype(np.float64)
        at_limit = (limited.command <= limits.low) | (limited.command >= limits.high)
        is_free = not (limited.clipped | at_limit).any()
        if is_free and np.array_equal(control.target(tcp, action), tcp + action):
            return planned
    moved = control.position(limited.command) - tcp
    if kind.rotation != "none":
        turned, rotation = control.chain.forward(limited.command)[1], control.chain.forward(q)[1]
        moved = np.append(moved, kind.angles(turned @ rotation.T))
    displacement: NDArray[np.float32] = moved.astype(np.float32)
    return displacement
