"""Braking to a standstill: how hard, and by which command."""

import numpy as np
from numpy.typing import NDArray

EMERGENCY_BRAKE = 4.05
"""Deceleration in an emergency, in m/s^2: nuPlan's limit of comfort."""


def standstill_command(speed: float, dt_s: float) -> NDArray[np.float64]:
    """The acceleration in m/s^2 and the steering rate in rad/s, (2,), that brake a car going `speed` in m/s.

    The front wheels stay as they are; within `dt_s` the car does not go past standing still.
    """
    return np.array([np.clip(-speed / dt_s, -EMERGENCY_BRAKE, EMERGENCY_BRAKE), 0.0])
