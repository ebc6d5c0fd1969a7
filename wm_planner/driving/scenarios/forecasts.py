"""Constant-velocity and CTRV motion prediction."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import checked

Floats = NDArray[np.float64]


def constant_velocity(states: ArrayLike, dt: float, steps: int) -> Floats:
    """States (steps, ..., 4) after 1 to `steps` steps of `dt` s at constant velocity.

    Args:
        states: x, y [m], yaw [rad], v [m/s], (..., 4); NaN where absent.
        dt: step duration, in s.
    """
    return constant_turn_rate(states, 0.0, dt, steps)


def constant_turn_rate(states: ArrayLike, yaw_rate: ArrayLike, dt: float, steps: int) -> Floats:
    """`constant_velocity` along arcs with constant yaw rates (...) in rad/s; exact also for a rate of 0."""
    initial = checked(states, "states", 4)
    time = dt * np.arange(1, steps + 1).reshape(-1, *[1] * (initial.ndim - 1))  # (steps, 1, ...)
    turn = np.asarray(yaw_rate, np.float64) * time
    chord = initial[..., 3] * time * np.sinc(turn / (2 * np.pi))
    direction = initial[..., 2] + turn / 2
    x, y = initial[..., 0] + chord * np.cos(direction), initial[..., 1] + chord * np.sin(direction)
    yaw = initial[..., 2] + turn
    return np.stack([x, y, yaw, np.broadcast_to(initial[..., 3], yaw.shape)], axis=-1)
