"""What a limited command of an arm amounts to, in the terms of the action that was planned."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.kinematics import Floats
from wm_planner.control.safety import Limited, Limits


def executed_displacement(
    control: EndEffectorDelta,
    limits: Limits,
    q: Floats,
    limited: Limited,
    planned: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The displacement of the tool point, (3,) in m, base frame, that is commanded from a posture.

    Args:
        control: of the arm.
        limits: that were applied to the command.
        q: the measured posture, (J,) in rad.
        limited: the command.
        planned: the action behind it, (3,) in m, which is returned bit by bit if neither the workspace nor a
            limit changed it; None for a hold.
    """
    tcp = control.position(q)
    if planned is not None:
        action = planned.astype(np.float64)
        at_limit = (limited.command <= limits.low) | (limited.command >= limits.high)
        is_free = not (limited.clipped | at_limit).any()
        if is_free and np.array_equal(control.target(tcp, action), tcp + action):
            return planned
    displacement: NDArray[np.float32] = (control.position(limited.command) - tcp).astype(np.float32)
    return displacement
