"""Where agents will be if they go on as they do: straight, or turning at their rate (CTRV)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import checked

Floats = NDArray[np.float64]


def constant_velocity(states: ArrayLike, dt: float, steps: int) -> Floats:
    """States (..., 4) of x, y [m], yaw [rad], v [m/s] after 1 to `steps` steps of `dt` s: (steps, ..., 4).

    Who is absent (NaN) stays so.
    """
    return constant_turn_rate(states, 0.0, dt, steps)


def constant_turn_rate(states: ArrayLike, yaw_rate: ArrayLike, dt: float, steps: int) -> Floats:
    """The same at a constant yaw rate (...) in rad/s, along arcs. Exact, also where the rate is 0."""
    now = checked(states, "states", 4)
    time = dt * np.arange(1, steps + 1).reshape(-1, *[1] * (now.ndim - 1))  # (steps, 1, ...)
    turn = np.asarray(yaw_rate, np.float64) * time
    chord = now[..., 3] * time * np.sinc(turn / (2 * np.pi))
    toward = now[..., 2] + turn / 2
    x, y = now[..., 0] + chord * np.cos(toward), now[..., 1] + chord * np.sin(toward)
    yaw = now[..., 2] + turn
    return np.stack([x, y, yaw, np.broadcast_to(now[..., 3], yaw.shape)], axis=-1)
